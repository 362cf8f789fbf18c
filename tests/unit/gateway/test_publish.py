"""When an ingress's status is written, and when it is not."""

from __future__ import annotations

from typing import Any

import pytest

from mayfly.gateway import publish, snapshot, table
from mayfly.routing import ingress, status
from tests.unit.routing import objects, test_golden

KEY = ingress.Key("shop", "hello")


class Probes:
    """Answer as told; count the questions."""

    def __init__(self, *findings: status.Finding) -> None:
        self.findings = list(findings)
        self.asked = 0

    async def check(self, _subject: ingress.Ingress, _addresses: Any) -> status.Finding:
        self.asked += 1
        return self.findings.pop(0) if len(self.findings) > 1 else self.findings[0]


class World:
    """One ingress in a table, and the statuses that were written to it."""

    def __init__(self, *findings: status.Finding, obj: dict[str, Any] | None = None) -> None:
        rule = objects.rule(["a.example.com"], objects.path(objects.split("hello")))
        self.obj = obj or objects.ingress("hello", rule)
        self.obj["metadata"]["uid"] = "1"
        self.written: list[dict[str, Any]] = []
        self.probes = Probes(*findings)
        self.table = table.Table(snapshot.Snapshot(), place=test_golden.PLACE)
        self.table.put_ingress(self.obj)
        self.publisher = publish.Publisher(
            self,
            known=self.table,
            prober=self.probes,
            place=test_golden.PLACE,
            lookup=lambda key: self.obj if key == KEY else None,
        )

    async def apply_status(self, obj: dict[str, Any], *, manager: str) -> None:
        """Stand in for the cluster: keep the status, as the API server and the watch would."""
        assert manager == "mayfly-gateway"
        self.written.append(obj["status"])
        self.obj = {**self.obj, "status": obj["status"]}

    def ready(self) -> list[str]:
        return [written["conditions"][-1]["status"] for written in self.written]


async def test_ready_is_written_once() -> None:
    """A route that serves costs one write, and is not asked again."""
    world = World(status.SERVING)
    assert [await world.publisher.publish(KEY) for _ in range(3)] == [None, None, None]
    assert (world.ready(), world.probes.asked) == (["True"], 1)


async def test_a_new_generation_is_proved_anew() -> None:
    """Ready belongs to one generation."""
    world = World(status.SERVING)
    await world.publisher.publish(KEY)
    world.obj["metadata"]["generation"] = 2
    await world.publisher.publish(KEY)
    assert [written["observedGeneration"] for written in world.written] == [1, 2]


async def test_patience_comes_before_unknown() -> None:
    """A route that serves after a few probes costs one write; one that does not is said to be on its way."""
    world = World(*[status.waiting("later")] * 3, status.SERVING)
    pauses = [await world.publisher.publish(KEY) for _ in range(4)]
    assert pauses == [*publish.PAUSES[:3], None]
    assert world.ready() == ["True"]
    world = World(status.waiting("later"))
    pauses = [await world.publisher.publish(KEY) for _ in range(20)]
    assert pauses[-1] == publish.PAUSES[-1]
    assert world.ready() == ["Unknown"]
    assert "without ready endpoints: shop/hello:80" in world.written[0]["conditions"][-1]["message"]


async def test_what_cannot_serve_is_said_at_once() -> None:
    """An unsound ingress is written down without asking the data plane, and not looked at again by itself."""
    obj = objects.ingress("hello", objects.rule(["*.example.com"], objects.path(objects.split("hello"))))
    world = World(status.SERVING, obj=obj)
    assert await world.publisher.publish(KEY) is None
    [written] = world.written
    assert [condition["status"] for condition in written["conditions"]] == ["True", "False", "False"]
    assert written["conditions"][-1]["reason"] == "InvalidRoute"
    assert world.probes.asked == 0


@pytest.mark.parametrize("key", [ingress.Key("shop", "gone"), ingress.Key("other", "hello")])
async def test_what_is_not_there_is_left_alone(key: ingress.Key) -> None:
    """A deleted ingress needs no status."""
    world = World(status.SERVING)
    assert await world.publisher.publish(key) is None
    assert not world.written
