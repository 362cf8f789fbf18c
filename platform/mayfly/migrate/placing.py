"""Where manifests are written, and how each is deployed from there."""

from __future__ import annotations

import posixpath
import shlex
from collections import Counter
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from mayfly.migrate import migration

FILE = "function.yaml"
"""What ``mayfly deploy FOLDER`` reads."""


@dataclass(frozen=True, slots=True)
class Place:
    """A path for a manifest, relative to the root (to the folder of ``--out`` where there is one)."""

    file: str
    code: str | None
    """Folder of the code, relative to the root; None where the manifest brings its own source."""

    def deploy(self, root: str, out: str | None) -> str:
        """Return the command that deploys it, with paths as they are from where migrate was called."""
        file = posixpath.normpath(posixpath.join(root if out is None else out, self.file))
        if self.code is None:
            return f"mayfly deploy -f {shlex.quote(file)}"
        code = shlex.quote(posixpath.normpath(posixpath.join(root, self.code)))
        if out is None and self.file == posixpath.join(self.code, FILE):
            return f"mayfly deploy {code}"
        return f"mayfly deploy {code} -f {shlex.quote(file)}"


def find_places(
    found: migration.Migration, *, inputs: AbstractSet[str], folders: AbstractSet[str], apart: bool
) -> list[Place | None]:
    """Return a place for each function, None for one without a manifest.

    A manifest lies beside the code as ``function.yaml``; as ``NAME.function.yaml`` where several functions share the
    folder or an input is called so. ``folders`` are those that exist, ``apart`` puts all manifests into one folder.
    """
    shared = Counter(one.folder for one in found.functions if one.manifest and one.folder is not None)
    places: list[Place | None] = []
    for one in found.functions:
        own = f"{one.name}.{FILE}"
        if one.manifest is None:
            places.append(None)
        elif one.folder is None or apart or one.folder not in folders:
            places.append(Place(own, one.folder))
        else:
            file = posixpath.join(one.folder, FILE)
            alone = shared[one.folder] == 1 and file not in inputs
            places.append(Place(file if alone else posixpath.join(one.folder, own), one.folder))
    return places
