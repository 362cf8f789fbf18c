"""Few words about many dead letters."""

from __future__ import annotations

import pytest

from mayfly.eventing import alarm
from tests.contract.eventing import clock as clocks

MAIL, STOCK = ("shop", "mail"), ("shop", "stock")


class Recorder:
    def __init__(self):
        self.told = []

    def record(self, obj, *, reason, message, warning=False):
        assert (obj["kind"], reason, warning) == ("Function", "DeadLetters", True)
        self.told.append((obj["metadata"]["uid"], message))

    def take(self):
        told, self.told = self.told, []
        return told


@pytest.fixture
def clock():
    return clocks.Clock(1000.0)


@pytest.fixture
def recorder():
    return Recorder()


@pytest.fixture
async def one(recorder, clock):
    known = clocks.make_known(clocks.make_function("mail"), clocks.make_function("stock", uid="u2"))
    return alarm.Alarm(recorder=recorder, known=known, clock=clock)


def text(name, number, reason):
    return alarm.make_message(name, number, reason)


async def test_what_dies_together_is_told_of_together(one, recorder, clock):
    """With its number, its last reason and the command; each Function by itself."""
    assert one.flush() is None
    one.dead(MAIL, "Expired")
    one.dead(STOCK, "Refused")
    clock.now += 0.5
    one.dead(MAIL, "RetriesExhausted")
    assert one.flush() == 0.5
    assert recorder.take() == []
    clock.now += 0.5
    assert one.flush() == 60
    assert recorder.take() == [("u1", text("mail", 2, "RetriesExhausted")), ("u2", text("stock", 1, "Refused"))]


async def test_once_a_minute_at_most(one, recorder, clock):
    """However many die, and the next Event has all of them; after a quiet minute one is told of at once again."""
    told = []
    for _ in range(600):
        one.dead(MAIL, "Expired")
        one.flush()
        told += [(clock.now, message) for _, message in recorder.take()]
        clock.now += 0.5
    assert [instant for instant, _ in told] == [1001, 1061, 1121, 1181, 1241]
    assert [message for _, message in told] == [text("mail", number, "Expired") for number in (3, 120, 120, 120, 120)]
    for _ in range(2):
        clock.now += 60
        one.flush()
    assert len(recorder.take()) == 1
    clock.now += 60
    assert one.flush() is None
    assert len(one) == 0
    one.dead(MAIL, "Expired")
    assert one.flush() == alarm.GATHER_SECONDS


async def test_a_function_that_is_gone_is_not_told_of(one, recorder, clock):
    one.dead(("shop", "gone"), "Expired")
    clock.now += 1
    one.flush()
    assert recorder.take() == []
