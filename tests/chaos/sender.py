"""A producer that does as the documents say: it repeats an event under the same id until it is promised."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import time

import aiohttp

CALLERS = 64
REFUSED = frozenset({429, 500, 502, 503, 504})
PATIENCE_SECONDS = 300.0


@dataclasses.dataclass
class Sender:
    """Sends ``rate`` events a second until told to stop; ``promised`` holds the ids that got their 202."""

    url: str
    headers: dict[str, str]
    rate: float
    prefix: str = "e"
    body: bytes = b'{"x":"' + b"x" * 1000 + b'"}'
    promised: list[str] = dataclasses.field(default_factory=list)
    refused: int = 0
    """Answers that promised nothing."""
    unanswered: int = 0
    stopped: bool = False
    """Whether no further event is begun."""

    async def run(self, *, most: int) -> None:
        """Send ``most`` events, or until ``stopped``; returns when the last one is promised or given up."""
        gate = asyncio.Semaphore(CALLERS)
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session,
            asyncio.TaskGroup() as group,
        ):
            begin = time.monotonic()
            for number in itertools.takewhile(lambda _: not self.stopped, range(most)):
                await asyncio.sleep(max(0.0, begin + number / self.rate - time.monotonic()))
                await gate.acquire()
                sending = group.create_task(self._send(session, f"{self.prefix}-{number}"))
                sending.add_done_callback(lambda _: gate.release())

    async def _send(self, session: aiohttp.ClientSession, name: str) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        attributes = {"ce-specversion": "1.0", "ce-id": name, "ce-source": "/chaos", "ce-type": "com.shop.chaos"}
        headers = {**self.headers, **attributes, "content-type": "application/json"}
        while time.monotonic() < end:
            try:
                async with session.post(self.url, headers=headers, data=self.body) as answer:
                    if answer.status == 202:
                        self.promised.append(name)
                        return
                    assert answer.status in REFUSED, (answer.status, await answer.text())
                    self.refused += 1
            except (aiohttp.ClientError, TimeoutError):
                self.unanswered += 1
            await asyncio.sleep(0.2)
        raise AssertionError(f"{name} was not promised within {PATIENCE_SECONDS:.0f} s")
