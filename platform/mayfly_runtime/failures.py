"""Why a function cannot be served, in words for its author."""

from __future__ import annotations

BROKEN_CODE = 1
"""Exit code: the code or a setting is wrong."""
NO_HANDLER = 3
"""Exit code: the handler is missing or cannot be called."""


class LoadError(Exception):
    """The function cannot be loaded; the text is the first line of the termination log."""

    def __init__(self, message: str, exit_code: int = BROKEN_CODE) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class HandlerError(LoadError):
    """The handler is missing, is not callable, or takes other arguments than its dialect passes."""

    def __init__(self, message: str) -> None:
        super().__init__(message, NO_HANDLER)
