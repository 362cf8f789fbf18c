"""Which functions and classes can answer calls, and in which calling convention.

Sources of the shapes: functions-framework (https://github.com/GoogleCloudPlatform/functions-framework-python), AWS
Lambda (https://docs.aws.amazon.com/lambda/latest/dg/python-handler.html), ASGI
(https://asgi.readthedocs.io/en/latest/specs/main.html), WSGI (PEP 3333).
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from enum import IntEnum

from mayfly.model import build
from mayfly.plan import modules, usage

Signature = build.Signature


class Rank(IntEnum):
    """How sure a sighting is; the highest in a source wins.

    ``HINTED`` is for shapes that helpers have too, such as ``f(order: Order)`` or a ``main()``: they are handlers only
    where the whole source holds nothing surer.
    """

    UNUSABLE = 0
    GUESSED = 1
    HINTED = 2
    SHAPED = 3
    NAMED = 4
    APPLICATION = 5
    MARKED = 6


@dataclass(frozen=True)
class Sighting:
    """A definition that was looked at: ``signature`` is None when it cannot be called as it is, and ``why`` says why.

    ``origin`` is the file that defines it, ``path`` the one through which it is reached (they differ for an import);
    ``function`` is set where the shape was guessed from parameters, so that a stated signature may overrule it.
    """

    attribute: str
    path: str
    line: int
    label: str
    signature: Signature | None
    rank: Rank
    why: str
    origin: str
    function: modules.Function | None = None

    @property
    def module(self) -> str:
        """Import name of the module through which it is reached."""
        return modules.module_name(self.path)

    @property
    def handler(self) -> str:
        """Text for ``spec.handler``."""
        return f"{self.module}:{self.attribute}"

    def __str__(self) -> str:
        return f"{self.path}:{self.line} `{self.label}` {self.why}"


MARKS = {
    "functions_framework.http": Signature.HTTP,
    "functions_framework.aio.http": Signature.HTTP,
    "functions_framework.cloud_event": Signature.CLOUDEVENT,
    "functions_framework.aio.cloud_event": Signature.CLOUDEVENT,
    "functions_framework.typed": Signature.TYPED,
    "parliament.event": Signature.KNATIVE,
}
"""Decorators that state the convention."""

ARITY: dict[Signature, tuple[int, ...]] = {
    Signature.HTTP: (1,),
    Signature.CLOUDEVENT: (1,),
    Signature.LAMBDA: (2,),
    Signature.WSGI: (2,),
    Signature.ASGI: (3,),
    Signature.TYPED: (1,),
    Signature.BACKGROUND: (2,),
    Signature.KNATIVE: (0, 1, 3),
    Signature.OPENFAAS: (2, 1),
    Signature.AZURE: (1, 2),
    Signature.FISSION: (0,),
    Signature.NUCLIO: (2,),
    Signature.OPENWHISK: (1,),
}
"""Numbers of positional arguments with which the runtime calls a function of each convention, the customary first."""

SHAPE = {
    Signature.HTTP: "takes a request",
    Signature.CLOUDEVENT: "takes a CloudEvent",
    Signature.LAMBDA: "has the AWS Lambda shape",
    Signature.WSGI: "is a WSGI callable",
    Signature.ASGI: "is an ASGI callable",
    Signature.TYPED: "takes a value of a class of its own",
    Signature.KNATIVE: "has the shape of a Knative function (handle(scope, receive, send))",
    Signature.OPENFAAS: "is the handle(event, context) of an OpenFaaS function",
    Signature.AZURE: "takes an Azure HttpRequest",
    Signature.FISSION: "is the main() of a Fission function",
    Signature.NUCLIO: "has the order (context, event) of a Nuclio function",
    Signature.OPENWHISK: "is the main(args) of an OpenWhisk action",
    Signature.BACKGROUND: "has the shape of a Cloud Functions background function",
}

FUNCTION_NAMES = (
    "lambda_handler", "handler", "handle", "main", "app", "application", "function", "func", "hello", "hello_http",
    "hello_world", "index", "entrypoint",
)  # fmt: skip
"""Names that say "this is the handler", best first."""
APPLICATION_NAMES = ("app", "application", "asgi", "wsgi", "api", "server", "handler")

_REQUEST_NAMES = frozenset({"request", "req"})
_EVENT_NAMES = frozenset({"event", "cloud_event", "cloudevent", "ce", "evt"})
_ARGUMENT_NAMES = frozenset({"args", "params", "arg", "param", "parameters", "arguments", "dict"})
_PLAIN_TYPES = frozenset({"dict", "Dict", "str", "bytes", "int", "list", "Mapping"})
_GOOGLE_CONTEXT = frozenset({"google.cloud.functions.context.Context", "google.cloud.functions_v1.context.Context"})
"""How background functions annotate their second parameter."""
_MODEL_MARKS = frozenset(
    {
        "dataclasses.dataclass", "pydantic.dataclasses.dataclass", "pydantic.BaseModel", "pydantic.main.BaseModel",
        "pydantic.RootModel", "typing.TypedDict", "typing_extensions.TypedDict", "sqlmodel.SQLModel",
    }
)  # fmt: skip
"""Decorators and bases of the classes that ``typed`` reads."""
_CONTEXT_NAMES = frozenset({"context", "ctx", "_context", "_ctx", "_", "__"})


def read_function(module: modules.Module, function: modules.Function, models: frozenset[str]) -> Sighting:
    """Return what ``function`` is.

    ``models`` are the dotted names of data classes that it may take. A decorator of one of the module's own objects
    registers a route there, so such a function is no handler by itself.
    """
    path = module.path
    for decorator in function.decorators:
        if decorator in MARKS:
            return _seen(path, function, MARKS[decorator], Rank.MARKED, f"is marked with {decorator}")
        if decorator.partition(".")[0] in module.bindings:
            return _seen(path, function, None, Rank.UNUSABLE, f"is registered with {decorator.partition('.')[0]}")
    signature, why = _shape(module, function, models)
    rank = _rank(module, function, signature)
    sighting = _seen(path, function, signature, rank if signature else Rank.UNUSABLE, why)
    return replace(sighting, function=function)


def _rank(module: modules.Module, function: modules.Function, signature: Signature | None) -> Rank:
    sure = {
        Signature.TYPED: False,
        Signature.FISSION: _names(module, "flask"),
        Signature.NUCLIO: function.name == "handler",
        Signature.BACKGROUND: _names(module, "google") or _names(module, "functions_framework"),
    }
    if signature is not None and not sure.get(signature, True):
        return Rank.HINTED
    return Rank.NAMED if function.name in (*FUNCTION_NAMES, "new") else Rank.SHAPED


def mark_azure(sighting: Sighting) -> Sighting:
    """Return ``sighting`` as the function that a function.json beside its file describes."""
    why = "is described by the function.json beside it (Azure Functions)"
    return replace(sighting, signature=Signature.AZURE, rank=Rank.MARKED, why=why, function=None)


def find_models(module: modules.Module) -> frozenset[str]:
    """Return the names of the module's data classes: marked as such, or derived from one."""
    found: set[str] = set()
    for name, kinds in module.kinds.items():  # in the order of their definition: a base stands before what derives
        if kinds & (_MODEL_MARKS | found):
            found.add(name)
    return frozenset(found)


