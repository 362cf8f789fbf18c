"""The token that the gateway shares with the eventing process."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from mayfly.gateway import tokenfile

GOOD = "0123456789abcdef"


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (GOOD.encode(), GOOD),
        (f"{GOOD}\n".encode(), GOOD),
        (b"", ""),
        (b" \n", ""),
        (b"short", ""),
        (f"{GOOD} {GOOD}".encode(), ""),
        (f"{GOOD}\n{GOOD}".encode(), ""),
        ("\u00e9".encode() * 16, ""),
        (b"x" * 2000, ""),
    ],
    ids=["whole", "a final line break", "empty", "blank", "short", "a space", "two lines", "not ASCII", "too long"],
)
def test_what_is_no_token_is_none(tmp_path: Path, content: bytes, found: str) -> None:
    """Only what a header carries unchanged and nobody guesses counts; else it is said why, without showing it."""
    file = tmp_path / "token"
    file.write_bytes(content)
    made, problem = tokenfile.read_token(file)
    assert (made, bool(problem)) == (found, not found)
    assert GOOD not in problem


async def test_each_change_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A missing file is no token, and is said once; one that comes, changes or goes is told."""
    told: list[str] = []

    async def tell(found: str) -> None:
        told.append(found)

    file = tmp_path / "token"
    reader = tokenfile.TokenFile(file, on_change=tell)
    with caplog.at_level(logging.INFO):
        await reader.read()
        await reader.read()
        assert told == [""]
        assert [record.levelname for record in caplog.records] == ["ERROR"]
        assert str(file) in caplog.text
        for content in (GOOD, GOOD, f"{GOOD}2", ""):
            file.write_text(content)
            await reader.read()
    assert told == ["", GOOD, f"{GOOD}2", ""]
    assert GOOD not in caplog.text
