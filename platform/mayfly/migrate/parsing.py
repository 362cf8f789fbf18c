"""From files to nodes, within limits.

Aliases of YAML are followed, each counting what it stands for, so that a small file cannot unfold into a large one
(https://en.wikipedia.org/wiki/Billion_laughs_attack).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from mayfly.migrate import raw, text

_SURROGATE = re.compile("[\ud800-\udfff]")


def parse(file: str, data: bytes) -> list[text.Document]:
    """Return the documents of a YAML or JSON file, without empty ones.

    Raises:
        Unreadable: it is not UTF-8, YAML or JSON, or exceeds a limit.
    """
    if len(data) > text.MAX_BYTES:
        raise text.Unreadable(f"{file}: {len(data)} bytes; at most {text.MAX_BYTES} are read: is it the right file?")
    try:
        content = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise text.Unreadable(f"{file}: not UTF-8 text at byte {error.start}; save it as UTF-8") from error
    raws = [raw.parse_json(file, content)] if file.endswith(".json") else raw.parse_yaml(file, content)
    grower = _Grower(file)
    documents = []
    for one in raws:
        grower.tagged = None
        root = grower.grow(one, "", 0)
        if root:
            documents.append(text.Document(file, root, grower.tagged))
    return documents


@dataclass(slots=True)
class _Grower:
    """Turn raws into nodes, counting."""

    file: str
    count: int = 0
    tagged: text.Node | None = None

    def grow(self, value: raw.Raw, path: str, depth: int) -> text.Node:
        self.count += 1
        if self.count > text.MAX_NODES:
            raise text.Unreadable(
                f"{self.file}: more than {text.MAX_NODES} values with aliases unfolded; divide the file"
            )
        node = self._make(value, path, depth + 1)
        if value.tag and self.tagged is None:
            self.tagged = node
        return node

    def _make(self, value: raw.Raw, path: str, depth: int) -> text.Node:
        if depth > text.MAX_DEPTH:
            raise text.Unreadable(
                f"{raw.place(self.file, value.line)}: nested deeper than {text.MAX_DEPTH}; nothing needs that"
            )
        content: Any = value.content
        if value.kind == "list":
            items = tuple(self.grow(one, f"{path}[{index}]", depth) for index, one in enumerate(content))
            return text.Node(path, items=items, line=value.line, tag=value.tag)
        if value.kind == "map":
            return text.Node(path, fields=self._fields(content, path, depth), line=value.line, tag=value.tag)
        if _SURROGATE.search(value.text):
            raise text.Unreadable(
                f"{raw.place(self.file, value.line)}: {text.cut(value.text)} holds half a character; write it whole"
            )
        return text.Node(path, content, value.text, line=value.line, tag=value.tag)

    def _fields(self, pairs: list[tuple[str, raw.Raw]], path: str, depth: int) -> dict[str, text.Node]:
        """Return the fields, with what ``<<`` brings in behind them (https://yaml.org/type/merge.html)."""
        if any(_SURROGATE.search(key) for key, _ in pairs):
            raise text.Unreadable(f"{self.file}: a field's name holds half a character (below {path or 'the top'!r})")
        own = {key: self.grow(below, text.join(path, key), depth) for key, below in pairs if key != "<<"}
        for key, value in pairs:
            if key != "<<":
                continue
            several: Any = value.content if value.kind == "list" else [value]
            for one in several:
                if one.kind != "map":
                    raise text.Unreadable(f"{raw.place(self.file, value.line)}: << takes a mapping or a list of them")
                merged = self._make(one, path, depth)
                own |= {name: node for name, node in merged.pairs() if name not in own}
        return own
