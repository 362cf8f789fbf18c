"""What the pieces of a manifest have in common: their base class, the forms of their fields, their CEL rules.

Every field's description is what ``kubectl explain`` prints, and every rule in ``x-kubernetes-validations`` is a CEL
expression that the API server checks at admission (https://kubernetes.io/docs/reference/using-api/cel/). Defaults live
in the model and not in the CRD, so that a stored manifest never differs from the one in Git.
"""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from mayfly.model import duration


def make_rules(*rules: tuple[str, str]) -> dict[str, Any]:
    """Return a schema extension that holds CEL ``(expression, message)`` pairs."""
    return {"x-kubernetes-validations": [{"rule": rule, "message": message} for rule, message in rules]}


def make_text_rule(rule: str, message: str) -> dict[str, Any]:
    """Return a schema extension for a text field whose message ends with the value: the API server shows only types."""
    rules = make_rules((rule, message))
    rules["x-kubernetes-validations"][0]["messageExpression"] = f"{json.dumps(message + ', not ')} + self"
    return rules


class Part(BaseModel):
    """A frozen piece of a manifest with camelCase field names.

    Unknown fields are ignored here: the API server has already refused or pruned them.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)


def configure(*rules: tuple[str, str], **extra: Any) -> ConfigDict:
    """Return the configuration of a part with CEL ``(expression, message)`` pairs."""
    return ConfigDict(json_schema_extra={**(make_rules(*rules) if rules else {}), **extra})


ObjectName = Annotated[
    str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", description="Object name.")
]
Key = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")]
Duration = Annotated[str, Field(max_length=32), AfterValidator(duration.check_duration)]
_QUANTITY = {
    "x-kubernetes-int-or-string": True,
    "minimum": 0,
    "pattern": r"^([0-9]+\.?[0-9]*|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?$",
}
"""A quantity that is not negative; the pattern speaks of strings, the minimum of integers."""
Quantity = Annotated[int | str, Field(json_schema_extra=_QUANTITY)]
BoundedQuantity = Annotated[
    int | str,
    Field(
        json_schema_extra={
            "x-kubernetes-int-or-string": True,
            **make_rules(
                (
                    "type(self) == int ? self >= 0 : isQuantity(self) && !quantity(self).isLessThan(quantity('0'))",
                    "write a quantity such as 100m, 1, 128Mi or 1Gi; it must not be negative",
                ),
            ),
        }
    ),
]
"""The same with a message for people. The API server prices a rule inside a list too high for use there."""


def make_duration_rule(field: str, least: str, most: str, *, such_as: str) -> dict[str, Any]:
    """Return a schema extension that bounds a duration; the pattern first, since ``duration()`` of other text fails."""
    within = f"duration(self) >= duration('{least}') && duration(self) <= duration('{most}')"
    return make_text_rule(
        f"self.matches(r'{duration.PATTERN}') && {within}", f"{field} is from {least} to {most}, such as {such_as}"
    )
