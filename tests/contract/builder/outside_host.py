"""A host outside: git's own server (``git http-backend``) and plain files, over real HTTP."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import test_utils, web

LOGIN = ("bob", "canary-5f3a9c")
IDENTITY = {
    "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.com", "GIT_COMMITTER_NAME": "A",
    "GIT_COMMITTER_EMAIL": "a@example.com", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null",
}  # fmt: skip


def run_git(directory: Path, *words: str, stdin: str = "") -> str:
    """Run git in ``directory`` with nothing of this machine's configuration; return what it says."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(directory), **IDENTITY}
    done = subprocess.run(
        ["git", *words], cwd=directory, env=environment, check=True, capture_output=True, input=stdin.encode()
    )
    return done.stdout.decode().strip()


def make_repository(directory: Path) -> Path:
    """Make an empty repository with the branch main."""
    directory.mkdir(parents=True)
    run_git(directory, "init", "--quiet", "--initial-branch=main")
    return directory


def commit(repository: Path, files: dict[str, str | bytes]) -> str:
    """Commit ``files``; return the commit."""
    for path, content in files.items():
        (repository / path).parent.mkdir(parents=True, exist_ok=True)
        (repository / path).write_bytes(content if isinstance(content, bytes) else content.encode())
    run_git(repository, "add", "--all")
    run_git(repository, "commit", "--quiet", "--message", "change")
    return run_git(repository, "rev-parse", "HEAD")


@dataclass
class Host:
    """What the host serves: repositories below ``root``, ``files``; ``login`` is asked for where it is set."""

    root: Path
    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    kind: str = "application/octet-stream"
    redirects: dict[str, str] = field(default_factory=dict)
    login: tuple[str, str] | None = None
    header: tuple[str, str] | None = None
    modern: bool = True
    status: int = 0
    cut: int = 0
    asked: list[str] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)
    thinking_seconds: float = 0.0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.path_qs}")
        await self.open.wait()
        await asyncio.sleep(self.thinking_seconds)
        if self.status:
            return web.Response(status=self.status)
        if request.path in self.redirects:
            return web.Response(status=302, headers={"Location": self.redirects[request.path]})
        if not self._admits(request):
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="host"'})
        if request.path in self.files:
            return web.Response(body=self.files[request.path], content_type=self.kind)
        return await self._serve_git(request)

    def _admits(self, request: web.Request) -> bool:
        if self.header is not None:
            return request.headers.get(self.header[0]) == self.header[1]
        if self.login is None:
            return True
        told = base64.b64encode(":".join(self.login).encode()).decode()
        return request.headers.get("Authorization") == f"Basic {told}"

    async def _serve_git(self, request: web.Request) -> web.Response:
        """Run git's CGI program (https://git-scm.com/docs/git-http-backend)."""
        environment = {
            "PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": str(self.root), "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null", "HOME": str(self.root),
            "REQUEST_METHOD": request.method, "PATH_INFO": request.path, "QUERY_STRING": request.query_string,
            "CONTENT_TYPE": request.headers.get("Content-Type", ""), "REMOTE_ADDR": "127.0.0.1",
        }  # fmt: skip
        if self.modern:
            environment["GIT_PROTOCOL"] = request.headers.get("Git-Protocol", "")
        process = await asyncio.create_subprocess_exec(
            "git", "http-backend", env=environment, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        out, _ = await process.communicate(await request.read())
        head, _, body = out.partition(b"\r\n\r\n")
        lines = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        status = int(lines.pop("Status", "200 OK").split()[0])
        if self.cut and request.method == "POST" and b"PACK" in body:
            body = body[: self.cut]
        return web.Response(status=status, headers=lines, body=body)


@contextlib.asynccontextmanager
async def serve(root: Path) -> AsyncIterator[Host]:
    """Serve on a free port of the loopback address until the end."""
    host = Host(root)
    host.open.set()
    app = web.Application(client_max_size=1 << 20)
    app.router.add_route("*", "/{path:.*}", host.answer)
    async with test_utils.TestServer(app) as server:
        host.url = f"http://127.0.0.1:{server.port}"
        yield host
