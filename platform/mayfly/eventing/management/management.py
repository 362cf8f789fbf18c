"""What those ask who may read and steer the invocations of a namespace: the REST API asks for them, with our token."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import NamedTuple
from urllib import parse

from mayfly import errors
from mayfly.eventing import known, problem, web
from mayfly.eventing.clock import retention
from mayfly.eventing.management import documents, patience, questions, steering
from mayfly.store import interface, records

BASE = r"/v1/namespaces/([a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)"
ONE = r"/invocations/([^/]{1,200})"


class Question(NamedTuple):
    """One request, taken apart."""

    namespace: str
    id: str
    """Empty where the path names no invocation."""
    request: web.Request

    @property
    def wait(self) -> float:
        """Return for how many seconds an end is to be waited for."""
        return questions.parse_wait(value for name, value in self.request.headers if name == "prefer")


Handler = Callable[[Question], Awaitable[web.Response]]


class Management:
    """Answer below ``/v1/namespaces/NAMESPACE/``; that the caller may ask has been checked before."""

    def __init__(
        self,
        *,
        store: interface.Store,
        known: known.Known,
        abandon: Callable[[str], object],
        clock: Callable[[], float],
    ) -> None:
        """``abandon`` is told the id of what was cancelled, so that an attempt under way can be given up at once."""
        self._store = store
        self._known = known
        self._clock = clock
        self._patience = patience.Patience(store)
        self._steering = steering.Steering(store=store, known=known, abandon=abandon, clock=clock)
        paths: dict[str, dict[str, Handler]] = {
            "/invocations": {"GET": self._list},
            ONE: {"GET": self._show},
            ONE + "/attempts": {"GET": self._show_attempts},
            ONE + "/result": {"GET": self._show_result},
            ONE + "/message": {"GET": self._show_message},
            ONE + "/cancel": {"POST": self._cancel},
            ONE + "/redrive": {"POST": self._redrive},
            ONE + "/replay": {"POST": self._replay},
            "/dead-letters": {"GET": self._list_dead, "DELETE": self._purge_dead},
            "/dead-letters/redrive": {"POST": self._redrive_dead},
            "/queues": {"GET": self._list_queues},
        }
        self._routes = tuple((re.compile(BASE + path), handlers) for path, handlers in paths.items())

    async def answer(self, request: web.Request) -> web.Response:
        """Return the answer to a question.

        Raises:
            errors.NotFound: there is no such path, or no such invocation in that namespace.
            errors.InvalidQuestion: a parameter or the body is wrong.
            errors.WrongState: the state of the invocation forbids it.
            errors.StoreUnavailable: the store cannot be asked now.
            problem.Refused: 405, another method is wanted.
        """
        for pattern, handlers in self._routes:
            if (found := pattern.fullmatch(request.path)) is None:
                continue
            if request.method not in handlers:
                raise _refuse_method(request, tuple(handlers))
            namespace, *rest = found.groups()
            identity = parse.unquote(rest[0]) if rest else ""
            if rest and not re.fullmatch(questions.ID, identity):
                raise steering.miss(namespace, repr(identity))
            return await handlers[request.method](Question(namespace, identity, request))
        raise errors.NotFound(f"{request.method} {request.path[:200]}: there is nothing here; ask for invocations")

    async def _list(self, question: Question) -> web.Response:
        page = await self._read_page(question, questions.parse_listing(question.request.query))
        return web.make_json({"items": [*map(documents.make_invocation, page.items)], "cursor": page.cursor})

    async def _list_dead(self, question: Question) -> web.Response:
        page = await self._read_page(question, questions.parse_dead_letters(question.request.query))
        items = [documents.make_dead_letter(one, kept_until=self._find_end(one)) for one in page.items]
        return web.make_json({"items": items, "cursor": page.cursor})

    async def _read_page(self, question: Question, listing: questions.Listing) -> records.Page:
        return await self._store.list(
            namespace=question.namespace, selection=listing.selection, limit=listing.limit, cursor=listing.cursor
        )

    async def _show(self, question: Question) -> web.Response:
        return web.make_json(documents.make_invocation(await self._find(question, seconds=question.wait)))

    async def _show_attempts(self, question: Question) -> web.Response:
        await self._find(question)
        found = await self._store.attempts(namespace=question.namespace, invocation_id=question.id)
        return web.make_json({"items": [*map(documents.make_attempt, found)]})

    async def _show_result(self, question: Question) -> web.Response:
        one = await self._find(question, seconds=question.wait)
        if one.state not in records.SETTLED:
            headers = (("retry-after", documents.make_retry_after(one, now=self._clock())),)
            return web.make_json(documents.make_invocation(one), status=202, headers=headers)
        result = await self._store.result(namespace=question.namespace, invocation_id=question.id)
        if result is None:
            raise errors.NotFound(
                f"no answer is kept of invocation {one.id}, which is {one.state.value}: there is one of calls, and of"
                " what got an answer before it was given up; the attempts tell the rest"
            )
        return web.make_json(documents.make_result(one, result))

    async def _show_message(self, question: Question) -> web.Response:
        await self._find(question)
        found = await self._store.message(namespace=question.namespace, invocation_id=question.id)
        if found is None:
            raise steering.miss(question.namespace, question.id)
        return web.make_json(documents.make_message(found))

    async def _list_queues(self, question: Question) -> web.Response:
        questions.check_nothing(question.request.query)
        counts = await self._store.counts(namespace=question.namespace)
        lags = await self._store.lags()
        now = self._clock()
        items = [
            documents.make_queue(queue[1], count, earliest_due=lags.get(queue), now=now)
            for queue, count in sorted(counts.items())
        ]
        return web.make_json({"items": items})

    async def _cancel(self, question: Question) -> web.Response:
        questions.check_nothing(question.request.query)
        done = await self._steering.cancel(namespace=question.namespace, invocation_id=question.id)
        return web.make_json(documents.make_invocation(done))

    async def _redrive(self, question: Question) -> web.Response:
        questions.check_nothing(question.request.query)
        done = await self._steering.redrive(namespace=question.namespace, invocation_id=question.id)
        return web.make_json(documents.make_invocation(done))

    async def _replay(self, question: Question) -> web.Response:
        one = await self._find(question)
        revision = questions.parse_revision(question.request.body, function=one.function)
        made = await self._steering.replay(namespace=question.namespace, invocation_id=question.id, revision=revision)
        place = f"/v1/namespaces/{made.namespace}/invocations/{made.id}"
        return web.make_json(documents.make_invocation(made), status=201, headers=(("location", place),))

    async def _redrive_dead(self, question: Question) -> web.Response:
        step = questions.parse_redrive(question.request.query)
        done = await self._steering.redrive_all(
            namespace=question.namespace, function=step.function, limit=step.limit, cursor=step.cursor
        )
        return web.make_json({"redriven": done.number, "cursor": done.cursor})

    async def _purge_dead(self, question: Question) -> web.Response:
        step, cursor = questions.parse_purge(question.request.query)
        before = self._clock() if cursor is None else cursor
        purged = await self._steering.purge(
            namespace=question.namespace, function=step.function, before=before, limit=step.limit
        )
        left = purged == step.limit
        return web.make_json({"purged": purged, "cursor": documents.format_instant(before) if left else None})

    async def _find(self, question: Question, *, seconds: float = 0.0) -> records.Invocation:
        questions.check_nothing(question.request.query)
        found = await self._patience.find(namespace=question.namespace, invocation_id=question.id, seconds=seconds)
        if found is None:
            raise steering.miss(question.namespace, question.id)
        return found

    def _find_end(self, one: records.Invocation) -> float:
        """Return when a dead letter's retention ends."""
        assert one.settled is not None  # it is dead
        target = self._known.get(one.namespace, one.function)
        return one.settled + (retention.DEAD_LETTER_SECONDS if target is None else target.dead_letter_seconds)


def _refuse_method(request: web.Request, allowed: tuple[str, ...]) -> problem.Refused:
    there = ", ".join(allowed)
    return problem.Refused(
        f"{request.method} {request.path}: only {there} is answered here", status=405, headers=(("allow", there),)
    )
