"""Every answer and failure has one consequence, and what is given up is given up for the true reason."""

from __future__ import annotations

import dataclasses
import email.utils

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mayfly.eventing import kinds
from mayfly.eventing.delivery import attempt, outcome
from mayfly.events import retry
from mayfly.model import trigger
from mayfly.store import records
from tests.unit.eventing.make import ID, NOW, answer, make_case, make_invocation, make_target, try_it

FAILURES = [attempt.Failure(kind, "why") for kind in retry.Failure]


def conclude(came, *others, ended=NOW + 0.25, **changes):
    return outcome.conclude(make_case(*others, **changes), try_it(came, ended=ended), chance=0.5)


def wanted_of(status):
    """The rule of Knative's data plane."""
    if 200 <= status <= 299:
        return records.Delivered
    return records.Retry if status in {404, 408, 409, 429} or status >= 500 else records.Dead


@pytest.mark.parametrize("kind", ["event", "call"])
@pytest.mark.parametrize("status", range(100, 600))
def test_every_status(status, kind):
    """400, 401, 403, 422 and their like are dead at attempt 1; 404, 408, 409, 429 and 5xx are tried again."""
    settled = conclude(answer(status, b"said so"), kind=kind)
    assert type(settled.outcome) is wanted_of(status)
    assert (settled.attempt.status, settled.attempt.started, settled.attempt.ended) == (status, NOW, NOW + 0.25)
    if isinstance(settled.outcome, records.Retry):
        assert settled.outcome.due == NOW + 1.25
        assert settled.attempt.error == f"status {status}: said so"
    if isinstance(settled.outcome, records.Dead):
        assert settled.outcome.reason == "Rejected"
        assert settled.outcome.detail == (
            f"Attempt 1 got an answer that no further attempt would change: status {status}: said so"
        )
    if isinstance(settled.outcome, records.Delivered):
        assert settled.attempt.error == ""


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.kind.value)
def test_every_failure(failure):
    """What got no answer is tried again, unless it may not be sent or there is nobody to send it to."""
    settled = conclude(failure)
    assert (settled.attempt.status, settled.attempt.error) == (None, f"{failure.kind}: why")
    if failure.kind in {retry.Failure.FORBIDDEN, retry.Failure.GONE}:
        assert settled.outcome.reason == failure.kind
        assert settled.outcome.detail == f"Attempt 1 was not let through: {failure.kind}: why"
    else:
        assert settled.outcome == records.Retry(NOW + 1.25)


@pytest.mark.parametrize(
    "wish",
    ["2", email.utils.formatdate(NOW + 2.25, usegmt=True), email.utils.formatdate(NOW + 3, usegmt=True)],
    ids=["seconds", "date", "date rounded up"],
)
def test_retry_after_is_honoured(wish):
    """Seconds or a date, whichever the function likes, and a little spread."""
    due = conclude(answer(429, b"", ("retry-after", wish))).outcome.due
    assert NOW + 2.0 <= due <= NOW + 0.25 + 2.75 * (1 + retry.SPREAD)


def test_retry_after_is_capped():
    """No function postpones its events beyond its policy's longest pause."""
    settled = conclude(answer(503, b"", ("retry-after", "86400")), to=make_target(longest=7.0))
    assert settled.outcome == records.Retry(NOW + 0.25 + 7.0)


def test_attempts_end():
    """The attempt that the policy grants last ends it, with its own status and words."""
    policy = make_target(attempts=3)
    assert conclude(answer(500), to=policy, tries=1, attempts=1).outcome == records.Retry(NOW + 2.25)
    settled = conclude(answer(500, b"no \x1b[31mstock"), to=policy, tries=2, attempts=2, status=404)
    assert settled.outcome == records.Dead(
        "RetriesExhausted", "Attempt 3 of 3 failed: status 500: no [31mstock", settled.outcome.result
    )
    assert settled.attempt.status == 500


def test_a_redriven_one_begins_anew():
    """After a redrive neither its old attempts nor its old age count."""
    old = {"accepted": NOW - 1e6, "expires": NOW + 21600.0, "attempts": 6, "tries": 0, "redrives": 1}
    assert outcome.forestall(make_case(**old), now=NOW) is None
    assert conclude(answer(500), **old).outcome == records.Retry(NOW + 1.25)
    late = conclude(answer(500), **old, ended=NOW + 21600.0)
    assert late.outcome.reason == "Expired"


