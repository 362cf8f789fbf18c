"""Why a revision does not start, from pods, revisions and Services as a real cluster wrote them.

The files in ``captured`` are what Kubernetes 1.34 and Knative 1.23 said of one mistake each.
"""

from __future__ import annotations

import copy
import json
import pathlib
from datetime import UTC, datetime, timedelta

import pytest

from mayfly.model import exposure, function
from mayfly.reconcile import deployed, diagnose

CAPTURED = pathlib.Path(__file__).parent / "captured"
IMAGE = "registry.example:5000/mayfly/x@sha256:0"
INLINE = {"source": {"inline": {"handler.py": ""}}}
LATER = datetime(2026, 11, 21, 7, 0, 0, tzinfo=UTC)
"""Long after the capture: whatever patience there is has run out."""


PLAIN = exposure.Exposure()


def make_routed(**condition):
    """Return a Knative Service whose route says ``condition``."""
    service = load("serving")["service"]
    others = [item for item in service["status"]["conditions"] if item["type"] != "RoutesReady"]
    service["status"]["conditions"] = [*others, {"type": "RoutesReady", **condition}]
    return service


def load(name):
    return json.loads((CAPTURED / f"{name}.json").read_text())


def make_context(captured, *, now=LATER, **spec):
    return diagnose.Context(function.FunctionSpec.model_validate(INLINE | spec), IMAGE, now, tuple(captured["events"]))


def judge(name, *, now=LATER, **spec):
    captured = load(name)
    context = make_context(captured, now=now, **spec)
    return deployed.judge_deployed(captured["service"], captured["revision"], tuple(captured["pods"]), context)


@pytest.mark.parametrize(
    ("name", "spec", "reason", "said"),
    [
        ("crash", {}, "CrashedAtStart", "No module named 'requests'"),
        ("crash", {}, "CrashedAtStart", "module 'requests' is not installed: add what provides it to requirements.txt"),
        ("log", {}, "CrashedAtStart", "exit code 1 before it was ready\nonly in the log"),
        ("exit3", {}, "HandlerNotFound", "handler.py has no callable handle"),
        ("memory", {"resources": {"memory": "32Mi"}}, "OutOfMemory", "spec.resources.memory (32Mi)"),
        ("pull", {}, "ImagePullFailed", "not found. Check that it exists"),
        ("missing", {"source": {"image": "x"}}, "ImageNotFound", "or correct spec.source.image"),
        ("root", {"source": {"image": "x"}}, "ImageRunsAsRoot", "image will run as root. Functions never run as root"),
        ("secret", {}, "ContainerRefused", 'secret "absent" not found. Create what spec.env or spec.envFrom names'),
        (
            "mount",
            {"volumes": [{"path": "/etc/shop", "secret": {"name": "absent"}}]},
            "MountFailed",
            'failed for the volume at /etc/shop : secret "absent" not found. Create what spec.volumes names',
        ),
        ("unschedulable", {"resources": {"memory": "999Gi"}}, "Unschedulable", "Insufficient memory"),
        ("quota", {}, "QuotaExceeded", "pods are forbidden: exceeded quota: none"),
    ],
)
def test_each_mistake_has_its_reason_and_its_fix(name, spec, reason, said):
    """In words for the author, from the first moment on."""
    verdict = judge(name, **spec)
    assert (verdict.truth, verdict.reason) == ("False", reason)
    assert said in verdict.message


def test_a_revision_that_found_room_is_not_failed():
    """The Service tells for a while what its revision has overcome; without the revision it is believed."""
    captured = load("unschedulable")
    for pod in captured["pods"]:
        pod["status"] = {"phase": "Pending"}
    revision = copy.deepcopy(captured["revision"])
    for condition in revision["status"]["conditions"]:
        condition["status"] = "Unknown"
    pods, context = tuple(captured["pods"]), make_context(captured)
    assert deployed.judge_deployed(captured["service"], None, pods, context).truth == "False"
    assert deployed.judge_deployed(captured["service"], revision, pods, context).truth == "Unknown"


def test_a_busy_kubelet_is_no_mistake_of_the_authors():
    """That it has not read a Secret in time says nothing of the Secret."""
    captured = load("secret")
    (container,) = [c for c in captured["pods"][0]["status"]["containerStatuses"] if c["name"] == "user-container"]
    assert diagnose.diagnose_pods(captured["pods"], make_context(captured)).reason == "ContainerRefused"
    container["state"]["waiting"]["message"] = "failed to sync secret cache: timed out waiting for the condition"
    verdict = diagnose.diagnose_pods(captured["pods"], make_context(captured))
    assert verdict is None or verdict.truth != "False"


