"""Read the public keys of an issuer: a JSON Web Key Set (RFC 7517). Pure."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any, NamedTuple

from mayfly import errors

MAX_BYTES = 256 * 1024
RSA_BITS = 2048
"""Smallest RSA key that is used (RFC 7518, section 3.3)."""
RSA_MOST_BITS = 8192
"""Largest: beyond it each check costs the gateway too much."""
_ALGORITHMS = {
    "RSA": {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"},
    "EC": {"ES256", "ES384", "ES512"},
    "OKP": {"EdDSA", "Ed25519"},
}
"""What Envoy checks, by the kind of key."""
_FIX = 'give the issuer\'s public keys as a JSON Web Key Set: {"keys": [...]} (RFC 7517)'


class Curve(NamedTuple):
    """An elliptic curve y² = x³ - 3x + b over the integers modulo p (FIPS 186-4, appendix D.1.2)."""

    p: int
    b: int
    algorithm: str


_CURVES = {
    "P-256": Curve(
        2**256 - 2**224 + 2**192 + 2**96 - 1,
        0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
        "ES256",
    ),
    "P-384": Curve(
        2**384 - 2**128 - 2**96 + 2**32 - 1,
        0xB3312FA7E23EE7E4988E056BE3F82D19181D9C6EFE8141120314088F5013875AC656398D8A2ED19D2A85C8EDD3EC2AEF,
        "ES384",
    ),
    "P-521": Curve(
        2**521 - 1,
        0x0051953EB9618E1C9A1F929A21A0B68540EEA2DA725B99B315F3B8B489918EF109E156193951EC7E937B1652C0BD3BB1BF073573DF883D2C34F1EF451FD46B503F00,
        "ES512",
    ),
}


def read(text: str) -> list[dict[str, Any]]:
    """Return the keys of a set that can check a signature; others, such as those for encryption, are left out.

    Raises:
        errors.InvalidRoute: it is no key set, has no usable key, or holds what must not leave the issuer. The message
            never shows a key.
    """
    if len(text.encode()) > MAX_BYTES:
        raise errors.InvalidRoute(f"the JWKS is larger than {MAX_BYTES // 1024} KiB; {_FIX}")
    found = [_check_public(key) for key in _parse(text)]
    usable = [key for key in found if _is_usable(key)]
    if not usable:
        raise errors.InvalidRoute(
            f"the JWKS has {len(found)} keys but none that can check a token: RSA from {RSA_BITS} bits, EC on P-256, "
            "P-384 or P-521, or Ed25519, not for encryption; ask the issuer for its signing keys"
        )
    return usable


def _parse(text: str) -> list[Any]:
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise errors.InvalidRoute(f"the JWKS is not JSON; {_FIX}") from error
    keys = parsed.get("keys") if isinstance(parsed, dict) else None
    if not isinstance(keys, list):
        raise errors.InvalidRoute(f"the JWKS has no list 'keys'; {_FIX}")
    return keys


def _check_public(key: Any) -> dict[str, Any]:
    """Return the key if strangers may know it: with a symmetric or private key whoever reads it can sign tokens."""
    if not isinstance(key, dict):
        raise errors.InvalidRoute(f"the JWKS has a key that is not an object; {_FIX}")
    if key.get("kty") == "oct" or "k" in key:
        raise errors.InvalidRoute(
            "the JWKS has a symmetric key (kty 'oct'), with which a token can be signed as well as checked; have the "
            "issuer sign with RS256, ES256 or EdDSA and give the public keys"
        )
    if "d" in key:
        raise errors.InvalidRoute(
            "the JWKS has a private key (member 'd'), which must not leave the issuer; take it for lost, replace it, "
            "and give the public keys alone"
        )
    return key


def _is_usable(key: dict[str, Any]) -> bool:
    operations = key.get("key_ops", ["verify"])
    if key.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        return False
    if not isinstance(key.get("kid", ""), str):
        return False
    algorithms = _ALGORITHMS.get(str(key.get("kty")))
    if algorithms is None or key.get("alg", min(algorithms)) not in algorithms:
        return False
    return {"RSA": _is_rsa, "EC": _is_on_curve, "OKP": _is_ed25519}[key["kty"]](key)


def _is_rsa(key: dict[str, Any]) -> bool:
    modulus, exponent = _number(key.get("n")), _number(key.get("e"))
    # BoringSSL takes no larger exponent.
    return RSA_BITS <= modulus.bit_length() <= RSA_MOST_BITS and exponent % 2 == 1 and 3 <= exponent < 2**33  # noqa: PLR2004


def _is_on_curve(key: dict[str, Any]) -> bool:
    curve = _CURVES.get(str(key.get("crv")))
    if curve is None or key.get("alg", curve.algorithm) != curve.algorithm:
        return False
    x, y = _number(key.get("x")), _number(key.get("y"))
    return 0 < x < curve.p and 0 < y < curve.p and (y * y - (x * x * x - 3 * x + curve.b)) % curve.p == 0


def _is_ed25519(key: dict[str, Any]) -> bool:
    return key.get("crv") == "Ed25519" and len(_decode(key.get("x"))) == 32  # noqa: PLR2004  (RFC 8032, section 5.1.5)


def _number(text: Any) -> int:
    return int.from_bytes(_decode(text), "big")


def _decode(text: Any) -> bytes:
    """Return the bytes of base64url without padding (RFC 7515, section 2), none when it is not that."""
    if not isinstance(text, str):
        return b""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""
