"""What of Knative Eventing is installed, in which order, and how it is changed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cluster import eventing, layout

PLACES = layout.find_layout()
GO_MOD = (PLACES.modules / "eventing" / "go.mod").read_text()
PROBES = """\
{first}Probe:
  initialDelaySeconds: 20
  periodSeconds: 10
{second}Probe:
  initialDelaySeconds: 20
  periodSeconds: 10
"""


def test_programs_come_after_what_they_watch():
    """Deployments are applied last, wherever upstream put them, and what nothing here uses is not applied."""
    names = [
        "core/deployments/controller.yaml",
        "core/deployments/job-sink.yaml",
        "core/resources/broker.yaml",
        "core/resources/jobsink.yaml",
        "core/placeholder.go",
        "brokers/deployments/hpa.yaml",
        "brokers/deployments/broker-filter.yaml",
        "brokers/200-roles.yaml~cd5b396a2 (added tls support)",
    ]
    assert [str(path) for path in eventing.choose_manifests(map(Path, names))] == [
        "core/resources/broker.yaml",
        "core/resources/jobsink.yaml",
        "brokers/deployments/broker-filter.yaml",
        "core/deployments/controller.yaml",
    ]


@pytest.mark.parametrize(("first", "second"), [("readiness", "liveness"), ("liveness", "readiness")])
def test_only_readiness_is_asked_sooner(first, second):
    """A program that is slow for once is not ended for it."""
    probes = eventing.serve_sooner(PROBES.format(first=first, second=second)).split("Probe:")
    seconds = {name: re.findall(r"\d+", text) for name, text in zip((first, second), probes[1:], strict=True)}
    assert seconds == {"readiness": ["1", "1"], "liveness": ["20", "10"]}


def test_the_page_names_the_version_that_is_pinned():
    """docs/knative-eventing.md speaks of what `make interop` runs."""
    [version] = re.findall(r"knative\.dev/eventing (v\S+)", GO_MOD)
    page = (PLACES.clone / "docs" / "knative-eventing.md").read_text()
    assert re.search(rf"^\| Knative Eventing: .* \| {re.escape(version)} \|$", page, flags=re.MULTILINE)
