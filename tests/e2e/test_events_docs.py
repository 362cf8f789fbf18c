"""docs/events.md, run as written and in order: its manifests applied, its commands typed."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess

import pytest
import yaml

from tests.e2e.person import ROOT, User

TEXT = (ROOT / "docs" / "events.md").read_text()
BLOCKS = re.findall(r"^```(yaml|console)\n(.*?)^```", TEXT, flags=re.DOTALL | re.MULTILINE)
SECONDS = 150


@pytest.fixture
def shell(user: User, tmp_path: pathlib.Path) -> dict[str, str]:
    """The environment of a user whose kubeconfig names their namespace."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(pathlib.Path(user.env["KUBECONFIG"]).read_text())
    path = f"{ROOT / '.venv/bin'}:{user.env['PATH']}"
    env = {**user.env, "KUBECONFIG": str(kubeconfig), "PATH": path, "NAMESPACE": user.namespace}
    done = subprocess.run(
        ["kubectl", "config", "set-context", "--current", f"--namespace={user.namespace}"],
        env=env, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return env


def apply(user: User, text: str) -> None:
    """Apply the objects of a block, its Functions with so little CPU that all of them fit on a small node."""
    for obj in yaml.safe_load_all(text):
        if obj["kind"] == "Function":
            obj["spec"]["resources"] = {"cpu": "20m"}
        user.kubectl("apply", "-f", "-", stdin=json.dumps(obj))


def type_in(shell: dict[str, str], text: str) -> str:
    """Run the commands of a block as a user types them; fails with what was printed when one of them fails."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text],
        env={**os.environ, **shell}, check=False, capture_output=True, text=True, timeout=SECONDS,
    )  # fmt: skip
    assert done.returncode == 0, f"{text}\n--- out\n{done.stdout}\n--- err\n{done.stderr}"
    return done.stdout


@pytest.mark.timeout(600)
def test_the_page_is_run_as_written(user: User, shell: dict[str, str]) -> None:
    """Every command succeeds, and the page's own story comes true."""
    printed = []
    for kind, text in BLOCKS:
        if kind == "yaml":
            apply(user, text)
        else:
            printed.append(type_in(shell, text))
    triggers, sending, calls, dead, mended = printed
    assert "confirm" in triggers
    assert "confirm" in sending
    assert '"width": 120' in calls or '"width":120' in calls
    ids = re.findall(r"^location: (.*?)\s*$", calls, flags=re.MULTILINE | re.IGNORECASE)
    assert len(ids) == 2
    assert ids[0] == ids[1]
    assert "RetriesExhausted" in dead
    assert "sent to ada" in mended
    seen = json.loads(type_in(shell, "mayfly invocations list --function report -o json"))
    assert {item["kind"] for item in seen["items"]} == {"reply"}, seen
