"""Ask every Envoy which version of an ingress it serves."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable

import aiohttp

from mayfly.routing import edge, ingress, questions, status

PROBE_SECONDS = 1.0


def _make_tls() -> ssl.SSLContext:
    """Believe any certificate: asked is whether this version of the route serves, and the user's CA is unknown here."""
    made = ssl.create_default_context()
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    return made


_TLS = _make_tls()


class Prober:
    """Ask through ``session``; each question takes a new connection, so that it meets another worker of Envoy."""

    def __init__(self, session: aiohttp.ClientSession, *, place: edge.Edge) -> None:
        self._session = session
        self._place = place

    async def check(self, subject: ingress.Ingress, addresses: Iterable[str]) -> status.Finding:
        """Return whether the Envoys at ``addresses`` all serve this version of the ingress."""
        return await self._check(subject, addresses, questions.make_questions(subject))

    async def check_exposure(self, subject: ingress.Ingress, addresses: Iterable[str]) -> status.Finding:
        """Return whether they all serve it as its Function wants it exposed, its own hosts included."""
        asked = [*questions.make_questions(subject), *questions.make_own_questions(subject)]
        return await self._check(subject, addresses, asked)

    async def _check(
        self, subject: ingress.Ingress, addresses: Iterable[str], asked: Iterable[questions.Question]
    ) -> status.Finding:
        wanted = list(asked)
        answers = [self._ask(subject, address, question) for address in addresses for question in wanted]
        objections = [objection for objection in await asyncio.gather(*answers) if objection]
        return status.waiting(objections[0]) if objections else status.SERVING

    async def _ask(self, subject: ingress.Ingress, address: str, question: questions.Question) -> str:
        port = self._place.port(question.listener)
        host = f"[{address}]" if ":" in address else address
        secure = question.listener == "secure"
        url = f"{'https' if secure else 'http'}://{host}:{port}{question.path}"
        headers = {**question.headers, "Host": question.host, "Connection": "close"}
        try:
            async with self._session.request(
                question.method,
                url,
                headers=headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=PROBE_SECONDS),
                ssl=_TLS,
                server_hostname=question.host if secure else None,
            ) as response:
                objection = questions.judge(subject, {name.lower(): value for name, value in response.headers.items()})
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            objection = f"it does not answer: {str(error) or type(error).__name__}"
        return objection and f"gateway {address} ({question.listener}), host {question.host}: {objection}"
