"""Serve functions at ``/function/NAME[.NAMESPACE]`` of the gateway's own names, as OpenFaaS does. Pure.

Asynchronous calls go to ``/async-function/NAME[.NAMESPACE]``, where that is switched on.

On those hosts a filter takes the function from the path and makes ``NAME.NAMESPACE`` the host; each public function
has a scope of that name on a listener that exists in no other way. So a function that comes or goes touches nothing
but its own scope.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from envoy.config.route.v3 import route_components_pb2
from envoy.extensions.common.matching.v3 import extension_matcher_pb2
from envoy.extensions.filters.common.matcher.action.v3 import skip_action_pb2
from envoy.extensions.filters.http.lua.v3 import lua_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm_pb2
from envoy.type.matcher.v3 import http_inputs_pb2
from google.protobuf import any_pb2

from mayfly.model import handover
from mayfly.routing import asynchronous, edge, ingress, observe, policy, routes, unusual, wire

LISTENER: edge.Listener = "alias"
PREFIX = "/function/"


def make_scope(
    subject: ingress.Ingress, protection: policy.Policy, *, place: edge.Edge, takes_calls: bool = False
) -> wire.Resource | None:
    """Return the scope of a function's alias, ``None`` when it is not public.

    ``takes_calls`` as for ``routes.make_scopes``.
    """
    rule = next((rule for rule in subject.rules if rule.visibility == "ExternalIP"), None)
    if rule is None:
        return None
    name = f"{subject.key.name}.{subject.key.namespace}"
    made = list(
        routes.make_routes(
            subject,
            rule.paths,
            protection,
            redirect=False,
            takes_calls=takes_calls,
            stem=f"{PREFIX}{name}",
        )
    )
    if _takes_calls(place):
        for route in made:
            _leave_calls(route)
    return routes.make_scope(LISTENER, name, routes.make_route_configuration(str(subject.key), made, protection))


def _takes_calls(place: edge.Edge) -> bool:
    return place.eventing is not None and place.eventing.alias


def _leave_calls(route: route_components_pb2.Route) -> None:
    """Have no route but the eventing process's take what is no synchronous call by its very path."""
    if route.route.cluster != asynchronous.CLUSTER:
        other = route.match.headers.add(name=handover.ASYNC, invert_match=True, treat_missing_header_as_empty=True)
        other.string_match.exact = handover.ALIAS


def make_filter(place: edge.Edge) -> hcm_pb2.HttpFilter:
    """Return the filter that finds the function in the path; requests for other hosts skip it."""
    made = extension_matcher_pb2.ExtensionWithMatcher()
    lua = lua_pb2.Lua()
    lua.default_source_code.inline_string = _make_script(place)
    made.extension_config.name = "envoy.filters.http.lua"
    made.extension_config.typed_config.CopyFrom(_pack(lua))
    skip = made.xds_matcher.matcher_list.matchers.add()
    predicate = skip.predicate.not_matcher.single_predicate
    predicate.input.name = "host"
    predicate.input.typed_config.CopyFrom(_pack(http_inputs_pb2.HttpRequestHeaderMatchInput(header_name=":authority")))
    predicate.value_match.safe_regex.regex = f"({_alternatives(place.alias_hosts)})(:[0-9]+)?"
    predicate.value_match.safe_regex.google_re2.SetInParent()
    skip.on_match.action.name = "skip"
    skip.on_match.action.typed_config.CopyFrom(_pack(skip_action_pb2.SkipFilter()))
    return hcm_pb2.HttpFilter(name="alias", typed_config=_pack(made))


def _make_script(place: edge.Edge) -> str:
    find, mark = (_FIND_CALL, _MARK_CALL) if _takes_calls(place) else ("", "")
    script = _SCRIPT.replace("FIND_CALL", find).replace("MARK_CALL", mark)
    return script.replace("NAMESPACE", place.alias_namespace)


def _alternatives(hosts: Sequence[str]) -> str:
    return "|".join(host.lower().replace(".", "[.]") for host in hosts)


def _pack(message: Any) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message, deterministic=True)
    return packed


_FIND_CALL = f"""
  local path, word = headers:get(":path"), nil
  if not name then
    name, rest = path:match("^{handover.ALIAS_PREFIX.replace("-", "%-")}([%w.-]+)(.*)$")
    word = "{handover.ALIAS}"
  end
"""
_MARK_CALL = f"""
  if word then
    headers:replace("{handover.ASYNC}", word)
    handle:streamInfo():dynamicMetadata():set("{observe.METADATA}", "{unusual.MARK}", word)
  end
"""
_SCRIPT = """
function envoy_on_request(handle)
  local headers = handle:headers()
  local name, rest = headers:get(":path"):match("^/function/([%w.-]+)(.*)$")
FIND_CALL  if not name or not (rest == "" or rest:match("^[/?]")) then
    return
  end
  if not name:find(".", 1, true) then
    name = name .. ".NAMESPACE"
  end
MARK_CALL  headers:replace("x-forwarded-host", headers:get(":authority"))
  headers:replace(":authority", name:lower())
  headers:replace(":path", rest:sub(1, 1) == "/" and rest or "/" .. rest)
  headers:replace("x-mayfly-listener", "alias")
  handle:clearRouteCache()
end
"""