def test_a_missing_module_is_advised_on_once():
    """The runtime's own advice is enough; other processes get ours."""
    told = "ModuleNotFoundError in main.py:1: No module named 'x'. Add what provides 'x' to requirements.txt."
    assert diagnose.explain_exit(1, told).message.count("requirements.txt") == 1
    assert "requirements.txt" in diagnose.explain_exit(1, "ModuleNotFoundError: No module named 'x'").message


def test_too_little_memory_for_even_the_start():
    """runc ends before the kernel could kill anything."""
    captured = load("memory")
    (container,) = [c for c in captured["pods"][0]["status"]["containerStatuses"] if c["name"] == "user-container"]
    text = "runc create failed: unable to set memory limit to 1000 (current usage: 2695168)"
    container["state"], container["lastState"] = {"waiting": {"reason": "RunContainerError", "message": text}}, {}
    context = make_context(captured, resources={"memory": "1000"})
    assert diagnose.diagnose_pods(captured["pods"], context).reason == "OutOfMemory"


def test_what_serves_is_deployed():
    """Nothing to complain of."""
    assert judge("serving").holds


def test_silence_is_unknown_and_only_after_a_while():
    """A slow import is no failure; Knative's deadline decides."""
    assert (judge("silent").truth, judge("silent").reason) == ("Unknown", "NotAnswering")
    started = load("silent")["pods"][0]["status"]["containerStatuses"]
    moment = next(status["state"]["running"]["startedAt"] for status in started if status["name"] == "user-container")
    assert judge("silent", now=datetime.fromisoformat(moment) + timedelta(seconds=1)).reason == "Deploying"


def test_a_crash_loop_says_the_same_at_every_turn():
    """Running again, waiting to run again, or just ended: one message, hence one write."""
    captured = load("crash")
    (pod,) = captured["pods"]
    (container,) = [item for item in pod["status"]["containerStatuses"] if item["name"] == "user-container"]
    ended = container["state"]
    said = set()
    for state in (
        ended,
        {"running": {"startedAt": "2026-11-21T06:59:59Z"}},
        {"waiting": {"reason": "CrashLoopBackOff"}},
    ):
        container["state"], container["lastState"] = state, ended
        container["restartCount"] += 1
        said.add(diagnose.diagnose_pods(captured["pods"], make_context(captured)))
    assert len(said) == 1


def test_the_two_faces_of_a_failed_pull_say_the_same():
    """The kubelet changes between the error and its back-off."""
    captured = load("pull")
    (pod,) = captured["pods"]
    (container,) = [item for item in pod["status"]["containerStatuses"] if item["name"] == "user-container"]
    first = diagnose.diagnose_pods(captured["pods"], make_context(captured))
    waiting = container["state"]["waiting"]
    waiting["message"] = f'Back-off pulling image "x": ErrImagePull: {waiting["message"]}'
    waiting["reason"] = "ImagePullBackOff"
    assert diagnose.diagnose_pods(captured["pods"], make_context(captured)) == first


def test_one_instance_that_serves_is_enough():
    """A pod that crashes beside one that serves is not the revision's failure."""
    pods = load("crash")["pods"] + load("serving")["pods"]
    assert diagnose.diagnose_pods(pods, make_context(load("crash"))) is None


def test_the_old_revision_is_named():
    """Whoever reads of a failure wants to know what happens to the calls."""
    captured = load("crash")
    captured["service"]["status"]["latestReadyRevisionName"] = "crash-00000"
    verdict = deployed.judge_deployed(
        captured["service"], captured["revision"], tuple(captured["pods"]), make_context(captured)
    )
    assert verdict.message.endswith("(revision crash-00000 keeps serving)")


def test_a_ready_revision_may_take_long_to_wake():
    """Silence of an instance that is starting anew changes nothing; a crash does."""
    captured = load("serving")
    context = make_context(captured)
    silent, crash = load("silent")["pods"], load("crash")["pods"]
    assert deployed.judge_deployed(captured["service"], None, tuple(silent), context).holds
    assert deployed.judge_deployed(captured["service"], None, tuple(crash), context).reason == "CrashedAtStart"


