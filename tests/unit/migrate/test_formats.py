"""Every format: the whole outcome, and that nothing of the input is passed over in silence."""

from __future__ import annotations

import copy
import json

import pytest

from mayfly.migrate import ledger, migration, parsing, text
from mayfly.model import build
from mayfly.plan import dialect, tree
from tests.unit.migrate import samples


@pytest.mark.parametrize("name", samples.FORMATS)
def test_the_outcome_is_the_committed_one(name):
    committed = (samples.HERE / "outputs" / f"{name}.json").read_text()
    assert committed == samples.render(name), "look at it, then: python -m tests.unit.migrate.samples"


@pytest.mark.parametrize("name", samples.FORMATS)
def test_manifests_are_valid(name):
    found = migration.migrate(samples.read_files(name), root=name)
    manifests = [one.manifest for one in found.functions if one.manifest]
    assert manifests
    for manifest in manifests:
        samples.check_manifest(manifest)


@pytest.mark.parametrize("name", samples.FORMATS)
def test_no_secret_of_the_input_is_in_the_output(name):
    output = samples.render(name)
    for value in ("hunter2", "not-for-git", "unsafe-default", "UseDevelopmentStorage", "mail.shop.example"):
        assert value not in output


@pytest.mark.parametrize("name", samples.FORMATS)
def test_the_builder_finds_the_code_as_the_manifest_says(name):
    """What other platforms ran is found in the folder that the report names, in the dialect of that platform."""
    files = samples.read_files(name)
    found = [one for one in migration.migrate(files, root=name).functions if one.manifest and one.folder is not None]
    dialects = set()
    for one in found:
        inside = f"{one.folder}/" if one.folder else ""
        code = {file.removeprefix(inside): data for file, data in files.items() if file.startswith(inside)}
        spec = one.manifest["spec"]
        signature = build.Signature(spec.get("signature", "auto"))
        dialects.add(dialect.detect(tree.SourceTree(code), handler=spec.get("handler"), signature=signature).signature)
    wanted = {"func": "knative", "sam": "lambda"}.get(name, name)
    assert {one.value for one in dialects} == {wanted}


def to_plain(node):
    """Return a node as what JSON has, with the functions of CloudFormation in their long form."""
    if node.fields is not None:
        value = {key: to_plain(one) for key, one in node.pairs()}
    elif node.items is not None:
        value = [to_plain(one) for one in node.items]
    else:
        value = node.text if isinstance(node.value, str) else node.value
    if not node.tag:
        return value
    return {node.tag if node.tag == "Ref" else f"Fn::{node.tag}": value}


def read_trees(name):
    """Return the descriptions of a sample: (file, index of its document) -> tree."""
    return {
        (file, index): to_plain(document.root)
        for file, data in samples.read_files(name).items()
        if file.endswith((".yaml", ".yml", ".json"))
        for index, document in enumerate(parsing.parse(file, data))
    }


def write_trees(name, trees):
    files = {file: data for file, data in samples.read_files(name).items() if file.endswith(".py")}
    for (file, _), whole in trees.items():
        dumped = json.dumps(whole).encode()
        files[file] = dumped if file.endswith(".json") else files.get(file, b"") + b"---\n" + dumped + b"\n"
    return files


def find_mappings(tree, path=()):
    if isinstance(tree, dict):
        if len(tree) != 1 or not next(iter(tree)).startswith(("Fn::", "Ref")):
            yield path
        for key, below in tree.items():
            yield from find_mappings(below, (*path, key))
    elif isinstance(tree, list):
        for index, below in enumerate(tree):
            yield from find_mappings(below, (*path, index))


def reach(tree, path):
    for key in path:
        tree = tree[key]
    return tree


PLANTED = "zzPlanted"
SILENT = ("metadata", "Metadata", "template", "x-")
"""Envelopes that Kubernetes or the tools of the author fill in, and what is only there to be referred to."""


