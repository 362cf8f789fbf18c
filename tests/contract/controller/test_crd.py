"""What the API server makes of a Function: the CRD's rules, words and subresources."""

from __future__ import annotations

import asyncio

import pytest

from mayfly import errors
from mayfly.cluster import kinds
from mayfly.model import crd
from mayfly.resources import compare
from tests.contract.controller.conftest import MANAGER, make_function

DIGEST = "sha256:" + "0" * 64
SOURCE = {"inline": {"a.py": ""}}


def git(**fields):
    return {"source": {"git": {"url": "https://git.example.com/shop.git", **fields}}}


def archive(**fields):
    return {"source": {"archive": {"url": "https://example.com/shop.tgz", "sha256": "a" * 64, **fields}}}


NO_URLS = (
    "file:///etc/passwd", "ssh://git@h/x", "git@h:x", "git://h/x", "ext::sh -c touch% x", "--upload-pack=x", "-x",
    "https://bob:pw@h/x", "https://bob@h/x", "https://h/a b", "https://h/x;`id`|y", "https://$(id)/x", "https://h",
    "https://h:port/x", "https://h/x#y", "https://h\\@evil/x", "https:///x", "",
)  # fmt: skip
NO_REVISIONS = ("--upload-pack=x", "-b", "a..b", "main@{1}", "a b", "a;id", "$(id)", ":x", "^main", "~1")
NO_PATHS = ("/etc", "../x", "a/../b", "-x", "a\\b")

