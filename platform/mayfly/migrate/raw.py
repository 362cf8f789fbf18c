"""YAML and JSON before aliases are followed: values with their line, made from parser events.

Tags make no objects here: those of CloudFormation (``!Ref``) are kept as words, all others are refused.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import yaml

from mayfly.migrate import text

_CORE = "tag:yaml.org,2002:"
_PLAIN_TAGS = frozenset({"str", "int", "float", "bool", "null", "timestamp", "map", "seq"})
_INT = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"[-+]?([0-9]{1,18}\.[0-9]{0,18}|\.[0-9]{1,18})([eE][-+]?[0-9]{1,2})?")
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_JSON_NOISE = re.compile(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*(?:[^*]|\*(?!/))*(?:\*/)?')
_JSON_BRACKETS = re.compile(r'"(?:\\.|[^"\\])*"|[\[\]{}]')
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(slots=True)
class Raw:
    """A value before aliases are followed: ``content`` is a scalar, a list of raws or pairs of key and raw."""

    content: text.Scalar | list[Raw] | list[tuple[str, Raw]]
    kind: str
    text: str = ""
    line: int | None = None
    tag: str = ""


def place(file: str, line: int | None) -> str:
    """Return where something stands, as editors understand it."""
    return file if line is None else f"{file}:{line}"


def parse_yaml(file: str, content: str) -> list[Raw]:
    """Return the documents of a YAML text.

    Raises:
        Unreadable: it is not YAML, refers to what is not there, or nests too deep.
    """
    try:
        return _Composer(file, _LOADER(content)).documents()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = None if mark is None else mark.line + 1
        raise text.Unreadable(f"{place(file, line)}: not YAML: {error.problem or error.context}; correct it") from error
    except (yaml.YAMLError, ValueError) as error:
        raise text.Unreadable(f"{file}: not YAML: {str(error).splitlines()[0][:200]}; correct it") from error


class _Composer:
    """Compose raws from parser events, so that limits hold before anything is made."""

    def __init__(self, file: str, loader: Any) -> None:
        self.file, self.loader = file, loader
        self.anchors: dict[str, Raw | None] = {}

    def documents(self) -> list[Raw]:
        found = []
        while self.loader.check_event():
            event = self.loader.get_event()
            if not isinstance(event, yaml.DocumentStartEvent):
                continue
            self.anchors = {}
            found.append(self.compose(self.loader.get_event(), 0))
            if len(found) > text.MAX_DOCUMENTS:
                raise text.Unreadable(f"{self.file}: more than {text.MAX_DOCUMENTS} documents; divide it")
        return found

    def compose(self, event: Any, depth: int) -> Raw:
        line = event.start_mark.line + 1
        if depth > text.MAX_DEPTH:
            raise text.Unreadable(f"{self.file}:{line}: nested deeper than {text.MAX_DEPTH}; nothing needs that")
        if isinstance(event, yaml.AliasEvent):
            return self._follow(str(event.anchor), line)
        if event.anchor:
            self.anchors[event.anchor] = None
        raw = self._compose(event, line, depth)
        if event.anchor:
            self.anchors[event.anchor] = raw
        return raw

    def _follow(self, anchor: str, line: int) -> Raw:
        if anchor not in self.anchors:
            raise text.Unreadable(
                f"{self.file}:{line}: alias *{anchor[: text.SHOWN]} has no anchor &{anchor[: text.SHOWN]} before it"
            )
        raw = self.anchors[anchor]
        if raw is None:
            raise text.Unreadable(
                f"{self.file}:{line}: alias *{anchor[: text.SHOWN]} stands within its own anchor; write it out"
            )
        return raw

    def _compose(self, event: Any, line: int, depth: int) -> Raw:
        tag = self._tag(event.tag, line)
        if isinstance(event, yaml.SequenceStartEvent):
            items = []
            while not isinstance(below := self.loader.get_event(), yaml.SequenceEndEvent):
                items.append(self.compose(below, depth + 1))
            return Raw(items, "list", "", line, tag)
        if isinstance(event, yaml.MappingStartEvent):
            return Raw(self._pairs(depth), "map", "", line, tag)
        plain = event.implicit[0] or (event.tag or "").removeprefix(_CORE) in _PLAIN_TAGS - {"str"}
        return Raw(_resolve(event.value) if plain else event.value, "scalar", event.value, line, tag)

    def _pairs(self, depth: int) -> list[tuple[str, Raw]]:
        pairs: list[tuple[str, Raw]] = []
        seen = set()
        while not isinstance(below := self.loader.get_event(), yaml.MappingEndEvent):
            key = self.compose(below, depth + 1)
            if key.kind != "scalar":
                raise text.Unreadable(f"{self.file}:{key.line}: a field's name is a text, not a {key.kind}")
            if key.text in seen and key.text != "<<":
                raise text.Unreadable(f"{self.file}:{key.line}: field {text.cut(key.text)} stands twice; remove one")
            seen.add(key.text)
            pairs.append((key.text, self.compose(self.loader.get_event(), depth + 1)))
        return pairs

    def _tag(self, tag: str | None, line: int) -> str:
        """Return a local tag's name; nothing for those of YAML's core schema."""
        if tag is None or tag == "!" or tag.removeprefix(_CORE) in _PLAIN_TAGS:
            return ""
        if tag.startswith("!") and len(tag) <= text.SHOWN:
            return tag[1:]
        raise text.Unreadable(
            f"{self.file}:{line}: tag {text.cut(tag)} asks for an object; only plain values are read: remove it"
        )


def _resolve(written: str) -> text.Scalar:
    """Return what a plain scalar means; unlike YAML 1.1, ``yes`` and ``1:30`` are texts."""
    if written in _WORDS:
        return _WORDS[written]
    if _INT.fullmatch(written):
        return int(written)
    return float(written) if _FLOAT.fullmatch(written) else written


def parse_json(file: str, content: str) -> Raw:
    """Return a JSON value; comments are allowed, as host.json may have them.

    Raises:
        Unreadable: it is not JSON, or nests too deep.
    """
    bare = _JSON_NOISE.sub(lambda match: match[1] or re.sub(r"[^\n]", " ", match[0]), content)
    depth = 0
    for match in _JSON_BRACKETS.finditer(bare):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(match[0], 0)
        if depth > text.MAX_DEPTH:
            line = bare.count("\n", 0, match.start()) + 1
            raise text.Unreadable(f"{file}:{line}: nested deeper than {text.MAX_DEPTH}; nothing needs that")
    if not bare.strip():
        return Raw(None, "scalar")
    try:
        return _raw(json.loads(bare, object_pairs_hook=_Pairs, parse_int=_Number, parse_float=_Number))
    except json.JSONDecodeError as error:
        raise text.Unreadable(f"{file}:{error.lineno}: not JSON: {error.msg}; correct it") from error
    except ValueError as error:
        raise text.Unreadable(f"{file}: not JSON: {error}; correct it") from error


class _Pairs(list[tuple[str, Any]]):
    """The fields of a JSON object."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        if len({key for key, _ in pairs}) < len(pairs):
            names = [key for key, _ in pairs]
            twice = next(key for key in names if names.count(key) > 1)
            raise ValueError(f"field {text.cut(twice)} stands twice")


class _Number(str):
    """A JSON number as it was written."""

    __slots__ = ()


def _raw(value: Any) -> Raw:
    if isinstance(value, _Pairs):
        return Raw([(key, _raw(below)) for key, below in value], "map")
    if isinstance(value, list):
        return Raw([_raw(below) for below in value], "list")
    if isinstance(value, _Number):
        return Raw(_resolve(value), "scalar", str(value))
    if isinstance(value, bool):
        return Raw(value, "scalar", str(value).lower())
    return Raw(value, "scalar", "" if value is None else str(value))
