"""The sentence of ``mayfly deploy``: read, pack, upload, apply, follow, print."""

from __future__ import annotations

import asyncio
import dataclasses
import pathlib
import shlex
from enum import StrEnum
from typing import Any
from urllib import parse

from mayfly import errors
from mayfly.cli import board, exits, follow, gateway, manifest, options, pack, rest, session, talk, upload, view
from mayfly.cluster import kinds
from mayfly.model import duration

MANAGER = "mayfly-cli"
"""Field manager of what the command applies."""
PLACEHOLDER = "source.invalid/not-uploaded@"
"""Stands for the reference of an archive that a dry run does not upload."""


class DryRun(StrEnum):
    """What a dry run does instead of deploying."""

    NONE = "none"
    CLIENT = "client"
    SERVER = "server"


@dataclasses.dataclass(frozen=True)
class Plan:
    """What the command line asks for; ``wait_seconds`` is ``None`` for not waiting."""

    folder: pathlib.Path | None
    file: str | None
    name: str | None
    overrides: manifest.Overrides
    wait_seconds: float | None
    dry_run: DryRun
    output: options.Format
    door: rest.Door
    kubeconfig: pathlib.Path | None


@dataclasses.dataclass(frozen=True)
class Unit:
    """One Function to deploy; ``archive`` is ``None`` when its manifest says where the code is."""

    document: manifest.Document
    archive: pack.Archive | None

    @property
    def name(self) -> str:
        """Return the Function's name."""
        return str(self.document["metadata"]["name"])

    def with_source(self, ref: str) -> Unit:
        """Return the same Function with its code at ``ref``."""
        spec = {"source": {"oci": {"ref": ref}}} | self.document["spec"]
        return Unit({**self.document, "spec": spec}, None)


async def deploy(target: session.Target, plan: Plan) -> None:
    """Deploy what ``plan`` says, one Function after the other.

    Raises:
        errors.MayflyError: what went wrong, for the first Function for which something did.
    """
    if plan.folder is not None and not plan.folder.is_dir():
        raise exits.WrongUsage(f"{str(plan.folder)!r} is not a folder; name the function's folder, or use -f FILE")
    async with session.connect(target) as current:
        for unit in read_units(plan, current.namespace):
            if plan.dry_run is DryRun.NONE:
                await _deploy_one(current, unit, plan)
            else:
                await _try_one(current, unit, plan)


def read_units(plan: Plan, namespace: str) -> list[Unit]:
    """Return the Functions of the folder or the file; with both, the file describes the code in the folder.

    A folder is packed unless the manifest has a source.
    """
    if plan.file is None:
        assert plan.folder is not None
        document = _complete(manifest.read_folder(plan.folder), plan, namespace, plan.folder.resolve().name)
        return [_make_unit(document, plan.folder)]
    documents = manifest.read_manifests(plan.file)
    if plan.name is not None and len(documents) > 1:
        raise exits.WrongUsage(f"--name {plan.name!r}: {plan.file!r} holds {len(documents)} Functions; deploy one")
    return [_make_unit(_complete(document, plan, namespace, ""), plan.folder) for document in documents]


def _make_unit(document: manifest.Document, folder: pathlib.Path | None) -> Unit:
    if folder is None or document["spec"].get("source"):
        return Unit(document, None)
    return Unit(document, pack.make_archive(folder))


def _complete(document: manifest.Document, plan: Plan, namespace: str, fallback: str) -> manifest.Document:
    return manifest.complete(document, namespace=namespace, name=plan.name, fallback=fallback, overrides=plan.overrides)


async def _try_one(current: session.Session, unit: Unit, plan: Plan) -> None:
    """Print what would be applied; with ``server`` as the API server would store it."""
    if unit.archive is not None:
        unit = unit.with_source(PLACEHOLDER + unit.archive.digest)
        talk.say(f"dry run: the source of {unit.name} is not uploaded; its reference stands for the real one")
    shown = unit.document
    if plan.dry_run is DryRun.SERVER:
        shown = view.strip(await current.cluster.apply(unit.document, manager=MANAGER, dry_run=True))
    form = options.Format.JSON if plan.output is options.Format.JSON else options.Format.YAML
    talk.give(f"function.mayfly.dev/{unit.name}" if plan.output is options.Format.NAME else view.dump(shown, form))