def test_an_old_status_says_nothing_of_a_new_spec():
    """Until Knative has seen the newest generation, nothing is known."""
    captured = copy.deepcopy(load("serving"))
    captured["service"]["metadata"]["generation"] += 1
    verdict = deployed.judge_deployed(captured["service"], None, (), make_context(captured))
    assert (verdict.truth, verdict.reason) == ("Unknown", "Deploying")
    assert deployed.judge_routed(captured["service"], None, PLAIN).truth == "Unknown"


@pytest.mark.parametrize(
    ("reason", "message", "expected"),
    [
        ("ExitCode1", "Container failed with: ImportError: x", "CrashedAtStart"),
        ("ExitCode3", "Container failed with: no handler", "HandlerNotFound"),
        ("ExitCode0", "Container failed with: container exited with no error", "Exited"),
        ("ProgressDeadlineExceeded", "Initial scale was never achieved", "ProgressDeadlineExceeded"),
        ("FailedCreate", 'pods "a" is forbidden: violates PodSecurity "restricted:latest"', "PodsRefused"),
        ("FailedCreate", 'pods "a" is forbidden: failed quota: q: must specify limits.memory', "QuotaExceeded"),
        ("ContainerMissing", "HEAD http://r/v2/x/manifests/1: unexpected status code 404 Not Found", "ImageNotFound"),
        (
            "ContainerMissing",
            'Get "https://r/v2/": dial tcp 1.2.3.4:5: connect: connection refused',
            "RegistryUnavailable",
        ),
        ("ContainerMissing", 'Get "https://r/v2/": net/http: TLS handshake timeout', "RegistryUnavailable"),
        ("Something", "new", "Something"),
        ("", "", "RevisionFailed"),
    ],
)
def test_what_knative_says_when_the_pods_are_gone(reason, message, expected):
    """After its deadline Knative removes the pods; its condition is all that is left."""
    verdict = diagnose.explain_failure(reason, message, make_context(load("crash")))
    assert (verdict.truth, verdict.reason) == ("False", expected)


@pytest.mark.parametrize(
    ("routes", "truth", "reason"),
    [
        ({"status": "True"}, "True", "Routed"),
        ({"status": "Unknown", "reason": "IngressNotConfigured"}, "Unknown", "IngressNotConfigured"),
        ({"status": "Unknown", "reason": "RevisionMissing"}, "Unknown", "AwaitingRevision"),
        ({"status": "Unknown", "reason": "Uninitialized", "message": "waits"}, "Unknown", "Uninitialized"),
        ({"status": "False", "reason": "DomainConflict", "message": "taken"}, "False", "DomainConflict"),
    ],
)
def test_routes(routes, truth, reason):
    """What Knative's route says, in our words where ours are better."""
    verdict = deployed.judge_routed(make_routed(**routes), None, PLAIN)
    assert (verdict.truth, verdict.reason) == (truth, reason)
    assert verdict.message


@pytest.mark.parametrize(
    ("served", "truth", "reason", "message"),
    [
        (None, "Unknown", "Routing", "not yet taken up"),
        ({"version": "old"}, "Unknown", "Routing", "not yet taken up"),
        ({"reason": "Programming", "message": "on its way"}, "Unknown", "Routing", "on its way"),
        ({"reason": "JWKSUnreachable", "message": "no answer"}, "False", "JWKSUnreachable", "no answer"),
        ({}, "True", "Routed", "served at"),
    ],
    ids=["nothing said", "said of an older one", "not yet", "broken", "served"],
)
def test_a_policy_is_routed_when_the_gateway_says_so(served, truth, reason, message):
    """A Function with policies is Routed once the gateway wrote that it enforces this version of them."""
    limited = exposure.Exposure(http=exposure.Http(max_request_size="1Mi"), timeout_seconds=30)
    told = None
    if served is not None:
        told = exposure.Served(**{"version": exposure.version_of(limited.to_json()), **served}).to_json()
    annotations = {exposure.SERVED_ANNOTATION: told} if told else {}
    ingress = {"metadata": {"name": "hello"}, "status": {"annotations": annotations}}
    verdict = deployed.judge_routed(make_routed(status="True"), ingress, limited)
    assert (verdict.truth, verdict.reason) == (truth, reason)
    assert message in verdict.message
