"""The work queue's state, against a model."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mayfly.cluster import pending

KEYS = st.sampled_from("abcd")


class PendingMachine(RuleBasedStateMachine):
    """Whatever order things happen in, no wish is lost and no key runs twice at a time."""

    @initialize()
    def start(self):
        self.state: pending.Pending[str] = pending.Pending()
        self.now = 0.0
        self.wanted: set[str] = set()  # asked for since its last run began
        self.due: dict[str, float] = {}
        self.running: list[str] = []
        self.tickets = 0

    @rule(key=KEYS)
    def add(self, key):
        self.tickets += self.state.add(key)
        self.wanted.add(key)

    @rule(key=KEYS, seconds=st.floats(0, 50))
    def add_at(self, key, seconds):
        self.state.add_at(key, self.now + seconds)
        self.due[key] = min(self.due.get(key, float("inf")), self.now + seconds)

    @rule(seconds=st.floats(0, 30))
    def pass_time(self, seconds):
        self.now += seconds
        self.tickets += self.state.release(self.now)
        for key in [key for key, due in self.due.items() if due <= self.now]:
            del self.due[key]
            self.wanted.add(key)

    @precondition(lambda self: self.tickets > 0)
    @rule()
    def take(self):
        key = self.state.take()
        self.tickets -= 1
        assert key not in self.running
        assert key in self.wanted
        self.running.append(key)
        self.wanted.discard(key)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def done(self, data):
        key = data.draw(st.sampled_from(self.running))
        self.running.remove(key)
        self.tickets += self.state.done(key)

    @invariant()
    def counts_agree(self):
        assert self.state.waiting == self.tickets == len(self.wanted - set(self.running))
        assert self.state.running == len(self.running)
        assert self.state.later == len(self.due)
        assert self.state.next_due() == (min(self.due.values()) if self.due else None)

    def teardown(self):
        """Nothing is lost: what is wanted runs when workers come free."""
        while self.running:
            self.tickets += self.state.done(self.running.pop())
        taken = {self.state.take() for _ in range(self.tickets)}
        assert taken == self.wanted


PendingMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestPending = PendingMachine.TestCase


def test_first_come_first_served():
    """A key that comes back goes to the end of the line, so a busy key starves no other."""
    state: pending.Pending[str] = pending.Pending()
    for key in "abc":
        state.add(key)
    first = state.take()
    state.add(first)
    state.done(first)
    assert [first, state.take(), state.take(), state.take()] == ["a", "b", "c", "a"]
