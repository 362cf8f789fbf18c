"""Serve functions at ``/function/NAME[.NAMESPACE]`` of the gateway's own names, as OpenFaaS does. Pure.

On those hosts a filter takes the function from the path and makes ``NAME.NAMESPACE`` the host; each public function
has a scope of that name on a listener that exists in no other way. So a function that comes or goes touches nothing
but its own scope.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from envoy.extensions.common.matching.v3 import extension_matcher_pb2
from envoy.extensions.filters.common.matcher.action.v3 import skip_action_pb2
from envoy.extensions.filters.http.lua.v3 import lua_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm_pb2
from envoy.type.matcher.v3 import http_inputs_pb2
from google.protobuf import any_pb2

from mayfly.routing import edge, ingress, policy, routes, wire

LISTENER: edge.Listener = "alias"
PREFIX = "/function/"


def make_scope(subject: ingress.Ingress, protection: policy.Policy) -> wire.Resource | None:
    """Return the scope of a function's alias, ``None`` when it is not public."""
    rule = next((rule for rule in subject.rules if rule.visibility == "ExternalIP"), None)
    if rule is None:
        return None
    made = routes.make_routes(subject, rule.paths, protection, redirect=False)
    name = f"{subject.key.name}.{subject.key.namespace}"
    return routes.make_scope(LISTENER, name, routes.make_route_configuration(str(subject.key), made))


def make_filter(place: edge.Edge) -> hcm_pb2.HttpFilter:
    """Return the filter that finds the function in the path; requests for other hosts skip it."""
    made = extension_matcher_pb2.ExtensionWithMatcher()
    lua = lua_pb2.Lua()
    lua.default_source_code.inline_string = _SCRIPT.format(namespace=place.alias_namespace)
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


def _alternatives(hosts: Sequence[str]) -> str:
    return "|".join(host.lower().replace(".", "[.]") for host in hosts)


def _pack(message: Any) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message, deterministic=True)
    return packed


_SCRIPT = """
function envoy_on_request(handle)
  local headers = handle:headers()
  local name, rest = headers:get(":path"):match("^/function/([%w.-]+)(.*)$")
  if not name or not (rest == "" or rest:match("^[/?]")) then
    return
  end
  if not name:find(".", 1, true) then
    name = name .. ".{namespace}"
  end
  headers:replace("x-forwarded-host", headers:get(":authority"))
  headers:replace(":authority", name:lower())
  headers:replace(":path", rest:sub(1, 1) == "/" and rest or "/" .. rest)
  headers:replace("x-mayfly-listener", "alias")
  handle:clearRouteCache()
end
"""
