"""Which cluster is used."""

from __future__ import annotations

import pytest

from cluster import errors, probe


@pytest.mark.parametrize(
    ("environment", "kind"),
    [
        ({}, None),
        ({"KUBECONFIG": ""}, None),
        ({"KUBECONFIG": "/home/me/mayfly/.cluster/kubeconfig"}, None),
        ({"KUBECONFIG": "/home/me/.kube/config", "REGISTRY": "r:5000"}, "existing"),
        ({"KUBECONFIG": "/home/me/.kube/config", "MAYFLY_CLUSTER": "local"}, "local"),
        ({"MAYFLY_CLUSTER": "kind"}, "kind"),
    ],
    ids=["nothing", "empty", "our own", "the user's", "forced local", "forced kind"],
)
def test_the_environment_may_name_the_cluster(environment, kind):
    """A cluster named by the user is used; our own kubeconfig, sourced from .cluster/env, names none."""
    named = probe.choose_named(environment)
    assert (named.kind if named else None) == kind


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"KUBECONFIG": "/home/me/config"}, ["/home/me/config", "REGISTRY=host:port", "unset KUBECONFIG"]),
        ({"MAYFLY_CLUSTER": "minikube"}, ["'minikube'", "existing, kind, local"]),
        ({"MAYFLY_CLUSTER": "existing"}, ["existing", "KUBECONFIG"]),
    ],
    ids=["no registry", "unknown kind", "existing without kubeconfig"],
)
def test_a_wrong_environment_is_explained(environment, words):
    """The message names the value, the rule and the fix."""
    with pytest.raises(errors.ClusterError) as caught:
        probe.choose_named(environment)
    assert [word for word in words if word not in str(caught.value)] == []


def test_an_engine_that_does_not_answer_is_none(monkeypatch, tmp_path):
    """A docker command without a daemon behind it is no engine."""
    for name in ("docker", "podman"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert probe.find_engine() is None
