"""What is printed of Functions. Pure: objects in, text out."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import Any

from mayfly.cli import options

COLUMNS = ("NAME", "READY", "REASON", "URL", "REVISION", "AGE")
WIDE_COLUMNS = (*COLUMNS, "RUNTIME", "SIGNATURE", "IMAGE")
NOTHING = "-"
_SHORT_DIGEST = 19

Object = Mapping[str, Any]


def render(objects: Sequence[Object], form: options.Format, *, namespaces: bool, now: dt.datetime) -> str:
    """Return a list of Functions in the wanted form; ``namespaces`` puts their namespace before the name.

    JSON and YAML are those of ``kubectl get``: a ``List`` of the objects, without ``metadata.managedFields``.
    """
    if form in {options.Format.JSON, options.Format.YAML}:
        return dump({"apiVersion": "v1", "kind": "List", "items": [strip(obj) for obj in objects]}, form)
    if form is options.Format.NAME:
        return "\n".join(f"function.mayfly.dev/{obj['metadata']['name']}" for obj in objects)
    wide = form is options.Format.WIDE
    head = ("NAMESPACE",) * namespaces + (WIDE_COLUMNS if wide else COLUMNS)
    rows = [(obj["metadata"].get("namespace", ""),) * namespaces + make_row(obj, wide=wide, now=now) for obj in objects]
    return align([head, *rows])


def make_row(obj: Object, *, wide: bool, now: dt.datetime) -> tuple[str, ...]:
    """Return the cells of one Function."""
    status = obj.get("status") or {}
    ready = get_condition(obj, "Ready")
    cells = [
        obj["metadata"]["name"],
        ready.get("status") or "Unknown",
        "" if ready.get("status") == "True" else ready.get("reason", ""),
        status.get("url"),
        status.get("revision"),
        format_age(obj["metadata"].get("creationTimestamp"), now=now),
    ]
    if wide:
        cells += [status.get("runtime"), status.get("signature"), shorten_image(status.get("image") or "")]
    return tuple(str(cell or NOTHING) for cell in cells)


def align(rows: Sequence[Sequence[str]]) -> str:
    r"""Return rows as columns, three blanks apart, as kubectl prints them.

    >>> align([("NAME", "AGE"), ("hello", "5s")])
    'NAME    AGE\nhello   5s'
    """
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    return "\n".join(
        "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def render_card(obj: Object, *, now: dt.datetime) -> str:
    """Return one Function in full: what it is, where it is, how it was built, how it stands."""
    metadata, spec, status = obj["metadata"], obj.get("spec") or {}, obj.get("status") or {}
    ready = get_condition(obj, "Ready")
    signature = status.get("signature") or spec.get("signature") or "auto"
    facts = {
        "Name": metadata["name"],
        "Namespace": metadata.get("namespace"),
        "Ready": " ".join(filter(None, [ready.get("status") or "Unknown", ready.get("reason")])),
        "Message": ready.get("message"),
        "URL": status.get("url"),
        "Address": (status.get("address") or {}).get("url"),
        "Handler": status.get("handler") or spec.get("handler"),
        "Signature": signature + (f" ({status['signatureReason']})" if status.get("signatureReason") else ""),
        "Runtime": status.get("runtime") or spec.get("runtime"),
        "Source": describe_source(spec.get("source") or {}),
        "Image": status.get("image"),
        "Revision": status.get("revision"),
        "Instances": str(status.get("replicas") or 0),
        "Scaling": ", ".join(f"{name} {value}" for name, value in (spec.get("scaling") or {}).items()) or "defaults",
        "Timeout": spec.get("timeout") or "30s",
        "Age": format_age(metadata.get("creationTimestamp"), now=now),
    }
    width = max(len(name) for name in facts) + 2
    lines = [f"{name + ':':<{width}}{indent(value, width)}" for name, value in facts.items() if value]
    return "\n".join([*lines, *_render_build(status.get("build") or {}), *_render_conditions(obj, now)])


def _render_build(build: Object) -> list[str]:
    if not build:
        return []
    how = f"{build.get('state') or 'unknown'}{', image existed' if build.get('cached') else ''}"
    rows = [(step["name"], f"{step['seconds']:.2f} s", step.get("detail", "")) for step in build.get("steps") or []]
    return ["", f"Build: {how}"] + [f"  {line}" for line in (align(rows).splitlines() if rows else [])]


def _render_conditions(obj: Object, now: dt.datetime) -> list[str]:
    found = (obj.get("status") or {}).get("conditions") or []
    if not found:
        return ["", "Conditions: none yet; is the controller running?"]
    rows = [
        (
            condition["type"],
            condition["status"],
            condition.get("reason") or NOTHING,
            format_age(condition.get("lastTransitionTime"), now=now),
            (condition.get("message") or "").partition("\n")[0][:160],
        )
        for condition in found
    ]
    return ["", "Conditions:"] + [f"  {line}" for line in align(rows).splitlines()]


def get_condition(obj: Object, kind: str) -> dict[str, Any]:
    """Return one condition; empty when it is not there."""
    found = (obj.get("status") or {}).get("conditions") or []
    return next((condition for condition in found if condition.get("type") == kind), {})


def describe_source(source: Object) -> str:
    """Return in a few words where the code comes from."""
    if source.get("inline"):
        return f"inline ({', '.join(sorted(source['inline']))})"
    if source.get("configMap"):
        return f"ConfigMap {source['configMap'].get('name')}"
    if source.get("oci"):
        return f"upload {source['oci'].get('ref')}"
    return f"image {source['image']}" if source.get("image") else ""


def format_age(since: str | None, *, now: dt.datetime) -> str:
    """Return the time since an RFC 3339 moment as kubectl does: 5s, 12m, 3h, 8d; ``-`` when there is none."""
    if not since:
        return NOTHING
    seconds = max(0, int((now - dt.datetime.fromisoformat(since)).total_seconds()))
    for unit, size, limit in (("s", 1, 120), ("m", 60, 120 * 60), ("h", 3600, 48 * 3600)):
        if seconds < limit:
            return f"{seconds // size}{unit}"
    return f"{seconds // 86400}d"


def shorten_image(image: str) -> str:
    """Return an image reference with its digest cut to twelve digits."""
    name, at, digest = image.partition("@")
    return f"{name}@{digest[:_SHORT_DIGEST]}" if at else name


def indent(text: str, width: int) -> str:
    """Return ``text`` with every line after the first moved right."""
    return text.replace("\n", "\n" + " " * width)


def strip(obj: Object) -> dict[str, Any]:
    """Return an object without ``metadata.managedFields``, which nobody reads."""
    metadata = {field: value for field, value in obj["metadata"].items() if field != "managedFields"}
    return {**obj, "metadata": metadata}


def dump(document: Object, form: options.Format) -> str:
    """Return a document as JSON or YAML, fields in the order they have."""
    if form is options.Format.JSON:
        return json.dumps(document, indent=2, ensure_ascii=False)
    import yaml  # noqa: PLC0415  (slow to import, rarely wanted)

    text: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)
    return text.rstrip("\n")
