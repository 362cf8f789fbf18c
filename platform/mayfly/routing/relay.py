"""Stand in front of another Knative gateway (``gateway.mode: edge``). Pure.

The other gateway keeps the ingresses of its class: revisions, splits and tags are its business. Ours gives it every
request for their hosts and enforces what the Functions ask for before.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from mayfly import errors
from mayfly.routing import ingress

PORT = 80
_ADDRESS_LABELS = 3
"""A Service's name has at least its own, its namespace and ``svc``."""


def put_before(subject: ingress.Ingress, obj: Mapping[str, Any]) -> ingress.Ingress:
    """Return ``subject`` with all its traffic going to the gateway that its status names.

    Raises:
        errors.InvalidRoute: that gateway has not said yet where it is.
    """
    told = obj.get("status") or {}
    return dataclasses.replace(
        subject,
        relayed=True,
        rules=tuple(
            dataclasses.replace(rule, paths=(_make_path(_find_gateway(told, rule.visibility, subject.key)),))
            for rule in subject.rules
        ),
    )


def _make_path(backend: ingress.Backend) -> ingress.Path:
    return ingress.Path("/", match=(), headers=(), rewrite_host=None, splits=(ingress.Split(backend, 100),))


def _find_gateway(told: Mapping[str, Any], visibility: str, key: ingress.Key) -> ingress.Backend:
    balancer = told.get("publicLoadBalancer" if visibility == "ExternalIP" else "privateLoadBalancer") or {}
    names = [item.get("domainInternal") or "" for item in balancer.get("ingress") or ()]
    for name in names:
        labels = name.split(".")
        if len(labels) >= _ADDRESS_LABELS and labels[2] == "svc":
            return ingress.Backend(labels[1], labels[0], PORT)
    raise errors.InvalidRoute(f"ingress {key}: the gateway behind has not said yet at which Service it answers")
