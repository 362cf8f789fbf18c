"""Cutting a stream into lines."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mayfly.cluster import lines


async def _collect(chunks):
    async def stream():
        for chunk in chunks:
            yield chunk

    return [line async for line in lines.split(stream())]


@given(chunks=st.lists(st.binary(max_size=20) | st.sampled_from([b"\n", b"a\n", b"", b"\n\n"]), max_size=20))
async def test_chunks_do_not_matter(chunks):
    """However the network cuts the bytes, the lines are those of the whole."""
    whole = b"".join(chunks)
    expected = whole.split(b"\n")
    if not expected[-1]:
        expected.pop()
    assert await _collect(chunks) == expected


async def test_a_line_longer_than_any_buffer():
    """A line of four megabytes comes out whole."""
    assert await _collect([b"x" * 65536] * 64 + [b"\nend"]) == [b"x" * 65536 * 64, b"end"]
