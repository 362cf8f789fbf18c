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
    outcome = building.record_build(make_before(image=OLD), make_request(), done, now=NOW)
    after = outcome.status
    assert (outcome.image, outcome.verdict.truth) == (IMAGE, "True")
    assert (after.image, after.handler, after.signature, after.runtime) == (IMAGE, "a:main", "http", "python3.11")
    assert after.signature_reason == "one argument"
    assert after.build.log == ()
    assert building.plan_build(after, make_request()) == building.Need.NOTHING


def test_failure_keeps_the_old_image_and_says_what_serves():
    """The author sees reason, message and log; the old revision goes on."""
    failed = answer("failed", reason="SyntaxError", message="a.py:3: invalid syntax", log=tuple("x" * 100))
    outcome = building.record_build(
        make_before(image=OLD, revision="catalog-00001"), make_request("2"), failed, now=NOW
    )
    assert outcome.image is None
    assert outcome.status.image == OLD
    assert outcome.verdict == verdicts.Verdict(
        "False", "SyntaxError", "a.py:3: invalid syntax (revision catalog-00001 keeps serving)"
    )
    assert len(outcome.status.build.log) == building.KEPT_LOG_LINES


def test_a_repeated_look_says_the_same():
    """A failure that is known is not asked again and its words stay, so nothing is written."""
    failed = answer("failed", reason="SyntaxError", message="a.py:3: invalid syntax")
    first = building.record_build(make_before(revision="catalog-00001"), make_request(), failed, now=NOW)
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
    outcome = building.record_build(make_before(), make_request(), failed, now=NOW)
    assert (outcome.verdict.truth, outcome.verdict.reason) == ("Unknown", "RegistryUnavailable")
    assert "trying again" in outcome.verdict.message


@pytest.mark.parametrize("state", ["queued", "running"])
def test_a_build_on_its_way_deploys_nothing(state):
    """Condition Built says what it is waiting for."""
    outcome = building.record_build(make_before(image=OLD), make_request(), answer(state), now=NOW)
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


COMMIT, NEXT = "a" * 40, "b" * 40
FOLLOWED = function.FunctionSpec.model_validate(
    {"source": {"git": {"url": "https://host/x", "revision": "main", "interval": "5m"}}}
)
CHECKED = report.format_time(NOW - timedelta(minutes=5))


def make_followed(state="succeeded", **record):
    """A Function whose branch was looked at five minutes ago, and the request that asks again."""
    wanted = request.make_request(OWNER, FOLLOWED, look="1")
    fields = {"request": wanted.digest(), "state": state, "revision": COMMIT, "checked": CHECKED} | record
    before = status.FunctionStatus(build=status.BuildRecord(**fields), image=OLD)
    truth = "True" if state == "succeeded" else "False"
    return before.mark(status.ConditionType.BUILT, truth, "Some", "text", now="", generation=1), wanted


@pytest.mark.parametrize(
    ("interval", "checked", "seconds"),
    [
        (None, CHECKED, None),
        ("10m", CHECKED, 300.0),
        ("5m", CHECKED, 0.0),
        ("1m", CHECKED, 0.0),
        ("5m", None, 0.0),
    ],
    ids=["not-followed", "later", "now", "overdue", "never-looked"],
)
def test_a_branch_is_looked_at_by_its_interval(interval, checked, seconds):
    """Counted from the last look, which the status keeps, so that a new controller does not look at all at once."""
    git = {"url": "https://host/x"} | ({"interval": interval} if interval else {})
    spec = function.FunctionSpec.model_validate({"source": {"git": git}})
    before, _ = make_followed(checked=checked)
    assert seconds == building.plan_look(before, spec, now=NOW)


@pytest.mark.parametrize(
    ("state", "due", "need"),
    [
        ("succeeded", False, building.Need.NOTHING),
        ("succeeded", True, building.Need.LOOK),
        ("failed", False, building.Need.GIVE_UP),
        ("failed", True, building.Need.LOOK),
        ("running", True, building.Need.ASK),
    ],
)
def test_a_look_is_due_only_where_all_is_settled(state, due, need):
    """A commit that failed for good is left alone until the branch moves."""
    before, wanted = make_followed(state)
    assert need == building.plan_build(before, wanted, look_due=due)


@pytest.mark.parametrize("revision", [None, COMMIT], ids=["not-known-yet", "the-same"])
@pytest.mark.parametrize("state", ["succeeded", "failed"])
def test_a_look_says_nothing_before_it_has_found_something(state, revision):
    """Built does not waver every few minutes, and the image stays."""
    before, wanted = make_followed(state)
    outcome = building.record_look(before, wanted, answer("running", revision=revision), now=NOW)
    assert outcome.status == before
    assert (outcome.verdict.truth, outcome.image) == (("True", OLD) if state == "succeeded" else ("False", None))


def test_a_look_that_finds_another_commit_is_a_build():
    """It is told while it runs; the time of the look is set at its end, since it marks the look."""
    before, wanted = make_followed()
    running = building.record_look(before, wanted, answer("running", revision=NEXT), now=NOW)
    assert (running.verdict.reason, running.status.build.revision, running.status.build.checked) == (
        "Building", NEXT, CHECKED,
    )  # fmt: skip
    done = building.record_build(running.status, wanted, answer("succeeded", image=IMAGE, revision=NEXT), now=NOW)
    assert (done.image, done.status.build.checked) == (IMAGE, report.format_time(NOW))


def test_trouble_is_no_look():
    """The same look is tried again."""
    before, wanted = make_followed()
    failed = answer("failed", reason="SourceUnavailable", message="away", temporary=True)
    outcome = building.record_look(before, wanted, failed, now=NOW)
    assert (outcome.verdict.truth, outcome.verdict.passing) == ("Unknown", True)
    assert outcome.status.build.checked == CHECKED


def test_each_look_has_a_mark_of_its_own():
    """One mark from the question to its recorded answer; another spec or Function has another one."""
    before, _ = make_followed()
    marks = {
        building.mark_look(before, OWNER, 1),
        building.mark_look(before, OWNER, 2),
        building.mark_look(make_followed(checked=report.format_time(NOW))[0], OWNER, 1),
        building.mark_look(before, owner.Owner("shop", "catalog", "uid-2"), 1),
        building.mark_look(status.FunctionStatus(), OWNER, 1),
    }
    assert len(marks) == 5


def test_a_source_that_stands_still_has_no_time_of_a_look():
    """Its status is what it was."""
    done = answer("succeeded", image=IMAGE)
    outcome = building.record_build(status.FunctionStatus(), make_request(), done, now=NOW)
    assert outcome.status.build.checked is None
