"""What Envoy starts with.

``MAYFLY_UPDATE_GOLDEN=1 pytest tests/unit/gateway`` writes the expected file anew; read the difference first.
"""

from __future__ import annotations

import json
import os
import pathlib

from mayfly.gateway import bootstrap

GOLDEN = pathlib.Path(__file__).parent / "golden" / "bootstrap.json"


def test_bootstrap() -> None:
    """Limits of connections, memory and time, and the admin interface's socket, are exactly those expected."""
    made = bootstrap.make_bootstrap(bootstrap.EnvoySettings.model_construct(), heap_bytes=1_000_000)
    if os.environ.get("MAYFLY_UPDATE_GOLDEN"):
        GOLDEN.write_text(json.dumps(made, indent=1, sort_keys=True) + "\n")
    assert json.loads(GOLDEN.read_text()) == made
