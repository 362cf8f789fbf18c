"""Which objects of a module are applications, and of what kind: from their constructors, without running them."""

from __future__ import annotations

import ast

from mayfly.model import build
from mayfly.plan import modules, shapes

Signature = build.Signature

APPLICATIONS = {
    "fastapi.FastAPI": Signature.ASGI,
    "starlette.applications.Starlette": Signature.ASGI,
    "quart.Quart": Signature.ASGI,
    "litestar.Litestar": Signature.ASGI,
    "sanic.Sanic": Signature.ASGI,
    "blacksheep.Application": Signature.ASGI,
    "falcon.asgi.App": Signature.ASGI,
    "connexion.AsyncApp": Signature.ASGI,
    "socketio.ASGIApp": Signature.ASGI,
    "asgiref.wsgi.WsgiToAsgi": Signature.ASGI,
    "channels.routing.ProtocolTypeRouter": Signature.ASGI,
    "django.core.asgi.get_asgi_application": Signature.ASGI,
    "flask.Flask": Signature.WSGI,
    "apiflask.APIFlask": Signature.WSGI,
    "bottle.Bottle": Signature.WSGI,
    "bottle.default_app": Signature.WSGI,
    "falcon.App": Signature.WSGI,
    "a2wsgi.ASGIMiddleware": Signature.WSGI,
    "django.core.wsgi.get_wsgi_application": Signature.WSGI,
    "mangum.Mangum": Signature.LAMBDA,
    "azure.functions.FunctionApp": Signature.AZURE,
    "azure.functions.AsgiFunctionApp": Signature.AZURE,
    "azure.functions.WsgiFunctionApp": Signature.AZURE,
}
"""Constructor -> convention of what it makes."""

_WRAPPERS = frozenset({"azure.functions.AsgiFunctionApp", "azure.functions.WsgiFunctionApp"})
"""Constructors that wrap an application, which is called itself where the source shows it."""

FOREIGN_APPLICATIONS = {
    "aiohttp.web.Application": "is an aiohttp server, neither ASGI nor WSGI",
    "tornado.web.Application": "is a Tornado server, neither ASGI nor WSGI",
}

_BY_LAST_PART = {name.rpartition(".")[2]: name for name in APPLICATIONS if not name.endswith(".App")}

_KINDS = {
    "django.core.wsgi.get_wsgi_application": "Django",
    "django.core.asgi.get_asgi_application": "Django",
    "bottle.default_app": "Bottle",
    "falcon.asgi.App": "Falcon",
    "falcon.App": "Falcon",
    "mangum.Mangum": "Mangum",
    "azure.functions.FunctionApp": "Azure Functions",
    "azure.functions.AsgiFunctionApp": "Azure Functions",
    "azure.functions.WsgiFunctionApp": "Azure Functions",
}
"""How messages call what these make, where the last part of the name does not say it."""


def read_binding(module: modules.Module, binding: modules.Binding, depth: int = 0) -> shapes.Sighting:
    """Return what ``binding`` is, from its constructor, a class or factory of the module, or what it wraps."""
    signature, why = _constructed(module, binding, depth)
    rank = shapes.Rank.APPLICATION if signature else shapes.Rank.UNUSABLE
    if binding.constructor in _WRAPPERS:
        rank = shapes.Rank.NAMED
    label = f"{binding.name} = {binding.constructor.rpartition('.')[2]}(...)"
    return shapes.Sighting(binding.name, module.path, binding.line, label, signature, rank, why, module.path)


def _constructed(module: modules.Module, binding: modules.Binding, depth: int) -> tuple[Signature | None, str]:
    made = binding.constructor
    full = made if made in APPLICATIONS or "." in made else _BY_LAST_PART.get(made, made)
    if full in APPLICATIONS:
        kind = full.rpartition(".")[2].removeprefix("get_").removesuffix("_application")
        return APPLICATIONS[full], f"is a {_KINDS.get(full, kind)} application ({APPLICATIONS[full].value.upper()})"
    if made in FOREIGN_APPLICATIONS:
        return None, FOREIGN_APPLICATIONS[made]
    if made in module.classes:
        return _called(made, module.classes[made])
    if made in module.functions:
        return _factory(module, module.functions[made])
    for name in binding.arguments:
        inner = module.bindings.get(name)
        if inner is not None and inner is not binding and depth < 8:  # noqa: PLR2004  (deeper wrapping is a loop)
            signature, why = _constructed(module, inner, depth + 1)
            if signature:
                return signature, f"wraps `{name}`, which {why}"
    return None, f"is the result of {made}(), whose calling convention the source does not show"


def _called(name: str, methods: dict[str, modules.Function]) -> tuple[Signature | None, str]:
    """Return the convention of instances of a class, from its ``__call__``."""
    call = methods.get("__call__")
    names = [p.name.lower() for p in call.parameters[1:] if p.required] if call else []
    signature = shapes.by_names(names)
    if signature:
        return signature, f"is an instance of {name}, which {shapes.SHAPE[signature]}"
    return None, f"is an instance of {name}, whose calling convention the source does not show"


def _factory(module: modules.Module, function: modules.Function) -> tuple[Signature | None, str]:
    """Return the convention of what a function of this module makes: the one application it constructs."""
    calls = [node for statement in function.body for node in ast.walk(statement) if isinstance(node, ast.Call)]
    names = {modules.dotted(call.func, module.imports) for call in calls}
    known = {name for name in names if name in APPLICATIONS}
    if len(known) == 1:
        full = known.pop()
        kind = _KINDS.get(full, full.rpartition(".")[2])
        return APPLICATIONS[
            full
        ], f"is a {kind} application ({APPLICATIONS[full].value.upper()}) made by {function.name}()"
    return None, f"is the result of {function.name}(), whose calling convention the source does not show"