@pytest.mark.parametrize("name", samples.FORMATS)
def test_a_field_that_nobody_knows_is_reported(name):
    """Wherever it stands: under its own name, or with the piece that it belongs to."""
    trees = read_trees(name)
    silent = []
    for where, top in trees.items():
        # An object that is dropped as one piece needs no more words.
        for path in [] if top.get("kind") == "KubernetesWatchTrigger" else find_mappings(top):
            changed = copy.deepcopy(trees)
            reach(changed[where], path)[PLANTED] = "1"
            found = migration.migrate(write_trees(name, changed), root=name)
            entries = [entry for one in found.functions for entry in one.entries]
            entries += [entry for several in found.shared.values() for entry in several]
            named = [entry for entry in entries if PLANTED in entry.field]
            if named or any(PLANTED in json.dumps(one.manifest) for one in found.functions):
                continue
            above = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path).lstrip(".")
            whole = {entry.field.rpartition(": ")[2].rpartition(":")[2] for entry in entries}
            if not any(above == field or above.startswith((f"{field}.", f"{field}[")) for field in whole):
                silent.append((where[0], above))
    assert [one for one in silent if not any(word in one[1] for word in SILENT)] == []


def migrate_one(name, document, file=None):
    names = {"func": "func.yaml", "openfaas": "stack.yml", "sam": "template.yaml", "nuclio": "function.yaml"}
    data = json.dumps(document).encode()
    found = migration.migrate({file or names[name]: data}, root="shop")
    assert len(found.functions) == 1
    return found, found.functions[0]


def outcome_of(one, field):
    return next(entry for entry in one.entries if entry.field.endswith(field))


def make_sam(**properties):
    body = {"Runtime": "python3.11", "Handler": "app.h", "CodeUri": "."} | properties
    return {"Resources": {"Fn": {"Type": "AWS::Serverless::Function", "Properties": body}}}


API = {"Call": {"Type": "HttpApi", "Properties": {"Path": "/a", "Method": "get"}}}


def test_a_function_that_nobody_could_call_over_http_stays_inside():
    _, closed = migrate_one("sam", make_sam())
    assert closed.manifest["spec"]["http"] == {"visibility": "cluster-local"}
    _, opened = migrate_one("sam", make_sam(Events=API))
    assert "http" not in opened.manifest["spec"]
    _, opened = migrate_one("sam", make_sam(FunctionUrlConfig={"AuthType": "NONE"}))
    assert "http" not in opened.manifest["spec"]


@pytest.mark.parametrize(
    "extra",
    [
        {"Globals": {"HttpApi": {"Auth": {"DefaultAuthorizer": "Jwt"}, "Domain": {"DomainName": "a.example"}}}},
        {"Globals": {"HttpApi": {"Auth": {"ApiKeyRequired": True}}}},
        {"own": {"FunctionUrlConfig": {"AuthType": "AWS_IAM"}}},
        {"own": {"FunctionUrlConfig": {"AuthType": {"Ref": "Kind"}}}},
        {"own": {"FunctionUrlConfig": {"Cors": True}}},
    ],
    ids=["default authorizer", "api key", "iam", "computed", "left out"],
)
def test_what_was_protected_is_not_opened(extra):
    """A protection that has no counterpart keeps the function inside, and is reported."""
    document = make_sam(Events=API, **extra.get("own", {})) | {"Globals": extra.get("Globals", {})}
    found, one = migrate_one("sam", document)
    assert one.manifest["spec"]["http"] == {"visibility": "cluster-local"}
    assert any("only the cluster reaches it" in entry.remark for entry in one.entries)
    assert not found.complete


def test_an_event_may_be_open_where_the_api_is_not():
    events = {
        "Call": {"Type": "HttpApi", "Properties": {"Path": "/a", "Method": "get", "Auth": {"Authorizer": "NONE"}}}
    }
    document = make_sam(Events=events) | {"Globals": {"HttpApi": {"Auth": {"DefaultAuthorizer": "Jwt"}}}}
    _, one = migrate_one("sam", document)
    assert "http" not in one.manifest["spec"]


def test_zero_that_stops_a_function_does_not_become_no_limit():
    """Reserved concurrency 0 means never; scaling.max 0 means without end."""
    _, one = migrate_one("sam", make_sam(ReservedConcurrentExecutions=0))
    assert "max" not in one.manifest["spec"]["scaling"]
    assert outcome_of(one, "ReservedConcurrentExecutions").outcome is ledger.Outcome.NOT_CARRIED


def test_inline_code_of_sam_comes_along():
    code = "def h(event, context):\n    return 1\n"
    body = make_sam(InlineCode=code)
    del body["Resources"]["Fn"]["Properties"]["CodeUri"]
    _, one = migrate_one("sam", body)
    assert one.manifest["spec"]["source"] == {"inline": {"index.py": code}}
    assert one.folder is None