def test_an_age_that_was_not_set_counts_from_acceptance():
    assert outcome.forestall(make_case(expires=None), now=NOW + 21599) is None
    assert outcome.forestall(make_case(expires=None), now=NOW + 21600).outcome.reason == "Expired"


def test_an_age_that_the_policy_changed_later_stays_as_it_was_accepted():
    """What counts is the end that was stored."""
    shorter = make_target(max_age=5.0)
    assert outcome.forestall(make_case(to=shorter, expires=NOW + 100), now=NOW + 99) is None
    assert conclude(answer(500), to=shorter, expires=NOW + 100).outcome == records.Retry(NOW + 1.25)


def test_no_attempt_lies_behind_the_end():
    settled = conclude(answer(500), to=make_target(max_age=5.0, initial=60.0), expires=NOW + 5)
    assert settled.outcome == records.Retry(NOW + 5)


def test_expired_is_given_up_without_an_attempt():
    """The last status and the number of attempts are those that there were."""
    one = make_case(to=make_target(max_age=5.0), expires=NOW + 5, tries=2, attempts=2, status=503)
    settled = outcome.forestall(one, now=NOW + 5)
    assert settled == outcome.Settlement(
        records.Dead("Expired", "It was not delivered within its greatest age (5s): 2 attempts, the last status 503.")
    )


@pytest.mark.parametrize(("depth", "dead"), [(0, False), (3, False), (4, True), (99, True)])
def test_i6_a_chain_ends(depth, dead):
    settled = outcome.forestall(make_case(depth=depth, kind="reply"), now=NOW)
    assert (settled is not None) is dead
    if dead:
        assert settled.outcome.reason == "TooDeep"
        assert settled.attempt is None


def test_who_is_gone_gets_nothing():
    """A replica that does not know a Function yet, which another one does, waits a moment before it says so."""
    assert outcome.forestall(make_case(to=None), now=NOW + 5) == outcome.Settlement(records.Retry(NOW + 6))
    settled = outcome.forestall(make_case(to=None), now=NOW + 10)
    assert settled == outcome.Settlement(records.Dead("Gone", "There is no Function 'mail' in namespace 'shop'."))


def test_what_goes_to_a_url_survives_its_function():
    assert outcome.forestall(make_case(to=None, target="https://x.example/", kind="callback"), now=NOW + 99) is None


def test_what_always_takes_its_worker_down_ends():
    """Attempts whose end nobody saw count, but a few more than the policy grants are made."""
    policy = make_target(attempts=2)
    assert outcome.forestall(make_case(to=policy, tries=4, attempts=4), now=NOW) is None
    settled = outcome.forestall(make_case(to=policy, tries=5, attempts=5), now=NOW)
    assert (settled.outcome.reason, settled.attempt) == ("RetriesExhausted", None)


@pytest.mark.parametrize("kind", kinds.Kind)
@pytest.mark.parametrize("status", [200, 422])
def test_answers_are_kept_for_whoever_may_ask(kind, status):
    """A call's answer is kept, whether it was delivered or refused; nobody asks for an event's."""
    given = answer(status, b"body", ("content-type", "text/plain"), truncated=True)
    kept = conclude(given, kind=kind.value).outcome.result
    wanted = records.Result(status, given.headers, b"body", truncated=True)
    assert kept == (wanted if kind is kinds.Kind.CALL else None)


def test_a_redirect_is_named_as_such():
    settled = conclude(answer(302, b"", ("location", "http://169.254.169.254/")))
    assert settled.outcome.detail.endswith(
        "status 302: redirects are not followed, it leads to http://169.254.169.254/"
    )


def test_the_revision_is_remembered():
    assert conclude(answer(200, revision="mail-00003")).attempt.revision == "mail-00003"


def test_a_long_answer_is_quoted_briefly():
    settled = conclude(answer(400, "ä".encode() * 10_000))
    assert len(settled.outcome.detail) < records.DEFAULT_LIMITS.text_characters


# -- our own --


def test_handing_back_leaves_no_trace():
    """Nothing was sent, so no attempt is counted."""
    assert outcome.hand_back(make_invocation(due=NOW - 5)) == outcome.Settlement(records.Retry(NOW - 5))
    assert outcome.hand_back(make_invocation(), due=NOW + 1) == outcome.Settlement(records.Retry(NOW + 1))


