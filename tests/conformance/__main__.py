"""Run Knative's ingress conformance suite against the gateway that is installed: ``python -m tests.conformance``.

Needs the cluster of ``make up``. Prints how each test ended and the count of PASS lines; ends with 1 unless every one
of them passed. All its stable, beta and alpha tests are run.
"""

from __future__ import annotations

import contextlib
import dataclasses
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib import parse

from cluster import errors, knative, kubectl, layout
from tests import conftest
from tests.conformance import results, suite

NAMESPACE = "serving-tests"
"""The suite's own choice (``networking/test/e2e_constants.go``)."""
EXPECTED = 56
"""Lines of the suite at the version in ``cluster/go/knative/go.mod``: fewer means that tests are missing."""
PARALLEL = 6
TIMEOUT = "15m"


def main() -> int:
    """Build what is not built, run, count."""
    env = conftest.read_cluster_env()
    places = dataclasses.replace(layout.find_layout(), registry=env["REGISTRY"])
    found = suite.find(places)
    if not found.directory.is_dir():
        say("building the suite and its images ...")
        suite.build(places, found)
    suite.push(places, found)
    address = parse.urlsplit(env["GATEWAY_URL"]).hostname or ""
    started = time.monotonic()
    with namespace(places):
        code, ended = run(places, found, address=address)
    passed = [result for result in ended if result.verdict == "PASS"]
    total = max(EXPECTED, len(ended))
    say(f"{len(passed)} of {total} PASS lines in {time.monotonic() - started:.0f} s")
    return 0 if code == 0 and len(passed) == total else 1


def say(line: str) -> None:
    """Write a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def run(places: layout.Layout, found: suite.Suite, *, address: str) -> tuple[int, list[results.Result]]:
    """Run the suite against the node ``address``; return its exit code and how each test ended."""
    log = places.logs / "conformance.log"
    words: list[str | Path] = [
        found.binary, "-test.v", f"-test.timeout={TIMEOUT}", f"-test.parallel={PARALLEL}",
        "--enable-alpha", "--enable-beta", f"--ingressClass={knative.INGRESS_CLASS}", f"--ingressendpoint={address}",
        f"--kubeconfig={places.kubeconfig}", f"--dockerrepo={places.registry}/{suite.REPOSITORY}", f"--tag={found.key}",
    ]  # fmt: skip
    ended = []
    with log.open("w") as sink, subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        for raw in process.stdout:
            line = raw.decode(errors="replace")
            sink.write(line)
            result = results.parse_line(line)
            if result is not None:
                ended.append(result)
                say(f"{result.verdict}  {result.seconds:6.1f} s  {result.name}")
    say(f"log: {log}")
    return process.returncode, ended


@contextlib.contextmanager
def namespace(places: layout.Layout) -> Iterator[None]:
    """Give the suite its namespace, empty, and take it away afterwards."""
    remove = ("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait", "--timeout=120s")
    kubectl.run(places, *remove)
    kubectl.run(places, "create", "namespace", NAMESPACE)
    try:
        yield
    finally:
        kubectl.run(places, *remove)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except errors.ClusterError as error:
        sys.exit(str(error))