def make_azure(code="", **bindings):
    """Return the http part of what becomes of an app's functions, by their names."""
    files = {"shop/host.json": b'{"version": "2.0"}'}
    if code:
        files["shop/function_app.py"] = f"import azure.functions as func\n{code}".encode()
    for name, binding in bindings.items():
        files[f"shop/{name}/function.json"] = json.dumps({"bindings": [binding]}).encode()
    found = migration.migrate(files, root="apps")
    return {one.name: one.manifest["spec"].get("http") for one in found.functions}


def test_azure_asks_for_a_key_unless_it_says_otherwise():
    http = {"type": "httpTrigger", "direction": "in", "name": "req"}
    timer = {"type": "timerTrigger", "schedule": "0 0 * * * *"}
    found = make_azure(a=http, b=http | {"authLevel": "anonymous"}, c=timer)
    assert found == {
        "a": {"auth": {"apiKey": {"secret": "a-keys", "header": "x-functions-key"}}},
        "b": None,
        "c": {"visibility": "cluster-local"},
    }


OPEN = "app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)\n@app.route()\ndef a(req): ...\n"
ROUTES = {
    "a default": ("app = func.FunctionApp()\n@app.route(route='a')\ndef a(req): ...\n", True),
    "open": (
        "app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)\n@app.route()\ndef a(req): ...\n",
        False,
    ),
    "by position": ("app = func.FunctionApp(func.AuthLevel.ANONYMOUS)\n@app.route('a')\ndef a(req): ...\n", False),
    "computed": ("app = func.FunctionApp(http_auth_level=LEVEL)\n@app.route()\ndef a(req): ...\n", True),
    "one closed": (f"{OPEN}@app.route(auth_level=func.AuthLevel.FUNCTION)\ndef b(req): ...\n", True),
    "blueprint": ("bp = func.Blueprint()\n@bp.route(auth_level='function')\ndef a(req): ...\n", True),
    "asgi": ("app = func.AsgiFunctionApp(app=web)\n", True),
    "open asgi": ("app = func.AsgiFunctionApp(app=web, http_auth_level=func.AuthLevel.ANONYMOUS)\n", False),
}


@pytest.mark.parametrize("case", ROUTES)
def test_an_app_of_azure_asks_for_a_key_as_soon_as_one_function_does(case):
    code, locked = ROUTES[case]
    key = {"auth": {"apiKey": {"secret": "shop-keys", "header": "x-functions-key"}}}
    assert make_azure(code) == {"shop": key if locked else None}


def test_azure_code_is_read_and_not_run(tmp_path):
    witness = tmp_path / "ran"
    code = f"open({str(witness)!r}, 'w')\nimport azure.functions as f\napp = f.FunctionApp()\n"
    code += "@app.route(route=open('/x').read())\ndef a(req): ...\n"
    found = migration.migrate({"host.json": b"{}", "function_app.py": code.encode()}, root="shop")
    assert found.functions[0].name == "shop"
    assert not witness.exists()


STACK = b"provider: {name: openfaas}\nfunctions: "


@pytest.mark.parametrize(
    ("files", "form", "says"),
    [
        ({"stack.yml": b"a: ["}, "auto", "stack.yml:2: not YAML"),
        ({"stack.yml": STACK + b"{f: {lang: !Ref x}}"}, "auto", "stack.yml:2: functions.f.lang: tag '!Ref'"),
        ({"a.yaml": b"kind: Pod\n", "b.yaml": b"x: 1"}, "auto", "nothing to migrate in 2 files: looked for func.yaml"),
        ({"stack.yml": STACK + b"{f: {lang: python3}}"}, "sam", "a description of sam"),
        ({"host.json": b"{", "x.yaml": b"x: 1"}, "auto", "host.json:1: not JSON"),
        ({"host.json": b"{}", "function_app.py": b"def f(:"}, "auto", "function_app.py:1: invalid syntax"),
        ({}, "auto", "nothing to migrate in 0 files"),
    ],
    ids=["no YAML", "tag", "nothing", "another format", "no JSON", "no Python", "empty"],
)  # fmt: skip
def test_what_cannot_be_read_says_why(files, form, says):
    with pytest.raises(text.Unreadable) as caught:
        migration.migrate(files, root="shop", form=migration.Format(form))
    assert says in str(caught.value)


