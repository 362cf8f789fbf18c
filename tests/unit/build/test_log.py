"""A build log is bounded and shows neither secrets nor control characters."""

from __future__ import annotations

import pytest

from mayfly.build import log

LINES = {
    "url login": ("GET https://me:secret@index.example/x", "GET https://***@index.example/x"),
    "token only": ("https://ghp_abc@g.example", "https://***@g.example"),
    "header": ("Authorization: Bearer", "Authorization: ***"),
    "bearer": ("sent bearer abc.def", "sent bearer ***"),
    "assignment": ("password=hunter2 next", "password=*** next"),
    "carriage return": ("50%\r100%", "50%\\r100%"),
    "terminal escape": ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
    "bidi": ("a\u202eb", "a\\u202eb"),
    "plain": ("Resolved 6 packages in 198ms", "Resolved 6 packages in 198ms"),
    "words": ("keys and tokens are fine", "keys and tokens are fine"),
}


@pytest.mark.parametrize(("line", "shown"), LINES.values(), ids=LINES)
def test_clean(line: str, shown: str) -> None:
    """Each line is made harmless before it is kept."""
    assert log.clean(line) == shown


def test_lines_cannot_be_forged() -> None:
    """One call adds whole lines; a carriage return cannot hide what stands before it."""
    kept = log.BuildLog()
    kept.add("one\ntwo\rthree")
    assert kept.text() == "one\ntwo\nthree\n"


def test_bounded() -> None:
    """The newest lines are kept, long ones cut, and the loss is told."""
    kept = log.BuildLog()
    for number in range(log.MAX_LINES + 5):
        kept.add(f"{number} {'x' * 5000}")
    assert kept.text().startswith("(5 earlier lines are not kept)\n5 ")
    assert max(map(len, kept.tail())) <= log.MAX_LINE
    assert len(kept.tail()) == log.TAIL_LINES
