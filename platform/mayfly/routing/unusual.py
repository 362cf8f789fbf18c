"""Look at the few requests that are unusual, in one filter that all others skip: each filter costs every request.

The host is written in lower case before routes are looked up: scopes are found by exact text, DNS names are not. One
that is no host is answered 400: routes are found by what stands before the colon, but the function is shown all of it.
Who claims to be a prober of the cluster loses its ``User-Agent``; those never call through a gateway.

What may be meant for the eventing process is marked. Whether it is depends on the route: the mark is a header, which
routes can ask for and which is taken off on the way out, and dynamic metadata, which says it once more where a route
leads to that process. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from envoy.extensions.common.matching.v3 import extension_matcher_pb2
from envoy.extensions.filters.common.matcher.action.v3 import skip_action_pb2
from envoy.extensions.filters.http.lua.v3 import lua_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm_pb2
from envoy.type.matcher.v3 import http_inputs_pb2
from google.protobuf import any_pb2
from xds.type.matcher.v3 import matcher_pb2, string_pb2

from mayfly.model import handover
from mayfly.routing import edge, observe

MARK = "async"
"""Where the mark stands in the dynamic metadata ``observe.METADATA``."""
AUTHORITY = "[a-z0-9._-]+(:[0-9]{0,5})?"
"""A host as routes are looked up: no user, no brackets, at most a port behind it."""
_PROBERS = ("kube-probe/", "Knative-Activator-Probe", "Knative-Autoscaling-Probe")
PROBERS = f"({'|'.join(_PROBERS)}).*"
"""Each ``User-Agent`` that has activator and queue-proxy answer in the function's place, neither counted nor logged, as
``K-Kubelet-Probe`` has (``pkg/network/handlers/drain.go``, ``serving/pkg/queue/sharedmain/handlers.go``)."""
_Predicate = matcher_pb2.Matcher.MatcherList.Predicate


def make_filter(place: edge.Edge) -> hcm_pb2.HttpFilter:
    """Return the filter; it marks nothing where nobody takes what is marked."""
    marks = place.eventing is not None
    lua = lua_pb2.Lua()
    lua.default_source_code.inline_string = _make_script(place)
    made = extension_matcher_pb2.ExtensionWithMatcher()
    made.extension_config.name = "envoy.filters.http.lua"
    made.extension_config.typed_config.CopyFrom(_pack(lua))
    skip = made.xds_matcher.matcher_list.matchers.add()
    usual = skip.predicate.and_matcher.predicate
    usual.add().CopyFrom(_match(":authority", regex=AUTHORITY))
    usual.add().not_matcher.CopyFrom(_match("user-agent", regex=PROBERS))
    if marks:
        usual.add().not_matcher.CopyFrom(_match(":path", prefix=f"{handover.ASYNC_PREFIX}/"))
        usual.add().not_matcher.CopyFrom(_match(":path", contains=_INVOCATIONS))
        usual.add().not_matcher.CopyFrom(_match("prefer", contains=_PREFERENCE, ignore_case=True))
    skip.on_match.action.name = "skip"
    skip.on_match.action.typed_config.CopyFrom(_pack(skip_action_pb2.SkipFilter()))
    return hcm_pb2.HttpFilter(name="unusual", typed_config=_pack(made))


def _match(name: str, *, regex: str = "", **string: Any) -> Any:
    """Return a predicate on a header; one that a request does not have never matches."""
    made = _Predicate()
    made.single_predicate.input.name = name
    made.single_predicate.input.typed_config.CopyFrom(
        _pack(http_inputs_pb2.HttpRequestHeaderMatchInput(header_name=name))
    )
    if regex:
        made.single_predicate.value_match.safe_regex.regex = regex
        made.single_predicate.value_match.safe_regex.google_re2.SetInParent()
    else:
        made.single_predicate.value_match.CopyFrom(string_pb2.StringMatcher(**string))
    return made


def _make_script(place: edge.Edge) -> str:
    if place.eventing is None:
        return _CORRECT.replace("MARKING", "")
    # An event is no call, whatever its sender prefers.
    hosts = _make_table((*place.event_hosts, *place.local_event_hosts))
    return _CHOOSE.replace("EVENT_HOSTS", hosts) + _CORRECT.replace("MARKING", _MARKING)


def _make_table(names: Iterable[str]) -> str:
    return "{" + ", ".join(f"[{json.dumps(name)}] = true" for name in names) + "}"


def _pack(message: Any) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message, deterministic=True)
    return packed


_INVOCATIONS = "/invocations/"
_PREFERENCE = "respond-async"
_CORRECT = (
    f"""
local probers = {{{", ".join(f'"{name}"' for name in _PROBERS)}}}
"""
    """
function envoy_on_request(handle)
  local headers = handle:headers()
  local agent = headers:get("user-agent") or ""
  for _, prober in ipairs(probers) do
    if agent:sub(1, #prober) == prober then
      headers:remove("user-agent")
    end
  end
  local host = headers:get(":authority"):lower()
  if not host:match("^[a-z0-9._-]+:?%d?%d?%d?%d?%d?$") then
    handle:respond({[":status"] = "400"}, "Host is not a host\\n")
    return
  end
  headers:replace(":authority", host)
MARKING  handle:clearRouteCache()
end
"""
)
_MARKING = f"""
  local word = choose(headers, host)
  if word then
    headers:replace("{handover.ASYNC}", word)
    handle:streamInfo():dynamicMetadata():set("{observe.METADATA}", "{MARK}", word)
  end
"""
_CHOOSE = (
    f"""
local hosts = EVENT_HOSTS
local prefix, preference = "{handover.ASYNC_PREFIX}/", "{_PREFERENCE}"
local call, read = "{handover.CALL}", "{handover.READ}"
local delivery = "{handover.DELIVERY}"
"""
    """
local digit = "[0-9a-f]"
local id = digit:rep(8) .. "%-" .. digit:rep(4) .. "%-7" .. digit:rep(3)
id = id .. "%-[89ab]" .. digit:rep(3) .. "%-" .. digit:rep(12)
local invocation = "/invocations/" .. id

local function asks(path)
  for _, part in ipairs({"", "/result", "/attempts"}) do
    if path:find(invocation .. part .. "$") then return true end
  end
  return false
end

local function prefers(text)
  text = text:lower():gsub("\\\\.", ""):gsub('"[^"]*"', "")
  for item in text:gmatch("[^,]+") do
    if item:match("^%s*([^%s;=]+)") == preference then return true end
  end
  return false
end

-- A WebSocket is no call that can be kept. What a delivery carries out is not handed over again.
local function choose(headers, host)
  if headers:get("upgrade") or headers:get(delivery) or hosts[host:match("^[^:]*")] then return nil end
  local path = headers:get(":path"):match("^[^?]*")
  if path:sub(1, #prefix) == prefix then return call end
  if asks(path) then return read end
  return prefers(headers:get("prefer") or "") and call or nil
end
"""
)
