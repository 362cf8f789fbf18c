"""The sentence of a build: recall, fetch, compile, plan, dependencies, code, push."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import AsyncIterator, Sized
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from pathlib import Path
from typing import BinaryIO

from mayfly import errors
from mayfly.build import bytecode, dependencies, fetch, layers, limits, record, workshop
from mayfly.image import image as images
from mayfly.image import layer, reference
from mayfly.model import build, labels
from mayfly.outside import download
from mayfly.plan import dependencies as wanted
from mayfly.plan import modules, syntax, tree
from mayfly.plan import plan as plans
from mayfly.registry import pull, push

log = logging.getLogger(__name__)

USER = "65532:65532"
ENTRYPOINT = ("python3", "-P", "-m", "mayfly_runtime")
_NOT_FOUND = 404


async def build_image(job: workshop.Job, *, shop: workshop.Workshop, notes: record.Record) -> build.BuildStatus:
    """Return the final state of ``job``: an image by digest, or why there is none. A failure is not raised."""
    try:
        async with asyncio.timeout(shop.given.build_timeout_seconds):
            return await recall(job, shop=shop, notes=notes) or await _build(job, shop=shop, notes=notes)
    except TimeoutError:
        seconds = shop.given.build_timeout_seconds
        problem: errors.MayflyError = errors.BuildTimeout(
            f"the build took longer than {seconds:g} s, in the step {notes.step!r}; make it smaller, use fewer"
            " dependencies, or ask the platform's operator for a longer builder.timeout"
        )
    except errors.MayflyError as error:
        problem = error
    return make_failure(job.fingerprint, problem, notes)


def make_failure(fingerprint: str, problem: errors.MayflyError, notes: record.Record) -> build.BuildStatus:
    """Return the status of a build that ended with ``problem``."""
    notes.log.add(f"{problem.reason}: {problem}")
    return build.BuildStatus(
        state=build.BuildState.FAILED,
        fingerprint=fingerprint,
        steps=tuple(notes.steps),
        reason=problem.reason,
        message=str(problem),
        temporary=problem.temporary,
        log=notes.log.tail(),
    )


async def recall(job: workshop.Job, *, shop: workshop.Workshop, notes: record.Record) -> build.BuildStatus | None:
    """Return the status of ``job`` if the registry has its image, told from the image's labels alone.

    Raises:
        RegistryError: the registry cannot be asked.
    """
    with notes.measure("recall") as step:
        ref = shop.function_ref(job)
        try:
            image = await pull.pull_image(shop.registry, ref)
        except errors.RegistryError as error:
            if error.status != _NOT_FOUND:
                raise
            step.detail = "not built yet"
            return None
        if image.labels.get(labels.FINGERPRINT) != job.fingerprint:
            step.detail = "another image has the tag"
            return None
        step.detail = "built before"
    return _make_success(job, image, ref, notes, cached=True)


def _make_success(
    job: workshop.Job, image: images.Image, ref: reference.ImageRef, notes: record.Record, *, cached: bool
) -> build.BuildStatus:
    found = image.labels
    return build.BuildStatus(
        state=build.BuildState.SUCCEEDED,
        fingerprint=job.fingerprint,
        image=str(ref.with_digest(image.digest)),
        runtime=found.get(labels.RUNTIME),
        handler=found.get(labels.HANDLER),
        signature=build.Signature(found[labels.SIGNATURE]),
        signature_reason=found.get(labels.SIGNATURE_REASON, ""),
        revision=job.request.source.revision,
        steps=tuple(notes.steps),
        log=notes.log.tail(),
        cached=cached,
    )


async def _build(job: workshop.Job, *, shop: workshop.Workshop, notes: record.Record) -> build.BuildStatus:
    """Build and push the image of ``job``."""
    with tempfile.TemporaryDirectory(dir=shop.given.work_dir) as scratch:
        work = Path(scratch)
        async with _fetch(job, shop=shop, work=work, notes=notes) as source:
            compiled = await _compile(source, work=work, notes=notes)
            plan = _plan(job, source, shop=shop, notes=notes)
            installed = await _find_dependencies(plan, job, shop=shop, work=work, notes=notes)
            with layers.open_storage(work) as storage:
                code = await _pack(source, compiled, storage, notes=notes)
                return await _push(job, plan, [item for item in (installed, code) if item], shop=shop, notes=notes)


@asynccontextmanager
async def _fetch(
    job: workshop.Job, *, shop: workshop.Workshop, work: Path, notes: record.Record
) -> AsyncIterator[tree.SourceTree]:
    async with AsyncExitStack() as stack:
        with notes.measure("fetch") as step:
            source = await stack.enter_async_context(
                fetch.open_source(job.request, shop=shop, work=work, on_line=notes.log.add)
            )
            step.detail = job.request.source.revision or _count(source.files, "file")
        yield source


async def _pack(
    source: tree.SourceTree, compiled: dict[str, bytes], storage: BinaryIO, *, notes: record.Record
) -> layer.Layer:
    with notes.measure("code") as step:
        code = await asyncio.to_thread(layers.pack_code, source, compiled, storage)
        step.detail = f"{_count(source.files, 'file')}, {limits.shown(code.size)}"
    return code


async def _compile(source: tree.SourceTree, *, work: Path, notes: record.Record) -> dict[str, bytes]:
    """Return the bytecode of every source; what no import can name may fail to compile.

    Raises:
        SyntaxProblem: an importable module does not compile.
    """
    with notes.measure("compile") as step:
        paths = source.python_files()
        found: dict[str, bytes] = {}
        results = bytecode.compile_sources(paths, read=source.files.__getitem__, root=f"/{layers.CODE}", directory=work)
        async with aclosing(results):
            async for result in results:
                if result.problem is None:
                    found[result.path] = result.pyc
                elif modules.importable(result.path):
                    raise errors.SyntaxProblem(syntax.describe(result.path, result.problem))
                else:
                    notes.log.add(f"left without bytecode: {syntax.describe(result.path, result.problem)}")
        step.detail = _count(found, "module")
    return found


def _count(things: Sized, noun: str) -> str:
    return f"{len(things)} {noun}{'' if len(things) == 1 else 's'}"


def _plan(
    job: workshop.Job, source: tree.SourceTree, *, shop: workshop.Workshop, notes: record.Record
) -> plans.BuildPlan:
    with notes.measure("plan") as step:
        plan = plans.make_plan(
            source,
            handler=job.request.handler,
            signature=job.request.signature,
            target=job.base.fit,
            salt=f"{shop.given.index_url}|{job.request.rebuild or ''}",
        )
        step.detail = f"{plan.dialect.handler} as {plan.dialect.signature}: {plan.dialect.reason}"
    for note in plan.dependencies.notes:
        notes.log.add(note)
    return plan


async def _find_dependencies(
    plan: plans.BuildPlan, job: workshop.Job, *, shop: workshop.Workshop, work: Path, notes: record.Record
) -> layer.Layer | None:
    """Return the dependency layer, None if the function has no dependencies."""
    if plan.dependencies.empty:
        return None
    with notes.measure("dependencies") as step:
        found, step.detail = await dependencies.find_layer(
            plan.dependencies, shop=shop, base=job.base, work=work, on_line=notes.log.add
        )
    return found


async def _push(
    job: workshop.Job,
    plan: plans.BuildPlan,
    upper: list[layer.Layer],
    *,
    shop: workshop.Workshop,
    notes: record.Record,
) -> build.BuildStatus:
    with notes.measure("push") as step:
        image = make_image(job, plan, [await shop.runtime_layer(), *upper])
        ref = shop.function_ref(job)
        origin = job.base.image.layers[0].origin if job.base.image.layers else None
        source = shop.client_of(origin.host) if origin else None
        await push.push_image(shop.registry, image, ref, source=source)
        step.detail = image.digest
    log.info("image pushed", extra={"image": str(ref), "digest": image.digest, "fingerprint": job.fingerprint})
    return _make_success(job, image, ref, notes, cached=False)


def make_image(job: workshop.Job, plan: plans.BuildPlan, upper: list[layer.Layer]) -> images.Image:
    """Return the function's image: base, then ``upper`` (runtime, dependencies if any, code)."""
    return images.configure(
        images.append(job.base.image, upper),
        user=USER,
        entrypoint=ENTRYPOINT,
        working_dir=f"/{layers.CODE}",
        env={
            "PYTHONPATH": f"/{layers.RUNTIME}",
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "MAYFLY_HANDLER": plan.dialect.handler,
            "MAYFLY_SIGNATURE": plan.dialect.signature.value,
        },
        labels={
            labels.FINGERPRINT: job.fingerprint,
            labels.SIGNATURE: plan.dialect.signature.value,
            labels.SIGNATURE_REASON: plan.dialect.reason,
            labels.HANDLER: plan.dialect.handler,
            labels.RUNTIME: job.base.runtime,
            labels.DEPENDENCIES: plan.dependencies.key or wanted.Kind.NONE.value,
            **_make_origin(job.request.source),
        },
    )


def _make_origin(source: build.BuildSource) -> dict[str, str]:
    """Return the labels that say where a source from outside is from; its query may be a login and is left out."""
    if source.url is None or source.revision is None:
        return {}
    return {labels.SOURCE: download.show(source.url), labels.REVISION: source.revision}
