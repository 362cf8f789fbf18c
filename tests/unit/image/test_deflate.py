"""Compression on several cores gives one well-formed stream, the same on any number of them."""

from __future__ import annotations

import gzip
import io
import random

import pytest

from mayfly.image import deflate

BLOCK = deflate._BLOCK_BYTES


def make_data(size: int) -> bytes:
    """Half noise, half repetition, the same at each call."""
    source = random.Random(size)
    return b"".join(source.randbytes(100) + b"mayfly " * 15 for _ in range(size // 200 + 1))[:size]


def pack(data: bytes, step: int = 100_000) -> bytes:
    out = io.BytesIO()
    with deflate.GzipWriter(out) as packed:
        for start in range(0, len(data), step):
            packed.write(data[start : start + step])
        packed.finish()
    return out.getvalue()


@pytest.mark.parametrize("size", [0, 1, 1000, BLOCK - 1, BLOCK, BLOCK + 1, 5 * BLOCK, 5 * BLOCK + 7])
def test_readers_get_the_data_back(size):
    """Sizes around the block's boundaries are read back by the standard library."""
    data = make_data(size)
    assert gzip.decompress(pack(data)) == data


def test_cores_and_pieces_do_not_matter(monkeypatch):
    """The number of threads and the size of the pieces written leave the bytes alone."""
    data = make_data(4 * BLOCK + 11)
    known = pack(data)
    for workers, step in ((1, 10_000), (7, 3 * BLOCK), (2, len(data))):
        monkeypatch.setattr(deflate, "_WORKERS", workers)
        assert pack(data, step) == known


def test_blocks_cost_hardly_any_size():
    """The dictionary that each block takes over makes up for the cut."""
    data = make_data(4 * BLOCK)
    assert len(pack(data)) < len(gzip.compress(data, deflate.LEVEL)) * 1.01


def test_failed_writing_leaves_no_threads():
    """A stream that is given up stops its threads and writes nothing more."""
    packed = deflate.GzipWriter(io.BytesIO())
    packed.write(make_data(3 * BLOCK))
    packed.close()
    assert packed._pool._shutdown
