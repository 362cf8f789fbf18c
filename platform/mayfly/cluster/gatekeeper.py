"""Ask Kubernetes who somebody is, and whether they may.

TokenReview: https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-review-v1/.
SubjectAccessReview: https://kubernetes.io/docs/reference/kubernetes-api/authorization-resources/subject-access-review-v1/.
"""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Callable, Mapping
from typing import Any

from mayfly import errors
from mayfly.cluster import client, kinds
from mayfly.model import names

AUDIENCE = "mayfly"
"""Audience of tokens that are made for Mayfly alone; they are worth nothing at the API server."""
REMEMBERED_SECONDS = 10.0
"""How long a good token is believed without asking again; a revoked one works so long at most."""
REMEMBERED_TOKENS = 1024
TOKEN_HEADER = "Mayfly-Token"  # noqa: S105  (the name of a header)
"""Carries the token when the call comes through the API server's service proxy, which removes ``Authorization``."""
MAX_TOKEN = 16 * 1024
"""Characters; the longest tokens of identity providers have about half of that."""


class ReviewFailed(errors.Unreachable):
    """Kubernetes could not say who asks or whether they may, so the answer is no."""

    reason = "ReviewFailed"


@dataclasses.dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, as the API server knows them."""

    username: str
    uid: str
    groups: tuple[str, ...]
    extra: Mapping[str, list[str]]


class Gatekeeper:
    """Ask the API server about tokens and rights, and refuse whenever it does not clearly say yes."""

    def __init__(
        self, cluster: client.Cluster, *, audience: str = "", clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._cluster = cluster
        self._audiences = [[audience]] if audience else [[], [AUDIENCE]]
        self._clock = clock
        self._known: dict[bytes, tuple[float, Caller]] = {}

    async def identify(self, token: str) -> Caller:
        """Return the owner of ``token``.

        A good answer is remembered for ``REMEMBERED_SECONDS`` under the token's hash; a bad one never.

        Raises:
            errors.Unauthorized: no authenticator of the cluster knows the token, or it is for another audience.
            ReviewFailed: the API server did not answer.
        """
        key = hashlib.sha256(token.encode()).digest()
        expires, caller = self._known.get(key, (0.0, None))
        if caller is not None and self._clock() < expires:
            return caller
        caller = await self._review(token)
        while len(self._known) >= REMEMBERED_TOKENS:
            self._known.pop(next(iter(self._known)))
        self._known[key] = (self._clock() + REMEMBERED_SECONDS, caller)
        return caller

    async def _review(self, token: str) -> Caller:
        for audiences in self._audiences:
            spec = {"token": token} | ({"audiences": audiences} if audiences else {})
            status = await self._ask(kinds.TOKEN_REVIEW, spec)
            if status.get("authenticated") is True and not status.get("error"):
                user = status.get("user") or {}
                return Caller(
                    username=user.get("username", ""),
                    uid=user.get("uid", ""),
                    groups=tuple(user.get("groups") or ()),
                    extra=user.get("extra") or {},
                )
        raise errors.Unauthorized(
            "the bearer token is not valid: expired, revoked or from another cluster; get a new one"
        )

    async def check(self, caller: Caller, attributes: Mapping[str, str]) -> None:
        """Return when ``caller`` may do what ``attributes`` (ResourceAttributes) say.

        Raises:
            errors.Forbidden: the cluster's authorizers do not allow it.
            ReviewFailed: the API server did not answer.
        """
        spec = {
            "user": caller.username,
            "uid": caller.uid,
            "groups": list(caller.groups),
            "extra": dict(caller.extra),
            "resourceAttributes": dict(attributes),
        }
        status = await self._ask(kinds.SUBJECT_ACCESS_REVIEW, spec)
        if status.get("allowed") is not True or status.get("denied"):
            raise errors.Forbidden(describe_refusal(caller, attributes))

    async def _ask(self, kind: kinds.Kind, spec: Mapping[str, Any]) -> dict[str, Any]:
        review = {"apiVersion": kind.api_version, "kind": kind.kind, "spec": spec}
        try:
            answer = await self._cluster.post(kind.path(), review)
        except errors.ClusterError as error:
            raise ReviewFailed(f"the call was refused because {kind.kind} gave no answer: {error}") from error
        status: dict[str, Any] = answer.get("status") or {}
        return status


def describe_refusal(caller: Caller, attributes: Mapping[str, str]) -> str:
    """Return who may not do what, and which rule would allow it."""
    resource = attributes["resource"] + (f"/{attributes['subresource']}" if attributes.get("subresource") else "")
    return (
        f"{caller.username} may not {attributes['verb']} {resource} in namespace {attributes['namespace']!r};"
        f" ask for a role with apiGroups [{names.GROUP}], resources [{resource}], verbs [{attributes['verb']}],"
        " such as the cluster's edit role"
    )


def choose_token(*, own: str, authorization: str) -> str:
    """Return the token of a call, given its headers ``Mayfly-Token`` and ``Authorization``; empty when not sent.

    Raises:
        errors.Unauthorized: there is none, or it cannot be one.
    """
    token = own
    if not token:
        scheme, _, rest = authorization.partition(" ")
        token = rest.strip() if scheme.lower() == "bearer" else ""
    if not token:
        raise errors.Unauthorized(f"no bearer token: send Authorization: Bearer TOKEN, or {TOKEN_HEADER}: TOKEN")
    if len(token) > MAX_TOKEN or not token.isascii() or not token.isprintable():
        raise errors.Unauthorized(f"the bearer token is not one: at most {MAX_TOKEN} printable ASCII characters")
    return token
