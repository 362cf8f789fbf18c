"""What builds share: settings, the registry, base images, the runtime layer, and a lock for each dependency key."""

from __future__ import annotations

import asyncio
import contextlib
import platform
import re
import shutil
import sys
import time
import weakref
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp

from mayfly import errors, settings
from mayfly.build import install, layers, limits, runtime_dir
from mayfly.image import image as images
from mayfly.image import layer, manifest, reference
from mayfly.model import build, names
from mayfly.outside import download
from mayfly.plan import dependencies, fingerprint
from mayfly.registry import client as clients
from mayfly.registry import credentials, pull, push, transport

BASE_SECONDS = 30.0
"""Time for which a base image's tag is not looked up again."""
_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
"""RFC 1123, section 2.1, as Kubernetes reads it."""
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class Base:
    """A runtime: its name, the image that functions of it are built upon, and what its wheels must fit."""

    runtime: str
    image: images.Image
    fit: dependencies.Target


@dataclass(frozen=True)
class Job:
    """A request with everything that determines its image."""

    request: build.BuildRequest
    base: Base
    fingerprint: str


class Workshop:
    """One per process; ``open_workshop`` makes it."""

    def __init__(
        self, *, given: settings.BuilderSettings, session: aiohttp.ClientSession, runtime_layer: layer.Layer
    ) -> None:
        self.given = given
        self.root = reference.ImageRef.parse(given.registry)
        self.bounds = limits.Limits(archive_bytes=given.max_source_bytes, unpacked_bytes=given.max_unpacked_bytes)
        self.installer = install.Installer(given.cache_dir, given.index_url, given.max_dependency_bytes)
        self.downloads = download.Downloads(given.source_networks)
        self._session = session
        self._logins = credentials.load_credentials(given.registry_config)
        self.registry = self._open_client(self.root.host, insecure=given.registry_insecure)
        self._runtime_layer = runtime_layer
        self._runtime_pushed = False
        self._bases: dict[str, tuple[float, Base]] = {}
        self._locks: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()

    async def identify(self, request: build.BuildRequest) -> Job:
        """Return the job for ``request``; nothing of its source is fetched.

        Raises:
            InvalidName: namespace or name is not a DNS label.
            UnknownRuntime: the runtime is not offered.
            RegistryError: the base image cannot be looked up.
        """
        _check_names(request)
        base = await self._find_base(self._resolve(request.runtime))
        environment = fingerprint.Environment(
            base=base.image.digest,
            runtime_layer=self._runtime_layer.digest,
            runtime=base.runtime,
            compiler=f"{sys.implementation.cache_tag} {platform.python_version()}",
        )
        return Job(request, base, fingerprint.make_fingerprint(request, environment))

    def _resolve(self, runtime: str) -> str:
        """Return the full name of ``runtime``, ``python`` meaning the default one."""
        name = self.given.default_runtime if runtime == "python" else runtime
        own = f"python{sys.version_info.major}.{sys.version_info.minor}"
        if name not in self.given.base_images or name != own:
            offered = ", ".join(sorted({"python", *self.given.base_images} & {"python", own}))
            raise errors.UnknownRuntime(
                f"runtime {runtime!r} is not offered here; set spec.runtime to one of: {offered or 'none'}"
            )
        return name

    async def _find_base(self, runtime: str) -> Base:
        """Return the base of ``runtime``; its tag is looked up again after a while, its image read when it changed."""
        looked, known = self._bases.get(runtime, (float("-inf"), None))
        if known is not None and time.monotonic() - looked < BASE_SECONDS:
            return known
        ref = reference.ImageRef.parse(self.given.base_images[runtime])
        client = self.client_of(ref.host)
        machine = _ARCHITECTURES.get(platform.machine(), platform.machine())
        image = await pull.pull_image(client, ref, platform=manifest.Platform(os="linux", architecture=machine))
        fit = dependencies.Target(runtime.removeprefix("python"), runtime_dir.find_platform(_machine(image)))
        base = Base(runtime, image, fit)
        self._bases[runtime] = (time.monotonic(), base)
        return base

    def client_of(self, host: str) -> clients.RegistryClient:
        """Return a client for the registry at ``host``: our own, or one that speaks HTTPS."""
        return self.registry if host == self.root.host else self._open_client(host, insecure=False)

    def _open_client(self, host: str, *, insecure: bool) -> clients.RegistryClient:
        return clients.RegistryClient(host=host, session=self._session, insecure=insecure, credentials=self._logins)

    async def runtime_layer(self) -> layer.Layer:
        """Return the runtime layer, which lies in a repository of its own so that others only refer to it.

        Raises:
            RegistryError: it could not be pushed.
        """
        if not self._runtime_pushed:
            ref = reference.ImageRef.parse(f"{self.given.registry}/runtime")
            tag = self._runtime_layer.diff_id.partition(":")[2][:40]
            image = images.append(images.empty(), [self._runtime_layer])
            pushed = await push.push_image(self.registry, image, ref.with_tag(tag))
            self._runtime_layer = replace(self._runtime_layer, origin=pushed)
            self._runtime_pushed = True
        return self._runtime_layer

    def function_ref(self, job: Job) -> reference.ImageRef:
        """Return where the image of ``job`` belongs: its function's repository, tagged with the fingerprint."""
        repository = names.function_repository(self.given.registry, job.request.namespace, job.request.name)
        return reference.ImageRef.parse(repository).with_tag(job.fingerprint[:40])

    def dependencies_ref(self, key: str) -> reference.ImageRef:
        """Return where the layer of the dependency key ``key`` is kept."""
        return reference.ImageRef.parse(names.dependency_repository(self.given.registry)).with_tag(key[:40])

    def lock(self, key: str) -> asyncio.Lock:
        """Return the lock of ``key``, so that builds with the same dependencies install them once."""
        return self._locks.setdefault(key, asyncio.Lock())


def _check_names(request: build.BuildRequest) -> None:
    for kind, name in (("namespace", request.namespace), ("name", request.name)):
        if not _DNS_LABEL.fullmatch(name):
            raise errors.InvalidName(f"{kind} {name!r} is not a DNS label: use a-z, 0-9 and -, at most 63 characters")


def _remove_old(directory: Path, seconds: float) -> None:
    """Remove what builds of a killed process left in ``directory``; what is younger may belong to a live one."""
    for entry in directory.iterdir():
        with contextlib.suppress(OSError):
            if time.time() - entry.lstat().st_mtime > seconds:
                shutil.rmtree(entry)


def _machine(image: images.Image) -> str:
    return str(image.config.get("architecture", "amd64"))


@contextlib.asynccontextmanager
async def open_workshop(given: settings.BuilderSettings) -> AsyncIterator[Workshop]:
    """Yield the workshop of this process; the runtime layer is packed here, once.

    Raises:
        SourceError: the runtime directory holds something that cannot be packed.
    """
    given.work_dir.mkdir(parents=True, exist_ok=True)
    given.cache_dir.mkdir(parents=True, exist_ok=True)
    await asyncio.to_thread(_remove_old, given.work_dir, 2 * given.build_timeout_seconds)
    with layers.open_storage(given.work_dir) as storage:
        runtime_layer = await asyncio.to_thread(layers.pack_runtime, given.runtime_dir, storage)
        async with transport.open_session() as session:
            shop = Workshop(given=given, session=session, runtime_layer=runtime_layer)
            try:
                yield shop
            finally:
                await shop.downloads.close()
