"""Who may send events to a namespace. Whoever cannot be told clearly may not."""

from __future__ import annotations

import time
from collections.abc import Callable

from mayfly import errors
from mayfly.cluster import client, gatekeeper
from mayfly.eventing import tokenfile, web
from mayfly.eventing.reception import keys, remembered
from mayfly.model import handover, names

KEY_HEADER = "x-api-key"
"""The gateway's own default for keys of routes."""
TOKEN_HEADER = gatekeeper.TOKEN_HEADER.lower()
ALLOWED_SECONDS = 10.0
"""How long a right is believed to last; so long at most works one that was taken away."""
ALLOWED = 1024
"""Rights that are remembered."""
RESOURCE, SUBRESOURCE, VERB = names.PLURAL, "events", "create"
"""What Kubernetes is asked about: may they create functions/events of group mayfly.dev in the namespace."""

Right = tuple[str, str, str, tuple[str, ...], tuple[tuple[str, tuple[str, ...]], ...]]
"""Namespace, and all that authorizers look at of a caller."""


class Senders:
    """Tell senders by bearer token, by key, or by the REST API's word for them."""

    def __init__(
        self,
        *,
        cluster: client.Cluster,
        keeper: gatekeeper.Gatekeeper,
        token: Callable[[], str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``token`` gives the internal token, with which the REST API vouches for its callers."""
        self._keeper = keeper
        self._token = token
        self._keyring = keys.Keyring(cluster, clock=clock)
        self._allowed: remembered.Remembered[Right, None] = remembered.Remembered(
            seconds=ALLOWED_SECONDS, most=ALLOWED, clock=clock
        )

    async def identify(self, request: web.Request, *, namespace: str, internal: bool) -> str:
        """Return the name of who sends ``request``, once they may send to ``namespace``.

        ``internal``: it came on the path of the REST API, which has checked its caller. Only there is the internal
        token worth anything: on the public path it would open every namespace to whoever comes through the gateway.
        Of several credentials the first in this order decides: internal token, key, bearer token.

        Raises:
            errors.Unauthorized: the credentials are missing or wrong.
            errors.Forbidden: known, but not allowed.
            gatekeeper.ReviewFailed: Kubernetes gave no answer.
        """
        vouched = request.header(handover.TOKEN) if internal else None
        if vouched is not None:
            return self._believe(request, vouched)
        key = request.header(KEY_HEADER)
        if key is not None:
            return await self._find_client(namespace, key)
        caller = await self._keeper.identify(_choose_token(request, namespace))
        await self._allowed.get(_make_right(namespace, caller), lambda: self._check(namespace, caller))
        return caller.username

    def _believe(self, request: web.Request, presented: str) -> str:
        if not tokenfile.admits(self._token, presented):
            raise errors.Unauthorized(f"header {handover.TOKEN} is wrong; it is for Mayfly's own processes alone")
        return request.header(handover.CLIENT) or ""

    async def _find_client(self, namespace: str, key: str) -> str:
        found = await self._keyring.find(namespace, key)
        if found is None:
            raise errors.Unauthorized(
                f"the key is nobody's in namespace {namespace!r}. Ways to send: {_describe_ways(namespace)}"
            )
        return found

    async def _check(self, namespace: str, caller: gatekeeper.Caller) -> None:
        wanted = {"resource": RESOURCE, "subresource": SUBRESOURCE, "verb": VERB, "namespace": namespace}
        await self._keeper.check(caller, {"group": names.GROUP, "version": names.VERSION, **wanted})


def _choose_token(request: web.Request, namespace: str) -> str:
    own, authorization = request.header(TOKEN_HEADER), request.header("authorization")
    try:
        return gatekeeper.choose_token(own=own or "", authorization=authorization or "")
    except errors.Unauthorized as error:
        raise errors.Unauthorized(f"{error}. Ways to send: {_describe_ways(namespace)}") from None


def _make_right(namespace: str, caller: gatekeeper.Caller) -> Right:
    extra = tuple((name, tuple(values)) for name, values in caller.extra.items())
    return namespace, caller.username, caller.uid, caller.groups, extra


def _describe_ways(namespace: str) -> str:
    return (
        f"Authorization: Bearer TOKEN (or {gatekeeper.TOKEN_HEADER}: TOKEN) of an account that may {VERB}"
        f" {RESOURCE}/{SUBRESOURCE} in namespace {namespace!r}, or X-API-Key: KEY with a key of at least"
        f" {keys.SHORTEST_KEY} characters from the Secret {names.EVENT_KEYS_SECRET} there"
    )
