"""A Function out of a git repository: a real server with a login, the real builder, a real cluster."""

from __future__ import annotations

import ipaddress
import json

import pytest

from mayfly.cluster import kinds
from mayfly.model import labels
from mayfly.reconcile import reconciler
from tests.contract.builder import outside_host
from tests.contract.builder.conftest import cache_dir, prepared_runtime  # noqa: F401
from tests.contract.builder.outside_host import commit
from tests.contract.controller.conftest import MANAGER, eventually, find_condition
from tests.contract.controller.test_life import make_ready
from tests.contract.controller.test_real_builder import call, whole  # noqa: F401
from tests.contract.controller.test_real_builder import given as near  # noqa: F401

CODE = "def handle(request):\n    return 'hello, {}'\n"
USER, PASSWORD = outside_host.LOGIN


@pytest.fixture
async def host(tmp_path):
    async with outside_host.serve(tmp_path / "host") as serving:
        serving.login = outside_host.LOGIN
        yield serving


@pytest.fixture
def given(near):  # noqa: F811
    """The builder may fetch from this machine."""
    return near.model_copy(update={"source_networks": (ipaddress.ip_network("127.0.0.0/8"),)})


def make_secret(namespace):
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"namespace": namespace, "name": "git"},
        "type": "kubernetes.io/basic-auth",
        "stringData": {"username": USER, "password": PASSWORD},
    }


async def until_built(author, name, revision):
    """Return the Function once its last build is of ``revision``, and done."""

    async def built():
        function = await author.get(name)
        record = (function.get("status") or {}).get("build") or {}
        return function if (record.get("revision"), record.get("state")) == (revision, "succeeded") else None

    return await eventually(built)


async def let_time_pass(cluster, namespace, name, *, since):
    """Have the last look at the branch be on a day long ago; each look has a time of its own."""
    await cluster.patch(
        kinds.FUNCTION,
        namespace,
        name,
        {"status": {"build": {"checked": f"{since}T00:00:00Z"}}},
        subresource="status",
    )


@pytest.mark.usefixtures("whole")
async def test_commits_become_revisions(cluster, author, host, caplog, capfd):
    """Refused without login, built with it, followed, kept while the host is away; the password is nowhere."""
    caplog.set_level("DEBUG")
    repository = outside_host.make_repository(host.root / "shop.git")
    first = commit(repository, {"functions/hello/handler.py": CODE.format("one")})
    git = {"url": f"{host.url}/shop.git", "revision": "main", "path": "functions/hello", "secret": "git"}
    source = {"git": git | {"interval": "24h"}}
    await author.apply("hello", source=source)
    missing = await author.until("hello", "Built", "Unknown", "SourceUnavailable")
    assert (
        f"Secret {author.namespace}/git, which spec.source names, does not exist"
        in (find_condition(missing, "Built")["message"])
    )

    await cluster.apply(make_secret(author.namespace), manager=MANAGER)
    function = await make_ready(cluster, author, "hello", source=source)
    assert function["status"]["build"]["revision"] == first
    assert await call(cluster, function) == (200, "hello, one")

    second = commit(repository, {"functions/hello/handler.py": CODE.format("two")})
    rebuild = {"metadata": {"annotations": {labels.REBUILD: "1"}}}
    await cluster.patch(kinds.FUNCTION, author.namespace, "hello", rebuild)
    await until_built(author, "hello", second)
    function = await make_ready(cluster, author, "hello", source=source)
    assert await call(cluster, function) == (200, "hello, two")

    third = commit(repository, {"functions/hello/handler.py": CODE.format("three")})
    await let_time_pass(cluster, author.namespace, "hello", since="2020-01-01")
    await until_built(author, "hello", third)

    host.status = 503
    await let_time_pass(cluster, author.namespace, "hello", since="2020-01-02")
    away = await author.until("hello", "Built", "Unknown", "SourceUnavailable")
    assert "keeps serving" in find_condition(away, "Built")["message"]
    host.status = 0
    back = await author.until("hello", "Built", "True")
    assert back["status"]["build"]["revision"] == third

    told = [
        await author.get("hello"),
        await author.service("hello"),
        await cluster.list(kinds.EVENT, author.namespace),
        await cluster.list(kinds.POD, author.namespace),
        [str(vars(record)) for record in caplog.records],
        capfd.readouterr(),
    ]
    assert PASSWORD not in json.dumps(told)
    assert f"{author.namespace}/hello" in str(told[4])


@pytest.mark.usefixtures("whole")
async def test_a_login_that_is_refused(cluster, author, host):
    """Is for good: the condition names the Secret and the fix."""
    host.login = ("somebody", "else")
    outside_host.make_repository(host.root / "shop.git")
    await cluster.apply(make_secret(author.namespace), manager=MANAGER)
    await author.apply("hello", source={"git": {"url": f"{host.url}/shop.git", "secret": "git"}})
    refused = await author.until("hello", "Built", "False", "SourceRefused")
    message = find_condition(refused, "Built")["message"]
    assert "refuses the login of Secret git (HTTP 401): correct Secret git in the Function's namespace" in message
    assert PASSWORD not in json.dumps(refused)


@pytest.mark.usefixtures("whole")
async def test_a_slow_host_is_no_excuse(author, host):
    """What takes longer than a turn waits in place is told all the same, at its end."""
    host.login, host.thinking_seconds = None, 1.5 * reconciler.FIRST_WAIT_SECONDS
    commit(outside_host.make_repository(host.root / "shop.git"), {"handler.py": CODE})
    await author.apply("hello", source={"git": {"url": f"{host.url}/shop.git", "revision": "gone"}})
    refused = await author.until("hello", "Built", "False", "SourceRefused")
    assert "revision 'gone' is neither branch nor tag" in find_condition(refused, "Built")["message"]
    assert len(host.asked) == 2
