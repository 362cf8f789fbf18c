"""One invocation with everything that a decision about it may look at. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mayfly.eventing import context, kinds, publish, target
from mayfly.events import event, retry
from mayfly.store import records


@dataclass(frozen=True, slots=True)
class Case:
    """What is delivered, to whom, and whom else it may concern."""

    invocation: records.Invocation
    message: records.Message
    to: target.Target | None
    """The Function that it waits for, or in whose name it goes to a URL; ``None``: there is none of that name."""
    get: Callable[[str, str], target.Target | None]
    """Function by namespace and name."""
    find: Callable[[str, event.Event], tuple[target.Target, ...]]
    """Functions of a namespace that want an event."""

    @property
    def kind(self) -> kinds.Kind:
        """Why it is delivered."""
        return kinds.Kind(self.invocation.kind)

    @property
    def policy(self) -> retry.Policy:
        """How it is delivered."""
        return retry.DEFAULT if self.to is None else self.to.policy

    @property
    def accepted_at(self) -> float:
        """When its greatest age began to count: after a redrive that is not when it was accepted."""
        if self.invocation.expires is None:
            return self.invocation.accepted
        return self.invocation.expires - self.policy.max_age

    @property
    def source(self) -> str:
        """The ``source`` of events about what the Function does."""
        return publish.make_source(self.invocation.namespace, self.invocation.function)

    @property
    def destination(self) -> str:
        """The URL it goes to."""
        host = target.make_host(self.invocation.namespace, self.invocation.revision or self.invocation.function)
        return self.invocation.target or f"http://{host}{self.message.path}"

    @property
    def context(self) -> context.Context:
        """What was kept with it."""
        return context.parse_context(self.invocation.context)

    def name(self, name: str) -> target.Target:
        """Return the Function ``name`` of the same namespace, or what stands for one that is not there.

        What is sent to that ends as a dead letter that says so, rather than nowhere.
        """
        namespace = self.invocation.namespace
        return self.get(namespace, name) or target.Target(namespace=namespace, name=name, uid="")
