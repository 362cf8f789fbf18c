"""Make the platform's own image, with the rooms that make functions' images: ``python -m mayfly.build.platform_image``.

Its layers are those of a function: base, runtime (the directory that builders copy into functions), dependencies and
code, which here is the package ``mayfly`` itself. With ``--root`` the same files are laid out below a directory
instead, for the ``Dockerfile``.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

import mayfly
from mayfly import settings
from mayfly.build import assemble, dependencies, install, layers, runtime_dir, workshop
from mayfly.image import entry, layer, reference, tar
from mayfly.image import image as images
from mayfly.plan import dependencies as wanted
from mayfly.plan import tree
from mayfly.registry import pull, push

_ROOT = Path(__file__).resolve().parents[3]
PYTHON = "3.11"
ENVIRONMENT = {
    "PYTHONPATH": f"/{layers.CODE}:/{layers.DEPENDENCIES}",
    "PYTHONUNBUFFERED": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PATH": f"/{layers.DEPENDENCIES}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
}


async def build_image(*, registry: str, base: str, tag: str, insecure: bool, cache: Path) -> reference.ImageRef:
    """Build and push the image; return its reference by digest.

    ``registry`` is ``HOST[:PORT]/PREFIX``; the dependency layer is kept there under the hash of its lock, so that a
    change of Mayfly's own code pushes one layer.

    Raises:
        DependencyError: a package cannot be installed.
        RegistryError: the registry cannot be read or written.
    """
    fit = wanted.Target(PYTHON, runtime_dir.find_platform())
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        runtime = work / "runtime"
        await _prepare_runtime(runtime, fit=fit, cache=cache)
        given = settings.BuilderSettings(
            registry=registry, registry_insecure=insecure, runtime_dir=runtime, work_dir=work / "work", cache_dir=cache
        )
        async with workshop.open_workshop(given) as shop:
            ref = reference.ImageRef.parse(base)
            foundation = workshop.Base(PYTHON, await pull.pull_image(shop.client_of(ref.host), ref), fit)
            packages, _ = await dependencies.find_layer(_plan(fit), shop=shop, base=foundation, work=work, on_line=_say)
            code = await _pack_code(work)
            upper = [await shop.runtime_layer(), packages, code]
            image = _configure(images.append(foundation.image, upper))
            target = reference.ImageRef.parse(f"{registry}/platform").with_tag(tag)
            return await push.push_image(shop.registry, image, target, source=shop.client_of(ref.host))


async def prepare_root(root: Path, *, cache: Path) -> None:
    """Lay out what the image holds beyond its base below ``root``.

    Raises:
        DependencyError: a package cannot be installed.
    """
    fit = wanted.Target(PYTHON, runtime_dir.find_platform())
    target, code = root / layers.DEPENDENCIES, root / layers.CODE
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        await _prepare_runtime(root / layers.RUNTIME, fit=fit, cache=cache)
        target.mkdir(parents=True)
        await install.install(
            _plan(fit), target=target, work=work, fit=fit, installer=install.Installer(cache), on_line=_say
        )
        await runtime_dir.add_bytecode(target, root=f"/{layers.DEPENDENCIES}", work=work)
        await _lay_out_code(code, work)


async def _prepare_runtime(out: Path, *, fit: wanted.Target, cache: Path) -> None:
    await asyncio.to_thread(out.mkdir, parents=True)
    lock = (_ROOT / "requirements" / "runtime.lock").read_bytes()
    await runtime_dir.prepare(out, lock=lock, runtime=_ROOT / "platform" / "mayfly_runtime", fit=fit, cache=cache)


def _plan(fit: wanted.Target) -> wanted.DependencyPlan:
    lock = (_ROOT / "requirements" / "platform.lock").read_bytes()
    return wanted.plan_dependencies(tree.SourceTree({"requirements.txt": lock}), target=fit, salt="platform")


async def _pack_code(work: Path) -> layer.Layer:
    code = work / "code"
    await _lay_out_code(code, work)
    return tar.make_layer(entry.make_tree(code, layers.CODE), created_by="mayfly: platform")


async def _lay_out_code(code: Path, work: Path) -> None:
    """Copy the package below ``code`` and compile it."""
    package = Path(mayfly.__file__).parent
    for source in sorted(package.rglob("*")):
        path = source.relative_to(package.parent).as_posix()
        if source.is_file() and not tree.ignored(path):
            (code / path).parent.mkdir(parents=True, exist_ok=True)
            (code / path).write_bytes(source.read_bytes())
    await runtime_dir.add_bytecode(code, root=f"/{layers.CODE}", work=work)


def _configure(image: images.Image) -> images.Image:
    labels = {
        "org.opencontainers.image.title": "mayfly",
        "org.opencontainers.image.version": mayfly.__version__,
        "org.opencontainers.image.licenses": "Apache-2.0",
    }
    return images.configure(
        image,
        user=assemble.USER,
        entrypoint=(),
        command=("python3", "-P", "-m", "mayfly.controller"),
        env=ENVIRONMENT,
        labels=labels,
        working_dir=f"/{layers.CODE}",
    )


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def main() -> None:
    """Build as the command line says; print the image's reference by digest."""
    parser = argparse.ArgumentParser(prog="python -m mayfly.build.platform_image", description=__doc__.split("\n")[0])
    parser.add_argument("--registry", help="where to push: HOST[:PORT]/PREFIX")
    parser.add_argument("--base", help="base image (default: REGISTRY/base-python:3.11)")
    parser.add_argument("--tag", default=mayfly.__version__)
    parser.add_argument("--insecure", action="store_true", help="speak plain HTTP to the registry")
    parser.add_argument("--root", type=Path, help="lay the files out below this directory instead of pushing")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "mayfly" / "packages")
    given = parser.parse_args()
    if (given.registry is None) == (given.root is None):
        parser.error("give exactly one of --registry, --root")
    if given.root:
        asyncio.run(prepare_root(given.root, cache=given.cache))
        return
    started = time.monotonic()
    base = given.base or f"{given.registry}/base-python:{PYTHON}"
    made = asyncio.run(
        build_image(registry=given.registry, base=base, tag=given.tag, insecure=given.insecure, cache=given.cache)
    )
    _say(f"platform image in {time.monotonic() - started:.1f} s")
    sys.stdout.write(f"{made}\n")


if __name__ == "__main__":
    main()
