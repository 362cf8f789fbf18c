"""An archive is taken whole or refused; nothing of it is ever written under a name of its own."""

from __future__ import annotations

import gzip
import io
import random
import resource
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mayfly import errors
from mayfly.build import extract, limits
from tests.unit.build import archives

BOUNDS = limits.Limits()


def _extract(data: bytes, directory: Path, bounds: limits.Limits = BOUNDS) -> dict[str, bytes]:
    with extract.extract(io.BytesIO(data), bounds=bounds, directory=directory) as files:
        return dict(files)


FILES = {
    "handler.py": b"def hello(request): ...\n",
    "shop/__init__.py": b"",
    "d\u00e4ta/" + "x" * 120 + "/a.bin": bytes(3000),
}
GOOD = {
    "pax": archives.make_tar(*FILES.items()),
    "gnu": archives.make_tar(*FILES.items(), form=tarfile.GNU_FORMAT),
    "plain tar": archives.make_tar(*FILES.items(), packed=False),
    "zip": archives.make_zip(*FILES.items()),
    "stored zip": archives.make_zip(*FILES.items(), method=zipfile.ZIP_STORED),
    "leading dot": archives.make_tar(*((f"./{path}", data) for path, data in FILES.items())),
    "with directories": archives.make_tar(("./", "5"), ("shop", "5"), ("shop/", "5"), *FILES.items()),
    "ignored entries": archives.make_tar(("node_modules/.bin/x", archives.LINK), (".git/HEAD", b"x"), *FILES.items()),
    "ignored in zip": archives.make_zip((".venv/lib/x.py", b"x"), *FILES.items()),
}


@pytest.mark.parametrize("data", GOOD.values(), ids=GOOD)
def test_taken(data: bytes, tmp_path: Path) -> None:
    """Every ordinary packing of the same files gives the same files, and leaves nothing on disk."""
    assert _extract(data, tmp_path) == FILES
    assert list(tmp_path.iterdir()) == []


def _size(text: bytes):
    def change(data: bytearray) -> None:
        data[124:136] = text

    return change


def _pax(record: bytes) -> bytes:
    header = bytearray(archives.make_tar(("x", record), form=tarfile.USTAR_FORMAT, packed=False)[:1024])
    header[156:157] = b"x"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header[:512])
    return bytes(header) + archives.make_tar(("handler.py", b"x"), packed=False)


BAD = {
    "traversal tar": (archives.make_tar(("../evil.py", b"x")), "part"),
    "traversal inside": (archives.make_tar(("a/../../evil.py", b"x")), "part"),
    "absolute tar": (archives.make_tar(("/etc/cron.d/evil", b"x")), "absolute"),
    "traversal zip": (archives.make_zip(("../evil.py", b"x")), "part"),
    "absolute zip": (archives.make_zip(("/tmp/evil.py", b"x")), "absolute"),
    "backslash zip": (archives.make_zip(("a\\..\\evil.py", b"x")), "backslash"),
    "drive": (archives.make_tar(("C:evil.py", b"x")), "drive"),
    "symbolic link": (archives.make_tar(("link", archives.LINK)), "symbolic link"),
    "hard link": (archives.make_tar(("link", "1")), "hard link"),
    "character device": (archives.make_tar(("dev", "3")), "character device"),
    "block device": (archives.make_tar(("dev", "4")), "block device"),
    "fifo": (archives.make_tar(("pipe", "6")), "named pipe"),
    "unknown type": (archives.make_tar(("odd", "V")), "an entry of type"),
    "symbolic link in zip": (archives.make_zip(("link", b"/etc/passwd"), mode=0o120777), "symbolic link"),
    "device in zip": (archives.make_zip(("dev", b""), mode=0o020644), "device"),
    "twice": (archives.make_tar(("a.py", b"1"), ("a.py", b"2")), "meets"),
    "case": (archives.make_tar(("Main.py", b"1"), ("main.py", b"2")), "meets"),
    "unicode": (archives.make_zip(("caf\u00e9.py", b"1"), ("cafe\u0301.py", b"2")), "meets"),
    "file under file": (archives.make_tar(("a", b"1"), ("a/b", b"2")), "meets"),
    "long path": (archives.make_tar(("a" * 241, b"1")), "longer than 240 bytes"),
    "deep path": (archives.make_tar(("a/" * 33 + "b", b"1")), "directories deep"),
    "control character": (archives.make_tar(("a\x1b[2J.py", b"1")), "control character"),
    "too many files": (archives.many_files(70_000), "more than 10000 members"),
    "zeros tar": (archives.make_tar(("z", bytes(60_000_000))), "archive bomb"),
    "zeros zip": (archives.make_zip(("z", bytes(60_000_000))), "archive bomb"),
    "overlap": (archives.make_overlap_bomb(), "overlap"),
    "nothing": (archives.make_tar(), "no file"),
    "nothing but ignored": (archives.make_tar((".git/x", b"")), "no file"),
    "empty": (b"", "neither tar"),
    "text": (b"hello", "neither tar"),
    "7z": (b"7z\xbc\xaf\x27\x1c" + bytes(100), "neither tar"),
    "cut gzip": (archives.make_tar(("a", random.Random(1).randbytes(5000)))[:2000], "ended before"),
    "cut tar": (archives.make_tar(("a", bytes(5000)), packed=False)[:2000], "cut off"),
    "no end mark": (archives.make_tar(("a", b"x"), packed=False)[:1024], "cut off"),
    "broken gzip": (gzip.compress(b"x" * 600)[:-12] + b"\0" * 12, "damaged"),
    "broken checksum": (b"x" + archives.make_tar(("a", b"x"), packed=False)[1:], "checksum"),
    "negative size": (archives.make_raw_tar(_size(b"\xff" * 12)), "not octal"),
    "negative octal": (archives.make_raw_tar(_size(b"-0000000001\0")), "cut off|not octal|damaged"),
    "huge size": (archives.make_raw_tar(_size(b"\x80" + b"\xff" * 11)), "cut off|unpacks"),
    "pax without length": (_pax(b"path=../x\n"), "pax header"),
    "pax zero length": (_pax(b"0 path=x\n"), "pax header"),
    "pax long length": (_pax(b"999 path=x\n"), "pax header"),
    "pax negative size": (_pax(b"11 size=-1\n"), "size '-1'"),
    "pax traversal": (_pax(b"16 path=../evil\n"), "part"),
    "pax sparse": (_pax(b"22 GNU.sparse.major=1\n"), "sparse"),
    "not utf-8": (archives.make_raw_tar(lambda d: d.__setitem__(slice(0, 2), b"\xff\xfe")), "not UTF-8"),
    "encrypted zip": (
        archives.make_zip(("a", b"x")).replace(b"PK\1\2\x14\3\x14\0\0", b"PK\1\2\x14\3\x14\0\1"), "encrypted"
    ),
    "lzma zip": (archives.make_zip(("a", b"x"), method=zipfile.ZIP_LZMA), "compressed by method 14"),
    "zip without end": (archives.make_zip(("a", b"x"))[:-10], "no end record"),
    "zip with tail": (archives.make_zip(("a", b"x")) + b"tail", "follow its end record"),
}  # fmt: skip


