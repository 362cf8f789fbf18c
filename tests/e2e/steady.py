"""Call hosts at a constant rate and write down each call that was lost.

Open loop: the clock alone says when a call is due, and a call that is late takes no other's place, so a server that
stalls is asked as often as one that does not. Every second call has a connection of its own, the others share kept
ones. Calls are POST, which no client library sends twice by itself. Run as a process of its own, so that the test's
work does not disturb the pace; it ends when its standard input does, and then prints one line of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import json
import socket
import ssl
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import abc

TIMEOUT_SECONDS = 30
KINDS = ("kept", "new")


class Pinned(abc.AbstractResolver):
    """Resolve every name to one address: Host and SNI are the function's, the connection is the gateway's."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[abc.ResolveResult]:
        """Return the one address."""
        return [
            {"hostname": host, "host": self._address, "port": port, "family": socket.AF_INET, "proto": 0, "flags": 0}
        ]

    async def close(self) -> None:
        """Hold nothing."""


@dataclass
class Record:
    """What happened to the calls; times are seconds since the start."""

    started: float = field(default_factory=time.monotonic)
    sent: int = 0
    answered: int = 0
    slowest: float = 0.0
    latest: float = 0.0
    """By how much the latest call missed its time."""
    lost: list[dict[str, Any]] = field(default_factory=list)
    bodies: collections.Counter[str] = field(default_factory=collections.Counter)
    first: dict[str, float] = field(default_factory=dict)
    """When each body was first seen."""

    def now(self) -> float:
        return time.monotonic() - self.started


async def call(session: aiohttp.ClientSession, url: str, kind: str, record: Record) -> None:
    """Make one call and record how it ended."""
    began = record.now()
    try:
        async with session.post(url, data=b"x") as answer:
            body = (await answer.read()).decode(errors="replace")[:200]
            why = "" if answer.status == 200 else f"{answer.status}: {body}"
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        why = repr(error)
    took = record.now() - began
    record.slowest = max(record.slowest, took)
    if why:
        record.lost.append({"at": round(began, 3), "took": round(took, 3), "kind": kind, "url": url, "why": why})
        return
    record.answered += 1
    record.bodies[body] += 1
    record.first.setdefault(body, round(began, 3))


async def run(urls: list[str], *, address: str, rate: float, stop: asyncio.Event) -> Record:
    """Call the URLs in turn until told to stop, then wait for what is under way."""
    unverified = ssl.create_default_context()
    unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
    async with contextlib.AsyncExitStack() as stack:
        sessions = {}
        for kind in KINDS:
            connector = aiohttp.TCPConnector(
                limit=0, resolver=Pinned(address), force_close=kind == "new", ssl=unverified, ttl_dns_cache=3600
            )
            timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
            sessions[kind] = await stack.enter_async_context(
                aiohttp.ClientSession(connector=connector, timeout=timeout)
            )
        record = Record()
        async with asyncio.TaskGroup() as group:
            while not stop.is_set():
                late = record.now() - record.sent / rate
                if late < 0:
                    await asyncio.sleep(-late)
                    continue
                record.latest = max(record.latest, late)
                kind = KINDS[record.sent // len(urls) % len(KINDS)]
                group.create_task(call(sessions[kind], urls[record.sent % len(urls)], kind, record))
                record.sent += 1
                await asyncio.sleep(0)
        return record


async def main() -> None:
    """Parse the arguments, call until standard input ends, print the record."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.steady", description=main.__doc__)
    parser.add_argument("urls", nargs="+")
    parser.add_argument("--address", required=True, help="where every host is")
    parser.add_argument("--rate", type=float, default=200)
    given = parser.parse_args()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), stop.set)
    record = await run(given.urls, address=given.address, rate=given.rate, stop=stop)
    asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
    seconds = record.now()
    kept = ("sent", "answered", "slowest", "latest", "lost", "bodies", "first")
    print(json.dumps({"seconds": seconds, **{name: getattr(record, name) for name in kept}}))  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main())