BAD = {
    "no source": ({"source": {}}, "set exactly one of source.inline, source.configMap, source.oci, source.git"),
    "two sources": ({"source": {**SOURCE, "image": "x"}}, "set exactly one of source.inline"),
    "absolute path": ({"source": {"inline": {"/a.py": ""}}}, "paths in source.inline are relative"),
    "path upwards": ({"source": {"inline": {"../a.py": ""}}}, "paths in source.inline are relative"),
    "no files": ({"source": {"inline": {}}}, "spec.source.inline"),
    "oci by tag": ({"source": {"oci": {"ref": "host/repo:tag"}}}, "must name the artifact by digest"),
    "image with blank": ({"source": {"image": "a b"}}, "an image reference without blanks, not a b"),
    "config map elsewhere": ({"source": {"configMap": {"name": "other/x"}}}, "spec.source.configMap.name"),
    **{f"git url {url}": (git(url=url), "source.git.url is https://HOST/PATH without user, query") for url in NO_URLS},
    **{f"archive url {url}": (archive(url=url), "source.archive.url is https://HOST/PATH without") for url in NO_URLS},
    "git url with query": (git(url="https://h/x?a=b"), "source.git.url is https://HOST/PATH without user, query"),
    "git url upwards": (git(url="https://h/a/../b"), "source.git.url has no '..' in its path"),
    "archive url upwards": (archive(url="https://h/a/.."), "source.archive.url has no '..' in its path"),
    **{f"revision {text}": (git(revision=text), f"a commit of 40 hex digits, not {text}") for text in NO_REVISIONS},
    "empty revision": (git(revision=""), "spec.source.git.revision"),
    **{f"git path {path}": (git(path=path), "source.git.path is a folder below the top") for path in NO_PATHS},
    **{f"archive path {path}": (archive(path=path), "source.archive.path is a folder below") for path in NO_PATHS},
    "git secret elsewhere": (git(secret="other/x"), "spec.source.git.secret"),
    "archive secret elsewhere": (archive(secret="other/x"), "spec.source.archive.secret"),
    "git interval too short": (git(interval="10s"), "source.git.interval is from 1m to 24h, such as 5m, not 10s"),
    "git interval of a commit": (git(revision="a" * 40, interval="5m"), "a commit does not move"),
    "git interval too long": (git(interval="25h"), "source.git.interval is from 1m to 24h"),
    "archive without checksum": ({"source": {"archive": {"url": "https://h/x"}}}, "source.archive.sha256: Required"),
    "archive checksum": (archive(sha256="A" * 64), "source.archive.sha256 is 64 hex digits in lower case"),
    "git and archive": (
        {"source": {"git": {"url": "https://h/x"}, "archive": {"url": "https://h/x", "sha256": "a" * 64}}},
        "set exactly one of source.inline",
    ),
    "runtime": ({"runtime": "cobol"}, 'supported values: "python", "python3.11"'),
    "signature": ({"signature": "rpc"}, "spec.signature: Unsupported value"),
    "handler": ({"handler": "rm -rf"}, "handler is module:name, for example main:hello, not rm -rf"),
    "timeout too long": ({"timeout": "11m"}, "timeout is from 1s to 10m, such as 30s, not 11m"),
    "timeout too short": ({"timeout": "1ms"}, "timeout is from 1s to 10m"),
    "timeout without unit": ({"timeout": "30"}, "timeout is from 1s to 10m, such as 30s, not 30"),
    "timeout in words": ({"timeout": "soon"}, "timeout is from 1s to 10m, such as 30s, not soon"),
    "idle too short": ({"scaling": {"idle": "1s"}}, "scaling.idle is from 6s to 1h"),
    "min above max": ({"scaling": {"min": 3, "max": 2}}, "scaling.min must not exceed scaling.max"),
    "min above default max": ({"scaling": {"min": 21}}, "scaling.min above 20 needs scaling.max"),
    "negative min": ({"scaling": {"min": -1}}, "spec.scaling.min"),
    "concurrency too high": ({"scaling": {"concurrency": 1001}}, "spec.scaling.concurrency"),
    "quantity": ({"resources": {"memory": "lots"}}, "write a quantity such as 100m, 1, 128Mi or 1Gi"),
    "negative quantity": ({"resources": {"cpu": "-1"}}, "it must not be negative"),
    "negative number": ({"resources": {"cpu": -1}}, "it must not be negative"),
    "visibility": ({"http": {"visibility": "secret"}}, "spec.http.visibility"),
    "env without value": ({"env": [{"name": "A"}]}, "an env entry has exactly one of value, valueFrom"),
    "env with both": (
        {"env": [{"name": "A", "value": "1", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]},
        "an env entry has exactly one of value, valueFrom",
    ),
    "reserved env": ({"env": [{"name": "MAYFLY_X", "value": "1"}]}, "belong to the platform; choose another name"),
    "reserved port": ({"env": [{"name": "PORT", "value": "1"}]}, "belong to the platform"),
    "python path": ({"env": [{"name": "PYTHONPATH", "value": "/x"}]}, "PYTHONPATH belongs to the platform"),
    "env source": ({"env": [{"name": "A", "valueFrom": {}}]}, "set exactly one of secretKeyRef, configMapKeyRef"),
    "envFrom": ({"envFrom": [{"prefix": "A_"}]}, "set exactly one of secretRef, configMapRef"),
    "secret elsewhere": ({"envFrom": [{"secretRef": {"name": "ns/s"}}]}, "spec.envFrom[0].secretRef.name"),
    "volume without source": ({"volumes": [{"path": "/x"}]}, "a volume has exactly one of secret, configMap, emptyDir"),
    "volume relative": ({"volumes": [{"path": "x/y", "emptyDir": {}}]}, "is an absolute path without '..'"),
    "volume upwards": ({"volumes": [{"path": "/x/../etc", "emptyDir": {}}]}, "is an absolute path without '..'"),
    "volume over the code": ({"volumes": [{"path": "/app/x", "emptyDir": {}}]}, "the image keeps its own files"),
    "volume over the root": ({"volumes": [{"path": "/", "emptyDir": {}}]}, "spec.volumes[0].path"),
    "volume over devices": ({"volumes": [{"path": "/dev/log", "emptyDir": {}}]}, "the image keeps its own files"),
    "volume with a slash at the end": ({"volumes": [{"path": "/tmp/", "emptyDir": {}}]}, "does not end with '/'"),
    "volume size": ({"volumes": [{"path": "/x", "emptyDir": {"sizeLimit": "big"}}]}, "emptyDir.sizeLimit"),
    "host path": ({"volumes": [{"path": "/x", "hostPath": {"path": "/"}}]}, "hostPath"),
    "unknown field": ({"privileged": True}, "privileged"),
    "pod spec": ({"securityContext": {"runAsUser": 0}}, "securityContext"),
}  # fmt: skip

GOOD = {
    "least": {},
    "config map": {"source": {"configMap": {"name": "code"}}},
    "oci": {"source": {"oci": {"ref": f"10.0.0.1:5000/mayfly/sources/a/b@{DIGEST}"}}},
    "git": git(revision="feature/a#1_b", path="functions/hello", secret="git", interval="24h"),
    "git by commit": git(url="http://10.0.0.1:3000/a/b_c~d%20e/@scope", revision="a" * 40),
    "git on IPv6": git(url="https://[fd00::1]:8443/x.git"),
    "archive": archive(url="https://h/o/r/shop.tgz?X-Sig=a%2Fb&c=(d)", path="shop-1.0", secret="git"),
    "image": {"source": {"image": "docker.io/library/nginx:1"}, "env": [{"name": "PYTHONPATH", "value": "/x"}]},
    "everything": {
        "source": {"inline": {"handler.py": "", "lib/x.py": "", "requirements.txt": "idna\n"}},
        "runtime": "python3.11",
        "handler": "handler:main",
        "signature": "lambda",
        "env": [
            {"name": "A", "value": ""},
            {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k.txt", "optional": True}}},
        ],
        "envFrom": [{"prefix": "P_", "secretRef": {"name": "s"}}, {"configMapRef": {"name": "c", "optional": True}}],
        "volumes": [
            {"path": "/etc/shop", "secret": {"name": "s"}},
            {"path": "/data", "emptyDir": {"sizeLimit": "64Mi"}},
            {"path": "/tmp/cache", "emptyDir": {"sizeLimit": 1000000}},
        ],
        "resources": {"cpu": 1, "memory": "0.5Gi"},
        "timeout": "1m30s",
        "scaling": {"min": 2, "max": 0, "concurrency": 0, "idle": "1h"},
        "http": {"visibility": "cluster-local"},
    },
}


@pytest.mark.parametrize(("spec", "said"), BAD.values(), ids=BAD)
async def test_bad_input_is_refused_at_the_door(cluster, functions, spec, said):
    """The API server says value, rule and fix before anything is stored."""
    with pytest.raises(errors.Invalid) as caught:
        await cluster.apply(make_function(functions, **spec), manager=MANAGER, dry_run=True)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("x" * 53, "metadata.name may have at most 52 characters"),
        ("9lives", "metadata.name must be a DNS label that begins with a letter"),
        ("a.b", "metadata.name must be a DNS label"),
    ],
)
async def test_a_name_must_fit_what_is_derived_from_it(cluster, functions, name, said):
    """Knative makes longer names of it."""
    with pytest.raises(errors.Invalid, match=said):
        await cluster.apply(make_function(functions, name), manager=MANAGER, dry_run=True)


