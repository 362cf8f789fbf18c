"""Printed lines as records."""

from __future__ import annotations

import io
import json
import os

from mayfly_runtime import logs


def test_lines_of_print():
    """A line is one record however many writes make it; JSON objects keep their fields; the rest waits for its end."""
    read, write = os.pipe()
    with os.fdopen(read) as out, os.fdopen(write, "w") as raw:
        stream = logs.LineStream(raw, "stdout")
        print("a", 1, file=stream)
        print({"python": "dict"}, file=stream)
        print('{"severity": "NOTICE"}', file=stream)
        print("unfinished", end="", file=stream)
        stream.flush()
        raw.close()
        records = [json.loads(line) for line in out]
    assert [record.get("message") for record in records] == ["a 1", "{'python': 'dict'}", None, "unfinished"]
    assert records[2]["severity"] == "NOTICE"
    assert all(record["time"].endswith("Z") for record in records)


def test_stream_is_a_text_stream():
    """Programs find what they expect of sys.stdout."""
    raw = io.TextIOWrapper(io.BytesIO())
    stream = logs.LineStream(raw, "stdout")
    assert (stream.writable(), stream.isatty(), stream.encoding) == (True, False, "utf-8")
    assert stream.buffer is raw.buffer


def test_trace_ids():
    """The trace id is taken from a well-formed traceparent only."""
    assert logs.trace_id(b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01") == "a" * 32
    assert [logs.trace_id(value) for value in (None, b"", b"00-short-b-01", b"x")] == [None] * 4
