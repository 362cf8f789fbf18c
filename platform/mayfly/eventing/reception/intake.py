"""Take events in: ``POST`` to ``/events``, ``/events/NAMESPACE`` or, for the REST API, ``/v1/namespaces/...``."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Callable, Sequence

from mayfly import errors
from mayfly.eventing import context, kinds, known, metrics, problem, publish, trace, web
from mayfly.eventing.reception import backlog, senders
from mayfly.events import cloudevent, event
from mayfly.store import interface, records

_LABEL = "[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
PATH = re.compile(rf"/events(?:/(?P<public>{_LABEL}))?|/v1/namespaces/(?P<internal>{_LABEL})/events")
"""Where events are posted; a namespace is a DNS label (RFC 1123)."""
METHODS = "POST, OPTIONS"
MAX_DELIVERIES = 10_000
"""Invocations that one request may make: they are one transaction, and nothing else is written meanwhile."""
_ORIGIN = re.compile(r"[\x21-\x7e]{1,253}")


@dataclasses.dataclass(frozen=True, slots=True)
class Delivery:
    """What became of one delivery of a request."""

    id: str
    function: str
    duplicate: bool


class Intake:
    """Answer 202 once every delivery of every event of a request is stored: all of them, or none."""

    def __init__(
        self,
        *,
        store: interface.Store,
        known: known.Known,
        figures: metrics.Figures,
        senders: senders.Senders,
        default_namespace: str,
        max_waiting: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``clock`` gives POSIX seconds."""
        self._store = store
        self._known = known
        self._figures = figures
        self._senders = senders
        self._default_namespace = default_namespace
        self._backlog = backlog.Backlog(store=store, max_waiting=max_waiting)
        self._clock = clock

    async def answer(self, request: web.Request) -> web.Response:
        """Answer one request.

        Raises:
            errors.MayflyError: it was refused, and counted as such; nothing of it was stored.
        """
        try:
            return await self._answer(request)
        except errors.MayflyError as error:
            self._figures.refused(reason=problem.reason_of(error))
            raise

    async def _answer(self, request: web.Request) -> web.Response:
        found = PATH.fullmatch(request.path)
        if found is None:
            raise errors.NotFound(f"{request.path[:200]}: events are posted to /events/NAMESPACE")
        if request.method == "OPTIONS":
            return make_permission(request)
        if request.method != "POST":
            raise problem.Refused(
                f"{request.method}: events are posted; send POST", status=405, headers=(("allow", METHODS),)
            )
        internal = found["internal"] is not None
        namespace = found["internal"] or found["public"] or self._default_namespace
        client = await self._senders.identify(request, namespace=namespace, internal=internal)
        events = cloudevent.parse_http(request.headers, request.body)
        batch = self._make_batch(namespace, events, client=client, headers=request.headers)
        stored = await self._store_batch(namespace, batch)
        deliveries = [{"id": one.id, "function": one.function, "duplicate": one.duplicate} for one in stored]
        return web.make_json({"events": len(events), "deliveries": deliveries}, status=202)

    def _make_batch(
        self, namespace: str, events: Sequence[event.Event], *, client: str, headers: records.Headers
    ) -> list[records.NewInvocation]:
        """Return the deliveries of ``events`` to everybody who wants them."""
        now = self._clock()
        batch: list[records.NewInvocation] = []
        hop = trace.read_headers(headers)
        for one in events:
            _check_source(one)
            targets = self._known.find(namespace, one)
            if not targets:
                self._figures.unwanted(namespace=namespace)
                continue
            parent, state = hop if hop[0] else trace.read(one.attributes)
            kept = context.Context(traceparent=parent, tracestate=state, client=client)
            origin = publish.Origin(kinds.Kind.EVENT, context=kept)
            batch += publish.make_event_invocations(one, targets, origin=origin, now=now)
        if len(batch) > MAX_DELIVERIES:
            raise errors.EventTooLarge(
                f"{len(events)} events make {len(batch)} deliveries; at most {MAX_DELIVERIES} at once: send fewer"
            )
        return batch

    async def _store_batch(self, namespace: str, batch: Sequence[records.NewInvocation]) -> list[Delivery]:
        if not batch:
            return []
        await self._backlog.admit(namespace, len(batch))
        receipts = await self._store.accept(batch, now=batch[0].due)
        return [self._count(one, receipt) for one, receipt in zip(batch, receipts, strict=True)]

    def _count(self, one: records.NewInvocation, receipt: records.Receipt) -> Delivery:
        new = receipt.verdict is records.Verdict.NEW
        if new:
            self._figures.accepted(namespace=one.namespace, function=one.function, kind=one.kind)
        else:
            self._figures.duplicate(namespace=one.namespace, function=one.function)
        return Delivery(receipt.id, one.function, duplicate=not new)


def _check_source(one: event.Event) -> None:
    """Refuse what passes for the platform's own: its ids tell ticks and news apart, and an id is delivered once."""
    if one.source.startswith(publish.SOURCES):
        raise errors.InvalidEvent(
            f"attribute source = {one.source[:80]!r} begins with {publish.SOURCES}, which names what the platform"
            " itself tells; choose another"
        )


def make_permission(request: web.Request) -> web.Response:
    """Return the answer to ``OPTIONS``: whoever names an origin may send events from there. Pure.

    It says that events are expected here, not that the sender is allowed any: no credentials are asked for.
    https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/http-webhook.md#4-abuse-protection
    """
    headers = [("allow", METHODS), ("cache-control", "no-store")]
    origin = request.header("webhook-request-origin")
    if origin is not None and _ORIGIN.fullmatch(origin):
        headers += [("webhook-allowed-origin", origin), ("webhook-allowed-rate", "*")]
    return web.Response(200, tuple(headers))
