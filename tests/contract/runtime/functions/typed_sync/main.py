from dataclasses import dataclass
from typing import Any

from ops import run


@dataclass
class Task:
    op: str
    name: str | None = None
    data: dict[str, Any] | None = None
    raw: bytes = b""


def handle(task: Task):
    kind, value = run(task.op, task.name, task.data or task.raw)
    return value
