"""A leader that is frozen and thaws, in processes of their own and with a real SIGSTOP."""

from __future__ import annotations

import asyncio
import contextlib
import pathlib
import signal
import sys

from mayfly import errors
from mayfly.cluster import kinds
from tests.contract.cluster import leader_process

DEADLINE = 60.0
SCRIPT = pathlib.Path(leader_process.__file__)


@contextlib.asynccontextmanager
async def replica(kubeconfig, namespace, name):
    process = await asyncio.create_subprocess_exec(
        sys.executable, SCRIPT, str(kubeconfig), namespace, name, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGCONT)
            process.kill()
        await process.wait()


async def says(process, word):
    while (line := (await process.stdout.readline()).decode().strip()) != word:
        assert line, "the replica ended"


async def writers(cluster, namespace, told):
    """Append each writer of the ledger to ``told`` as it signs."""
    changes = cluster.watch(kinds.CONFIGMAP, namespace, fields="metadata.name=ledger", resource_version="0")
    async for change in changes:
        if change.type != "BOOKMARK":
            told.append(change.object["data"]["writer"])


async def test_a_thawed_leader_writes_nothing(cluster, namespace, kubeconfig):
    """Frozen in the middle of its work, a leader whose lease ran out is refused by its own fence when it thaws."""
    told: list[str] = []
    async with asyncio.timeout(DEADLINE), replica(kubeconfig, namespace, "frozen") as frozen:
        watching = asyncio.create_task(writers(cluster, namespace, told))
        await says(frozen, "pausing")
        frozen.send_signal(signal.SIGSTOP)
        async with replica(kubeconfig, namespace, "next") as following:
            await says(following, "pausing")
            before = len(told)
            frozen.send_signal(signal.SIGCONT)
            await says(frozen, "refused")
            for _ in range(3):
                await says(following, "pausing")
            assert set(told[before:]) <= {"next"}
            assert told.index("next") == len([who for who in told if who == "frozen"])
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError, errors.ClusterError):
            await watching
