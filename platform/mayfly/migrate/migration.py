"""From files to Functions and a report."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import yaml

from mayfly.migrate import azure, draft, fission, func, ledger, nuclio, openfaas, parsing, reading, sam, text
from mayfly.model import names


class Format(StrEnum):
    """Formats that are read; ``AUTO`` finds out for each document."""

    AUTO = "auto"
    FUNC = "func"
    OPENFAAS = "openfaas"
    SAM = "sam"
    AZURE = "azure"
    NUCLIO = "nuclio"
    FISSION = "fission"


LOOKED_FOR = (
    "func.yaml, stack.yml of OpenFaaS, template.yaml of SAM, host.json of Azure Functions, function.yaml of Nuclio,"
    " specs of Fission"
)
_ENDINGS = (".yaml", ".yml", ".json")
_EXPECTED = frozenset({*func.NAMES, "stack.yml", "stack.yaml", "template.yaml", "template.yml"})
"""Files that must be readable; of any other it is only said that it was skipped."""


@dataclass(frozen=True, slots=True)
class Migrated:
    """One function of the input: what became of it.

    ``manifest`` is None where none can be written, ``blocked`` says why. ``folder`` holds its code, relative to the
    root, None where the manifest brings its own source. ``steps`` are what the author has to do.
    """

    name: str
    file: str
    original: str
    line: int | None
    folder: str | None
    manifest: dict[str, Any] | None
    blocked: str
    entries: tuple[ledger.Entry, ...]
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Migration:
    """Everything that was found; ``shared`` are fields of a file that belong to no function, by file."""

    functions: tuple[Migrated, ...]
    shared: Mapping[str, tuple[ledger.Entry, ...]]
    skipped: Mapping[str, str]

    def count(self, outcome: ledger.Outcome) -> int:
        """Return how many fields met with an ``outcome``."""
        several = [*(one.entries for one in self.functions), *self.shared.values()]
        return sum(entry.outcome is outcome for entries in several for entry in entries)

    @property
    def complete(self) -> bool:
        """Whether nothing was lost."""
        return not self.count(ledger.Outcome.NOT_CARRIED) and all(one.manifest for one in self.functions)


def is_read(file: str) -> bool:
    """Tell whether a file can say anything: descriptions, and Python for the decorators of Azure."""
    return file.endswith((*_ENDINGS, ".py"))


def migrate(files: Mapping[str, bytes], *, root: str, form: Format = Format.AUTO) -> Migration:
    """Return the Functions that ``files`` (path relative to the folder called ``root`` -> content) describe.

    Raises:
        Unreadable: a file that must be read cannot be, or nothing is found.
    """
    found = reading.Reading(files, root)
    skipped: dict[str, str] = {}
    documents = _parse_all(files, form, skipped)
    apps = azure.find_apps(found) if form in {Format.AUTO, Format.AZURE} else []
    for one, reader in _READERS.items():
        if form in {Format.AUTO, one}:
            _read_each(found, documents, one, reader)
    specs = [each for each in documents if form in {Format.AUTO, Format.FISSION} and fission.matches(each.root)]
    if specs:
        _refuse_tags(specs)
        fission.read(found, specs)
    for folder in apps:
        azure.read(found, folder)
    if not found.drafts:
        raise text.Unreadable(_explain_nothing(files, form, skipped))
    return Migration(
        tuple(_finish(one) for one in found.drafts), _finish_shared(found, documents), dict(sorted(skipped.items()))
    )


def _parse_all(files: Mapping[str, bytes], form: Format, skipped: dict[str, str]) -> list[text.Document]:
    """Return the documents of all descriptions but those of Azure, which its reader parses."""
    documents: list[text.Document] = []
    for file, data in sorted(files.items()):
        name = posixpath.basename(file)
        if not file.endswith(_ENDINGS) or name in {azure.HOST, azure.SETTINGS, azure.FUNCTION} or form is Format.AZURE:
            continue
        try:
            documents += parsing.parse(file, data)
        except text.Unreadable as error:
            if name in _EXPECTED or len(files) == 1:
                raise
            skipped[file] = str(error)
    return documents


def _is_func(root: text.Node, file: str) -> bool:
    return posixpath.basename(file) in func.NAMES or (
        bool(root["specVersion"]) and bool(root["runtime"]) and not root["apiVersion"]
    )


Reader = Callable[[reading.Reading, text.Document], None]
_READERS: dict[Format, Reader] = {
    Format.FUNC: func.read,
    Format.OPENFAAS: openfaas.read,
    Format.SAM: sam.read,
    Format.NUCLIO: nuclio.read,
}
_MATCHES: dict[Format, Callable[[text.Document], bool]] = {
    Format.FUNC: lambda document: _is_func(document.root, document.file),
    Format.OPENFAAS: lambda document: openfaas.matches(document.root),
    Format.SAM: lambda document: sam.matches(document.root),
    Format.NUCLIO: lambda document: nuclio.matches(document.root, document.file),
}


def _read_each(found: reading.Reading, documents: list[text.Document], form: Format, reader: Reader) -> None:
    for document in documents:
        if _MATCHES[form](document):
            if form is not Format.SAM:
                _refuse_tags([document])
            reader(found, document)


def _refuse_tags(documents: list[text.Document]) -> None:
    """Raise ``Unreadable`` where a document has a tag: only CloudFormation gives them a meaning."""
    for document in documents:
        if document.tagged:
            node = document.tagged
            raise text.Unreadable(
                f"{document.file}:{node.line}: {node.path}: tag {text.cut('!' + node.tag)} has a meaning in SAM"
                " templates alone; write the value"
            )


def _explain_nothing(files: Mapping[str, bytes], form: Format, skipped: Mapping[str, str]) -> str:
    wanted = LOOKED_FOR if form is Format.AUTO else f"a description of {form.value}"
    why = f" ({next(iter(skipped.values()))})" if skipped else ""
    return f"nothing to migrate in {len(files)} files: looked for {wanted}; name the folder that holds it{why}"


def _finish(one: draft.Draft) -> Migrated:
    return Migrated(
        one.name,
        one.file,
        one.original,
        one.line,
        one.folder,
        one.to_manifest(),
        one.blocked,
        tuple(one.book.entries),
        tuple(one.to_steps()),
    )


def _finish_shared(found: reading.Reading, documents: list[text.Document]) -> dict[str, tuple[ledger.Entry, ...]]:
    """Return what files say besides their functions, with what nobody had a use for."""
    settled: dict[str, set[str]] = {}
    for one in found.drafts:
        settled.setdefault(one.file, set()).update(one.book.settled)
    for document in documents:
        if document.file in found.books and not fission.matches(document.root):
            book = found.books[document.file]
            book.sweep(document.root, reading.UNKNOWN, besides=settled.get(document.file, set()))
    return {file: tuple(book.entries) for file, book in sorted(found.books.items()) if book.entries}


def render(one: Migrated) -> str:
    """Return the text of a manifest that can be written, with what its author has to do in front."""
    head = [f"Written by `mayfly migrate` from {one.file}; its report says what is not carried.", *one.steps]
    # A comment ends with its line, and what was read may hold line breaks of every kind.
    comments = "".join(f"# {' '.join(line.split())}\n" for line in head)
    body: str = yaml.safe_dump(one.manifest, sort_keys=False, allow_unicode=True, width=120)
    return comments + body


def is_ours(data: bytes) -> bool:
    """Tell whether a file is a manifest of this platform, by its first 64 KiB."""
    return names.API_VERSION.encode() in data[:65_536]
