"""``mayfly get``."""

from __future__ import annotations

import asyncio
import datetime as dt

from mayfly.cli import options, session, talk, view


def run(
    name: options.Name,
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
    output: options.Output = options.Format.TABLE,
) -> None:
    """Show one function: state, URL, image, build, conditions.

    `-o wide` prints its row of `mayfly list -o wide`, `-o json` and `-o yaml` the object itself.
    """
    asyncio.run(_get(session.Target(namespace, context, kubeconfig), name, output))


async def _get(target: session.Target, name: str, output: options.Format) -> None:
    async with session.connect(target) as current:
        found = await current.get_function(name)
    now = dt.datetime.now(dt.UTC)
    match output:
        case options.Format.TABLE:
            talk.give(view.render_card(found, now=now))
        case options.Format.JSON | options.Format.YAML:
            talk.give(view.dump(view.strip(found), output))
        case _:
            talk.give(view.render([found], output, namespaces=False, now=now))
