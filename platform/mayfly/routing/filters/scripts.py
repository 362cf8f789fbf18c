"""Do in Lua what no filter of Envoy's does. Pure.

All routes share one virtual machine for each script (``shared_vm_id``), so that a route costs 4 KB and not 270; what
differs between routes is the filter's context.
"""

from __future__ import annotations

from collections.abc import Mapping

from envoy.extensions.filters.http.lua.v3 import lua_pb2
from google.protobuf import struct_pb2

from mayfly.routing import wire
from mayfly.routing.filters import chain

_CONTEXT_FIELD, _SHARED_VM_FIELD = 6, 9
"""``Lua.filter_context`` and ``Lua.shared_vm_id``, which the library lacks."""
_REFUSE = """
function envoy_on_request(handle)
  handle:respond({[":status"] = "503", ["content-type"] = "text/plain"}, handle:filterContext():get("body"))
end
"""
_HIDE = """
local function decode(text)
  return (text:gsub("+", " "):gsub("%%(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end))
end

function envoy_on_request(handle)
  local path = handle:headers():get(":path")
  local start = path:find("?", 1, true)
  if start == nil then return end
  local hidden, kept = handle:filterContext():get("parameter"), {}
  for part in path:sub(start + 1):gmatch("[^&]+") do
    if decode(part:match("^[^=]*")) ~= hidden then kept[#kept + 1] = part end
  end
  local query = table.concat(kept, "&")
  handle:headers():replace(":path", path:sub(1, start - 1) .. (query ~= "" and "?" .. query or ""))
end
"""


def make_refusal(body: str) -> chain.Filter:
    """Return what answers every request with 503 and a sentence."""
    return _make("refusal", _REFUSE, {"body": body})


def make_hiding(parameter: str) -> chain.Filter:
    """Return what takes a parameter out of the query and leaves the others as they are written."""
    return _make("hide-key", _HIDE, {"parameter": parameter})


def _make(name: str, source: str, context: Mapping[str, str]) -> chain.Filter:
    message = lua_pb2.Lua()
    message.default_source_code.inline_string = source
    values = struct_pb2.Struct(fields={key: struct_pb2.Value(string_value=text) for key, text in context.items()})
    unknown = wire.field(_CONTEXT_FIELD, wire.serialise(values)) + wire.field(_SHARED_VM_FIELD, name)
    return chain.make_filter(name, message, unknown=unknown)
