"""``mayfly migrate``."""

from __future__ import annotations

import os
import pathlib
import tempfile
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import typer

from mayfly.cli import exits, options, talk, view
from mayfly.migrate import azure, ledger, migration, placing, text
from mayfly.plan import tree

MAX_FILES = 5_000
MAX_TOTAL_BYTES = 64 * 1024 * 1024
_DESCRIPTIONS = (".yaml", ".yml", "template.json", azure.HOST, azure.SETTINGS, azure.FUNCTION)
"""How the names of files end that are read in a folder: other JSON is data."""


def run(
    *,
    path: Annotated[pathlib.Path, typer.Argument(metavar="PATH", help="Folder or file to read.", show_default=False)],
    out: Annotated[
        pathlib.Path | None,
        typer.Option("--out", metavar="DIR", help="Folder for the manifests. Default: each beside its code."),
    ] = None,
    form: Annotated[
        migration.Format, typer.Option("--format", help="What is read; auto looks at each file.")
    ] = migration.Format.AUTO,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report, and write nothing.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace manifests that are there.")] = False,
    output: options.Output = options.Format.TABLE,
) -> int:
    """Write Functions from what other platforms deploy from, and report what is lost.

    Reads func.yaml of Knative, stack.yml of OpenFaaS, template.yaml of AWS SAM, apps of Azure Functions, function.yaml
    of Nuclio and specs of Fission. A manifest is written beside the code as function.yaml (NAME.function.yaml where
    several share a folder); the code stays as it is and nothing of it is run. Values that look like secrets are not
    copied. The report goes to stdout; the exit code is 0 when every field is carried, 3 when something is not, 2 when
    nothing can be read.
    """
    root, files = _read(path, form)
    found = migration.migrate(files, root=root.resolve().name or "function", form=form)
    places = placing.find_places(
        found, inputs={one.file for one in found.functions}, folders=_find_folders(root, found), apart=out is not None
    )
    planned = [
        (root / place.file if out is None else out / place.file, migration.render(one))
        for one, place in zip(found.functions, places, strict=True)
        if place is not None
    ]
    if not dry_run:
        _write(planned, force=force)
    commands = [
        None if place is None else place.deploy(str(root), None if out is None else str(out)) for place in places
    ]
    paths = iter(planned)
    targets = [None if place is None else str(next(paths)[0]) for place in places]
    report = _make_report(found, targets, commands, written=not dry_run)
    if output in {options.Format.JSON, options.Format.YAML}:
        talk.give(view.dump(report, output))
    elif output is options.Format.NAME:
        talk.give("\n".join(f"function.mayfly.dev/{one.name}" for one in found.functions if one.manifest))
    else:
        talk.give(_render(found, targets))
        _advise(found, targets, commands, written=not dry_run)
    return exits.OK if found.complete else exits.INCOMPLETE


def _read(path: pathlib.Path, form: migration.Format) -> tuple[pathlib.Path, dict[str, bytes]]:
    """Return the folder to which paths are relative, and the files that can say anything."""
    if path.is_dir():
        return path, _read_folder(path)
    if not path.is_file():
        raise exits.WrongUsage(f"{str(path)!r} does not exist; name the folder or the file of the other platform")
    if path.name == azure.HOST or form is migration.Format.AZURE:
        return path.parent, _read_folder(path.parent)
    return path.parent, {path.name: _read_file(path)}


def _read_folder(root: pathlib.Path) -> dict[str, bytes]:
    names = list(_walk(root))
    apps = [name for name in names if pathlib.PurePosixPath(name).name == azure.HOST]
    wanted = [name for name in names if name.endswith(_DESCRIPTIONS) or (apps and name.endswith(".py"))]
    files, total = {}, 0
    for name in wanted:
        data = _read_file(root / name)
        total += len(data)
        if total > MAX_TOTAL_BYTES:
            raise exits.WrongUsage(f"{str(root)!r}: more than {MAX_TOTAL_BYTES} bytes to read; name a folder below it")
        if not migration.is_ours(data):
            files[name] = data
    return files


def _walk(root: pathlib.Path) -> Iterator[str]:
    """Yield the paths of files below ``root``, sorted, without what tools leave behind; links are not followed."""
    count = 0
    for folder, below, names in os.walk(root):
        below[:] = sorted(name for name in below if not tree.ignored(name))
        for name in sorted(names):
            path = pathlib.Path(folder, name)
            if not name.endswith((*_DESCRIPTIONS, ".py")) or not path.is_file() or path.is_symlink():
                continue
            count += 1
            if count > MAX_FILES:
                raise exits.WrongUsage(f"{str(root)!r}: more than {MAX_FILES} files to read; name a folder below it")
            yield path.relative_to(root).as_posix()


