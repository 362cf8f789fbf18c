"""Labels that Mayfly puts on what it makes (https://kubernetes.io/docs/reference/labels-annotations-taints/)."""

from __future__ import annotations

from mayfly.model import names

FUNCTION = f"{names.GROUP}/function"
"""Names the Function an object belongs to."""
PAUSED = f"{names.GROUP}/paused"
"""Annotation: while ``"true"`` the controller leaves the Function as it is."""
CONTROLLER = f"{names.GROUP}/controller"
"""Annotation: only the controller whose setting ``controller_name`` is this value takes care of the Function."""
REBUILD = f"{names.GROUP}/rebuild"
"""Annotation: any new value asks for a build although the source did not change."""
APPLIED = f"{names.GROUP}/applied"
"""Annotation on what Mayfly makes: digest of the object as it was last applied."""

SIGNATURE = f"{names.GROUP}/signature"
HANDLER = f"{names.GROUP}/handler"
RUNTIME = f"{names.GROUP}/runtime"
FINGERPRINT = f"{names.GROUP}/fingerprint"
DEPENDENCIES = f"{names.GROUP}/dependencies"
REVISION = "org.opencontainers.image.revision"
SOURCE = "org.opencontainers.image.source"
"""Commit or checksum, and URL, of a source from outside: the image specification's own names
(https://github.com/opencontainers/image-spec/blob/main/annotations.md)."""
SIGNATURE_REASON = f"{names.GROUP}/signature-reason"


def make_labels(name: str) -> dict[str, str]:
    """Return the labels of every object made for the Function ``name``."""
    return {
        FUNCTION: name,
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/component": "function",
        "app.kubernetes.io/part-of": "mayfly",
        "app.kubernetes.io/managed-by": names.CONTROLLER,
    }


def function_selector(name: str) -> str:
    """Return the label selector that finds what belongs to the Function ``name``."""
    return f"{FUNCTION}={name}"
