"""Authors' mistakes: each gets an error that names value, rule and fix, and the old revision keeps serving."""

import json

import pytest

from tests.e2e.person import make_function, wait_until

GREETING = "def hello(request):\n    return 'one'\n"

BROKEN = {
    "syntax error": ({"main.py": "def hello(request:\n    return 1\n"}, {}, "Built", "SyntaxError", ["main.py:1"]),
    "no handler": ({"main.py": "x = 1\n"}, {}, "Built", "HandlerNotFound", ["spec.handler"]),
    "wrong handler": (
        {"main.py": GREETING},
        {"handler": "main:helo"},
        "Built",
        "HandlerNotFound",
        ["helo", "hello"],
    ),
    "unknown dependency": (
        {"main.py": GREETING, "requirements.txt": "mayfly-no-such-package-anywhere==1.0\n"},
        {},
        "Built",
        "DependencyFailed",
        ["mayfly-no-such-package-anywhere"],
    ),
    "import error": (
        {"main.py": "import requestz\n" + GREETING},
        {},
        "Deployed",
        None,
        ["No module named 'requestz'"],
    ),
    "crash at import": (
        {"main.py": "raise RuntimeError('no database at import')\n" + GREETING},
        {},
        "Deployed",
        None,
        ["RuntimeError", "no database at import"],
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_source_says_what_and_where(user, case):
    files, spec, kind, reason, words = BROKEN[case]
    user.apply(make_function("broken", files, **spec))
    condition = wait_until(
        lambda: (c := user.condition("broken", kind)).get("status") == "False" and c, 60, f"{kind}=False"
    )
    assert reason in (None, condition["reason"])
    for word in words:
        assert word in condition["message"]
    assert user.condition("broken")["status"] == "False"


def test_a_broken_update_leaves_the_old_revision_serving(user):
    user.apply(make_function("hello", {"main.py": GREETING}))
    user.wait_ready("hello")
    user.apply(make_function("hello", {"main.py": "def hello(request:\n"}))
    wait_until(lambda: user.condition("hello", "Built").get("status") == "False", 30, "Built=False")
    assert user.call("hello").text == "one"
    user.apply(make_function("hello", {"main.py": "import nosuchmodule\n" + GREETING}))
    wait_until(lambda: user.condition("hello", "Deployed").get("status") == "False", 60, "Deployed=False")
    assert user.call("hello").text == "one"


def test_an_image_that_does_not_exist_is_named(user, cluster_env):
    function = make_function("ghost", {})
    image = f"{cluster_env['REGISTRY']}/mayfly/no-such-image:1"
    function["spec"] = {"source": {"image": image}}
    user.apply(function)
    condition = wait_until(lambda: (c := user.condition("ghost")).get("status") == "False" and c, 60, "Ready=False")
    assert "no-such-image" in condition["message"]


def test_a_ready_image_is_run_as_it_is(user):
    user.apply(make_function("built", {"main.py": GREETING}))
    user.wait_ready("built")
    function = make_function("ready-made", {})
    function["spec"] = {"source": {"image": user.get("fn", "built")["status"]["image"]}}
    user.apply(function)
    user.wait_ready("ready-made")
    assert user.call("ready-made").text == "one"


FAILING = """
import time

def hello(request):
    if request.path == "/slow":
        time.sleep(3)
    raise ValueError("not for the caller")
"""


def test_a_failed_call_names_its_request_and_keeps_the_traceback_in_the_log(user):
    user.apply(make_function("failing", {"main.py": FAILING}, timeout="1s"))
    user.wait_ready("failing")
    slow, failed = user.call("failing", "/slow"), user.call("failing", "/")
    assert (slow.status_code, slow.json()["timeout_seconds"]) == (504, 1.0)
    assert "spec.timeout (1s)" in slow.json()["detail"]
    assert failed.status_code == 500
    assert "not for the caller" not in failed.text
    for answer in (slow, failed):
        assert answer.json()["request_id"] == answer.headers["x-request-id"]
    log = wait_until(lambda: "ValueError" in (text := user.mayfly("logs", "failing").out) and text, 20, "traceback")
    assert "ValueError: not for the caller" in log
    assert failed.json()["request_id"] in log


REFUSED = {
    "unknown field": (lambda f: f["spec"].update(sourc={}), "sourc"),
    "two sources": (lambda f: f["spec"]["source"].update(image="x"), "exactly one of source.inline"),
    "no source": (lambda f: f["spec"].update(source={}), "exactly one of source.inline"),
    "name too long": (lambda f: f["metadata"].update(name="a" * 53), "at most 52 characters"),
    "name with a dot": (lambda f: f["metadata"].update(name="a.b"), "DNS label"),
    "timeout too long": (lambda f: f["spec"].update(timeout="11m"), "timeout is from 1s to 10m"),
    "min over max": (lambda f: f["spec"].update(scaling={"min": 3, "max": 2}), "scaling.min must not exceed"),
    "reserved variable": (lambda f: f["spec"].update(env=[{"name": "PORT", "value": "1"}]), "belong to the platform"),
    "path upwards": (lambda f: f["spec"]["source"].update(inline={"../x.py": ""}), "relative, without '..'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_admission_refuses_with_the_rule(user, case):
    change, words = REFUSED[case]
    function = make_function("refused", {"main.py": GREETING})
    change(function)
    done = user.run("kubectl", "-n", user.namespace, "apply", "-f", "-", stdin=json.dumps(function))
    assert done.code != 0
    assert words in done.err
