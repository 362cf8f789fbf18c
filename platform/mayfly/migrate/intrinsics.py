"""What CloudFormation's functions come to, as far as the template alone says: parameters with a default, in texts.

Nothing else is worked out: what depends on a condition, a resource or an account is known to AWS alone
(https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference.html).
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping

from mayfly.migrate import text

_KNOWN = frozenset({
    "And", "Base64", "Cidr", "Condition", "Equals", "FindInMap", "ForEach", "GetAZs", "GetAtt", "If", "ImportValue",
    "Join", "Length", "Not", "Or", "Ref", "Select", "Split", "Sub", "ToJsonString", "Transform",
})  # fmt: skip
_VARIABLE = re.compile(r"\$\{(!?)([^${}]{1,255})\}")
_MAX_TEXT = 65_536


@dataclasses.dataclass(frozen=True, slots=True)
class Parameters:
    """The template's parameters by name, and the names of those whose values are not to be shown."""

    defaults: dict[str, str]
    hidden: frozenset[str]


@dataclasses.dataclass(frozen=True, slots=True)
class Scope:
    """What a function of a template may refer to: parameters, and the names its neighbours have now."""

    root: text.Node
    parameters: Parameters
    names: Mapping[str, str]


class Unresolved(Exception):
    """A value is known to AWS alone; the text says which, and ``secret`` whether nobody is to see it."""

    def __init__(self, message: str, *, secret: bool = False) -> None:
        super().__init__(message)
        self.secret = secret


def read_parameters(root: text.Node) -> Parameters:
    """Return the parameters of a template."""
    named = dict(root["Parameters"].pairs())
    hidden = {name for name, node in named.items() if node["NoEcho"].flag or "SSM" in node["Type"].text.upper()}
    defaults = {name: node["Default"].text for name, node in named.items() if node["Default"].is_scalar}
    return Parameters({name: value for name, value in defaults.items() if name not in hidden}, frozenset(hidden))


def resolve(node: text.Node, parameters: Parameters) -> text.Node:
    """Return ``node`` as a plain text; as it is where no function stands.

    Raises:
        Unresolved: the template alone does not say what it comes to.
    """
    name, argument = _find(node)
    if not name:
        return node
    if name == "Ref":
        return _plain(node, _look_up(argument.text, parameters))
    if name == "Sub":
        return _plain(node, _substitute(argument, parameters))
    if name not in _KNOWN:
        raise Unresolved(f"{text.cut(name)} is not a function of CloudFormation; write the value")
    raise Unresolved(f"{name} is worked out by AWS alone; write the value")


def refers_to(node: text.Node) -> str:
    """Return the resource that ``!Ref X``, ``!GetAtt X.Arn`` or ``!Sub ${X.Arn}`` names, nothing where none is."""
    name, argument = _find(node)
    named = argument.items[0].text if argument.items else argument.text
    if name == "Sub":
        match = _VARIABLE.fullmatch(named)
        named = match[2] if match else ""
    return named.partition(".")[0] if name in {"Ref", "GetAtt", "Sub"} else ""


def _find(node: text.Node) -> tuple[str, text.Node]:
    """Return the function that ``node`` is, in its short or its long form, and the argument; no name for a value."""
    if node.tag:
        return node.tag.removeprefix("Fn::"), dataclasses.replace(node, tag="")
    if node.fields is not None and len(node.fields) == 1:
        name, argument = next(iter(node.fields.items()))
        if name in {"Ref", "Condition"} or name.startswith("Fn::"):
            return name.removeprefix("Fn::"), argument
    return "", node


def _look_up(name: str, parameters: Parameters) -> str:
    if name in parameters.hidden:
        raise Unresolved(f"parameter {text.cut(name)} is not to be shown", secret=True)
    if name not in parameters.defaults:
        raise Unresolved(f"{text.cut(name)} has no default in the template; write the value")
    return parameters.defaults[name]


def _substitute(argument: text.Node, parameters: Parameters) -> str:
    template, extra = argument, text.Node("")
    if argument.items is not None:
        template, extra = (*argument.items, text.Node(""), text.Node(""))[:2]
    local = {name: resolve(node, parameters).text for name, node in extra.pairs()}
    scope = Parameters({**parameters.defaults, **local}, parameters.hidden)
    found = _VARIABLE.sub(
        lambda match: f"${{{match[2]}}}" if match[1] else _look_up(match[2].strip(), scope), template.text
    )
    if len(found) > _MAX_TEXT:
        raise Unresolved(f"it comes to more than {_MAX_TEXT} characters; write the value")
    return found


def _plain(node: text.Node, value: str) -> text.Node:
    return text.Node(node.path, value, value, line=node.line)