async def _deploy_one(current: session.Session, unit: Unit, plan: Plan) -> None:
    talk.say(f"deploying {talk.paint(unit.name, 'bold')} to namespace {current.namespace}")
    with board.Board() as shown:
        if unit.archive is not None:
            unit = await _upload(current, unit, unit.archive, plan, shown)
        try:
            stored = await _apply(current, unit)
            if plan.wait_seconds is not None:
                stored = await follow.follow(
                    current, stored, show=lambda snapshot: shown.show(*snapshot.steps), seconds=plan.wait_seconds
                )
        except asyncio.CancelledError:
            talk.say(
                f"interrupted; {unit.name} goes on without this command: mayfly get {unit.name} -n {current.namespace}"
            )
            raise
    await _print(current, stored, plan)


async def _upload(current: session.Session, unit: Unit, archive: pack.Archive, plan: Plan, shown: board.Board) -> Unit:
    """Check the spec before anything is sent, then send the archive."""
    shown.begin("upload")
    await _check(current, unit.with_source(PLACEHOLDER + archive.digest))
    ref = await upload.upload(current, name=unit.name, archive=archive, door=plan.door)
    shown.finish(
        "upload", f"{len(archive.files)} file{'s' * (len(archive.files) != 1)}, {format_size(len(archive.data))}"
    )
    return unit.with_source(ref)


async def _check(current: session.Session, unit: Unit) -> None:
    """Let the API server look at the spec without storing it, unless a change of source stands in the way."""
    if not await _find_foreign_source(current, unit):
        await current.cluster.apply(unit.document, manager=MANAGER, dry_run=True)


async def _apply(current: session.Session, unit: Unit) -> dict[str, Any]:
    """Apply the Function and return it as stored.

    A source of another kind that someone else set, such as ``inline`` by kubectl, is taken out in the same write, since
    server-side apply alone would leave both, and there may be one.
    """
    if foreign := await _find_foreign_source(current, unit):
        source = {**dict.fromkeys(foreign), **unit.document["spec"].get("source", {})}
        body = {"spec": {**unit.document["spec"], "source": source}}
        await current.cluster.patch(kinds.FUNCTION, current.namespace, unit.name, body, manager=MANAGER)
    return await current.cluster.apply(unit.document, manager=MANAGER)


async def _find_foreign_source(current: session.Session, unit: Unit) -> set[str]:
    try:
        stored = await current.cluster.get(kinds.FUNCTION, current.namespace, unit.name)
    except errors.NotFound:
        return set()
    return set(stored["spec"].get("source") or {}) - set(unit.document["spec"].get("source") or {})


async def _print(current: session.Session, stored: dict[str, Any], plan: Plan) -> None:
    """Print the URL, or the object in the wanted form; how to call it goes to stderr."""
    name, url = stored["metadata"]["name"], (stored.get("status") or {}).get("url")
    match plan.output:
        case options.Format.JSON | options.Format.YAML:
            talk.give(view.dump(view.strip(stored), plan.output))
        case options.Format.NAME:
            talk.give(f"function.mayfly.dev/{name}")
        case _ if plan.wait_seconds is None:
            talk.give(f"function.mayfly.dev/{name} applied")
            talk.say(f"follow it: mayfly get {name} -n {current.namespace}")
        case _:
            talk.give(str(url or ""))
            if url and not is_cluster_local(url):
                talk.say(await _describe_call(current, url, plan))


async def _describe_call(current: session.Session, url: str, plan: Plan) -> str:
    try:
        base = await gateway.find_gateway(current, kubeconfig=plan.kubeconfig)
    except errors.MayflyError as error:
        return talk.paint(f"({error})", "dim")
    host = shlex.quote(f"Host: {parse.urlsplit(url).hostname}")
    return f"call it: curl -H {host} {base}/"


def is_cluster_local(url: str) -> bool:
    """Say whether a URL is served inside the cluster alone. Pure."""
    return (parse.urlsplit(url).hostname or "").endswith(".svc.cluster.local")


def parse_seconds(option: str, text: str) -> float:
    """Return the seconds of a duration option; raises ``exits.WrongUsage`` naming the option."""
    try:
        return duration.parse_duration(text)
    except errors.SpecError as error:
        raise exits.WrongUsage(f"{option}: {error}") from error


def format_size(count: int) -> str:
    """Return a number of bytes for people.

    >>> format_size(1536)
    '1.5 KiB'
    """
    size = float(count)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024 or unit == "MiB":  # noqa: PLR2004
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    raise AssertionError("unreachable")
