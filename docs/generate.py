"""Write the generated files, or prove that the committed ones are current.

``python docs/generate.py`` compares and names what is stale; ``--write`` writes.
"""

from __future__ import annotations

import json
import pathlib
import sys
from collections.abc import Callable

from mayfly import settings
from mayfly.api import app as api_app
from mayfly.cli import reference
from mayfly.gateway import bootstrap
from mayfly.model import crd

ROOT = pathlib.Path(__file__).resolve().parent.parent


def render_settings() -> str:
    """Return the settings page: one table for each process."""
    source = "`platform/mayfly/settings.py`"
    parts = [
        "# Settings\n",
        f"Each process reads environment variables; the chart sets them from its values. Generated from {source}.\n",
    ]
    for title, model in {
        "Controller": settings.ControllerSettings,
        "Builder": settings.BuilderSettings,
        "Gateway": settings.GatewaySettings,
        "Envoy": bootstrap.EnvoySettings,
        "Eventing": settings.EventingSettings,
        "API": settings.ApiSettings,
    }.items():
        parts.append(f"## {title}\n\n| variable | default | meaning |\n| --- | --- | --- |")
        for name, field in model.model_fields.items():
            default = field.get_default(call_default_factory=True)
            shown = f"`{default}`" if default not in ("", None, {}) else "(none)"
            parts.append(f"| `MAYFLY_{name.upper()}` | {shown} | {field.description} |")
        parts.append("")
    return "\n".join(parts)


def render_openapi() -> str:
    """Return the REST API's description."""
    return json.dumps(api_app.make_openapi(), indent=2, sort_keys=True) + "\n"


GENERATED: dict[str, Callable[[], str]] = {
    "manifests/crds/functions.mayfly.dev.yaml": crd.render_crd,
    "charts/mayfly/files/crds/functions.mayfly.dev.yaml": crd.render_crd,
    "docs/settings.md": render_settings,
    "docs/openapi.json": render_openapi,
    "docs/cli.md": reference.render_reference,
}


def main(*, write: bool) -> int:
    """Return 0 when every generated file is current (or was written), 1 otherwise."""
    stale = []
    for path, render in GENERATED.items():
        target, text = ROOT / path, render()
        if target.exists() and target.read_text() == text:
            continue
        stale.append(path)
        if write:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
    verb = "wrote" if write else "stale, run `make generate`:"
    sys.stdout.write("\n".join(f"{verb} {path}" for path in stale) + "\n" if stale else "generated files: current\n")
    return 1 if stale and not write else 0


if __name__ == "__main__":
    sys.exit(main(write="--write" in sys.argv[1:]))
