"""The shop's front page: a Starlette application that asks the catalogue function inside the cluster."""

import asyncio
import html
import json
import os
import urllib.request

from starlette.applications import Starlette
from starlette.responses import HTMLResponse, StreamingResponse
from starlette.routing import Route

CATALOG_URL = os.environ.get("CATALOG_URL", "")


def fetch_products():
    with urllib.request.urlopen(f"{CATALOG_URL}/products", timeout=5) as answer:  # noqa: S310  (our own address)
        return json.load(answer)["products"]


async def front_page(request):
    products = await asyncio.to_thread(fetch_products) if CATALOG_URL else []
    rows = "".join(f"<li>{html.escape(item['name'])}: {item['cents'] / 100:.2f} EUR</li>" for item in products)
    return HTMLResponse(f"<!doctype html><title>Shop</title><h1>Shop</h1><ul>{rows}</ul>\n")


async def countdown(request):
    """Stream a flash sale's last seconds as server-sent events."""

    async def events():
        for second in range(int(request.query_params.get("from", 3)), -1, -1):
            yield f"data: {second}\n\n"
            await asyncio.sleep(0.05)

    return StreamingResponse(events(), media_type="text/event-stream")


app = Starlette(routes=[Route("/", front_page), Route("/countdown", countdown)])
