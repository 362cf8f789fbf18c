"""Nothing of a package runs while building: neither an sdist's setup.py nor what a wheel would start."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from mayfly.build import install

HELLO = "def hello(request):\n    return 'hello'\n"


def _make_sdist(code: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, text in {"setup.py": code, "PKG-INFO": "Metadata-Version: 2.1\nName: evil\nVersion: 1\n"}.items():
            info = tarfile.TarInfo(f"evil-1/{name}")
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    return out.getvalue()


def _make_wheel(name: str, files: dict[str, str], requires: str = "") -> bytes:
    info = f"{name}-1.dist-info"
    needs = f"Requires-Dist: {requires}\n" if requires else ""
    files = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    lines = []
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path, text in files.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            lines.append(f"{path},sha256={digest},{len(text)}")
            archive.writestr(path, text)
        archive.writestr(f"{info}/RECORD", "\n".join([*lines, f"{info}/RECORD,,", ""]))
    return out.getvalue()


class Index:
    """A package index (PEP 503) that serves the files put into ``files``."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.url = ""
        self.asked: list[str] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        project, _, name = request.path.removeprefix("/simple/").partition("/")
        if name:
            return web.Response(body=self.files[name])
        links = "".join(f'<a href="{file}">{file}</a>' for file in self.files if file.startswith(f"{project}-"))
        return web.Response(text=links, content_type="text/html", status=200 if links else 404)


@pytest_asyncio.fixture
async def index() -> AsyncIterator[Index]:
    served = Index()
    app = web.Application()
    app.router.add_get("/{path:.*}", served.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    served.url = f"http://127.0.0.1:{runner.addresses[0][1]}/simple"
    yield served
    await runner.cleanup()


@pytest.fixture
def marker(tmp_path) -> Path:
    return tmp_path / "it-ran"


@pytest_asyncio.fixture
async def exposed(start_builder, given, index, tmp_path):
    """A builder that installs from the hostile index."""
    return await start_builder(given.model_copy(update={"index_url": index.url, "cache_dir": tmp_path / "cache"}))


async def test_sdist_does_not_run(exposed, index, inline, marker) -> None:
    """A package without wheels is refused, and its setup.py is never run."""
    index.files["evil-1.tar.gz"] = _make_sdist(f"open({str(marker)!r}, 'w')\nfrom setuptools import setup\nsetup()\n")
    status = await exposed.build(inline({"handler.py": HELLO, "requirements.txt": "evil==1"}))
    assert (status.reason, status.temporary) == ("DependencyFailed", False)
    assert "exists as source code only" in status.message
    assert not marker.exists()


async def test_wheel_does_not_run(exposed, index, inline, marker, unpack) -> None:
    """What a wheel would have started by an interpreter lies in the image, and did not start in the builder."""
    code = f"open({str(marker)!r}, 'w')\n"
    files = {
        "evil/__init__.py": code,
        "sitecustomize.py": code,
        "usercustomize.py": code,
        "evil.pth": f"import os; {code}",
    }
    index.files["evil-1-py3-none-any.whl"] = _make_wheel("evil", files)
    status = await exposed.build(inline({"handler.py": HELLO, "requirements.txt": "evil==1"}))
    assert status.state == "succeeded", status.message
    root, _ = await unpack(status)
    assert (root / "opt/mayfly/dependencies/evil/__init__.py").read_text() == code
    assert not marker.exists()


async def test_wheel_stays_in_its_place(exposed, index, inline, marker) -> None:
    """A wheel that climbs out of its directory is refused or kept in it."""
    climbing = "../" * 12 + str(marker).lstrip("/")
    index.files["evil-1-py3-none-any.whl"] = _make_wheel("evil", {"evil.py": "", climbing: "x", str(marker): "x"})
    status = await exposed.build(inline({"handler.py": HELLO, "requirements.txt": "evil==1"}))
    assert status.final
    assert not marker.exists()


async def test_wheel_cannot_send_the_builder_elsewhere(exposed, index, inline) -> None:
    """A package whose own dependency is a URL does not make the builder fetch it."""
    elsewhere = index.url.replace("/simple", "/metadata-service/secret-1-py3-none-any.whl")
    index.files["evil-1-py3-none-any.whl"] = _make_wheel("evil", {"evil.py": ""}, f"secret @ {elsewhere}")
    status = await exposed.build(inline({"handler.py": HELLO, "requirements.txt": "evil==1"}))
    assert (status.state, status.reason) == ("failed", "DependencyFailed")
    assert not any("metadata-service" in path for path in index.asked)


async def test_cache_is_bounded(start_builder, given, index, inline, tmp_path) -> None:
    """When uv's cache outgrows its bound it is emptied; the build goes on."""
    index.files["evil-1-py3-none-any.whl"] = _make_wheel("evil", {"evil.py": "x = 1\n"})
    cache = tmp_path / "cache"
    builder = await start_builder(given.model_copy(update={"index_url": index.url, "cache_dir": cache}))
    status = await builder.build(inline({"handler.py": HELLO, "requirements.txt": "evil==1"}))
    assert status.state == "succeeded", status.message
    assert list(cache.rglob("evil.py"))
    installer = install.Installer(cache, index.url, max_cache_bytes=10)
    await install.trim_cache(work=tmp_path, installer=installer)
    assert not list(cache.rglob("evil.py"))
