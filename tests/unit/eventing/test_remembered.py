"""One question at a time, good answers believed for a while."""

from __future__ import annotations

import asyncio

import pytest

from mayfly.eventing import tokenfile
from mayfly.eventing.reception import remembered


class Oracle:
    def __init__(self):
        self.asked = 0
        self.now = 100.0
        self.go = asyncio.Event()
        self.go.set()
        self.error = None

    async def ask(self):
        self.asked += 1
        number = self.asked
        await self.go.wait()
        if self.error is not None:
            raise self.error
        return number

    def make(self, **changes):
        return remembered.Remembered(**({"seconds": 10, "most": 3, "clock": lambda: self.now} | changes))


async def test_an_answer_is_believed_from_when_it_was_asked_for():
    oracle = Oracle()
    answers = oracle.make()
    assert await answers.get("a", oracle.ask) == 1
    oracle.now += 9.9
    assert await answers.get("a", oracle.ask) == 1
    oracle.now += 0.1
    assert await answers.get("a", oracle.ask) == 2


async def test_callers_at_once_share_one_question():
    oracle = Oracle()
    oracle.go.clear()
    answers = oracle.make()
    tasks = [asyncio.create_task(answers.get("a", oracle.ask)) for _ in range(100)]
    await asyncio.sleep(0)
    oracle.go.set()
    assert set(await asyncio.gather(*tasks)) == {1}


async def test_a_failure_is_told_to_all_who_wait_and_not_remembered():
    oracle = Oracle()
    oracle.error = LookupError("gone")
    answers = oracle.make()
    failures = await asyncio.gather(*(answers.get("a", oracle.ask) for _ in range(3)), return_exceptions=True)
    assert [type(one) for one in failures] == [LookupError] * 3
    assert (oracle.asked, len(answers)) == (1, 0)
    oracle.error = None
    assert await answers.get("a", oracle.ask) == 2


async def test_who_gives_up_takes_the_answer_from_nobody():
    oracle = Oracle()
    oracle.go.clear()
    answers = oracle.make()
    first = asyncio.create_task(answers.get("a", oracle.ask))
    await asyncio.sleep(0)
    second = asyncio.create_task(answers.get("a", oracle.ask))
    await asyncio.sleep(0)
    first.cancel()
    oracle.go.set()
    assert await second == 1
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_a_bounded_number_is_remembered():
    oracle = Oracle()
    answers = oracle.make()
    for key in "abcabcd":
        await answers.get(key, oracle.ask)
    assert len(answers) == 3
    assert await answers.get("b", oracle.ask) == 2
    assert await answers.get("a", oracle.ask) == 5


@pytest.mark.parametrize(
    ("content", "token"), [(b"secret\n", "secret"), (b"", ""), (b" \n", ""), (b"\xff", ""), (None, "")], ids=repr
)
def test_a_token_comes_from_its_file(tmp_path, content, token):
    if content is not None:
        (tmp_path / "token").write_bytes(content)
    assert tokenfile.TokenFile(tmp_path / "token")() == token


def test_a_token_can_be_rotated(tmp_path):
    now = [0.0]
    own = tokenfile.TokenFile(tmp_path / "token", clock=lambda: now[0])
    assert own() == ""
    (tmp_path / "token").write_text("one")
    now[0] += tokenfile.READ_SECONDS
    assert own() == "one"
    (tmp_path / "token").unlink()
    now[0] += tokenfile.READ_SECONDS
    assert own() == ""
