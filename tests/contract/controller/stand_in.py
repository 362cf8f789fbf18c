"""Stands in for the builder: speaks its HTTP interface and answers what the test says.

The images it names are real: the base image of the local registry with another command, so that pods really start,
crash or are refused.
"""

from __future__ import annotations

import contextlib
import hashlib
import json

import aiohttp
from aiohttp import web

from mayfly.model import build

SERVE = """
import http.server, os, signal
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b'ok')
    def log_message(self, *words): pass
http.server.ThreadingHTTPServer(('', int(os.environ['PORT'])), Handler).serve_forever()
"""
CRASH = """
import sys
open('/dev/termination-log', 'w').write('Traceback (most recent call last):\\n  File "/app/handler.py", line 1\\n'
    "ModuleNotFoundError: No module named 'requests'")
sys.exit(1)
"""
HUNGRY = "x = bytearray(1 << 30)\nwhile True: pass"


class Builder:
    """A builder that answers at once; ``answers`` maps the text of ``handler.py`` to what is answered."""

    def __init__(self, registry: str) -> None:
        self.registry = registry
        self.requests: list[build.BuildRequest] = []
        self.tokens: set[str] = set()
        self.answers: dict[str, dict] = {}
        self.default: dict = {}
        self.down = False

    def succeed(self, image, text=None):
        """Answer with ``image``, to every request or to those of that text."""
        found = {
            "state": "succeeded",
            "image": image,
            "runtime": "python3.11",
            "handler": "handler:handle",
            "signature": "http",
            "signature_reason": "handle takes one argument",
            "steps": [{"name": "code", "seconds": 0.1}],
        }
        self._set(text, found)

    def fail(self, reason, message, text=None, **more):
        """Answer with a failure."""
        self._set(text, {"state": "failed", "reason": reason, "message": message, "log": ["one", "two"], **more})

    def _set(self, text, found):
        if text is None:
            self.default = found
        else:
            self.answers[text] = found

    async def push(self, program):
        """Push an image that runs ``program`` and return its reference."""
        return await push_variant(self.registry, program)

    async def handle(self, incoming: web.Request) -> web.Response:
        if self.down:
            return web.json_response({"title": "out of order"}, status=503)
        self.tokens.add(incoming.headers["Authorization"])
        request = build.BuildRequest.model_validate_json(await incoming.text())
        self.requests.append(request)
        text = next(iter(request.source.inline.files.values())) if request.source.inline else ""
        answer = {"fingerprint": request.digest(), **self.answers.get(text, self.default)}
        return web.json_response(answer)

    @contextlib.asynccontextmanager
    async def serving(self):
        """Serve and give the base URL."""
        app = web.Application()
        app.router.add_post("/v1/builds", self.handle)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()


async def push_variant(registry: str, program: str, *, base: str = "mayfly/base-python") -> str:
    """Push the base image with ``program`` as its command and return the reference by digest."""
    url = f"http://{registry}/v2/{base}"
    accept = ["application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"]
    async with aiohttp.ClientSession(raise_for_status=True) as session:
        async with session.get(f"{url}/tags/list") as response:
            tag = (await response.json())["tags"][0]
        async with session.get(f"{url}/manifests/{tag}", headers={"Accept": ", ".join(accept)}) as response:
            manifest = json.loads(await response.read())
            media_type = response.content_type
        async with session.get(f"{url}/blobs/{manifest['config']['digest']}") as response:
            config = json.loads(await response.read())
        config["config"] = {**config.get("config", {}), "Entrypoint": ["python3", "-c", program], "User": "65532:65532"}
        blob = json.dumps(config, sort_keys=True).encode()
        digest = f"sha256:{hashlib.sha256(blob).hexdigest()}"
        async with session.post(f"{url}/blobs/uploads/") as response:
            place = str(response.url.join(aiohttp.client.URL(response.headers["Location"])))
        async with session.put(place + ("&" if "?" in place else "?") + f"digest={digest}", data=blob):
            pass
        manifest["config"] |= {"digest": digest, "size": len(blob)}
        body = json.dumps(manifest, sort_keys=True).encode()
        name = hashlib.sha256(body).hexdigest()
        put = session.put(f"{url}/manifests/sha256:{name}", data=body, headers={"Content-Type": media_type})
        async with put:
            return f"{registry}/{base}@sha256:{name}"
