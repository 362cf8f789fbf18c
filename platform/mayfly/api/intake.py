"""Take a request's body in: counted while it comes, with a deadline for each piece, and JSON only of a sane shape."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, NoReturn

from fastapi import Request

from mayfly.api import problem

PIECE_SECONDS = 30.0
"""Longest silence within a body; a caller that sends nothing for so long is hung up on."""
MAX_DOCUMENT = 2 * 1024 * 1024
"""Bytes of a Function's JSON; etcd keeps 1.5 MiB at most (https://etcd.io/docs/v3.5/dev-guide/limit/)."""


async def read_pieces(request: Request, *, limit: int, what: str) -> AsyncIterator[bytes]:
    """Give the body piece by piece.

    Raises:
        problem.Refused: 413 beyond ``limit`` bytes, announced or real; 408 after ``PIECE_SECONDS`` of silence.
        starlette.requests.ClientDisconnect: the caller hung up before the end, so there is no body.
    """
    announced = request.headers.get("Content-Length", "")
    if announced.isdecimal() and int(announced) > limit:
        _refuse_size(limit, what)
    seen = 0
    stream = aiter(request.stream())
    while True:
        try:
            piece = await asyncio.wait_for(anext(stream), PIECE_SECONDS)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise problem.Refused(
                f"{what}: no byte came for {PIECE_SECONDS:.0f} s; send it without a pause", status=408
            ) from None
        seen += len(piece)
        if seen > limit:
            _refuse_size(limit, what)
        yield piece


def _refuse_size(limit: int, what: str) -> NoReturn:
    raise problem.Refused(
        f"{what} is larger than {limit} bytes ({limit / 1024 / 1024:.0f} MiB); make it smaller,"
        " for a source by listing what it does not need in .mayflyignore",
        status=413,
        reason="TooLarge",
    )


async def read_json(request: Request) -> dict[str, Any]:
    """Return the JSON object in the body.

    Raises:
        problem.Refused: 415 for another content type; 400 for what is not one JSON object with each key once.
    """
    media = request.headers.get("Content-Type", "application/json").partition(";")[0].strip().lower()
    if media != "application/json":
        raise problem.Refused(f"Content-Type {media!r}: send application/json", status=415)
    body = b"".join([piece async for piece in read_pieces(request, limit=MAX_DOCUMENT, what="the Function")])
    return parse_object(body)


def parse_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object that ``body`` is.

    Raises:
        problem.Refused: it is none, nests too deep, repeats a key or holds NaN or Infinity.
    """
    try:
        document = json.loads(body, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except RecursionError:
        raise problem.Refused("the body nests too deep; a Function needs no more than 20 levels") from None
    except ValueError as error:
        raise problem.Refused(f"the body is not JSON: {error}; send one Function object") from None
    if not isinstance(document, dict):
        raise problem.Refused(f"the body is a JSON {type(document).__name__}; send one Function object")
    return document


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        keys = [key for key, _ in pairs]
        raise problem.Refused(f"key {max(keys, key=keys.count)!r} occurs twice in one object; keep one")
    return result


def _refuse_constant(name: str) -> NoReturn:
    raise problem.Refused(f"{name} is not JSON; use a finite number")
