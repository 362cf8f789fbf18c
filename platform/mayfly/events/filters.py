"""Filters of triggers: which events a function gets.

The dialects are those of the CloudEvents Subscriptions API and of Knative's Trigger
(https://github.com/cloudevents/spec/blob/main/subscriptions/spec.md, section 3.2.4): ``exact``, ``prefix``, ``suffix``,
``any``, ``all``, ``not``, ``sql``. An attribute that the event lacks matches none of the first three.

A filter is a value: it is parsed and compiled once and knows then

- ``matches``, for any event;
- ``types``, the event types it can match at all, ``None`` when that cannot be told: what an index needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from mayfly import errors
from mayfly.events import event, limits, rules
from mayfly.events.cesql import evaluate, tree

MAX_DEPTH = 16
"""``any``, ``all`` and ``not`` within each other."""
MAX_FILTERS = 256
"""Filters in one trigger, nested ones included."""

Types = frozenset[str] | None


class Filter(Protocol):
    """A condition on an event."""

    def matches(self, one: event.Event) -> bool:
        """Tell whether the trigger wants ``one``."""
        ...

    @property
    def types(self) -> Types:
        """The event types that can match, ``None`` for any."""
        ...


@dataclass(frozen=True, slots=True)
class Exact:
    """Each attribute equals its text."""

    attributes: tuple[tuple[str, str], ...]

    def matches(self, one: event.Event) -> bool:
        """Tell whether all are equal."""
        get = one.attributes.get
        for name, text in self.attributes:  # noqa: SIM110  (a generator takes twice as long)
            if get(name) != text:
                return False
        return True

    @property
    def types(self) -> Types:
        """The type it names, if it names one."""
        found = dict(self.attributes).get("type")
        return None if found is None else frozenset((found,))


@dataclass(frozen=True, slots=True)
class Prefix:
    """Each attribute begins with its text."""

    attributes: tuple[tuple[str, str], ...]

    def matches(self, one: event.Event) -> bool:
        """Tell whether all begin so."""
        get = one.attributes.get
        for name, text in self.attributes:  # noqa: SIM110  (as above)
            if not get(name, "").startswith(text):
                return False
        return True

    @property
    def types(self) -> Types:
        """Any: a beginning has many ends."""
        return None


@dataclass(frozen=True, slots=True)
class Suffix:
    """Each attribute ends with its text."""

    attributes: tuple[tuple[str, str], ...]

    def matches(self, one: event.Event) -> bool:
        """Tell whether all end so."""
        get = one.attributes.get
        for name, text in self.attributes:  # noqa: SIM110  (as above)
            if not get(name, "").endswith(text):
                return False
        return True

    @property
    def types(self) -> Types:
        """Any: an end has many beginnings."""
        return None


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every filter matches; so does the empty list."""

    filters: tuple[Filter, ...]

    def matches(self, one: event.Event) -> bool:
        """Tell whether none fails."""
        for each in self.filters:  # noqa: SIM110  (as above)
            if not each.matches(one):
                return False
        return True

    @property
    def types(self) -> Types:
        """What all agree on."""
        known = [each.types for each in self.filters]
        named = [types for types in known if types is not None]
        return frozenset.intersection(*named) if named else None


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one filter matches."""

    filters: tuple[Filter, ...]

    def matches(self, one: event.Event) -> bool:
        """Tell whether one does."""
        return any(each.matches(one) for each in self.filters)

    @property
    def types(self) -> Types:
        """What they name together, unless one of them is open."""
        found: frozenset[str] = frozenset()
        for each in self.filters:
            types = each.types
            if types is None:
                return None
            found |= types
        return found


@dataclass(frozen=True, slots=True)
class Not:
    """The filter does not match."""

    filter: Filter

    def matches(self, one: event.Event) -> bool:
        """Tell whether it does not."""
        return not self.filter.matches(one)

    @property
    def types(self) -> Types:
        """Any: all but some."""
        return None


@dataclass(frozen=True, slots=True)
class Sql:
    """An expression in CloudEvents SQL is true; an error while evaluating it is not."""

    expression: evaluate.Expression

    def matches(self, one: event.Event) -> bool:
        """Tell whether it is."""
        return self.expression.is_true(one.attributes)

    @property
    def types(self) -> Types:
        """The types that the expression compares ``type`` with, when it must equal one of them to be true."""
        return _types_of(self.expression.node)


EVERYTHING = AllOf(())
"""The filter of a trigger without one."""


def parse_filter(content: Mapping[str, Any]) -> Filter:
    """Return the filter that ``content`` describes: one dialect's name and what belongs to it.

    >>> parse_filter({"prefix": {"type": "com.shop."}})
    Prefix(attributes=(('type', 'com.shop.'),))

    Raises:
        InvalidFilter: it is none; names place and rule.
    """
    return _Reader().read(content, "filter", 1)


def parse_filters(content: Sequence[Mapping[str, Any]], place: str = "filters") -> Filter:
    """Return the filter that holds when each of a list does; the empty list holds always.

    Raises:
        InvalidFilter: one of them is none; names place and rule.
    """
    reader = _Reader()
    several = tuple(reader.read(each, f"{place}[{index}]", 1) for index, each in enumerate(content))
    return several[0] if len(several) == 1 else AllOf(several)


def parse_exact(attributes: Mapping[str, Any], place: str) -> Exact:
    """Return the filter that holds when each of ``attributes`` equals its text.

    Raises:
        InvalidFilter: a name or a text breaks a rule; names ``place`` and rule.
    """
    return Exact(_read_attributes(attributes, place))


class _Reader:
    """Counts what it reads, so that one trigger cannot cost more than another."""

    def __init__(self) -> None:
        self._count = 0
        self._dialects: dict[str, Callable[[Any, str, int], Filter]] = {
            "exact": lambda content, place, _: Exact(_read_attributes(content, place)),
            "prefix": lambda content, place, _: Prefix(_read_attributes(content, place)),
            "suffix": lambda content, place, _: Suffix(_read_attributes(content, place)),
            "all": lambda content, place, depth: AllOf(self._read_list(content, place, depth)),
            "any": lambda content, place, depth: AnyOf(self._read_list(content, place, depth)),
            "not": lambda content, place, depth: Not(self.read(content, place, depth + 1)),
            "sql": lambda content, place, _: Sql(self._read_sql(content, place)),
        }

    def read(self, content: Any, place: str, depth: int) -> Filter:
        self._count += 1
        if self._count > MAX_FILTERS:
            raise errors.InvalidFilter(f"{place}: a trigger has at most {MAX_FILTERS} filters; use one sql expression")
        if depth > MAX_DEPTH:
            raise errors.InvalidFilter(f"{place[:80]}: filters are nested at most {MAX_DEPTH} deep")
        if not isinstance(content, Mapping) or len(content) != 1:
            raise errors.InvalidFilter(f"{place}: a filter has exactly one of {', '.join(self._dialects)}")
        ((dialect, inner),) = content.items()
        reader = self._dialects.get(dialect)
        if reader is None:
            raise errors.InvalidFilter(
                f"{place}: dialect {str(dialect)[:40]!a} is not known; there are {', '.join(self._dialects)}"
            )
        return reader(inner, f"{place}.{dialect}", depth)

    def _read_list(self, content: Any, place: str, depth: int) -> tuple[Filter, ...]:
        if not isinstance(content, list | tuple) or not content:
            raise errors.InvalidFilter(f"{place}: a list of one filter or more")
        return tuple(self.read(each, f"{place}[{index}]", depth + 1) for index, each in enumerate(content))

    def _read_sql(self, content: Any, place: str) -> evaluate.Expression:
        if not isinstance(content, str):
            raise errors.InvalidFilter(f"{place}: an expression in CloudEvents SQL")
        try:
            return evaluate.compile_expression(content)
        except errors.InvalidFilter as error:
            raise errors.InvalidFilter(f"{place}: {error}") from error


def _read_attributes(content: Any, place: str) -> tuple[tuple[str, str], ...]:
    if not isinstance(content, Mapping) or not content:
        raise errors.InvalidFilter(f"{place}: one attribute or more with the text to compare with")
    for name, text in content.items():
        _check_name(name, place)
        if not isinstance(text, str) or not text:
            raise errors.InvalidFilter(f"{place}.{name}: text of one character or more, not {str(text)[:40]!a}")
    return tuple(sorted(content.items()))


def _check_name(name: Any, place: str) -> None:
    if not isinstance(name, str):
        raise errors.InvalidFilter(f"{place}: attribute name {str(name)[:40]!a}: names are text")
    try:
        rules.check_name(name, limits.DEFAULT)
    except errors.InvalidEvent as error:
        raise errors.InvalidFilter(f"{place}: {error}") from error


def _types_of(node: tree.Node) -> Types:
    match node:
        case tree.Binary("=", tree.Attribute("type"), tree.Literal(str(text))):
            return frozenset((text,))
        case tree.Binary("=", tree.Literal(str(text)), tree.Attribute("type")):
            return frozenset((text,))
        case tree.In(tree.Attribute("type"), choices, False):
            texts = [choice.value for choice in choices if isinstance(choice, tree.Literal)]
            return frozenset(map(str, texts)) if len(texts) == len(choices) and _are_text(texts) else None
        case tree.Logic("AND", operands):
            named = [types for types in map(_types_of, operands) if types is not None]
            return frozenset.intersection(*named) if named else None
        case tree.Logic("OR", operands):
            known = [_types_of(operand) for operand in operands]
            several = [types for types in known if types is not None]
            return frozenset().union(*several) if len(several) == len(known) else None
    return None


def _are_text(values: list[tree.Value]) -> bool:
    return all(isinstance(value, str) for value in values)
