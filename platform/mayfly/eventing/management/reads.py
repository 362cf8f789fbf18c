"""What a caller of a function may ask about the calls it made, under the ``Location`` that it got with the 202.

The gateway has enforced the policies of the function's route; the id, 74 random bits of it, is what tells one caller
from another. Only what was called can be asked about: of events nobody waits for the answer.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable

from mayfly import errors
from mayfly.eventing import kinds, onward, problem, web
from mayfly.eventing.management import documents, patience, questions
from mayfly.model import handover
from mayfly.store import interface, records

_PLACE = re.compile(handover.INVOCATION + "$")
_ID = re.compile(questions.ID)
READING = ("GET", "HEAD")

OURS = ("mayfly-", "x-mayfly-", "x-envoy-", "k-proxy-", "knative-", "x-request-id")
"""Beginnings of names that the platform sets itself."""
TRUNCATED = "mayfly-truncated"
"""``true`` on an answer that was longer than is kept."""


class Reads:
    """Answer questions under ``.../invocations/ID``, ``.../result`` and ``.../attempts``."""

    def __init__(self, *, store: interface.Store, clock: Callable[[], float] = time.time) -> None:
        """``clock`` gives POSIX seconds."""
        self._store = store
        self._clock = clock
        self._patience = patience.Patience(store)

    async def answer(self, request: web.Request) -> web.Response:
        """Return the answer to a question.

        Raises:
            errors.NotFound: the function has no such call; another function's is as unknown as none.
            errors.StoreUnavailable: the store cannot be asked now.
            problem.Refused: 405, for anything but reading.
        """
        if request.method not in READING:
            raise problem.Refused(
                f"{request.method}: invocations are only read here; the REST API of Mayfly cancels, redrives, replays",
                status=405,
                headers=(("allow", ", ".join(READING)),),
            )
        found = await self._find(request)
        match request.path.rpartition("/")[2]:
            case "attempts":
                kept = await self._store.attempts(namespace=found.namespace, invocation_id=found.id)
                return web.make_json({"items": [*map(documents.make_attempt, kept)]})
            case "result":
                return await self._answer_result(found)
        return web.make_json(documents.make_invocation(found), headers=self._advise(found))

    async def _find(self, request: web.Request) -> records.Invocation:
        place = _PLACE.search(request.path)
        identity = _ID.search(place[0]) if place else None
        namespace, function = request.header(handover.NAMESPACE), request.header(handover.FUNCTION)
        if identity is None or not namespace or not function:
            raise errors.NotFound("there is nothing here; calls are found under the Location of their 202")
        seconds = 0.0
        if not request.path.endswith("/attempts"):
            seconds = questions.parse_wait(value for name, value in request.headers if name == "prefer")
        known = await self._store.get(namespace=namespace, invocation_id=identity[0])
        if known is None or known.function != function or known.kind not in kinds.ANSWERED:
            raise errors.NotFound(f"{function} has no call {identity[0]}: none ever, or its retention has passed")
        if seconds <= 0:
            return known
        return await self._patience.find(namespace=namespace, invocation_id=known.id, seconds=seconds) or known

    async def _answer_result(self, one: records.Invocation) -> web.Response:
        if one.state not in records.SETTLED:
            return web.make_json(documents.make_invocation(one), status=202, headers=self._advise(one))
        if one.state is records.State.CANCELLED:
            return _make_problem(one, status=410, reason="Cancelled", detail=f"call {one.id} was cancelled")
        if one.state is records.State.DEAD:
            detail = one.detail or f"call {one.id} was given up: {one.reason}"
            return _make_problem(one, status=502, reason=one.reason, detail=detail)
        result = await self._store.result(namespace=one.namespace, invocation_id=one.id)
        named = ((handover.INVOCATION_ID, one.id),)
        if result is None:
            return web.Response(204, named)
        cut = ((TRUNCATED, "true"),) if result.truncated else ()
        return web.Response(result.status, (*choose_headers(result.headers), *named, *cut), result.body)

    def _advise(self, one: records.Invocation) -> records.Headers:
        """Say when to ask again."""
        if one.state in records.SETTLED:
            return ()
        return (("retry-after", documents.make_retry_after(one, now=self._clock())),)


def choose_headers(headers: records.Headers) -> records.Headers:
    """Return what of an answer's headers is the function's word to its caller. Pure."""
    connection = ",".join(value for name, value in headers if name.lower() == "connection")
    dropped = onward.HOP_BY_HOP | {"content-length"} | {name.strip().lower() for name in connection.split(",")}
    return tuple(
        (name, value) for name, value in headers if name.lower() not in dropped and not name.lower().startswith(OURS)
    )


def _make_problem(one: records.Invocation, *, status: int, reason: str, detail: str) -> web.Response:
    """Return the problem that an invocation ended in, with what is known of it beside."""
    plain = problem.make_response(status=status, reason=reason, detail=detail)
    more = {"invocation": one.id, "attempts": one.attempts, "lastStatus": one.status}
    body = json.dumps(json.loads(plain.body) | more).encode()
    return web.Response(status, (*plain.headers, (handover.INVOCATION_ID, one.id)), body)
