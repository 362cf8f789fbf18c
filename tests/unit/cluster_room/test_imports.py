"""What it costs to import the room."""

from __future__ import annotations

import subprocess
import sys

import pytest

MODULES = ["access", "client", "events", "lease", "queue", "watch"]


@pytest.mark.parametrize("module", MODULES)
def test_the_official_client_is_not_imported_at_start(module):
    """The official client costs 0.6 s and 20 MB: only a credential plugin is worth that."""
    code = f"import sys; from mayfly.cluster import {module}; sys.exit('kubernetes' in sys.modules)"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