def _read_file(path: pathlib.Path) -> bytes:
    """Return what is in a file, one byte more than is allowed at most."""
    try:
        with path.open("rb") as file:
            return file.read(text.MAX_BYTES + 1)
    except OSError as error:
        raise exits.WrongUsage(f"{str(path)!r} cannot be read: {error.strerror}") from error


def _find_folders(root: pathlib.Path, found: migration.Migration) -> set[str]:
    return {one.folder for one in found.functions if one.folder is not None and (root / one.folder).is_dir()}


def _write(planned: Sequence[tuple[pathlib.Path, str]], *, force: bool) -> None:
    """Write all manifests, or none when one stands in the way."""
    for path, content in planned:
        if path.is_symlink() or (path.exists() and not force and not _holds(path, content)):
            raise exits.WrongUsage(f"{str(path)!r} exists; look at it, then use --force to replace it, or --out DIR")
    for path, content in planned:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=path.parent, encoding="utf-8", delete=False) as file:
                file.write(content)
            pathlib.Path(file.name).chmod(0o644)
            pathlib.Path(file.name).replace(path)
        except OSError as error:
            raise exits.Failed(f"{str(path)!r} cannot be written: {error.strerror}") from error


def _holds(path: pathlib.Path, content: str) -> bool:
    return path.is_file() and path.read_bytes() == content.encode()


def _make_report(
    found: migration.Migration, targets: Sequence[str | None], commands: Sequence[str | None], *, written: bool
) -> dict[str, Any]:
    """Return the report for programs; fields are added to it, never taken away or renamed."""
    functions = [
        {
            "name": one.name,
            "from": {"file": one.file, "line": one.line, "name": one.original},
            "manifest": one.manifest,
            "file": target,
            "written": written and target is not None,
            "reason": one.blocked,
            "deploy": command,
            "todo": list(one.steps),
            "fields": [entry.to_json() for entry in one.entries],
        }
        for one, target, command in zip(found.functions, targets, commands, strict=True)
    ]
    return {
        "functions": functions,
        "shared": [
            {"file": file, "fields": [entry.to_json() for entry in entries]} for file, entries in found.shared.items()
        ],
        "skipped": [{"file": file, "reason": reason} for file, reason in found.skipped.items()],
        "summary": {
            "functions": len(found.functions),
            "manifests": sum(target is not None for target in targets),
            "carried": found.count(ledger.Outcome.CARRIED),
            "changed": found.count(ledger.Outcome.CHANGED),
            "notCarried": found.count(ledger.Outcome.NOT_CARRIED),
        },
    }


def _render(found: migration.Migration, targets: Sequence[str | None]) -> str:
    """Return the report for people: what is lost first, then what changed, then what is carried."""
    parts = []
    for one, target in zip(found.functions, targets, strict=True):
        place = one.file if one.line is None else f"{one.file}:{one.line}"
        parts.append(f"{one.name} ({place}) -> {target or f'no manifest: {one.blocked}'}")
        parts.append(_render_entries(one.entries))
    for file, entries in found.shared.items():
        parts.append(f"{file}, besides its functions")
        parts.append(_render_entries(entries))
    totals = ", ".join(f"{found.count(outcome)} {outcome.value}" for outcome in ledger.Outcome)
    return "\n".join([*filter(None, parts), f"fields: {totals}"])


def _render_entries(entries: Sequence[ledger.Entry]) -> str:
    order = list(reversed(ledger.Outcome))
    rows = [
        (f"  {entry.outcome.value}", entry.field, ": ".join(filter(None, [entry.to, entry.remark])))
        for entry in sorted(entries, key=lambda entry: order.index(entry.outcome))
    ]
    return view.align(rows) if rows else ""


def _advise(
    found: migration.Migration, targets: Sequence[str | None], commands: Sequence[str | None], *, written: bool
) -> None:
    for one, target, command in zip(found.functions, targets, commands, strict=True):
        if target is None or command is None:
            continue
        talk.say(f"{'wrote' if written else 'would write'} {target}")
        for step in one.steps:
            talk.say(f"  first: {step}")
        talk.say(f"  next: {command}")
    for file, reason in found.skipped.items():
        talk.say(f"{talk.paint('skipped:', 'yellow')} {file}: {reason}")
