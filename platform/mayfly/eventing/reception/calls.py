"""Take asynchronous calls: the gateway has enforced the route's policy and says whose route it was."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import time
from collections.abc import Callable

from mayfly import errors
from mayfly.eventing import context, kinds, known, metrics, onward, prefer, problem, publish, target, trace, web
from mayfly.eventing.reception import backlog
from mayfly.events import chain
from mayfly.model import handover
from mayfly.outside import allowlist
from mayfly.store import interface, records

KEY_HEADER = "idempotency-key"
CALLBACK_HEADER = "x-callback-url"
CALL_ID_HEADER = "x-call-id"
"""OpenFaaS: https://docs.openfaas.com/reference/async/."""
MAX_CALLBACK = 2048
"""Characters of a URL."""
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_CALL_ID = re.compile(r"[\x21-\x7e]{1,128}")
_URL = re.compile(rf"[\x21-\x7e]{{1,{MAX_CALLBACK}}}")
_PATH = re.compile(r"[\x21-\x7e]+")


class Calls:
    """Answer 202 once a call is stored, with the place where its outcome will be found."""

    def __init__(
        self,
        *,
        store: interface.Store,
        known: known.Known,
        figures: metrics.Figures,
        max_waiting: int,
        callbacks: bool,
        allows_url: Callable[[str], bool],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``callbacks``: whether ``X-Callback-Url`` is obeyed, for URLs that ``allows_url`` lets pass."""
        self._store = store
        self._known = known
        self._figures = figures
        self._backlog = backlog.Backlog(store=store, max_waiting=max_waiting)
        self._callbacks = callbacks
        self._allows_url = allows_url
        self._clock = clock

    async def answer(self, request: web.Request) -> web.Response:
        """Answer one request that the gateway handed over.

        Raises:
            errors.MayflyError: it was refused, and counted as such; nothing of it was stored.
        """
        try:
            return await self._answer(request)
        except errors.MayflyError as error:
            self._figures.refused(reason=problem.reason_of(error))
            raise

    async def _answer(self, request: web.Request) -> web.Response:
        to = self._find_target(request)
        one = self._make_invocation(request, to)
        await self._backlog.admit(to.namespace, 1)
        (receipt,) = await self._store.accept([one], now=one.due)
        if receipt.verdict is records.Verdict.CONFLICT:
            raise problem.Refused(
                f"Idempotency-Key {request.header(KEY_HEADER)}: it was used for a call with another method, path, type"
                f" or body ({receipt.id}); use a new key for a new call",
                status=422,
                reason="IdempotencyKeyReused",
            )
        if receipt.verdict is records.Verdict.NEW:
            self._figures.accepted(namespace=to.namespace, function=to.name, kind=one.kind)
        else:
            self._figures.duplicate(namespace=to.namespace, function=to.name)
        return make_answer(request, receipt)

    def _find_target(self, request: web.Request) -> target.Target:
        namespace, name = request.header(handover.NAMESPACE) or "", request.header(handover.FUNCTION) or ""
        found = self._known.get(namespace, name)
        if found is None:
            raise errors.NotFound(f"there is no Function {name!r} in namespace {namespace!r}")
        if not found.takes_calls:
            raise errors.NotFound(
                f"Function {name!r} takes no asynchronous calls (spec.http.async is false); call it synchronously"
            )
        return found

    def _make_invocation(self, request: web.Request, to: target.Target) -> records.NewInvocation:
        message = onward.make_message(request)
        if not _PATH.fullmatch(message.path):
            raise problem.Refused(f"path {message.path[:80]!a}: percent-encode everything but visible ASCII")
        client = request.header(handover.CLIENT) or ""
        parent, state = trace.read_headers(request.headers)
        kept = context.Context(
            traceparent=parent, tracestate=state, callback=self._read_callback(request), client=client
        )
        one = publish.make_call_invocation(
            message,
            to,
            origin=publish.Origin(kinds.Kind.CALL, depth=chain.parse_depth(request.header(chain.HEADER)), context=kept),
            now=self._clock(),
            idempotency_key=read_key(request, client),
        )
        if not onward.is_alias(request):
            return one
        named = dataclasses.replace(kept, call_id=read_call_id(request) or one.id)
        return dataclasses.replace(one, context=named.to_text())

    def _read_callback(self, request: web.Request) -> str:
        """Return where the outcome goes besides, empty for nowhere."""
        url = request.header(CALLBACK_HEADER)
        if url is None or not self._callbacks:
            return ""
        if not _URL.fullmatch(url) or not self._allows_url(url):
            raise problem.Refused(
                f"X-Callback-Url {allowlist.show(url)} is not allowed: its host has to be among the destinations that"
                f" this installation allows, and it has at most {MAX_CALLBACK} characters; ask its administrator, or"
                " read the outcome at Location",
                reason="CallbackRefused",
            )
        return url


def make_answer(request: web.Request, receipt: records.Receipt) -> web.Response:
    """Return the answer to a call that is stored; the same for a call that was sent again. Pure.

    ``state`` is that of the moment of acceptance: what was answered once is answered again
    (https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-idempotency-key-header, section 2.6).
    """
    location = f"{request.header(handover.STEM) or ''}/invocations/{receipt.id}"
    headers = [("location", location)]
    if prefer.asks_for_later(request.headers):
        headers.append(("preference-applied", prefer.RESPOND_ASYNC))
    if onward.is_alias(request):
        headers.append((CALL_ID_HEADER, read_call_id(request) or receipt.id))
    if receipt.verdict is records.Verdict.DUPLICATE:
        headers.append(("idempotent-replayed", "true"))
    document = {"id": receipt.id, "state": records.State.WAITING.value, "location": location}
    return web.make_json(document, status=202, headers=tuple(headers))


def read_call_id(request: web.Request) -> str:
    """Return the caller's own id of a call; empty when there is none that can be used. Pure."""
    given = request.header(CALL_ID_HEADER) or ""
    return given if _CALL_ID.fullmatch(given) else ""


def read_key(request: web.Request, client: str) -> str | None:
    """Return the idempotency key of a call, ``None`` when it has none. Pure.

    Keys of callers whom a policy tells apart are apart: one's key never names another's call.

    Raises:
        problem.Refused: it is not one key of 1 to 255 visible characters.
    """
    given = [value for name, value in request.headers if name == KEY_HEADER]
    if not given:
        return None
    key = given[0].strip()
    if len(key) > 1 and key.startswith('"') and key.endswith('"'):  # a string of RFC 8941, as the draft has it
        key = key[1:-1]
    if len(given) > 1 or not _KEY.fullmatch(key):
        raise problem.Refused(
            f"Idempotency-Key {', '.join(given)[:80]!a}: send one, of 1 to 255 visible ASCII characters",
            reason="InvalidIdempotencyKey",
        )
    if not client:
        return key
    return f"{hashlib.blake2b(client.encode(), digest_size=16).hexdigest()}:{key}"
