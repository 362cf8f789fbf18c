"""What the clone gets."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from cluster import environment, layout

VARIABLES = {"REGISTRY": "10.0.0.2:5000", "GATEWAY_URL": "http://10.0.0.2:31080", "NAME": "it's a $HOME `x`"}


@pytest.fixture
def places(tmp_path):
    """Return a layout of a clone whose path needs quoting."""
    return layout.Layout(clone=tmp_path / "a clone's", state=tmp_path / "state", cache=tmp_path / "cache")


def source(path: Path, expression: str) -> str:
    """Return what a POSIX shell prints for the expression after it sourced the file twice."""
    script = '. "$1"; . "$1"; eval "printf %s \\"$2\\""'
    words = ["sh", "-euc", script, "sh", str(path), expression]
    return subprocess.run(words, check=True, capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"}).stdout


def test_a_shell_reads_back_what_was_written(places):
    """Values survive the shell whatever they hold."""
    environment.write(places, kubeconfig="k", variables=VARIABLES, links={})
    for name, value in VARIABLES.items():
        assert source(places.output / "env", f"${name}") == value
    assert source(places.output / "env", "$KUBECONFIG") == str(places.kubeconfig)


def test_sourcing_twice_adds_the_programs_once(places):
    """PATH does not grow with every sourcing."""
    environment.write(places, kubeconfig="k", variables={}, links={})
    assert source(places.output / "env", "$PATH") == f"{places.output / 'bin'}:/usr/bin:/bin"


def test_the_kubeconfig_is_private(places):
    """It holds the administrator's key."""
    environment.write(places, kubeconfig="secret", variables={}, links={})
    assert places.kubeconfig.stat().st_mode & 0o777 == 0o600


def test_writing_again_changes_nothing(places):
    """A second `up` touches no file that is right."""
    environment.write(places, kubeconfig="k", variables=VARIABLES, links={"tool": Path("/bin/true")})
    before = {path: path.lstat().st_mtime_ns for path in places.output.rglob("*") if not path.is_dir()}
    environment.write(places, kubeconfig="k", variables=VARIABLES, links={"tool": Path("/bin/true")})
    assert before == {path: path.lstat().st_mtime_ns for path in before}


def test_remove_takes_its_own_files_only(places):
    """What somebody else put beside them stays."""
    environment.write(places, kubeconfig="k", variables={}, links={"tool": Path("/bin/true")})
    (places.output / "mine").touch()
    environment.remove(places)
    assert [path.name for path in places.output.iterdir()] == ["mine"]


def test_remove_leaves_no_empty_directory(places):
    """After `down` the clone looks as it did before `up`."""
    environment.write(places, kubeconfig="k", variables={}, links={"tool": Path("/bin/true")})
    environment.remove(places)
    assert not places.output.exists()
