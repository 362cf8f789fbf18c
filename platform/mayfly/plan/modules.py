"""What a Python module defines at its top level, read from its syntax tree."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from mayfly.plan import syntax


@dataclass(frozen=True)
class Parameter:
    """One positional parameter; ``annotation`` holds every dotted name in its annotation."""

    name: str
    annotation: frozenset[str] = frozenset()
    required: bool = True


@dataclass(frozen=True)
class Function:
    """A function as its ``def`` line shows it; dotted names are resolved through the module's imports."""

    name: str
    line: int
    parameters: tuple[Parameter, ...]
    is_async: bool
    decorators: tuple[str, ...]
    variadic: bool = False
    body: tuple[ast.stmt, ...] = field(default=(), repr=False, compare=False)

    def takes(self, count: int) -> bool:
        """Tell whether it can be called with ``count`` positional arguments."""
        required = sum(parameter.required for parameter in self.parameters)
        return required <= count and (self.variadic or count <= len(self.parameters))

    def __str__(self) -> str:
        names = [p.name for p in self.parameters] + (["*args"] if self.variadic else [])
        return f"{'async ' if self.is_async else ''}def {self.name}({', '.join(names)})"


@dataclass(frozen=True)
class Binding:
    """A name assigned from a call: ``name = constructor(arguments...)``; ``arguments`` are the plain names passed."""

    name: str
    line: int
    constructor: str
    arguments: tuple[str, ...] = ()


@dataclass
class Module:
    """The top-level names of one module; a later definition replaces an earlier one.

    ``kinds`` holds the dotted names of each class's bases and decorators, which say what it is.
    """

    path: str
    functions: dict[str, Function] = field(default_factory=dict)
    bindings: dict[str, Binding] = field(default_factory=dict)
    classes: dict[str, dict[str, Function]] = field(default_factory=dict)
    kinds: dict[str, frozenset[str]] = field(default_factory=dict)
    imports: dict[str, str] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Dotted name under which the runtime imports the module."""
        return module_name(self.path)


def module_name(path: str) -> str:
    """Return the import name of the file ``path``.

    >>> module_name("shop/__init__.py"), module_name("shop/api.py")
    ('shop', 'shop.api')
    """
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def importable(path: str) -> bool:
    """Tell whether ``path`` is a Python file that an ``import`` statement can name."""
    return path.endswith(".py") and all(part.isidentifier() for part in path.removesuffix(".py").split("/"))


def read_module(path: str, source: bytes) -> Module:
    """Return what the module at ``path`` defines.

    Raises:
        SyntaxProblem: the source does not parse.
    """
    module = Module(path)
    for statement in _statements(syntax.parse_module(path, source).body):
        _take(module, statement)
    return module


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements that run on import, those inside ``if``, ``try`` and ``with`` included."""
    for statement in body:
        match statement:
            case ast.If() if _is_main_guard(statement.test):
                yield from _statements(statement.orelse)
            case ast.If():
                yield from _statements(statement.body)
                yield from _statements(statement.orelse)
            case ast.Try():
                yield from _statements(statement.body + statement.orelse + statement.finalbody)
                for handler in statement.handlers:
                    yield from _statements(handler.body)
            case ast.With():
                yield from _statements(statement.body)
            case _:
                yield statement


def _is_main_guard(test: ast.expr) -> bool:
    return isinstance(test, ast.Compare) and isinstance(test.left, ast.Name) and test.left.id == "__name__"


def _take(module: Module, statement: ast.stmt) -> None:
    """Add what ``statement`` defines to ``module``."""
    match statement:
        case ast.Import(names=names):
            for alias in names:
                root = alias.name.partition(".")[0]
                module.imports[alias.asname or root] = alias.name if alias.asname else root
        case ast.ImportFrom(names=names):
            origin = _origin(module.path, statement)
            for alias in names:
                module.imports[alias.asname or alias.name] = f"{origin}.{alias.name}".lstrip(".")
                module.lines[alias.asname or alias.name] = statement.lineno
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            module.functions[statement.name] = _function(module, statement)
            module.bindings.pop(statement.name, None)
        case ast.ClassDef(name=name, body=body):
            methods = [s for s in body if isinstance(s, ast.FunctionDef | ast.AsyncFunctionDef)]
            module.classes[name] = {m.name: _function(module, m) for m in methods}
            module.kinds[name] = frozenset((*_decorators(module, statement), *_dotted_all(module, statement.bases)))
            module.lines[name] = statement.lineno
        case ast.Assign(targets=targets, value=value):
            for target in targets:
                _bind(module, target, value)
        case ast.AnnAssign(target=target, value=ast.expr() as value):
            _bind(module, target, value)


def _origin(path: str, statement: ast.ImportFrom) -> str:
    """Return the absolute module a ``from ... import`` names; relative ones are resolved against ``path``."""
    if not statement.level:
        return statement.module or ""
    parts = path.split("/")[: -statement.level]
    return ".".join([*parts, *([statement.module] if statement.module else [])])


def _bind(module: Module, target: ast.expr, value: ast.expr) -> None:
    """Note ``target = value`` where the target is a plain name and the value a call or another name."""
    if not isinstance(target, ast.Name):
        return
    module.lines[target.id] = target.lineno
    if isinstance(value, ast.Call) and (constructor := dotted(value.func, module.imports)):
        passed = [a.id for a in [*value.args, *(k.value for k in value.keywords)] if isinstance(a, ast.Name)]
        module.bindings[target.id] = Binding(target.id, target.lineno, constructor, tuple(passed))
        module.functions.pop(target.id, None)
    elif isinstance(value, ast.Name):
        if value.id in module.functions:
            module.functions[target.id] = module.functions[value.id]
        if value.id in module.bindings:
            module.bindings[target.id] = module.bindings[value.id]


def _function(module: Module, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Function:
    """Return the signature of ``node``."""
    arguments = [*node.args.posonlyargs, *node.args.args]
    first_default = len(arguments) - len(node.args.defaults)
    parameters = tuple(
        Parameter(a.arg, _annotation(a.annotation, module.imports), required=index < first_default)
        for index, a in enumerate(arguments)
    )
    return Function(
        name=node.name,
        line=node.lineno,
        parameters=parameters,
        is_async=isinstance(node, ast.AsyncFunctionDef),
        decorators=_decorators(module, node),
        variadic=node.args.vararg is not None,
        body=tuple(node.body),
    )


def _decorators(module: Module, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> tuple[str, ...]:
    return _dotted_all(module, [d.func if isinstance(d, ast.Call) else d for d in node.decorator_list])


def _dotted_all(module: Module, nodes: list[ast.expr]) -> tuple[str, ...]:
    """Return those of ``nodes`` that are dotted names."""
    return tuple(name for node in nodes if (name := dotted(node, module.imports)))


def _annotation(node: ast.expr | None, imports: dict[str, str]) -> frozenset[str]:
    """Return every dotted name in an annotation; text annotations are read as code."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        try:
            node = ast.parse(node.value, mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return frozenset()
    if node is None:
        return frozenset()
    return frozenset(name for part in ast.walk(node) if isinstance(part, ast.expr) and (name := dotted(part, imports)))


def dotted(node: ast.expr, imports: dict[str, str]) -> str | None:
    """Return ``node`` as a dotted name with its first part replaced by what was imported, None for anything else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    return ".".join([imports.get(node.id, node.id), *reversed(parts)])