def overrule(sighting: Sighting, signature: Signature) -> Sighting | None:
    """Return ``sighting`` as called by the ``signature`` its author states, None where its parameters do not fit."""
    function = sighting.function
    if function is None or not any(function.takes(count) for count in ARITY[signature]):
        return None
    rank = Rank.NAMED if function.name in FUNCTION_NAMES else Rank.GUESSED
    label = str(function).removeprefix("def ")
    why = f"can be called as spec.signature {signature.value} says"
    return replace(sighting, label=label, signature=signature, rank=rank, why=why)


def _seen(path: str, function: modules.Function, signature: Signature | None, rank: Rank, why: str) -> Sighting:
    label = str(function).removeprefix("def ") if signature else str(function)
    return Sighting(function.name, path, function.line, label, signature, rank, why, path)


def _shape(module: modules.Module, function: modules.Function, models: frozenset[str]) -> tuple[Signature | None, str]:
    """Return the convention that the parameters of ``function`` show, and the reason; None when they show none."""
    names = [parameter.name.lower() for parameter in function.parameters if parameter.required]
    signature = by_names(names)
    if function.parameters and "azure.functions.HttpRequest" in function.parameters[0].annotation:
        return Signature.AZURE, SHAPE[Signature.AZURE]
    if len(names) == 1:
        return _single(function, models)
    if any(_GOOGLE_CONTEXT.intersection(parameter.annotation) for parameter in function.parameters[1:2]):
        signature = Signature.BACKGROUND
    if signature is Signature.ASGI and function.name == "handle":
        signature = Signature.KNATIVE
    if signature is Signature.LAMBDA and function.name == "handle":
        return _handle_of_event(module, function)
    if signature:
        return signature, SHAPE[signature]
    return (None, "has parameters of no known shape") if names else _without_parameters(module, function)


def _handle_of_event(module: modules.Module, function: modules.Function) -> tuple[Signature | None, str]:
    """Return whose ``handle(event, context)`` this is: an OpenFaaS event has attributes, a Lambda event is a dict."""
    name = function.parameters[0].name
    used = usage.read_usage(function, name)
    read = sorted(used.attributes & _OPENFAAS_ATTRIBUTES)
    if read and not used.indexed:
        return Signature.OPENFAAS, f"{SHAPE[Signature.OPENFAAS]}: it reads {name}.{read[0]}"
    if not used.indexed and module.path.rpartition("/")[2] == "handler.py":
        return Signature.OPENFAAS, f"{SHAPE[Signature.OPENFAAS]}, whose file is handler.py"
    return Signature.LAMBDA, SHAPE[Signature.LAMBDA]


