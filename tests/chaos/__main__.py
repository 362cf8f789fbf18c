"""Break things under load and count: ``make chaos``, or ``python -m tests.chaos [FAULT ...]``.

A real eventing process, on a real store, with the cluster's API server; a sender that knows which events were promised
(202), and a function that knows which ones it got. Each fault prints a line; the last line is the sum of all ledgers.
Exits with 1 when an event was lost, the books do not balance, or more than one event in a hundred came twice.
"""

from __future__ import annotations

import asyncio
import sys

from mayfly.cluster import client
from tests import conftest
from tests.chaos import faults, ledger, stage

SHARE_TWICE = 0.01


async def main(chosen: list[str]) -> int:
    """Run each chosen fault and return the exit code."""
    env = conftest.read_cluster_env()
    total = ledger.Ledger()
    async with await client.connect(kubeconfig=env["KUBECONFIG"]) as cluster:
        for name in chosen or faults.ALL:
            async with stage.open_stage(cluster, env) as where:
                found = await faults.ALL[name](where)
            say(f"{name:24} {found}")
            total = total.plus(found)
    say(str(total))
    return int(total.lost > 0 or total.drift > 0 or total.duplicates > SHARE_TWICE * total.accepted)


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
