"""Keep the certificates that ingresses name, each with what is wrong with it."""

from __future__ import annotations

import dataclasses
import os
import ssl
from collections.abc import Callable, Mapping

from mayfly import errors
from mayfly.gateway import snapshot
from mayfly.routing import certificates, ingress, status, wire


@dataclasses.dataclass(slots=True)
class _Held:
    """One Secret that somebody names."""

    read: bool = False
    """Whether it was looked for; before that nothing is said about it."""
    error: status.Finding | None = None
    resource: wire.Resource | None = None
    taken: wire.Resource | None = None
    """The one to go back to if Envoy refuses ``resource``."""


class Keyring:
    """Hold the certificates that are wanted, and put into the snapshot those that Envoy can use.

    ``on_finding`` is called when the state of a Secret changed, ``on_change`` when it became usable or unusable,
    ``on_want`` when a Secret is wanted (true) or no longer (false).
    """

    def __init__(
        self,
        resources: snapshot.Snapshot,
        *,
        on_finding: Callable[[ingress.SecretName], None],
        on_change: Callable[[], None],
    ) -> None:
        self._resources = resources
        self._on_finding = on_finding
        self._on_change = on_change
        self._held: dict[ingress.SecretName, _Held] = {}
        self.on_want: Callable[[ingress.SecretName, bool], None] = lambda _name, _wanted: None

    def want(self, name: ingress.SecretName) -> None:
        """Begin to hold a Secret."""
        self._held[name] = _Held()
        self.on_want(name, True)

    def forget(self, name: ingress.SecretName) -> None:
        """Hold a Secret no longer."""
        del self._held[name]
        self.on_want(name, False)
        self._resources.remove(wire.SECRET, str(name))
        self._on_change()

    @property
    def unread(self) -> list[ingress.SecretName]:
        """Return the wanted Secrets that nobody looked for yet."""
        return [name for name, held in self._held.items() if not held.read]

    def is_wanted(self, name: ingress.SecretName) -> bool:
        """Say whether an ingress names this Secret."""
        return name in self._held

    def is_sound(self, name: ingress.SecretName) -> bool:
        """Say whether Envoy has, or may get, a certificate of this name."""
        return self._resources.get(wire.SECRET, str(name)) is not None

    def finding(self, name: ingress.SecretName) -> status.Finding | None:
        """Return what is wrong with a Secret, ``None`` when nothing is."""
        held = self._held[name]
        return held.error if held.read else status.waiting(f"Secret {name} is not read yet")

    def put(self, name: ingress.SecretName, found: certificates.Certificate | errors.InvalidRoute | None) -> None:
        """Take in a Secret: sound, broken, or (``None``) not there.

        A broken one leaves its last sound version serving. One that was deleted is withdrawn: whoever deletes a key
        may have reason to.
        """
        held = self._held.get(name)
        if held is None:
            return
        before = dataclasses.replace(held)
        held.read = True
        if found is None:
            text = f"Secret {name} with the certificate does not exist; create it (type kubernetes.io/tls)"
            held.error = status.Finding("CertificateMissing", text, failed=True)
            held.resource = held.taken = None
        elif isinstance(found, errors.InvalidRoute):
            held.error = _broken(str(found))
        else:
            made = certificates.make_secret(name, found)
            refused = held.error is not None and held.error.reason == _REFUSED
            if not refused:
                held.taken = held.resource
            if not refused or held.resource != made:
                held.error, held.resource = None, made
        self._show(name, held, before)

    def conclude(self, versions: Mapping[str, str], error: str) -> None:
        """Take in what Envoy made of certificates; one that it refused is replaced by the last one it took."""
        for name, held in [(name, self._held.get(_parse(name))) for name in versions]:
            if held is None or held.resource is None or held.resource.version != versions[name]:
                continue
            before = dataclasses.replace(held)
            if error:
                held.error = status.Finding(_REFUSED, f"Envoy refused Secret {name}: {error}", failed=True)
            else:
                held.taken = held.resource
            self._show(_parse(name), held, before)

    def _show(self, name: ingress.SecretName, held: _Held, before: _Held) -> None:
        usable = self.is_sound(name)
        refused = held.error is not None and held.error.reason == _REFUSED
        effective = held.taken if refused else held.resource
        if effective is None:
            self._resources.remove(wire.SECRET, str(name))
        else:
            self._resources.put(effective)
        if usable != (effective is not None):
            self._on_change()
        if (before.read, before.error) != (held.read, held.error):
            self._on_finding(name)


_REFUSED = "CertificateRefused"


def _parse(name: str) -> ingress.SecretName:
    return ingress.SecretName(*name.split("/", 1))


def _broken(text: str) -> status.Finding:
    return status.Finding("CertificateBroken", text, failed=True)


def check(name: ingress.SecretName, certificate: certificates.Certificate) -> None:
    """Prove that chain and key can be read and belong together, as a server would; the key touches no disk.

    Raises:
        errors.InvalidRoute: they cannot be used; names the Secret, never its content.
    """
    descriptor = os.memfd_create("certificate", os.MFD_CLOEXEC)
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(certificate.chain + b"\n" + certificate.key)
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(f"/proc/self/fd/{descriptor}", password=lambda: "none")
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        reason = getattr(error, "reason", None) or type(error).__name__
        raise errors.InvalidRoute(
            f"the certificate and the key in Secret {name} cannot be used together ({reason}); put a PEM chain, the "
            "host's own certificate first, into tls.crt and its key, without a password, into tls.key"
        ) from error
    finally:
        os.close(descriptor)
