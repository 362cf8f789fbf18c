"""Which addresses may be called for a stranger: those of the Internet, and networks that the operator names."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable

from aiohttp import abc, resolver

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_UNICAST = ipaddress.IPv6Network("2000::/3")
"""All that is given out for the Internet: https://www.iana.org/assignments/ipv6-address-space. Outside of it
``is_global`` is true for addresses that mean a machine nearby, such as ``::127.0.0.1`` and ``fec0::1``."""
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""IPv4 in its last 32 bits: https://www.rfc-editor.org/rfc/rfc6052#section-2.1."""
_NEARBY = (
    ipaddress.IPv4Network("168.63.129.16/32"),  # Azure's host, public by its number only
    ipaddress.IPv4Network("192.0.0.0/24"),  # RFC 6890; Python 3.11 knows only a part of it
    ipaddress.IPv4Network("192.88.99.0/24"),  # RFC 7526: relays that are no more
)


class Refused(OSError):
    """An address may not be called: what aiohttp expects of a resolver, and can be told from its other troubles."""

    def __str__(self) -> str:
        return self.strerror or ""


class Guard(abc.AbstractResolver):
    """Resolve names, and give only addresses that may be called.

    Those are the ``networks``, and with ``public`` every address of the Internet. ``rule`` tells the reader of a
    refusal what may be called and who decides it, as a sentence that begins in lower case; ``names`` resolves
    (default: as the system does).
    """

    def __init__(
        self, networks: Iterable[Network], *, public: bool, rule: str, names: abc.AbstractResolver | None = None
    ) -> None:
        self._networks = tuple(networks)
        self._public = public
        self._rule = rule
        self._names = names or resolver.ThreadedResolver()

    def is_allowed(self, address: str) -> bool:
        """Say whether an address may be called; an IPv4 address in IPv6's clothes counts as what it is."""
        parsed = _undress(ipaddress.ip_address(address))
        named = any(parsed in network for network in self._networks if network.version == parsed.version)
        return named or (self._public and _is_public(parsed))

    def check_literal(self, host: str) -> None:
        """Raise ``Refused`` when ``host`` is an address, however it is written, that may not be called.

        aiohttp asks a resolver for names alone.
        """
        found = parse_literal(host)
        if found is not None and not self.is_allowed(str(found)):
            raise self._refuse(host)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[abc.ResolveResult]:
        """Return the addresses of ``host`` that may be called.

        Raises:
            OSError: it has none; ``Refused`` when it has others.
        """
        found = await self._names.resolve(host, port, family)
        usable = [answer for answer in found if self.is_allowed(answer["host"])]
        if not usable:
            raise self._refuse(host)
        return usable

    async def close(self) -> None:
        """Give back what the resolver holds."""
        await self._names.close()

    def _refuse(self, host: str) -> Refused:
        return Refused(None, f"{host} may not be called: {self._rule}")


def parse_literal(host: str) -> Address | None:
    """Return the address that ``host`` is, ``None`` for a name.

    Besides the usual forms those are understood that the C library understands: one number, octal, hexadecimal.

    >>> parse_literal("0x7f.1")
    IPv4Address('127.0.0.1')
    """
    host = host.rstrip(".")
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except OSError:
        return None


def _undress(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address carries, by mapping, 6to4 or NAT64; any other as it is."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _is_public(address: Address) -> bool:
    if not address.is_global or address.is_multicast:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        return address in _UNICAST
    return not any(address in network for network in _NEARBY)
