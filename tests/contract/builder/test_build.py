"""A request becomes an image whose function answers; an unchanged one is answered from the registry."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys

import aiohttp

from mayfly.image import reference, validate
from mayfly.model import labels
from tests.unit.build import archives

HELLO = "import json\n\ndef hello(request):\n    return 'hello from the image'\n"


async def _call(root, config) -> tuple[int, str]:
    """Start the image's entry point in the unpacked root and call it once."""
    command = config["Entrypoint"]
    environment = {
        **dict(item.split("=", 1) for item in config["Env"]),
        "PYTHONPATH": str(root / "opt/mayfly/runtime"),
        "MAYFLY_CODE_DIR": str(root / "app"),
        "MAYFLY_DEPENDENCIES_DIR": str(root / "opt/mayfly/dependencies"),
        "MAYFLY_TERMINATION_LOG": str(root / "termination-log"),
        "MAYFLY_LOG_LEVEL": "debug",
        "PORT": "0",
        "PATH": os.environ["PATH"],
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command[1:], env=environment, cwd=root / "app",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        port = await asyncio.wait_for(_find_port(process.stdout), 20)
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/") as answer:
            return answer.status, await answer.text()
    finally:
        process.kill()
        await process.communicate()


async def _find_port(stream) -> int:
    seen = []
    async for line in stream:
        seen.append(line.decode())
        if "listening" in seen[-1] and (found := re.search(r'"port": ?"?(\d+)', seen[-1])):
            return int(found[1])
    raise AssertionError("".join(seen))


async def test_image_answers(start_builder, real_given, inline, unpack) -> None:
    """The image has the promised layers and configuration, is sound, and its function answers a call."""
    builder = await start_builder(real_given)
    status = await builder.build(inline({"handler.py": HELLO}))
    assert (status.state, status.handler, status.signature) == ("succeeded", "handler:hello", "http")
    assert status.signature_reason == "`hello(request)` in handler.py takes a request"
    assert not status.cached
    root, image = await unpack(status)
    validate.validate(image)
    run = image.config["config"]
    assert (run["User"], run["WorkingDir"]) == ("65532:65532", "/app")
    assert run["Entrypoint"] == ["python3", "-P", "-m", "mayfly_runtime"]
    assert {"PATH=/usr/bin", "PYTHONPATH=/opt/mayfly/runtime", "MAYFLY_HANDLER=handler:hello"} <= {*run["Env"]}
    assert image.labels[labels.FINGERPRINT] == status.fingerprint
    assert image.labels[labels.DEPENDENCIES] == "none"
    assert [item["created_by"] for item in image.config["history"][1:]] == ["mayfly: runtime", "mayfly: code"]
    assert (root / "app/__pycache__/handler.cpython-311.pyc").is_file()
    assert await _call(root, run) == (200, "hello from the image")


async def test_unchanged_is_recalled(builder, start_builder, given, inline) -> None:
    """The same request is answered from the registry, by this builder and by one that knows nothing."""
    request = inline({"handler.py": HELLO})
    first = await builder.build(request)
    again = await builder.build(request)
    other = await (await start_builder(given)).build(request)
    for status in (again, other):
        assert status.cached
        assert (status.image, status.handler, status.signature) == (first.image, first.handler, first.signature)
        assert status.signature_reason == first.signature_reason
        assert [step.name for step in status.steps] == ["recall"]


async def test_same_input_same_digest(start_builder, given, inline, tmp_path, registry) -> None:
    """Two builders that share nothing, an empty cache included, make the same image, byte for byte."""
    request = inline({"handler.py": HELLO, "requirements.txt": "idna==3.7\n"})
    digests = []
    for number in range(2):
        apart = given.model_copy(
            update={
                "registry": f"{registry.host}/apart{number}",
                "work_dir": tmp_path / f"work{number}",
                "cache_dir": tmp_path / f"cache{number}",
            }
        )
        status = await (await start_builder(apart)).build(request)
        assert status.state == "succeeded", status.message
        digests.append(reference.ImageRef.parse(status.image).digest)
    assert digests[0] == digests[1]


async def test_code_change_touches_one_layer(builder, inline, registry_client) -> None:
    """Changed code gives a new code layer; base, runtime and dependencies stay, and nothing is installed again."""
    before = await builder.build(inline({"handler.py": HELLO, "requirements.txt": "idna==3.7\n"}))
    after = await builder.build(inline({"handler.py": HELLO + "\nX = 1\n", "requirements.txt": "idna==3.7\n"}))
    layers = []
    for status in (before, after):
        manifest = await registry_client.get_manifest(reference.ImageRef.parse(status.image))
        layers.append([item["digest"] for item in json.loads(manifest.data)["layers"]])
    assert len(layers[0]) == 4
    assert layers[0][:3] == layers[1][:3]
    assert layers[0][3] != layers[1][3]
    details = {step.name: step.detail for step in after.steps}
    assert details["dependencies"].startswith("cached")


async def test_dependency_is_there(start_builder, real_given, inline, unpack) -> None:
    """A wheel from the index is installed with bytecode, without the builder's scripts, and the function imports it."""
    builder = await start_builder(real_given)
    code = "import idna\n\ndef hello(request):\n    return idna.encode('königsgäßchen').decode()\n"
    status = await builder.build(inline({"handler.py": code, "requirements.txt": "idna\n"}))
    assert status.state == "succeeded", status.message
    assert any("not pinned: idna" in line for line in status.log)
    root, image = await unpack(status)
    installed = root / "opt/mayfly/dependencies"
    assert (installed / "idna/__pycache__/core.cpython-311.pyc").is_file()
    assert not (installed / "bin").exists()
    assert "bin/idna" not in next(installed.glob("idna-*.dist-info/RECORD")).read_text()
    assert len(image.labels[labels.DEPENDENCIES]) == 64
    assert (await _call(root, image.config["config"]))[1].startswith("xn--")


async def test_lock_is_followed(builder, inline, unpack) -> None:
    """A uv lock decides the version, with its hashes, whatever newer the index has."""
    lock = """version = 1
requires-python = ">=3.11"

[[package]]
name = "idna"
version = "3.7"
source = { registry = "https://index.example/simple" }

[[package.wheels]]
url = "https://files.example/idna-3.7-py3-none-any.whl"
hash = "sha256:82fee1fc78add43492d3a1898bfa6d8a904cc97d8427f683ed8e798d07761aa0"
size = 66836

[[package]]
name = "shop"
version = "0"
source = { virtual = "." }
dependencies = [{ name = "idna" }]

[package.metadata]
requires-dist = [{ name = "idna", specifier = ">=3" }]
"""
    project = '[project]\nname = "shop"\nversion = "0"\nrequires-python = ">=3.11"\ndependencies = ["idna>=3"]\n'
    status = await builder.build(inline({"handler.py": HELLO, "pyproject.toml": project, "uv.lock": lock}))
    assert status.state == "succeeded", status.message
    root, _ = await unpack(status)
    assert (root / "opt/mayfly/dependencies/idna-3.7.dist-info").is_dir()


async def test_uploaded_archives(builder, upload, unpack) -> None:
    """An uploaded tar.gz or zip is built like the same files in the manifest; ignored files stay out."""
    files = {"handler.py": HELLO.encode(), "data/prices.json": b"{}", ".git/HEAD": b"x"}
    packed = [archives.make_tar(*files.items()), archives.make_zip(*files.items())]
    statuses = [await builder.build(await upload(data)) for data in packed]
    assert [status.state for status in statuses] == ["succeeded"] * 2
    root, _ = await unpack(statuses[0])
    assert sorted(p.relative_to(root / "app").as_posix() for p in (root / "app").rglob("*") if p.is_file()) == [
        "__pycache__/handler.cpython-311.pyc", "data/prices.json", "handler.py",
    ]  # fmt: skip
    assert len({status.fingerprint for status in statuses}) == 2


async def test_rebuild_asks_again(builder, inline) -> None:
    """A new rebuild mark is a new build, also of the dependencies."""
    files = {"handler.py": HELLO, "requirements.txt": "idna\n"}
    first = await builder.build(inline(files, rebuild="one"))
    again = await builder.build(inline(files, rebuild="two"))
    assert first.fingerprint != again.fingerprint
    assert {s.name: s.detail for s in again.steps}["dependencies"].startswith("installed")


async def test_broken_template_is_left_alone(builder, inline) -> None:
    """A file that no import can name may fail to compile; the log says so."""
    status = await builder.build(inline({"handler.py": HELLO, "my-templates/new.py": "def {{ name }}():\n"}))
    assert status.state == "succeeded"
    assert any("left without bytecode: my-templates/new.py:1" in line for line in status.log)


async def test_log_is_kept(builder, inline) -> None:
    """The log of a build can be read by its fingerprint."""
    status = await builder.build(inline({"handler.py": HELLO}))
    text = await builder.text(f"/v1/builds/{status.fingerprint}/log")
    assert "plan: " in text
    assert text.splitlines()[-1].startswith("push: ")
