"""Functions out of a git server and an archive that are served in the cluster itself."""

from __future__ import annotations

import json
import pathlib

import httpx2
import pytest

from tests.e2e.person import User, make_function, wait_until

FORGE = (pathlib.Path(__file__).parent / "forge" / "main.py").read_text()
CODE = "def hello(request):\n    return 'hello, {}'\n"
LIGHT = {"cpu": "20m"}


@pytest.fixture
def forge(user: User) -> str:
    """A git server that runs as a function; the URL of its repository inside the cluster."""
    files = {"main.py": FORGE, "requirements.txt": "dulwich==1.2.21\n"}
    scaling = {"min": 1, "max": 1}  # it keeps its repository in its own file system
    user.apply(make_function("forge", files, scaling=scaling, resources=LIGHT, signature="wsgi"))
    user.wait_ready("forge", 180)
    return f"http://forge.{user.namespace}.svc.cluster.local/shop.git"


def commit(user: User, files: dict[str, str]) -> str:
    """Make a commit; return its id."""
    answer: httpx2.Response = user.call("forge", "/commit", "POST", content=json.dumps(files))
    assert answer.status_code == 200, answer.text
    return answer.text


def make_hello(source: dict[str, object]) -> dict[str, object]:
    made = make_function("hello", {}, resources=LIGHT)
    made["spec"]["source"] = source
    return made


def test_a_commit_is_served_and_the_next_one_after_a_rebuild(user: User, forge: str) -> None:
    """The folder of the branch is built; a new commit waits for the annotation, is built then, and served."""
    first = commit(user, {"functions/hello/main.py": CODE.format("one"), "README.md": "shop"})
    user.apply(make_hello({"git": {"url": forge, "revision": "main", "path": "functions/hello"}}))
    user.wait_ready("hello")
    assert user.call("hello").text == "hello, one"
    assert user.get("fn", "hello")["status"]["build"]["revision"] == first
    second = commit(user, {"functions/hello/main.py": CODE.format("two")})
    user.kubectl("annotate", "fn/hello", "mayfly.dev/rebuild=1")
    wait_until(lambda: user.get("fn", "hello")["status"]["build"].get("revision") == second, 60, "the commit is built")
    wait_until(lambda: user.get("fn", "hello")["status"].get("revision") == "hello-00002", 60, "it is rolled out")
    user.wait_ready("hello")
    assert user.call("hello").text == "hello, two"


def test_what_is_wrong_with_a_source_is_told(user: User, forge: str) -> None:
    """A revision that is not there, a checksum that is not right: value, rule and fix; the old revision serves."""
    commit(user, {"main.py": CODE.format("one")})
    user.apply(make_hello({"git": {"url": forge, "revision": "main"}}))
    user.wait_ready("hello")
    user.apply(make_hello({"git": {"url": forge, "revision": "gone"}}))
    wait_until(lambda: user.condition("hello", "Built").get("reason") == "SourceRefused", 30, "it is refused")
    message = user.condition("hello", "Built")["message"]
    assert f"revision 'gone' is neither branch nor tag of {forge}" in message
    assert "(revision hello-00001 keeps serving)" in message
    assert user.call("hello").text == "hello, one"
    wrong = {"url": forge.replace("shop.git", "shop.git/info/refs?service=git-upload-pack"), "sha256": "0" * 64}
    user.run("kubectl", "-n", user.namespace, "delete", "fn/hello")
    user.apply(make_hello({"archive": wrong}))
    wait_until(lambda: "has the SHA-256" in user.condition("hello", "Built").get("message", ""), 30, "sums differ")


def test_the_api_server_refuses_what_is_no_source(user: User) -> None:
    """Other schemes, options and logins in a URL never get to the builder."""
    for url in ("ssh://git@host/shop.git", "file:///etc", "--upload-pack=x", "https://bob:pw@host/shop.git"):
        done = user.run(
            "kubectl", "-n", user.namespace, "apply", "-f", "-", stdin=json.dumps(make_hello({"git": {"url": url}}))
        )
        assert done.code != 0
        assert "source.git.url is https://HOST/PATH without user" in done.err
