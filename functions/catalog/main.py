"""Product catalogue: an HTTP API with several routes in one plain function."""

import json
import pathlib

PRODUCTS = {
    product["id"]: product for product in json.loads(pathlib.Path(__file__).with_name("products.json").read_text())
}


def catalog(request):
    parts = [part for part in request.path.split("/") if part]
    match (request.method, parts):
        case ("GET", ["products"]):
            return list_products(request.args)
        case ("GET", ["products", product_id]):
            return get_product(product_id)
        case ("POST", ["quotes"]):
            return make_quote(request.get_json())
        case _:
            return {"error": f"no route for {request.method} {request.path}"}, 404


def list_products(query):
    category, limit = query.get("category"), int(query.get("limit", 20))
    found = [product for product in PRODUCTS.values() if category in (None, product["category"])]
    return {"products": found[:limit], "total": len(found)}


def get_product(product_id):
    if product_id not in PRODUCTS:
        return {"error": f"product {product_id!r} does not exist"}, 404
    return PRODUCTS[product_id], 200, {"Cache-Control": "public, max-age=60"}


def make_quote(order):
    unknown = [line["id"] for line in order["lines"] if line["id"] not in PRODUCTS]
    if unknown:
        return {"error": "unknown products", "ids": unknown}, 422
    total = sum(PRODUCTS[line["id"]]["cents"] * line["quantity"] for line in order["lines"])
    return {"cents": total, "currency": "EUR"}, 201
