"""Every outcome has one consequence, and nothing is tried too early, too late or too often."""

from __future__ import annotations

import base64
import dataclasses
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayfly import errors
from mayfly.events import chain, cloudevent, deadletter, event, lease, retry
from mayfly.model import trigger

NONE = trigger.Jitter.NONE
PLAIN = retry.Policy(attempts=6, initial=1.0, longest=300.0, jitter=NONE, max_age=21600.0)
ONE = event.make_event({"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}, b"x")


def decide(outcome, *, attempt=1, policy=PLAIN, now=1000.0, accepted_at=1000.0, jitter=0.5):
    return retry.decide(
        attempt=attempt, outcome=outcome, policy=policy, now=now, accepted_at=accepted_at, jitter=jitter
    )


def wanted_class(status):
    """The table of Knative's data plane, row by row."""
    if status in {404, 408, 409, 429} or status >= 500:
        return retry.Class.RETRY
    return retry.Class.SUCCESS if 200 <= status <= 299 else retry.Class.DEAD


@pytest.mark.parametrize("status", range(100, 600))
def test_every_status(status):
    """A permanent answer is a dead letter at attempt 1; a temporary one is tried again."""
    verdict = decide(retry.Answer(status))
    kind = retry.classify(retry.Answer(status))
    assert kind is wanted_class(status)
    assert (
        verdict
        == {
            retry.Class.SUCCESS: retry.Done(status),
            retry.Class.RETRY: retry.Retry(1001.0),
            retry.Class.DEAD: retry.Dead(retry.Reason.REJECTED, 1, retry.Answer(status)),
        }[kind]
    )


@pytest.mark.parametrize("status", [0, 99, 600, 999, -1])
def test_a_status_that_http_does_not_know_is_tried_again(status):
    assert retry.classify(retry.Answer(status)) is retry.Class.RETRY


@pytest.mark.parametrize(
    ("failure", "verdict"),
    [
        (retry.Failure.UNREACHABLE, retry.Retry(1001.0)),
        (retry.Failure.TIMEOUT, retry.Retry(1001.0)),
        (retry.Failure.RESET, retry.Retry(1001.0)),
        (retry.Failure.UNREADABLE, retry.Retry(1001.0)),
        (retry.Failure.FORBIDDEN, retry.Dead(retry.Reason.FORBIDDEN, 1, retry.Failure.FORBIDDEN)),
        (retry.Failure.GONE, retry.Dead(retry.Reason.GONE, 1, retry.Failure.GONE)),
    ],
)
def test_every_failure(failure, verdict):
    assert decide(failure) == verdict


def test_the_table_of_failures_is_complete():
    assert {retry.classify(failure) for failure in retry.Failure} == {retry.Class.RETRY, retry.Class.DEAD}


@pytest.mark.parametrize(
    ("growth", "pauses"),
    [
        (trigger.BackoffPolicy.EXPONENTIAL, [1, 2, 4, 8, 10, 10]),
        (trigger.BackoffPolicy.LINEAR, [1, 2, 3, 4, 5, 6]),
    ],
)
def test_pauses_grow_to_their_longest(growth, pauses):
    policy = dataclasses.replace(PLAIN, growth=growth, longest=10.0)
    assert [retry.make_pause(failures, policy, 0.3) for failures in range(1, 7)] == pauses
    assert retry.make_pause(10_000, policy, 0.3) == 10.0


@pytest.mark.parametrize(
    ("jitter", "pauses"),
    [
        (trigger.Jitter.FULL, [0.0, 2.0, 4.0]),
        (trigger.Jitter.EQUAL, [2.0, 3.0, 4.0]),
        (trigger.Jitter.NONE, [4.0, 4.0, 4.0]),
    ],
)
def test_jitter_spreads_pauses_downwards(jitter, pauses):
    policy = dataclasses.replace(PLAIN, jitter=jitter)
    assert [retry.make_pause(3, policy, chance) for chance in (0.0, 0.5, 1.0)] == pauses


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2", 2.0),
        (" 0 ", 0.0),
        ("0005", 5.0),
        ("9" * 400, 999999999999.0),
        ("Thu, 01 Jan 1970 00:16:50 GMT", 10.0),
        ("Thursday, 01-Jan-70 00:16:50 GMT", 10.0),
        ("Thu Jan  1 00:16:50 1970", 10.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("-1", None),
        ("1.5", None),
        ("", None),
        ("soon", None),
        ("٣", None),
        ("Thu, 99 Jan 1970 00:00:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(text, seconds):
    assert retry.parse_retry_after(text, 1000.0) == seconds


@pytest.mark.parametrize("text", ["2", "Thu, 01 Jan 1970 00:16:42 GMT"])
@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
def test_retry_after_is_honoured_and_spread(text, chance):
    verdict = decide(retry.Answer(503, text), jitter=chance)
    assert 1002.0 <= verdict.at <= 1002.5


@pytest.mark.parametrize(
    ("text", "attempt", "at"),
    [("999999", 1, 1300.0), ("1", 4, 1008.0), ("soon", 1, 1001.0), ("0", 1, 1001.0)],
    ids=["cut to the longest pause", "never before our own pause", "unreadable", "at once is not for us"],
)
def test_retry_after_has_bounds(text, attempt, at):
    assert decide(retry.Answer(429, text), attempt=attempt) == retry.Retry(at)


def test_retries_end():
    outcomes = [decide(retry.Answer(500), attempt=attempt) for attempt in range(1, 7)]
    assert all(isinstance(verdict, retry.Retry) for verdict in outcomes[:5])
    assert outcomes[5] == retry.Dead(retry.Reason.RETRIES_EXHAUSTED, 6, retry.Answer(500))
    assert (outcomes[5].status, str(outcomes[5])) == (500, "RetriesExhausted after 6 attempts, the last: status 500")
    without = dataclasses.replace(PLAIN, attempts=1)
    assert decide(retry.Failure.TIMEOUT, policy=without).reason is retry.Reason.RETRIES_EXHAUSTED
    assert decide(retry.Failure.TIMEOUT, policy=without).status is None


def test_the_greatest_age_ends_it_too():
    """A function that is down: tried up to 5 s, looked at once more at 5 s, and given up there."""
    policy = dataclasses.replace(PLAIN, attempts=100, max_age=5.0)
    now, attempts = 1000.0, 0
    while not retry.is_expired(policy=policy, now=now, accepted_at=1000.0):
        attempts += 1
        verdict = decide(retry.Failure.UNREACHABLE, attempt=attempts, policy=policy, now=now)
        now = verdict.at
    assert (now, attempts) == (1005.0, 3)
    late = decide(retry.Failure.UNREACHABLE, attempt=attempts, policy=policy, now=1005.2)
    assert late == retry.Dead(retry.Reason.EXPIRED, 3, retry.Failure.UNREACHABLE)


def test_success_is_success_however_late():
    assert decide(retry.Answer(200), attempt=99, now=1e9) == retry.Done(200)


def test_a_clock_that_was_set_back_makes_nothing_expire():
    assert not retry.is_expired(policy=PLAIN, now=0.0, accepted_at=1000.0)
    assert decide(retry.Answer(500), now=0.0) == retry.Retry(1.0)


@given(
    st.sampled_from([retry.Answer(500), retry.Answer(503, "7"), retry.Failure.TIMEOUT]),
    st.builds(
        retry.Policy,
        attempts=st.integers(1, 20),
        initial=st.floats(0.1, 10),
        longest=st.floats(10, 600),
        growth=st.sampled_from(trigger.BackoffPolicy),
        jitter=st.sampled_from(trigger.Jitter),
        max_age=st.floats(1, 1e5),
    ),
    st.integers(1, 20),
    st.floats(0, 2e5),
    st.floats(0, 1),
)
def test_an_attempt_lies_between_now_and_the_end(outcome, policy, attempt, age, chance):
    verdict = decide(outcome, policy=policy, attempt=attempt, now=1000.0 + age, jitter=chance)
    if isinstance(verdict, retry.Retry):
        assert attempt < policy.attempts
        assert 1000.0 + age <= verdict.at <= min(1000.0 + age + policy.longest, 1000.0 + policy.max_age)
    else:
        assert attempt >= policy.attempts or age >= policy.max_age
        assert verdict.attempts == attempt


def test_the_manifest_becomes_a_policy():
    assert retry.make_policy(trigger.Delivery()) == retry.Policy()
    spec = trigger.Delivery.model_validate(
        {
            "retries": 0,
            "maxAge": "5s",
            "backoff": {"initial": "100ms", "max": "1m", "policy": "linear", "jitter": "equal"},
        }
    )
    assert retry.make_policy(spec) == retry.Policy(
        1, 0.1, 60.0, trigger.BackoffPolicy.LINEAR, trigger.Jitter.EQUAL, 5.0
    )


@pytest.mark.parametrize("timeout", [1.0, 30.0, 600.0])
def test_a_lease_outlives_the_attempt(timeout):
    """I7: it is longer than the timeout and the start of an instance together."""
    assert lease.make_lease(timeout) > lease.make_attempt_timeout(timeout) > timeout
    lease.check_lease(lease.make_lease(timeout), timeout)
    with pytest.raises(errors.SpecError, match="does not outlive"):
        lease.check_lease(timeout, timeout)


@pytest.mark.parametrize(("text", "depth"), [(None, 0), ("0", 0), ("2", 2), ("x", 0), ("-1", 0), ("9999", 0), ("٣", 0)])
def test_depth_is_a_small_number(text, depth):
    assert chain.parse_depth(text) == depth


def test_a_chain_ends():
    """I6: a loop A -> B -> A delivers the first event and three more."""
    one, delivered = ONE, 0
    for _ in itertools.count():
        if chain.is_too_deep(chain.depth_of(one)):
            break
        delivered += 1
        # The function answers with whatever it likes; the platform counts.
        reply = ONE.replace(id=str(delivered), mayflydepth="0")
        one = chain.link(reply, chain.depth_of(one))
    assert delivered == 1 + chain.MAX_DEPTH
    assert chain.depth_of(chain.link(ONE.replace(mayflydepth="3"), 0)) == 3


def test_a_dead_letter_says_why():
    dead = retry.Dead(retry.Reason.RETRIES_EXHAUSTED, 6, retry.Answer(500))
    letter = deadletter.make_dead_letter(
        ONE, dead, destination="http://user:pass@mail.shop.svc/x?token=1#y", answer=b"\xff" * 5000
    )
    assert letter.data == ONE.data
    assert letter.identity == ONE.identity
    assert letter.extensions == {
        "knativeerrordest": "http://mail.shop.svc/x",
        "knativeerrorcode": "500",
        "knativeerrordata": base64.b64encode(b"\xff" * 768).decode(),
        "mayflyreason": "RetriesExhausted",
        "mayflyattempts": "6",
    }
    assert len(letter.attributes["knativeerrordata"]) == 1024
    sent = cloudevent.to_binary(letter)
    assert cloudevent.parse_http(sent.headers, sent.body) == (letter,)


def test_a_dead_letter_without_an_answer():
    dead = retry.Dead(retry.Reason.EXPIRED, 0)
    letter = deadletter.make_dead_letter(ONE, dead, destination="http://mail.shop.svc")
    assert set(letter.extensions) == {"knativeerrordest", "mayflyreason", "mayflyattempts"}
    assert str(dead) == "Expired after 0 attempts, the last: none"
