from typing import Any

from ops import run_async
from pydantic import Base64Bytes, BaseModel


class Task(BaseModel):
    op: str
    name: str | None = None
    data: dict[str, Any] | None = None
    raw: Base64Bytes = b""


async def handle(task: Task):
    kind, value = await run_async(task.op, task.name, task.data or task.raw)
    return value