def test_an_interrupted_attempt_is_noted_and_tried_again_at_once():
    settled = outcome.interrupt(started=NOW, now=NOW + 20)
    assert settled.outcome == records.Retry(NOW + 20)
    assert (settled.attempt.started, settled.attempt.ended, settled.attempt.status) == (NOW, NOW + 20, None)
    assert "was stopped" in settled.attempt.error


def test_our_own_error_is_noted_and_tried_again_after_a_pause():
    settled = outcome.excuse(make_case(tries=2, attempts=2), KeyError("x"), started=NOW, now=NOW + 1, chance=0.5)
    assert settled.outcome == records.Retry(NOW + 1 + 4.0)
    assert settled.attempt.error.endswith("KeyError: 'x'")


# -- whatever comes --

ANSWERS = st.builds(
    attempt.Answer,
    st.integers(100, 999),
    st.lists(
        st.tuples(
            st.sampled_from(["retry-after", "content-type", "ce-id", "ce-type", "ce-source", "ce-specversion", "x"]),
            st.text(st.characters(max_codepoint=255), max_size=40),
        ),
        max_size=6,
    ).map(tuple),
    st.binary(max_size=60),
    st.booleans(),
)
CAME = ANSWERS | st.sampled_from(FAILURES)
DESTINATIONS = st.none() | st.sampled_from(
    [
        trigger.Destination(function="stock"),
        trigger.Destination(function="nobody"),
        trigger.Destination(event="told"),
        trigger.Destination(url="https://x.example/"),
    ]
)


@settings(deadline=None)
@given(
    CAME,
    st.sampled_from(kinds.Kind),
    st.builds(
        make_target,
        attempts=st.integers(1, 5),
        max_age=st.floats(1, 100),
        jitter=st.sampled_from(trigger.Jitter),
        on_success=DESTINATIONS,
        on_failure=DESTINATIONS,
        dead_letter_sink=DESTINATIONS,
    ),
    st.tuples(st.integers(0, 8), st.integers(0, 5), st.floats(0, 200)),
)
def test_i2_there_is_always_one_outcome(came, kind, to, life):
    """Whatever a function answers: one outcome, whose attempt is noted, and follow-ups that know their cause."""
    tries, depth, age = life
    one = make_case(to=to, kind=kind.value, tries=tries, attempts=tries, depth=depth, expires=NOW + to.policy.max_age)
    settled = outcome.forestall(one, now=NOW + age) or outcome.conclude(
        one, try_it(came, started=NOW + age, ended=NOW + age), chance=0.5
    )
    if isinstance(settled.outcome, records.Retry):
        assert NOW + age <= settled.outcome.due <= max(NOW + age, one.invocation.expires)
        assert settled.follow_ups == ()
    if isinstance(settled.outcome, records.Dead):
        assert settled.outcome.reason in set(retry.Reason)
        assert settled.outcome.detail
    assert kind not in kinds.FOLLOW_UPS or settled.follow_ups == ()
    for each in settled.follow_ups:
        assert (each.parent, each.namespace) == (ID, "shop")
        assert each.dedup_key == f"{each.kind}:{ID}:0"
        assert each.depth > depth or each.kind in kinds.FOLLOW_UPS


@settings(deadline=None)
@given(st.lists(st.sampled_from(["fail", "late", "lapse"]), max_size=40), st.integers(1, 5))
def test_i2_it_ends(steps, attempts):
    """Whatever happens, no invocation is tried for ever."""
    to = make_target(attempts=attempts)
    one, made = make_case(to=to), 0
    for step in [*steps, *["fail"] * 20]:
        settled = outcome.forestall(one, now=NOW)
        if settled is None:
            made += 1
            failed = outcome.conclude(one, try_it(answer(500)), chance=0.5)
            settled = None if step == "lapse" else failed
        if settled is not None and isinstance(settled.outcome, records.Dead):
            break
        counted = dataclasses.replace(one.invocation, tries=made, attempts=made)
        one = dataclasses.replace(one, invocation=counted)
    else:
        pytest.fail("it never ended")
    assert made <= attempts + outcome.UNSEEN