@pytest.mark.parametrize("spec", GOOD.values(), ids=GOOD)
async def test_good_input_is_stored_as_it_was_written(cluster, functions, spec):
    """No default is written into the manifest, so it never differs from the one in Git."""
    wanted = make_function(functions, **spec)
    stored = await cluster.apply(wanted, manager=MANAGER)
    assert stored["spec"] == wanted["spec"]


async def test_an_update_is_checked_like_a_creation(cluster, functions):
    """Rules that hold only at creation would be no rules."""
    wanted = make_function(functions)
    await cluster.apply(wanted, manager=MANAGER)
    name = wanted["metadata"]["name"]
    with pytest.raises(errors.Invalid, match="timeout is from 1s to 10m"):
        await cluster.patch(kinds.FUNCTION, functions, name, {"spec": {"timeout": "1h"}})


async def test_the_schema_is_taken_whole(cluster, functions):
    """What the model generates is what the API server holds: it has dropped nothing."""
    made = crd.make_crd()
    live = await cluster.get(kinds.CRD, None, made["metadata"]["name"])
    assert compare.find_drift(live["spec"], made["spec"]) is None
    told = {item["type"]: item for item in live["status"]["conditions"]}
    assert "NonStructuralSchema" not in told
    assert told["NamesAccepted"]["status"] == "True"


def find_undescribed(schema, path):
    """Return the paths of fields without a description."""
    missing = [path] if "description" not in schema and path else []
    for name, field in schema.get("properties", {}).items():
        if (path, name) != ("", "metadata"):
            missing += find_undescribed(field, f"{path}.{name}")
    if "items" in schema:
        missing += [p for p in find_undescribed(schema["items"], f"{path}[]") if p != f"{path}[]"]
    return missing


def test_every_field_is_described():
    """`kubectl explain` has something to say everywhere."""
    schema = crd.make_crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    assert find_undescribed(schema, "") == []


async def test_the_scale_subresource_sets_min(cluster, functions):
    """`kubectl scale` sets how many instances are kept."""
    wanted = make_function(functions, scaling={"min": 0, "max": 5})
    await cluster.apply(wanted, manager=MANAGER)
    name = wanted["metadata"]["name"]
    await cluster.patch(kinds.FUNCTION, functions, name, {"spec": {"replicas": 2}}, subresource="scale")
    stored = await cluster.get(kinds.FUNCTION, functions, name)
    assert stored["spec"]["scaling"] == {"min": 2, "max": 5}


async def test_a_variable_is_set_once(cluster, functions):
    """Two values for one name are a mistake."""
    wanted = make_function(functions, env=[{"name": "A", "value": "1"}, {"name": "A", "value": "2"}])
    with pytest.raises(errors.Invalid, match="Duplicate value"):
        await cluster.create(wanted, dry_run=True)


@pytest.fixture
def kubectl(kubeconfig, tmp_path):
    """Run kubectl and return what it prints; its discovery cache is the test's own."""

    async def run(*words):
        return await run_kubectl(f"--kubeconfig={kubeconfig}", f"--cache-dir={tmp_path}", *words)

    return run


async def run_kubectl(*words):
    process = await asyncio.create_subprocess_exec(
        *("kubectl", *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, error = await process.communicate()
    assert process.returncode == 0, error.decode()
    return out.decode()


async def test_kubectl_explains(kubectl, functions):
    """The words of the model reach the terminal."""
    text = " ".join((await kubectl("explain", "fn.spec.scaling")).split())
    assert "How many instances run and when they go away." in text
    assert "Instances kept running; 0 scales to zero. Default: 0." in text
    assert "Time without requests after which instances go away" in text


async def test_kubectl_lists(cluster, kubectl, functions):
    """The columns that a person wants to see, by the short name."""
    await cluster.apply(make_function(functions, "hello"), manager=MANAGER)
    table = await kubectl("get", "fn", "-n", functions)
    assert table.splitlines()[0].split() == ["NAME", "READY", "REASON", "URL", "REVISION", "AGE"]
    wide = await kubectl("get", "fn", "-n", functions, "-o", "wide")
    assert wide.splitlines()[0].split()[-4:] == ["TRIGGERS", "RUNTIME", "SIGNATURE", "IMAGE"]
