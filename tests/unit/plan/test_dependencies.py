"""Dependencies are planned from what the source declares; nothing declared is passed over."""

from __future__ import annotations

import pytest

from mayfly import errors
from mayfly.plan import dependencies, requirements, tree

TARGET = dependencies.Target("3.11", "x86_64-manylinux_2_36")
HASH = "sha256:" + "a" * 64


def _plan(
    files: dict[str, str], *, target: dependencies.Target = TARGET, salt: str = ""
) -> dependencies.DependencyPlan:
    source = tree.make_tree({"handler.py": b"", **{path: text.encode() for path, text in files.items()}})
    return dependencies.plan_dependencies(source, target=target, salt=salt)


READ = {
    "nothing": ({}, "none", ()),
    "empty file": ({"requirements.txt": "# nothing\n\n"}, "requirements.txt", ()),
    "plain": ({"requirements.txt": "Flask == 3.0  # web\nidna\n"}, "requirements.txt", ("flask==3.0", "idna")),
    "continued with hash": (
        {"requirements.txt": f"idna==3.7 \\\n    --hash={HASH}\n"},
        "requirements.txt",
        (f"idna==3.7 --hash={HASH}",),
    ),
    "marker and extras": (
        {"requirements.txt": "requests[Socks, security] >=2 ; python_version>'3'"},
        "requirements.txt",
        ("requests[security,socks]>=2 ; python_version>'3'",),
    ),
    "included": (
        {"requirements.txt": "-r more/base.txt\nidna", "more/base.txt": "-r ../common.txt", "common.txt": "six==1.0"},
        "requirements.txt",
        ("idna", "six==1.0"),
    ),
    "harmless options": (
        {"requirements.txt": "--only-binary :all:\n--require-hashes\nidna"},
        "requirements.txt",
        ("idna",),
    ),
    "pyproject": (
        {"pyproject.toml": "[project]\nname='x'\ndependencies=['idna>=3']"},
        "pyproject.toml",
        ("idna>=3",),
    ),
    "pyproject of tools only": ({"pyproject.toml": "[tool.ruff]\nline-length=100"}, "none", ()),
    "requirements before pyproject": (
        {"requirements.txt": "six", "pyproject.toml": "[project]\ndependencies=['idna']"},
        "requirements.txt",
        ("six",),
    ),
    "pylock": (
        {
            "pylock.toml": 'lock-version="1.0"\n[[packages]]\nname="idna"\nversion="3.7"\n'
            f'[[packages.wheels]]\nurl="https://e.example/i.whl"\nhashes={{sha256="{"a" * 64}"}}'
        },
        "pylock.toml",
        (f"idna==3.7 --hash={HASH}",),
    ),
}


@pytest.mark.parametrize(("files", "kind", "wanted"), READ.values(), ids=READ)
def test_read(files: dict[str, str], kind: str, wanted: tuple[str, ...]) -> None:
    """Each supported declaration gives its requirements in one spelling."""
    plan = _plan(files)
    assert (plan.kind, plan.wanted) == (kind, wanted)
    assert plan.empty == (not plan.key)


def test_constraints() -> None:
    """Constraint files constrain and do not add."""
    plan = _plan({"requirements.txt": "-c pins.txt\nflask", "pins.txt": "flask==3.0\nsix==1.0"})
    assert (plan.wanted, plan.constraints) == (("flask",), ("flask==3.0", "six==1.0"))


def test_uv_lock() -> None:
    """A uv lock travels with its project file and wins over requirements."""
    lock = (
        'version = 1\n[[package]]\nname="x"\nsource={virtual="."}\n'
        '[[package]]\nname="idna"\nsource={registry="https://i.example"}'
    )
    plan = _plan({"uv.lock": lock, "pyproject.toml": "[project]\nname='x'", "requirements.txt": "six"})
    assert plan.kind == "uv.lock"
    assert set(plan.files) == {"uv.lock", "pyproject.toml"}
    assert plan.hashed


REFUSED = {
    "git": ("git+https://user:secret@git.example/x", "requirements.txt:1", "version control URL"),
    "named git": ("x @ git+https://git.example/x", "requirements.txt:1", "version control URL"),
    "url": ("https://e.example/x-1.0-py3-none-any.whl", "requirements.txt:1", "is a URL"),
    "named url": ("x @ https://e.example/x.whl", "requirements.txt:1", "is a URL"),
    "file url": ("file:///etc/passwd", "requirements.txt:1", "is a URL"),
    "path": ("./lib", "requirements.txt:1", "is a path"),
    "absolute path": ("/etc/passwd", "requirements.txt:1", "is a path"),
    "wheel": ("x-1.0-py3-none-any.whl", "requirements.txt:1", "is a path"),
    "editable": ("idna\n-e .", "requirements.txt:2", "editable"),
    "index": ("--index-url https://i.example\nidna", "requirements.txt:1", "operator chooses"),
    "short index": ("-ihttps://i.example\nidna", "requirements.txt:1", "operator chooses"),
    "extra index": ("idna\n\n--extra-index-url=https://i.example", "requirements.txt:3", "operator chooses"),
    "no binary": ("--no-binary :all:\nidna", "requirements.txt:1", "wheels only"),
    "prerelease": ("--pre\nidna", "requirements.txt:1", "pre-release"),
    "unknown option": ("--frobnicate\nidna", "requirements.txt:1", "--frobnicate"),
    "requirement option": ("idna --config-settings=x=y", "requirements.txt:1", "--config-settings"),
    "missing include": ("-r base.txt", "requirements.txt:1", "no file 'base.txt'"),
    "climbing include": ("-r ../../etc/passwd", "requirements.txt:1", "no file '../../etc/passwd'"),
    "remote include": ("-r https://e.example/r.txt", "requirements.txt:1", "no file"),
    "nonsense": ("???", "requirements.txt:1", "not a requirement"),
    "two words": ("flask django", "requirements.txt:1", "not a requirement"),
    "some hashes": (f"idna==3.7 --hash={HASH}\nsix==1.0", "requirements.txt:2", "has no --hash while others have"),
}


