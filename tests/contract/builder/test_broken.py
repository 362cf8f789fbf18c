"""Twenty-odd broken functions: each fails with a reason, the offending value, and what to do."""

from __future__ import annotations

import random

import pytest

from tests.unit.build import archives

HELLO = "def hello(request):\n    return 'hello'\n"


def _needs(requirements: str) -> dict[str, str]:
    return {"handler.py": HELLO, "requirements.txt": requirements}


NO_HANDLER = "HandlerNotFound"
NO_PACKAGE = "DependencyFailed"
BROKEN = {
    "no handler": ({"handler.py": "X = 1\n"}, {}, NO_HANDLER, "no handler found: looked in handler.py"),
    "two handlers": (
        {"handler.py": "def a(request): ...\ndef b(request): ...\n"},
        {},
        NO_HANDLER,
        "handler.py:2 `b(request)`",
    ),
    "handler absent": ({"handler.py": HELLO}, {"handler": "handler:bye"}, NO_HANDLER, "defines hello (line 1)"),
    "module absent": ({"handler.py": HELLO}, {"handler": "shop:hello"}, NO_HANDLER, "no module 'shop'"),
    "wrong arity": ({"handler.py": HELLO}, {"signature": "lambda"}, NO_HANDLER, "with signature lambda found"),
    "not python": ({"index.js": "module.exports = 1"}, {}, NO_HANDLER, "no Python file"),
    "syntax": ({"handler.py": "def hello(request)\n    return 1\n"}, {}, "SyntaxError", "handler.py:1: expected ':'"),
    "syntax in another module": (
        {"handler.py": HELLO, "shop/prices.py": "x = [1,\n"},
        {},
        "SyntaxError",
        "shop/prices.py:1: '[' was never closed",
    ),
    "tabs": ({"handler.py": "def hello(request):\n\tx = 1\n        return x\n"}, {}, "SyntaxError", "handler.py:3: "),
    "python 2": ({"handler.py": "def hello(request):\n    print 'x'\n"}, {}, "SyntaxError", "handler.py:2: "),
    "compiler bomb": ({"handler.py": "x = " + "-" * 100_000 + "1"}, {}, "SyntaxError", "handler.py: "),
    "package absent": (_needs("reqeusts==2.0"), {}, NO_PACKAGE, "did you mean 'requests'?"),
    "source only": (_needs("docopt==0.6.2"), {}, NO_PACKAGE, "source code only"),
    "no such version": (_needs("idna==99.0"), {}, NO_PACKAGE, "'idna==99.0'"),
    "contradiction": (_needs("idna==3.7\nidna==3.8"), {}, NO_PACKAGE, "contradict each other"),
    "wrong hash": (
        _needs("idna==3.7 --hash=sha256:" + "0" * 64),
        {},
        NO_PACKAGE,
        "other content than its --hash says",
    ),
    "hash missing": (
        _needs(
            "requests==2.31.0"
            " --hash=sha256:58cd2187c01e70e6e26505bca751777aa9f2ee0b7f4300988b709f44e013003f"
        ),
        {},
        NO_PACKAGE,
        "has no --hash",
    ),
    "bad requirement": (_needs("idna\nidna=3.7"), {}, NO_PACKAGE, "requirements.txt:2"),
    "git requirement": (_needs("git+https://g.example/x"), {}, NO_PACKAGE, "requirements.txt:1"),
    "poetry": ({"handler.py": HELLO, "poetry.lock": ""}, {}, NO_PACKAGE, "poetry export"),
    "broken project file": ({"handler.py": HELLO, "pyproject.toml": "[project"}, {}, NO_PACKAGE, "not valid TOML"),
    "climbing path": ({"../handler.py": HELLO}, {}, "SourceRefused", "'../handler.py'"),
    "absolute path": ({"/etc/handler.py": HELLO}, {}, "SourceRefused", "is absolute"),
    "meeting names": ({"handler.py": HELLO, "Handler.py": HELLO}, {}, "SourceRefused", "meets"),
    "whiteout": ({"handler.py": HELLO, ".wh.passwd": ""}, {}, "SourceRefused", ".wh.passwd"),
    "nothing": ({".git/HEAD": "x"}, {}, "SourceRefused", "no file"),
    "runtime": ({"handler.py": HELLO}, {"runtime": "python2.7"}, "UnknownRuntime", "one of: python, python3.11"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN.values(), ids=BROKEN)
async def test_broken(builder, inline, case) -> None:
    """A broken function fails for good, with a reason for its condition and words for its author."""
    files, more, reason, text = case
    status = await builder.build(inline(files, **more))
    assert (status.state, status.reason, status.temporary) == ("failed", reason, False)
    assert text in status.message
    assert status.image is None
    assert any(reason in line for line in status.log)


UPLOADS = {
    "traversal": (archives.make_tar(("../evil.py", b"x")), "part"),
    "link": (archives.make_tar(("handler.py", archives.LINK)), "symbolic link"),
    "bomb": (archives.make_tar(("handler.py", bytes(60_000_000))), "archive bomb"),
    "overlap": (archives.make_overlap_bomb(), "overlap"),
    "many files": (archives.many_files(11_000), "more than 10000 members"),
    "not an archive": (b"#!/bin/sh\n", "neither tar"),
}


@pytest.mark.parametrize(("data", "text"), UPLOADS.values(), ids=UPLOADS)
async def test_broken_upload(builder, upload, given, data, text) -> None:
    """A hostile archive fails for good and leaves nothing in the work directory."""
    status = await builder.build(await upload(data))
    assert (status.state, status.reason, status.temporary) == ("failed", "SourceRefused", False)
    assert text in status.message
    assert list(given.work_dir.iterdir()) == []


async def test_upload_too_large(start_builder, given, upload) -> None:
    """The size of an upload is known and refused before it is downloaded."""
    small = given.model_copy(update={"max_source_bytes": 1000})
    status = await (await start_builder(small)).build(await upload(random.Random(1).randbytes(2000)))
    assert (status.reason, status.temporary) == ("SourceRefused", False)
    assert "2000 bytes; 1000 bytes are allowed" in status.message


async def test_upload_absent(builder, upload) -> None:
    """A source that was never uploaded, or was removed, is named with the way out."""
    request = await upload(archives.make_tar(("handler.py", b"x")))
    request["source"]["oci"]["ref"] = request["source"]["oci"]["ref"].rpartition(":")[0] + ":" + "0" * 64
    status = await builder.build(request)
    assert (status.reason, status.temporary) == ("SourceRefused", False)
    assert "does not exist; deploy the function again" in status.message


async def test_other_artifact(builder, upload) -> None:
    """An artifact of another kind is not taken for a source."""
    status = await builder.build(await upload(archives.make_tar(("handler.py", HELLO.encode())), kind="other"))
    assert (status.reason, status.temporary) == ("SourceRefused", False)


FOREIGN = {
    "other namespace": "{host}/mayfly/sources/bank/{name}@sha256:" + "0" * 64,
    "other repository": "{host}/mayfly/dependencies@sha256:" + "0" * 64,
    "similar namespace": "{host}/mayfly/sources/shopping/x@sha256:" + "0" * 64,
    "other host": "169.254.169.254/mayfly/sources/shop/x@sha256:" + "0" * 64,
    "tag": "{host}/mayfly/sources/shop/x:latest",
}


@pytest.mark.parametrize("ref", FOREIGN.values(), ids=FOREIGN)
async def test_foreign_source(builder, registry, name, ref) -> None:
    """A source is read from its own namespace in the platform's registry, by digest, and from nowhere else."""
    oci = {"ref": ref.format(host=registry.host, name=name)}
    status = await builder.build({"namespace": "shop", "name": name, "source": {"oci": oci}})
    assert (status.state, status.reason, status.temporary) == ("failed", "SourceRefused", False)
    assert "source.oci.ref" in status.message


async def test_dependencies_too_large(start_builder, given, inline) -> None:
    """Installed packages have a bound of their own."""
    small = given.model_copy(update={"max_dependency_bytes": 1000})
    status = await (await start_builder(small)).build(inline(_needs("idna==3.7")))
    assert status.reason == "DependencyFailed"
    assert "1000 bytes are allowed" in status.message
