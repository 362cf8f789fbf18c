"""The chart as it is shipped, rendered by helm."""

from __future__ import annotations

import base64
import pathlib
import subprocess

import yaml

CHART = pathlib.Path(__file__).resolve().parent.parent / "charts" / "mayfly"
NAMESPACE = "mayfly-system"


def render(*words, namespace=NAMESPACE, only=None):
    """Return the chart's objects for these words of a command line, such as ``--set=events.enabled=false``."""
    chosen = [f"--show-only=templates/{only}.yaml"] if only else []
    command = ["helm", "template", "mayfly", CHART, "--kube-version=1.34.0", f"--namespace={namespace}"]
    done = subprocess.run([*command, *chosen, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [item for item in yaml.safe_load_all(done.stdout) if item]


def find(objects, kind, name):
    """Return the object of this kind and name."""
    (found,) = [item for item in objects if (item["kind"], item["metadata"]["name"]) == (kind, name)]
    return found


def decode(text):
    """Return the bytes of a value of a Secret."""
    return base64.b64decode(text)