@pytest.mark.parametrize(("text", "place", "why"), REFUSED.values(), ids=REFUSED)
def test_requirements_refused(text: str, place: str, why: str) -> None:
    """An unsupported line is named with file, line, rule and fix, and shows no credential."""
    with pytest.raises(errors.DependencyError) as caught:
        _plan({"requirements.txt": text})
    assert place in str(caught.value)
    assert why in str(caught.value)
    assert "secret" not in str(caught.value)


UNSUPPORTED = {
    "poetry lock": ({"poetry.lock": "", "pyproject.toml": "[project]\ndependencies=['idna']"}, "poetry export"),
    "poetry table": ({"pyproject.toml": "[tool.poetry.dependencies]\npython='^3.11'\nflask='*'"}, "tool.poetry"),
    "pipenv": ({"Pipfile": ""}, "pipenv requirements"),
    "dynamic": ({"pyproject.toml": "[project]\ndynamic=['dependencies']"}, "dynamic"),
    "not toml": ({"pyproject.toml": "[project\n"}, "not valid TOML"),
    "not a list": ({"pyproject.toml": "[project]\ndependencies='idna'"}, "not a list"),
    "lock without project": ({"uv.lock": "version=1"}, "pyproject.toml"),
    "lock from git": (
        {"uv.lock": '[[package]]\nname="x"\nsource={git="https://g.example"}', "pyproject.toml": ""},
        "comes from 'git'",
    ),
    "lock from a path": (
        {"uv.lock": '[[package]]\nname="x"\nsource={editable="../x"}', "pyproject.toml": ""},
        "comes from 'editable'",
    ),
    "lock is stale": (
        {"uv.lock": "version=1", "pyproject.toml": "[project]\ndependencies=['Idna[x]>=3']"},
        "'idna' of pyproject.toml is not in it; run `uv lock`",
    ),
    "pylock sdist only": ({"pylock.toml": '[[packages]]\nname="x"\nversion="1"'}, "no wheel"),
    "pylock vcs": ({"pylock.toml": '[[packages]]\nname="x"\n[packages.vcs]\nurl="https://g.example"'}, "repository"),
}


@pytest.mark.parametrize(("files", "text"), UNSUPPORTED.values(), ids=UNSUPPORTED)
def test_unsupported(files: dict[str, str], text: str) -> None:
    """What is not read is refused with a way out."""
    with pytest.raises(errors.DependencyError) as caught:
        _plan(files)
    assert text in str(caught.value)


def test_key_ignores_spelling() -> None:
    """Equal requirements share a layer, whatever their order, case and comments."""
    one = _plan({"requirements.txt": "Flask==3.0\nidna"})
    two = _plan({"requirements.txt": "# web\nIDNA\n\nflask == 3.0 # x", "other.py": "x=1"})
    assert one.key == two.key


@pytest.mark.parametrize(
    "changed",
    [
        lambda: _plan({"requirements.txt": "idna==3.8"}),
        lambda: _plan({"requirements.txt": "idna==3.7"}, target=dependencies.Target("3.12", TARGET.platform)),
        lambda: _plan({"requirements.txt": "idna==3.7"}, target=dependencies.Target("3.11", "aarch64-manylinux_2_36")),
        lambda: _plan({"requirements.txt": "idna==3.7"}, salt="again"),
        lambda: _plan({"requirements.txt": f"idna==3.7 --hash={HASH}"}),
        lambda: _plan({"requirements.txt": "-c c.txt\nidna==3.7", "c.txt": "six==1"}),
    ],
    ids=["version", "python", "platform", "salt", "hash", "constraint"],
)
def test_key_changes(changed) -> None:
    """Whatever changes the installed files changes the key."""
    assert changed().key != _plan({"requirements.txt": "idna==3.7"}).key


PINNED = {
    "idna==3.7": True,
    "idna===3.7": True,
    "idna==3.7 ; python_version>'3'": True,
    "idna": False,
    "idna>=3": False,
    "idna==3.*": False,
    "idna>=3,<4": False,
}


@pytest.mark.parametrize(("text", "pinned"), PINNED.items(), ids=PINNED)
def test_pinned(text: str, pinned: bool) -> None:
    """Only an exact version is a pin."""
    assert requirements.parse_requirement(text, "x:1").pinned is pinned


def test_unpinned_is_noted() -> None:
    """The build log tells which versions may differ one day."""
    assert "idna>=3" in _plan({"requirements.txt": "six==1.0\nidna>=3"}).notes[0]
    assert _plan({"requirements.txt": "six==1.0"}).notes == ()