def test_a_file_that_is_none_of_them_may_be_broken():
    files = samples.read_files("func") | {"notes.yaml": b"a: ["}
    found = migration.migrate(files, root="shop")
    assert len(found.functions) == 1
    assert list(found.skipped) == ["notes.yaml"]


def test_several_formats_in_one_folder_have_names_of_their_own():
    stack = b"provider: {name: openfaas}\nfunctions: {orders: {lang: python3, handler: ./a}}"
    files = samples.read_files("func") | {"stack.yml": stack, "sub/stack.yml": stack}
    found = migration.migrate(files, root="shop")
    assert [(one.name, one.folder) for one in found.functions] == [
        ("orders", "orders"),
        ("orders-2", "a"),
        ("orders-3", "sub/a"),
    ]


@pytest.mark.parametrize("handler", ["../elsewhere", "/etc", "a/../../b", "a\\b"])
def test_code_outside_of_what_is_read_has_no_manifest(handler):
    stack = {"provider": {"name": "openfaas"}, "functions": {"f": {"lang": "python3", "handler": handler}}}
    _, one = migrate_one("openfaas", stack)
    assert one.manifest is None
    assert "lies outside" in one.blocked


def test_fission_specs_as_its_command_writes_them():
    """One object in each file, most fields at nothing, the code as an archive."""
    spec = {
        "InvokeStrategy": {
            "ExecutionStrategy": {"ExecutorType": "poolmgr", "MaxScale": 0, "MinScale": 0, "TargetCPUPercent": 0},
            "StrategyType": "execution",
        },
        "concurrency": 500,
        "environment": {"name": "python", "namespace": "default"},
        "package": {"packageref": {"name": "p", "namespace": "default"}, "functionName": "main.main"},
        "resources": {},
    }
    head = {"apiVersion": "fission.io/v1", "metadata": {"creationTimestamp": None, "name": "f", "namespace": "default"}}
    package = {"source": {"checksum": {}, "type": "url", "url": "archive://a"}, "deployment": {"checksum": {}}}
    objects = {
        "function-f": head | {"kind": "Function", "spec": spec},
        "package-p": head
        | {"kind": "Package", "metadata": {"name": "p"}, "spec": package, "status": {"buildstatus": "x"}},
        "archive-a": {"kind": "ArchiveUploadSpec", "name": "a", "include": ["src/code.zip"]},
        "fission-deployment-config": {
            "apiVersion": "fission.io/v1",
            "kind": "DeploymentConfig",
            "name": "x",
            "uid": "y",
        },
    }
    files = {f"specs/{name}.yaml": json.dumps(one).encode() for name, one in objects.items()}
    (one,) = migration.migrate(files, root="shop").functions
    assert one.folder == "src"
    assert one.manifest["spec"] == {
        "runtime": "python",
        "handler": "main:main",
        "scaling": {"min": 0, "max": 500},
        "http": {"visibility": "cluster-local"},
    }
    lost = [entry.field for entry in one.entries if entry.outcome is ledger.Outcome.NOT_CARRIED]
    assert lost == ["Package p: spec.source.url"]


def test_a_report_has_an_end():
    """What holds for all functions is told for each: a file of 200 KiB could ask for millions of lines."""
    functions = {f"F{number}": {"Type": "AWS::Serverless::Function"} for number in range(2000)}
    shared = {f"Unknown{number}": "x" for number in range(5000)}
    data = json.dumps({"Globals": {"Function": shared}, "Resources": functions}).encode()
    with pytest.raises(text.Unreadable, match="more than 100000 fields"):
        migration.migrate({"template.json": data}, root="shop")


def test_a_tag_of_this_platform_is_not_taken_over():
    """Whoever writes an input must not be able to pause a Function, or hand it to another controller."""
    document = {"name": "f", "runtime": "python", "deploy": {"annotations": {"mayfly.dev/paused": "true", "a": "b"}}}
    _, one = migrate_one("func", document)
    assert one.manifest["metadata"]["annotations"] == {"a": "b"}


def test_a_comment_in_a_manifest_stays_one():
    document = {"name": "f", "runtime": "python", "run": {"envs": [{"name": "DB_TOKEN", "value": "x\nspec: {}"}]}}
    _, one = migrate_one("func", document)
    rendered = migration.render(one)
    assert rendered.count("\nspec:") == 1
    assert all(line.startswith("# ") for line in rendered.split("apiVersion")[0].splitlines())
