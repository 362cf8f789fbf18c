"""One replica in a process of its own: while it leads it signs the ConfigMap ``ledger`` again and again.

Usage: leader_process.py KUBECONFIG NAMESPACE NAME. Each line it prints says what it just did.
"""

from __future__ import annotations

import asyncio
import sys

from mayfly import errors
from mayfly.cluster import client, election, lease

TERMS = election.Terms(lease=3, deadline=2, retry=0.3)
PAUSE_SECONDS = 0.5


def say(word):
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


async def main(kubeconfig, namespace, name):
    async with await client.connect(kubeconfig=kubeconfig, user_agent=name) as cluster:
        standing = lease.LeaderElection(cluster, namespace=namespace, name="freeze", identity=name, terms=TERMS)
        fenced = cluster.fenced(standing.is_leader)

        async def write(number):
            ledger = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": namespace, "name": "ledger"}}
            try:
                await fenced.apply({**ledger, "data": {"writer": name, "number": str(number)}}, manager="mayfly-test")
            except errors.Conflict:
                say("refused")
                raise

        async def lead():
            """Write like code that nobody told of the lost lease: cancelled or not, it tries once more."""
            number = 0
            while True:
                number += 1
                await write(number)
                say("pausing")
                try:
                    await asyncio.sleep(PAUSE_SECONDS)
                except asyncio.CancelledError:
                    await write(number + 1)
                    raise

        await standing.run(lead)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
