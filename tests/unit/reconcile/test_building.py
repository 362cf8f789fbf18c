"""When the builder is asked, and what its answers mean."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mayfly import errors
from mayfly.model import build, function, status
from mayfly.reconcile import building, report, request, verdicts
from mayfly.resources import owner

OWNER = owner.Owner("shop", "catalog", "uid-1")
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
IMAGE = "registry.example/shop/catalog@sha256:" + "0" * 64
OLD = "registry.example/shop/catalog@sha256:" + "1" * 64


def make_request(text="1"):
    spec = function.FunctionSpec.model_validate({"source": {"inline": {"a.py": text}}})
    return request.make_request(OWNER, spec)


def make_before(*, state=None, image=None, truth=None, text="1", revision=None):
    record = status.BuildRecord(request=make_request(text).digest(), state=state) if state else None
    before = status.FunctionStatus(build=record, image=image, revision=revision)
    if truth:
        before = before.mark(status.ConditionType.BUILT, truth, "Some", "text", now="", generation=1)
    return before


@pytest.mark.parametrize(
    ("before", "need"),
    [
        (make_before(), building.Need.ASK),
        (make_before(state="succeeded", image=IMAGE, truth="True"), building.Need.NOTHING),
        (make_before(state="succeeded", image=IMAGE, truth="False"), building.Need.NOTHING),
        (make_before(state="succeeded", truth="True"), building.Need.ASK),
        (make_before(state="succeeded", image=IMAGE, truth="True", text="other"), building.Need.ASK),
        (make_before(state="running", truth="Unknown"), building.Need.ASK),
        (make_before(state="failed", image=OLD, truth="False"), building.Need.GIVE_UP),
        (make_before(state="failed", image=OLD, truth="Unknown"), building.Need.ASK),
        (make_before(state="failed", image=OLD, truth="False", text="other"), building.Need.ASK),
    ],
    ids=[
        "never-built",
        "built",
        "built-then-source-was-away",
        "built-but-image-lost",
        "source-changed",
        "still-running",
        "failed-for-good",
        "failed-for-now",
        "failed-then-changed",
    ],
)
def test_the_status_alone_says_whether_to_ask(before, need):
    """A controller that starts anew asks for nothing that is known."""
    assert need == building.plan_build(before, make_request())


def test_a_ready_image_needs_nothing():
    """And it wipes what an earlier build had left."""
    assert building.plan_build(make_before(state="failed"), None) == building.Need.NOTHING
    source = function.Source(image="example/image")
    outcome = building.reuse_build(make_before(state="failed"), source)
    assert (outcome.image, outcome.verdict.reason, outcome.status.build) == ("example/image", "ImageProvided", None)


def answer(state, **fields):
    return build.BuildStatus(state=state, fingerprint="f" * 64, **fields)


def test_success_gives_the_image_and_what_was_found_out():
    """Handler, signature and the reason for it are told."""
    done = answer(
        "succeeded",
        image=IMAGE,
        runtime="python3.11",
        handler="a:main",
        signature="http",
        signature_reason="one argument",
        log=("a line",),
    )
    outcome = building.record_build(make_before(image=OLD), make_request(), done)
    after = outcome.status
    assert (outcome.image, outcome.verdict.truth) == (IMAGE, "True")
    assert (after.image, after.handler, after.signature, after.runtime) == (IMAGE, "a:main", "http", "python3.11")
    assert after.signature_reason == "one argument"
    assert after.build.log == ()
    assert building.plan_build(after, make_request()) == building.Need.NOTHING


def test_failure_keeps_the_old_image_and_says_what_serves():
    """The author sees reason, message and log; the old revision goes on."""
    failed = answer("failed", reason="SyntaxError", message="a.py:3: invalid syntax", log=tuple("x" * 100))
    outcome = building.record_build(make_before(image=OLD, revision="catalog-00001"), make_request("2"), failed)
    assert outcome.image is None
    assert outcome.status.image == OLD
    assert outcome.verdict == verdicts.Verdict(
        "False", "SyntaxError", "a.py:3: invalid syntax (revision catalog-00001 keeps serving)"
    )
    assert len(outcome.status.build.log) == building.KEPT_LOG_LINES


def test_a_repeated_look_says_the_same():
    """A failure that is known is not asked again and its words stay, so nothing is written."""
    failed = answer("failed", reason="SyntaxError", message="a.py:3: invalid syntax")
    first = building.record_build(make_before(revision="catalog-00001"), make_request(), failed)
    after = first.status.mark(
        status.ConditionType.BUILT,
        first.verdict.truth,
        first.verdict.reason,
        first.verdict.message,
        now=report.format_time(NOW),
        generation=1,
    )
    assert building.plan_build(after, make_request()) == building.Need.GIVE_UP
    assert building.repeat_failure(after).verdict == first.verdict


def test_a_temporary_failure_is_unknown_and_asked_again():
    """A registry that is down is not the author's fault."""
    failed = answer("failed", reason="RegistryUnavailable", message="no answer", temporary=True)
    outcome = building.record_build(make_before(), make_request(), failed)
    assert (outcome.verdict.truth, outcome.verdict.reason) == ("Unknown", "RegistryUnavailable")
    assert "trying again" in outcome.verdict.message


@pytest.mark.parametrize("state", ["queued", "running"])
def test_a_build_on_its_way_deploys_nothing(state):
    """Condition Built says what it is waiting for."""
    outcome = building.record_build(make_before(image=OLD), make_request(), answer(state))
    assert (outcome.image, outcome.verdict.truth, outcome.verdict.reason) == (None, "Unknown", "Building")


@pytest.mark.parametrize(
    ("error", "truth", "reason"),
    [
        (errors.BuilderUnavailable("no answer"), "Unknown", "BuilderUnavailable"),
        (errors.InvalidSource("absent"), "False", "InvalidSource"),
    ],
)
def test_trouble_before_the_build(error, truth, reason):
    """What time can mend is Unknown, what the author must mend is False."""
    outcome = building.record_trouble(make_before(image=OLD, revision="catalog-00001"), error)
    assert (outcome.verdict.truth, outcome.verdict.reason, outcome.image) == (truth, reason, None)
    assert "catalog-00001 keeps serving" in outcome.verdict.message


@pytest.mark.parametrize(("lasted", "least", "most"), [(0, 0.8, 1.2), (10, 8, 12), (3600, 24, 36)])
def test_the_pause_grows_with_the_trouble(lasted, least, most):
    """It doubles from try to try, up to half a minute, and nobody has to count."""
    condition = status.Condition(
        type="Built", status="Unknown", last_transition_time=report.format_time(NOW - timedelta(seconds=lasted))
    )
    assert least <= building.plan_pause(condition, now=NOW) <= most
