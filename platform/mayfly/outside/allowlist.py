"""Which URLs the operator's list of hosts allows, by their text. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

import yarl

_SHOWN = 200
_HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")


class Hosts:
    """Names, or ``.example.com`` for all below it, however they are spelled."""

    def __init__(self, hosts: Iterable[str]) -> None:
        listed = tuple(hosts)
        self._names = frozenset(fold(host) for host in listed if not host.startswith("."))
        self._suffixes = tuple(f".{fold(host[1:])}" for host in listed if host.startswith("."))

    def check(self, target: yarl.URL) -> None:
        """Raise ``ValueError`` unless the host of ``target`` is listed."""
        host = fold(target.raw_host or "")
        if host in self._names or (host.endswith(self._suffixes) and _HOST.fullmatch(host)):
            return
        raise ValueError(f"{host} is not on the operator's list of hosts, the chart's value events.destinations.hosts")


def read_url(url: str) -> yarl.URL:
    """Return the URL that ``url`` is.

    Raises:
        ValueError: it is none that a request may go to; names the rule.
    """
    if not url.isprintable() or " " in url or "\\" in url:
        raise ValueError("a URL has no spaces, backslashes or control characters; percent-encode them")
    target = yarl.URL(url)
    if target.scheme not in {"https", "http"} or not target.raw_host or not target.port:
        raise ValueError(
            "write https://HOST[:PORT]/PATH, with a host of the operator's list, the chart's value events.destinations"
        )
    if target.raw_user is not None or target.raw_password is not None:
        raise ValueError("a URL names no user and no password here; use a path that only the receiver knows")
    return target


def show(url: str) -> str:
    """Return what an error may say of ``url``: where it leads, not its user, path and query, which may be the secret.

    >>> show("https://bob:secret@hooks.example.com:8443/T0/B0?token=x")
    'https://hooks.example.com:8443'
    """
    try:
        return str(yarl.URL(url).origin())
    except ValueError:
        return ascii(re.sub(r"//[^/?#]*@", "//", url).partition("?")[0][:_SHOWN])


def fold(host: str) -> str:
    """Return a host name as it is compared: lower case, IDNA, without the dot at the end.

    >>> fold("B\u00fccher.Example.")
    'xn--bcher-kva.example'
    """
    try:
        return (yarl.URL.build(scheme="https", host=host.strip("[]")).raw_host or "").lower().rstrip(".")
    except ValueError:
        return host.lower().rstrip(".")
