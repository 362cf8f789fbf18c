"""Find the handler and its calling convention without running anything."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from mayfly import errors
from mayfly.model import build
from mayfly.plan import applications, modules, shapes, tree

CONVENTIONAL_FILES = (
    "main.py", "handler.py", "app.py", "function.py", "func.py", "lambda_function.py", "index.py", "wsgi.py",
    "asgi.py", "server.py", "api.py", "application.py", "function_app.py",
)  # fmt: skip
"""Where frameworks and platforms put the handler; earlier files are named first in messages."""
_NOT_HANDLERS = ("setup.py", "conftest.py", "noxfile.py", "manage.py", "settings.py")
SIGNATURES = tuple(signature.value for signature in build.Signature if signature is not build.Signature.AUTO)
_HOW_TO_CHOOSE = (
    "Choose with spec.handler (module:name, for example handler:hello)"
    f" and, where needed, spec.signature ({', '.join(SIGNATURES)})."
)


@dataclass(frozen=True)
class Dialect:
    """The handler as ``module:attribute``, how it is called, and one sentence that says why."""

    handler: str
    signature: build.Signature
    reason: str


def detect(source: tree.SourceTree, *, handler: str | None, signature: build.Signature) -> Dialect:
    """Return the dialect of ``source``; ``handler`` and ``signature`` are the author's wishes, None and AUTO for none.

    Raises:
        HandlerError: there is no handler, several fit, or the one named does not exist or fit.
        SyntaxProblem: a module that had to be read does not parse.
    """
    if handler is None:
        return _search(source, name=None, signature=signature)
    path, attribute = _split(source, handler)
    if path is None:
        return _search(source, name=attribute, signature=signature)
    if attribute is None:
        return _choose(_sightings(source, [path]), [path], name=None, signature=signature)
    return _named(source, path, attribute, signature)


def _split(source: tree.SourceTree, handler: str) -> tuple[str | None, str | None]:
    """Return (path, attribute) that ``handler`` names; either may be None: ``hello``, ``main``.

    Raises:
        HandlerError: the module is not in the source.
    """
    module, colon, attribute = handler.partition(":")
    if colon:
        return _module_path(source, module, handler), attribute
    if found := _find_module(source, handler):
        return (found, None) if "." in handler else _attribute_or_module(source, found, handler)
    module, dot, attribute = handler.rpartition(".")
    if not dot:
        return None, handler
    return _module_path(source, module, handler), attribute


def _attribute_or_module(source: tree.SourceTree, path: str, handler: str) -> tuple[str | None, str | None]:
    """Read ``spec.handler: main`` as the function ``main`` where ``main.py`` has one, else as the module."""
    defined = modules.read_module(path, source.files[path])
    return path, handler if handler in defined.functions or handler in defined.bindings else None


def _find_module(source: tree.SourceTree, name: str) -> str | None:
    base = name.replace(".", "/")
    return next((path for path in (f"{base}.py", f"{base}/__init__.py") if path in source.files), None)


def _module_path(source: tree.SourceTree, module: str, handler: str) -> str:
    if found := _find_module(source, module):
        return found
    present = ", ".join(source.python_files()[:12]) or "no Python file"
    raise errors.HandlerError(
        f"handler {handler!r}: the source has no module {module!r} ({module.replace('.', '/')}.py); it holds {present}."
        " Correct spec.handler or add the file."
    )


def _search(source: tree.SourceTree, *, name: str | None, signature: build.Signature) -> Dialect:
    """Look through the files where a handler is expected, the most customary ones first."""
    looked: list[str] = []
    seen: list[shapes.Sighting] = []
    for group in _groups(source):
        looked += group
        seen += _sightings(source, group)
        if any(_fits(sighting, name, signature) and sighting.rank > shapes.Rank.HINTED for sighting in seen):
            break
    return _choose(seen, looked, name=name, signature=signature)


def _groups(source: tree.SourceTree) -> Iterable[list[str]]:
    """Yield the files to look into: customary ones, other top-level ones, then those one directory down."""
    top = [path for path in source.python_files() if modules.importable(path) and "/" not in path]
    customary = [name for name in CONVENTIONAL_FILES if name in source.files]
    yield customary
    yield [p for p in top if p not in customary and p not in _NOT_HANDLERS and not _is_test(p)]
    inner = [path for path in source.python_files() if modules.importable(path) and path.count("/") == 1]
    yield [p for p in inner if p.rpartition("/")[2] in (*CONVENTIONAL_FILES, "__init__.py") and not _is_test(p)]


def _is_test(path: str) -> bool:
    name = path.rpartition("/")[2]
    return name.startswith("test_") or name.endswith("_test.py") or path.startswith(("tests/", "test/"))


def _sightings(source: tree.SourceTree, paths: Iterable[str]) -> list[shapes.Sighting]:
    """Return every public definition of ``paths`` that could be meant, each object once."""
    found: dict[tuple[str, int, str], shapes.Sighting] = {}
    for path in paths:
        module = modules.read_module(path, source.files[path])
        for sighting in _definitions(source, module):
            found.setdefault((sighting.origin, sighting.line, sighting.label), sighting)
    return list(found.values())


def _definitions(source: tree.SourceTree, module: modules.Module) -> list[shapes.Sighting]:
    models = _models(source, module)
    seen = [
        replace(shapes.read_function(module, function, models), attribute=name)
        for name, function in module.functions.items()
        if not name.startswith("_")
    ]
    if f"{module.path.rpartition('/')[0]}/function.json".lstrip("/") in source.files:
        seen = [shapes.mark_azure(one) if one.attribute == "main" else one for one in seen]
    seen += [replace(applications.read_binding(module, b), attribute=n) for n, b in module.bindings.items()]
    function_class = shapes.read_class(module)
    if function_class is not None:
        seen.append(function_class)
    for name in module.imports:
        imported = _follow(source, module, name)
        if imported is not None and imported.rank >= shapes.Rank.NAMED:
            seen.append(replace(imported, attribute=name, path=module.path))
    return seen


def _models(source: tree.SourceTree, module: modules.Module) -> frozenset[str]:
    """Return the data classes of the source that ``module`` names: its own, and those it imports."""
    found = set(shapes.find_models(module))
    for full in module.imports.values():
        for origin, whole in ((full.rpartition(".")[0], False), (full, True)):
            path = _find_module(source, origin) if origin else None
            if path is not None and path != module.path:
                defined = shapes.find_models(modules.read_module(path, source.files[path]))
                found |= {f"{origin}.{model}" for model in defined if whole or full == f"{origin}.{model}"}
    return frozenset(found)


def _follow(source: tree.SourceTree, module: modules.Module, name: str, depth: int = 0) -> shapes.Sighting | None:
    """Return the definition behind an imported ``name`` where it lies in this source, None elsewhere."""
    origin, _, attribute = module.imports[name].rpartition(".")
    path = _find_module(source, origin)
    if path is None or path == module.path or depth > 4:  # noqa: PLR2004  (longer chains are loops)
        return None
    return _look_up(source, modules.read_module(path, source.files[path]), attribute, depth + 1)


def _look_up(source: tree.SourceTree, module: modules.Module, name: str, depth: int = 0) -> shapes.Sighting | None:
    """Return what ``name`` is in ``module``, None when the module does not define it."""
    if name in module.functions:
        return shapes.read_function(module, module.functions[name], _models(source, module))
    if name in module.bindings:
        return applications.read_binding(module, module.bindings[name])
    if name in module.imports:
        return _follow(source, module, name, depth)
    return None


def _fits(sighting: shapes.Sighting, name: str | None, signature: build.Signature) -> bool:
    if name is not None and sighting.attribute != name:
        return False
    return sighting.signature is not None and signature in {build.Signature.AUTO, sighting.signature}


def _choose(seen: list[shapes.Sighting], looked: list[str], *, name: str | None, signature: build.Signature) -> Dialect:
    """Return the one surest sighting that fits.

    Raises:
        HandlerError: none fits, or several are equally sure.
    """
    fitting = [sighting for sighting in seen if _fits(sighting, name, signature)]
    if not fitting and signature is not build.Signature.AUTO:
        overruled = [shapes.overrule(s, signature) for s in seen if name in {None, s.attribute}]
        fitting = [sighting for sighting in overruled if sighting is not None]
    if not fitting:
        raise errors.HandlerError(_none_message(seen, looked, name, signature))
    best = max(sighting.rank for sighting in fitting)
    top = sorted((s for s in fitting if s.rank == best), key=_preference)
    if len(top) > 1 and not _preferred(top[0], top[1]):
        listed = "\n  ".join(f"{s} ({s.signature})" for s in top[:8])
        raise errors.HandlerError(f"several handlers fit equally well:\n  {listed}\n{_HOW_TO_CHOOSE}")
    return _dialect(top[0])


def _preference(sighting: shapes.Sighting) -> tuple[int, int]:
    """Sort key of equally sure sightings: the name, then WSGI before ASGI (Django's templates hold both)."""
    names = shapes.APPLICATION_NAMES if sighting.rank is shapes.Rank.APPLICATION else shapes.FUNCTION_NAMES
    place = names.index(sighting.attribute) if sighting.attribute in names else len(names)
    return place, 0 if sighting.signature is build.Signature.WSGI else 1


def _preferred(first: shapes.Sighting, second: shapes.Sighting) -> bool:
    """Tell whether ``first`` may win: by a better name in the same file, or as Django's WSGI over its ASGI."""
    if "Django" in first.why and "Django" in second.why:
        return first.signature is not second.signature
    return first.path == second.path and first.rank < shapes.Rank.MARKED and _preference(first) < _preference(second)


def _dialect(sighting: shapes.Sighting) -> Dialect:
    assert sighting.signature is not None
    return Dialect(sighting.handler, sighting.signature, f"`{sighting.label}` in {sighting.path} {sighting.why}")


def _none_message(seen: list[shapes.Sighting], looked: list[str], name: str | None, signature: build.Signature) -> str:
    wanted = f"no handler named {name!r}" if name else "no handler"
    convention = "" if signature is build.Signature.AUTO else f" with signature {signature.value}"
    where = f"looked in {', '.join(looked[:12])}" if looked else "the source holds no Python file at its top level"
    lines = [f"{wanted}{convention} found: {where}."]
    if seen:
        lines.append("Seen:")
        lines += [f"  {sighting}" for sighting in seen[:8]]
    return "\n".join([*lines, _HOW_TO_CHOOSE])


def _named(source: tree.SourceTree, path: str, attribute: str, signature: build.Signature) -> Dialect:
    """Return the dialect of the handler the author named.

    Raises:
        HandlerError: the file does not define it, or its calling convention does not fit or show.
    """
    module = modules.read_module(path, source.files[path])
    first = attribute.partition(".")[0]
    handler = f"{module.name}:{attribute}"
    sighting = _look_up(source, module, first)
    if sighting is None and not {first, "*"} & {*module.imports, *module.lines}:
        raise errors.HandlerError(_absent_message(module, path, attribute))
    if signature is not build.Signature.AUTO:
        if first == attribute:
            _check_arity(module, path, attribute, signature)
        return Dialect(handler, signature, f"spec.handler and spec.signature say so ({path} defines `{first}`)")
    if sighting is None or sighting.signature is None or first != attribute:
        why = sighting.why if sighting and first == attribute else "has a calling convention the source does not show"
        raise errors.HandlerError(
            f"handler {handler}: `{attribute}` in {path} {why}. Set spec.signature to one of {', '.join(SIGNATURES)},"
            " or change the function."
        )
    return Dialect(handler, sighting.signature, f"`{sighting.label}` in {path} {sighting.why}")


def _absent_message(module: modules.Module, path: str, attribute: str) -> str:
    functions = [f"{name} (line {f.line})" for name, f in module.functions.items()]
    objects = [f"{name} (line {b.line})" for name, b in module.bindings.items()]
    found = ", ".join((functions + objects)[:12]) or "no function and no application object"
    return f"handler {module.name}:{attribute}: {path} has no `{attribute}`; it defines {found}. Correct spec.handler."


def _check_arity(module: modules.Module, path: str, attribute: str, signature: build.Signature) -> None:
    """Refuse a function that cannot take the arguments of ``signature``.

    Raises:
        HandlerError: the number of its parameters does not fit.
    """
    function = module.functions.get(attribute)
    counts = shapes.ARITY[signature]
    if function is None or any(function.takes(count) for count in counts):
        return
    count = counts[0]
    raise errors.HandlerError(
        f"handler {module.name}:{attribute}: `{function}` ({path}:{function.line}) cannot be called with the"
        f" {count} argument{'s' if count > 1 else ''} of signature {signature.value}."
        " Change spec.signature or the function."
    )
