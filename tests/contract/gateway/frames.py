"""Make HTTP/2 frames by hand, so that they may be wrong (RFC 9113; header blocks: RFC 7541, without compression)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from typing import NamedTuple

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 2, 3, 4, 6, 7, 8, 9
END_STREAM = ACK = 0x1
END_HEADERS = 0x4
CANCEL = (8).to_bytes(4, "big")
START = PREFACE + b"\0\0\0\4\0\0\0\0\0"
"""The preface and empty settings."""

Fields = Iterable[tuple[str, str]]

_STATUSES = {8: 200, 9: 204, 10: 206, 11: 304, 12: 400, 13: 404, 14: 500}
"""The static table's (RFC 7541, appendix A)."""
_DIGITS = {f"{i:05b}": str(i) for i in range(3)} | {f"{0x19 + i - 3:06b}": str(i) for i in range(3, 10)}
"""Huffman codes of digits (RFC 7541, appendix B)."""


class Frame(NamedTuple):
    """Hold a frame that the gateway sent."""

    kind: int
    flags: int
    stream: int
    payload: bytes


def frame(kind: int, payload: bytes = b"", *, flags: int = 0, stream: int = 0) -> bytes:
    """Return a frame."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def block(fields: Fields) -> bytes:
    """Return a header block: each field in full, never indexed."""
    return b"".join(b"\x10" + _text(name) + _text(value) for name, value in fields)


def _text(text: str) -> bytes:
    data = text.encode("latin-1")
    return _integer(len(data)) + data


def _integer(value: int) -> bytes:
    if value < 0x7F:
        return bytes([value])
    out, value = bytearray([0x7F]), value - 0x7F
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def request(
    fields: Fields, *, stream: int = 1, body: bytes | None = None, trailers: Fields = (), ends: bool = True
) -> bytes:
    """Return the frames of a request; without ``ends`` it goes on."""
    last = ends and body is None and not trailers
    made = frame(HEADERS, block(fields), flags=END_HEADERS | (END_STREAM if last else 0), stream=stream)
    if body is not None:
        made += frame(DATA, body, flags=END_STREAM if ends and not trailers else 0, stream=stream)
    if trailers:
        made += frame(HEADERS, block(trailers), flags=END_HEADERS | END_STREAM, stream=stream)
    return made


def get(host: str, path: str = "/", **headers: str) -> list[tuple[str, str]]:
    """Return the fields of a GET; ``_`` in a name stands for ``-``."""
    further = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return [(":method", "GET"), (":scheme", "http"), (":authority", host), (":path", path), *further]


async def read(reader: asyncio.StreamReader) -> Frame | None:
    """Return the next frame, ``None`` when the gateway hung up."""
    try:
        head = await reader.readexactly(9)
        payload = await reader.readexactly(int.from_bytes(head[:3], "big"))
    except (OSError, EOFError):
        return None
    return Frame(head[3], head[4], int.from_bytes(head[5:], "big"), payload)


async def read_outcome(reader: asyncio.StreamReader, *, stream: int = 1) -> int | str:
    """Return the status of a stream, ``"reset"`` when it was refused, ``"gone"`` when the whole connection was."""
    while (found := await read(reader)) is not None:
        if found.kind == GOAWAY:
            return "gone"
        if found.stream == stream and found.kind == RST_STREAM:
            return "reset"
        if found.stream == stream and found.kind == HEADERS:
            return parse_status(found.payload)
    return "gone"


async def read_to_end(reader: asyncio.StreamReader) -> bool:
    """Read until the gateway hangs up; say whether it said that it would."""
    said = False
    while (found := await read(reader)) is not None:
        said = said or found.kind == GOAWAY
    return said


def parse_status(payload: bytes) -> int:
    """Return ``:status``, the first field of an answer's header block."""
    while payload[0] & 0xE0 == 0x20:  # a new size of the table
        payload = payload[1:]
    if payload[0] & 0x80:
        return _STATUSES[payload[0] & 0x7F]
    length, data = payload[1] & 0x7F, payload[2 : 2 + (payload[1] & 0x7F)]
    if not payload[1] & 0x80:
        return int(data[:length])
    bits, text = "".join(f"{byte:08b}" for byte in data), ""
    while len(text) < 3:
        code = next(code for code in _DIGITS if bits.startswith(code))
        text, bits = text + _DIGITS[code], bits[len(code) :]
    return int(text)


def hang_up(writer: asyncio.StreamWriter) -> None:
    """Break the connection off."""
    with contextlib.suppress(OSError):
        writer.transport.abort()
