"""Import uvicorn without its command line.

``uvicorn/__init__.py`` imports ``uvicorn.main``, and with it click, the supervisors and multiprocessing: more than a
third of the runtime's start-up, for nothing that is used here. So the package is registered before its ``__init__`` has
run, and runs it when a name is asked of it that only ``__init__`` defines (a function that itself uses uvicorn does).
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any


class _DeferredPackage(ModuleType):
    """A package whose submodules can be imported before its ``__init__`` has run."""

    __homes__: Mapping[str, str]

    def __getattr__(self, name: str) -> Any:
        if name in self.__homes__:
            return getattr(importlib.import_module(self.__homes__[name]), name)
        spec = self.__spec__
        if spec is None or spec.loader is None or (name.startswith("__") and name != "__version__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        self.__class__ = ModuleType  # type: ignore[assignment]
        spec.loader.exec_module(self)
        return getattr(self, name)


def defer(name: str, homes: Mapping[str, str]) -> None:
    """Register the package ``name`` without running its ``__init__``; nothing if it is imported already.

    ``homes`` maps names of the package that are wanted all the same to the submodules that define them.

    Raises:
        ImportError: there is no such package.
    """
    if name in sys.modules:
        return
    spec = importlib.util.find_spec(name)
    if spec is None or spec.submodule_search_locations is None:
        raise ImportError(f"{name} is not a package on sys.path")
    package = _DeferredPackage(name)
    package.__homes__ = homes
    package.__spec__ = spec
    package.__path__ = spec.submodule_search_locations
    package.__file__ = spec.origin
    sys.modules[name] = package
