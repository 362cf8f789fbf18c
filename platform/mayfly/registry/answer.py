"""From what a registry answered to an error that says what to do (distribution-spec, "Error Codes")."""

from __future__ import annotations

import email.utils
import json
import time
from collections.abc import Mapping

from mayfly import errors

MAX_ERROR_BYTES = 64 * 1024
"""As much of an error's body as is read: an answer that is no registry's may go on for ever."""
_MAX_SHOWN = 256
"""As much of the registry's own words as goes into a message: conditions and events are short."""

_ADVICE = {
    400: "the registry found the request malformed: check that it implements the OCI distribution specification",
    401: "give a valid login for this host in the Docker config (setting registry_config)",
    403: "the login lacks the right: allow it to pull from and push to this repository",
    404: "check that the image or repository exists and that the login may see it",
    413: "the registry or a proxy before it limits the size of uploads: raise the limit",
    429: "the registry limits requests: wait, log in, or use a mirror",
}
_ADVICE_TEMPORARY = "check that the registry is healthy and its storage has space; it will be tried again"
_ADVICE_UNREACHABLE = (
    "check the address, and that registry_insecure says whether it speaks plain HTTP; it will be tried again"
)


class Refusal(errors.RegistryError):
    """A registry's error answer; ``retry_after_seconds`` is the pause it asks for, ``None`` if it names none."""

    def __init__(
        self, message: str, *, status: int | None, codes: tuple[str, ...], retry_after_seconds: float | None
    ) -> None:
        super().__init__(message, status=status, codes=codes)
        self.retry_after_seconds = retry_after_seconds


class Corrupt(errors.RegistryError):
    """What was received has not the digest that was asked for; temporary, as a proxy may have damaged it."""

    reason = "RegistryContentCorrupt"

    def __init__(self, host: str, what: str, *, wanted: str, received: str) -> None:
        super().__init__(
            f"registry {host}: {what} should have digest {wanted} but has {received};"
            " if this stays so, delete it from the registry and push it again",
            status=200,
            codes=("DIGEST_INVALID",),
        )
        self.temporary = True


def make_refusal(
    host: str, request: str, *, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> Refusal:
    """Return the error for an answer of ``status`` to ``request``.

    ``request`` is like ``PUT /v2/...``, without the query, which may hold secrets.
    """
    codes, words = parse_errors(body)
    advice = _ADVICE.get(status) or (
        _ADVICE_TEMPORARY if status in errors.TEMPORARY_REGISTRY_STATUSES else "see the registry's log"
    )
    said = f" ({words})" if words else ""
    return Refusal(
        f"registry {host} answered {status} to {request}{said}; {advice}",
        status=status,
        codes=codes,
        retry_after_seconds=parse_retry_after((headers or {}).get("Retry-After", "")),
    )


def make_unreachable(host: str, request: str, problem: BaseException) -> errors.RegistryError:
    """Return the error for ``request`` that got no answer, or lost it half-way."""
    words = f"{problem}" or type(problem).__name__
    return errors.RegistryError(f"registry {host} did not answer {request}: {words}; {_ADVICE_UNREACHABLE}")


def parse_errors(body: bytes) -> tuple[tuple[str, ...], str]:
    """Return the error codes in an answer's body, and its words cut to a length fit for a message."""
    try:
        listed = json.loads(body)["errors"]
        found = [(str(item["code"]), str(item.get("message", ""))) for item in listed]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return (), " ".join(body[: 4 * _MAX_SHOWN].decode(errors="replace").split())[:_MAX_SHOWN]
    return tuple(code for code, _ in found), "; ".join(f"{code}: {text}" for code, text in found)[:_MAX_SHOWN]


def parse_retry_after(text: str) -> float | None:
    """Return the seconds a ``Retry-After`` header asks for (RFC 9110, section 10.2.3), ``None`` if unreadable."""
    if text.strip().isdecimal():
        return float(text)
    try:
        when = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, when.timestamp() - time.time())
