"""Make the routes that lead to the eventing process instead of the function: calls to be carried out later. Pure.

The listener marks what may be meant so (``mayfly.routing.unusual``), and only the routes of a Function that takes such
calls ask for the mark; everywhere else it is taken off again. What the eventing process is told about a request is
written once, in its cluster (``mayfly.routing.eventing``): a route only says whose it is, as metadata.
"""

from __future__ import annotations

from envoy.config.route.v3 import route_components_pb2

from mayfly.model import handover
from mayfly.routing import ingress, observe

CLUSTER = "eventing"
"""Name of the eventing process's cluster. Those of Services have a slash in theirs, so no ingress can lead here."""
TIMEOUT_SECONDS = 15
"""From the last byte of a request to the answer that it is stored, the tries included."""


def make_route(
    subject: ingress.Ingress, match: route_components_pb2.RouteMatch, *, stem: str = "", only: str = ""
) -> route_components_pb2.Route:
    """Return the route of what ``match`` finds and the listener marked; with ``only``, marked by that word.

    ``stem`` is what stands before ``/invocations`` in the address at which the caller asks for the outcome.
    """
    action = route_components_pb2.RouteAction(cluster=CLUSTER)
    action.timeout.FromSeconds(TIMEOUT_SECONDS)
    mark = match.headers.add(name=handover.ASYNC)
    if only:
        mark.string_match.exact = only
    else:
        mark.present_match = True
    told = {"stem": stem} if stem else {}
    identity = observe.make_identity(namespace=subject.key.namespace, function=subject.function, **told)
    return route_components_pb2.Route(match=match, route=action, metadata=identity)