_OPENFAAS_ATTRIBUTES = frozenset({"body", "headers", "method", "query", "path"})


def _without_parameters(module: modules.Module, function: modules.Function) -> tuple[Signature | None, str]:
    """Return the convention of a function that takes nothing: one that makes a Knative function's object."""
    calls = [node for statement in function.body for node in ast.walk(statement) if isinstance(node, ast.Call)]
    made = {call.func.id for call in calls if isinstance(call.func, ast.Name)} & module.classes.keys()
    if function.name == "new" and any(has_handle(module, name) for name in made):
        return Signature.KNATIVE, f"makes a Knative function's object, {', '.join(sorted(made))}"
    if function.name == "main" and (_names(module, "flask") or usage.answers(function)):
        return Signature.FISSION, SHAPE[Signature.FISSION]
    return None, "takes no argument; a handler takes a request, a CloudEvent, or (event, context)"


def _names(module: modules.Module, package: str) -> bool:
    """Tell whether ``module`` imports from ``package``."""
    return any(full.partition(".")[0] == package for full in module.imports.values())


def has_handle(module: modules.Module, name: str) -> bool:
    """Tell whether instances of the module's class ``name`` are Knative functions."""
    handle = module.classes[name].get("handle")
    names = [parameter.name.lower() for parameter in handle.parameters[1:] if parameter.required] if handle else []
    return by_names(names) is Signature.ASGI


def read_class(module: modules.Module) -> Sighting | None:
    """Return the class ``Function`` of a module that lacks the ``new`` that makes one; None without such a class."""
    name = "Function"
    if "new" in module.functions or name not in module.classes or not has_handle(module, name):
        return None
    why = "has the method handle(scope, receive, send) of a Knative function"
    return Sighting(
        name, module.path, module.lines[name], f"class {name}", Signature.KNATIVE, Rank.NAMED, why, module.path
    )


def by_names(names: list[str]) -> Signature | None:
    """Return the convention whose customary parameter names are ``names``."""
    match names:
        case ["scope", "receive", "send"]:
            return Signature.ASGI
        case ["environ" | "env", "start_response"]:
            return Signature.WSGI
        case ["event" | "_event" | "evt", second] if second in _CONTEXT_NAMES:
            return Signature.LAMBDA
        case ["context", "event"]:
            return Signature.NUCLIO
        case ["data", second] if second in _CONTEXT_NAMES:
            return Signature.BACKGROUND
    return None


def _single(function: modules.Function, models: frozenset[str]) -> tuple[Signature | None, str]:
    """Return the convention of a function with one required parameter, from annotation, then name."""
    parameter = next(p for p in function.parameters if p.required)
    kinds = {name.rpartition(".")[2] for name in parameter.annotation}
    name, own = parameter.name.lower(), models & parameter.annotation
    rules = (
        ("CloudEvent" in kinds, Signature.CLOUDEVENT, SHAPE[Signature.CLOUDEVENT]),
        (_is_old_knative(function, parameter), Signature.KNATIVE, "is the main(context) of a Knative function"),
        (bool(own), Signature.TYPED, f"takes the data class {'/'.join(sorted(n.rpartition('.')[2] for n in own))}"),
        (
            _is_classic(function, parameter),
            Signature.OPENFAAS,
            f"is the handle(req) of an OpenFaaS function: it uses {parameter.name} as text",
        ),
        ("Request" in kinds or name in _REQUEST_NAMES, Signature.HTTP, SHAPE[Signature.HTTP]),
        (
            function.name == "main" and (bool(kinds & {"dict", "Dict"}) or name in _ARGUMENT_NAMES),
            Signature.OPENWHISK,
            SHAPE[Signature.OPENWHISK],
        ),
        (bool(kinds & _PLAIN_TYPES), None, f"takes one {'/'.join(sorted(kinds))}, neither request nor CloudEvent"),
        (name in _EVENT_NAMES, Signature.CLOUDEVENT, SHAPE[Signature.CLOUDEVENT]),
        (function.name in FUNCTION_NAMES, Signature.HTTP, "takes one argument and is named as a handler"),
    )
    unknown = None, f"takes one argument `{parameter.name}`, which says neither request nor event"
    return next(((signature, why) for holds, signature, why in rules if holds), unknown)


def _is_classic(function: modules.Function, parameter: modules.Parameter) -> bool:
    """Tell whether ``handle(req)`` is OpenFaaS's, whose ``req`` is text, not one of a request or an event."""
    other = parameter.name.lower() in _EVENT_NAMES | {"request"}
    named = function.name == "handle" and not other and parameter.annotation <= {"str"}
    return named and usage.read_usage(function, parameter.name).text


def _is_old_knative(function: modules.Function, parameter: modules.Parameter) -> bool:
    return "parliament.Context" in parameter.annotation or (
        function.name == "main" and parameter.name.lower() in {"context", "_context"} and not parameter.annotation
    )
