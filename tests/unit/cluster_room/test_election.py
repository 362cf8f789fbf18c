"""Who leads, whatever the order of events: at most one at a time."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from mayfly.cluster import election

TERMS = election.Terms(lease=15, deadline=10, retry=2)
SPEC = {"holderIdentity": "a", "leaseDurationSeconds": 15, "renewTime": "t1"}


@pytest.mark.parametrize(
    ("spec", "seen_at", "now", "decision"),
    [
        pytest.param({}, 0, 0, "take", id="no-lease-yet"),
        pytest.param({**SPEC, "holderIdentity": ""}, 0, 0, "take", id="given-back"),
        pytest.param({**SPEC, "holderIdentity": "me"}, 0, 99, "renew", id="ours"),
        pytest.param(SPEC, 0, 14.9, "wait", id="held"),
        pytest.param(SPEC, 0, 15, "take", id="holder-silent-for-its-length"),
        pytest.param({**SPEC, "leaseDurationSeconds": 60}, 0, 59, "wait", id="the-holder's-own-length-counts"),
    ],
)
def test_decide(spec, seen_at, now, decision):
    """A lease may be taken when free or silent for the length its holder wrote."""
    assert election.decide(election.Sighting(spec=spec, at=seen_at), identity="me", now=now) == decision


def test_an_unchanged_lease_keeps_its_first_sighting():
    """The wait counts from the last change, not from the last look."""
    first = election.see(None, spec=SPEC, now=1)
    assert election.see(first, spec=dict(SPEC), now=9).at == 1
    assert election.see(first, spec={**SPEC, "renewTime": "t2"}, now=9).at == 9


def test_taking_counts_a_transition_and_renewing_does_not():
    """People read the history off the Lease."""
    taken = election.make_spec("take", before=SPEC, identity="b", terms=TERMS, wall="t2")
    assert (taken["holderIdentity"], taken["leaseTransitions"], taken["acquireTime"]) == ("b", 1, "t2")
    renewed = election.make_spec("renew", before=taken, identity="b", terms=TERMS, wall="t3")
    assert (renewed["leaseTransitions"], renewed["acquireTime"], renewed["renewTime"]) == (1, "t2", "t3")


@pytest.mark.parametrize("terms", [{"lease": 10, "deadline": 10}, {"retry": 0}, {"deadline": 1}])
def test_terms_that_cannot_be_safe_are_refused(terms):
    """The holder must stop trusting its lease before others may take it."""
    with pytest.raises(ValueError, match="retry < deadline < lease"):
        election.Terms(**terms)


class ElectionMachine(RuleBasedStateMachine):
    """Three candidates and one Lease with optimistic locking; any of them may freeze between any two steps.

    A step is one of those a process takes: read, then (perhaps much later) ask the server to write what was decided.
    """

    @initialize()
    def start(self):
        self.now = 0.0
        self.version, self.spec, self.wall = 0, {}, 0
        self.seen = dict.fromkeys("abc")
        self.renewed = dict.fromkeys("abc")
        self.plan = dict.fromkeys("abc")

    @rule(seconds=st.floats(0.1, 40))
    def pass_time(self, seconds):
        self.now += seconds

    @rule(who=st.sampled_from("abc"))
    def read(self, who):
        self.seen[who] = election.see(self.seen[who], spec=self.spec, now=self.now)
        decision = election.decide(self.seen[who], identity=who, now=self.now)
        self.plan[who] = None if decision == "wait" else (decision, self.version, self.now)

    @rule(who=st.sampled_from("abc"))
    def write(self, who):
        if self.plan[who] is None:
            return
        decision, version, asked_at = self.plan[who]
        self.plan[who] = None
        if version != self.version:
            return  # the API server answers 409
        self.wall += 1
        self.spec = election.make_spec(decision, before=self.spec, identity=who, terms=TERMS, wall=str(self.wall))
        self.version += 1
        self.renewed[who] = asked_at

    @invariant()
    def at_most_one_may_write(self):
        leaders = [who for who in "abc" if election.is_trusted(renewed_at=self.renewed[who], now=self.now, terms=TERMS)]
        assert len(leaders) <= 1, leaders


ElectionMachine.TestCase.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)
TestElection = ElectionMachine.TestCase