@pytest.mark.parametrize(("data", "text"), BAD.values(), ids=BAD)
def test_refused(data: bytes, text: str, tmp_path: Path) -> None:
    """A hostile or broken archive is refused with a reason, and nothing of it remains."""
    with pytest.raises(errors.SourceError, match=text):
        _extract(data, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_wrong_zip_size_and_checksum(tmp_path: Path) -> None:
    """A zip entry is what its bytes are, not what its header says."""
    data = bytearray(archives.make_zip(("a", b"hello world"), method=zipfile.ZIP_STORED))
    data[30 + 1] ^= 1
    with pytest.raises(errors.SourceError, match="another size or checksum"):
        _extract(bytes(data), tmp_path)


def test_names_differ_between_directory_and_place(tmp_path: Path) -> None:
    """A zip that shows one name to a reviewer and another to an unpacker is refused."""
    data = archives.make_zip(("safe.py", b"x")).replace(b"safe.py", b"evil.py", 1)
    with pytest.raises(errors.SourceError, match="another name"):
        _extract(data, tmp_path)


def test_archive_too_large(tmp_path: Path) -> None:
    """An upload above the limit is refused before it is read."""
    bounds = limits.Limits(archive_bytes=1000)
    with pytest.raises(errors.SourceError, match=r"1000 bytes are allowed"):
        _extract(random.Random(2).randbytes(2000), tmp_path, bounds)


def test_unpacked_too_large(tmp_path: Path) -> None:
    """What counts is what comes out."""
    bounds = limits.Limits(unpacked_bytes=10_000)
    with pytest.raises(errors.SourceError, match="unpacks to more than 10000 bytes"):
        _extract(archives.make_tar(("a", random.Random(3).randbytes(20_000))), tmp_path, bounds)


def test_bomb_needs_little_memory(tmp_path: Path) -> None:
    """A bomb is refused early: the process does not grow with what the bomb promises."""
    bomb = gzip.compress(zlib.decompress(zlib.compress(bytes(150_000_000))))
    header = archives.make_raw_tar(_size(b"77777777777\0"))[:512]
    data = gzip.compress(header + bytes(80_000_000)) + bomb
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(errors.SourceError, match="archive bomb"):
        _extract(data, tmp_path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


def test_executable_bit_is_kept(tmp_path: Path) -> None:
    """A program in the source stays one, in tar and zip."""
    data = archives.make_raw_tar(lambda d: d.__setitem__(slice(100, 108), b"0000755\0"))
    for archive in (data, archives.make_zip(("handler.py", b"x"), mode=0o100755)):
        with extract.extract(io.BytesIO(archive), bounds=BOUNDS, directory=tmp_path) as files:
            assert files.executable == {"handler.py"}


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(sorted(GOOD)),
    edits=st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), min_size=1, max_size=8),
)
def test_damage_is_refused_or_harmless(kind: str, edits: list[tuple[int, int]], tmp_path_factory) -> None:
    """Whatever bytes are changed, the outcome is files below the root or a SourceError, never another exception."""
    data = bytearray(GOOD[kind])
    for place, value in edits:
        data[place % len(data)] = value
    try:
        files = _extract(bytes(data), tmp_path_factory.getbasetemp())
    except errors.SourceError:
        return
    assert all(".." not in path.split("/") and not path.startswith("/") for path in files)


def test_zip64_marks_are_refused(tmp_path: Path) -> None:
    """A zip64 archive is named as such, with what to do."""
    data = archives.make_zip(("a", b"x"))
    end = data.rindex(b"PK\5\6")
    fields = list(struct.unpack("<4s4H2LH", data[end:]))
    fields[6] = 0xFFFFFFFF
    with pytest.raises(errors.SourceError, match=r"zip64; pack it as tar\.gz"):
        _extract(data[:end] + struct.pack("<4s4H2LH", *fields), tmp_path)
