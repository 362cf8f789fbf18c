"""What every dialect's function can do; each main.py only translates."""

import asyncio
import json
import os
import pathlib
import threading
import time
import uuid

GATES = pathlib.Path(os.environ["GATES"])


def mark(name):
    (GATES / name).touch()


def is_marked(name):
    return (GATES / name).exists()


def wait(name):
    while not is_marked(name):
        time.sleep(0.005)


async def wait_async(name):
    while not is_marked(name):
        await asyncio.sleep(0.005)


def arrive(count):
    """Return a check that is true once `count` calls are inside at the same time."""
    mark(f"meet-{uuid.uuid4().hex}")
    return lambda: len(list(GATES.glob("meet-*"))) >= count


def compute(op, name, body):
    """Return (kind, value) for the operations that do not wait."""
    mark(f"called-{op}")
    if op == "greet":
        return "json", {"greeting": f"Grüße, {name}"}
    if op == "upper":
        data = body if isinstance(body, dict) else json.loads(body)
        print("upper", data["text"])
        return "json", {"text": data["text"].upper(), "thread": threading.current_thread().name}
    if op == "reverse":
        return "bytes", bytes(body)[::-1]
    if op == "empty":
        return "empty", None
    if op == "fail":
        raise ValueError("secret detail")
    if op == "leave":
        raise SystemExit(7)
    raise LookupError(op)


def pieces():
    yield "first\n"
    wait("open")
    yield "zweites: ü\n"


async def pieces_async():
    yield "first\n"
    await wait_async("open")
    yield "zweites: ü\n"


def flood():
    try:
        while True:
            yield b"x" * 1_000_000
    finally:
        mark("stopped")


def run(op, name, body):
    if op == "flood":
        return "stream", flood()
    if op == "stream":
        return "stream", pieces()
    if op == "hang":
        mark("began")
        wait("never")
    if op == "drain":
        mark("began")
        wait("open")
        return "json", {"done": True}
    if op == "meet":
        met = arrive(4)
        while not met():
            time.sleep(0.005)
        return "json", {"met": 4}
    return compute(op, name, body)


async def run_async(op, name, body):
    if op == "stream":
        return "stream", pieces_async()
    if op == "hang":
        mark("began")
        try:
            await wait_async("never")
        except asyncio.CancelledError:
            mark("cancelled")
            raise
    if op == "drain":
        mark("began")
        await wait_async("open")
        return "json", {"done": True}
    if op == "meet":
        met = arrive(4)
        while not met():
            await asyncio.sleep(0.005)
        return "json", {"met": 4}
    return compute(op, name, body)
