"""How a Function is exposed over HTTP: ``spec.http``, and the form in which it travels to the gateway.

The controller writes it, together with the timeout, as one annotation on the Knative Service; Knative hands annotations
down to the ingress, and the gateway reads it there. So a route and its protection arrive in one piece: there is no
moment at which the route is served without.
"""

from __future__ import annotations

import hashlib
import json
from enum import StrEnum
from typing import Annotated, Any

import pydantic
from pydantic import Field

from mayfly import errors
from mayfly.model import names, part, quantity

ANNOTATION = f"{names.GROUP}/http"
"""On Knative Services, routes and ingresses: an ``Exposure`` as JSON."""
SERVED_ANNOTATION = f"{names.GROUP}/http-served"
"""In the status of an ingress: a ``Served`` as JSON, which the gateway writes."""

_HOST = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)+$"
_TOKEN = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"  # noqa: S105  (a token of RFC 9110, section 5.6.2)
_PATH = r"^/[^\s?#]*$"
_ORIGIN = r"^(\*|https?://(\*\.)?[a-z0-9]([-a-z0-9.]*[a-z0-9])?(:[0-9]{1,5})?)$"

HeaderName = Annotated[str, Field(min_length=1, max_length=128, pattern=_TOKEN)]
Methods = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=32, pattern="^[A-Z]+$")], ...],
    Field(max_length=16, json_schema_extra={"x-kubernetes-list-type": "set"}),
]


class Visibility(StrEnum):
    """Who may reach a Function."""

    PUBLIC = "public"
    CLUSTER_LOCAL = "cluster-local"


class Path(part.Part):
    """Some paths of the Function's own hosts."""

    path: str = Field(
        "/",
        description="Path that is served, with everything below it: /thumb means /thumb and /thumb/..., not /thumbs."
        " Default: /.",
        max_length=512,
        pattern=_PATH,
    )
    exact: bool = Field(False, description="Serve this path alone and nothing below it.")
    methods: Methods = Field((), description="Methods that are served, such as GET; all when absent.")
    rewrite: str | None = Field(
        None,
        description="What the Function sees in place of path; / for /thumb turns /thumb/a into /a. Absent: unchanged.",
        max_length=512,
        pattern=_PATH,
    )


class Tls(part.Part):
    """Certificate of the Function's own hosts."""

    secret: part.ObjectName = Field(
        description="Secret of type kubernetes.io/tls in the Function's namespace; a renewed one is used at once."
    )
    redirect: bool = Field(True, description="Answer plain HTTP with a redirect to HTTPS. Default: true.")


class KeyOfSecret(part.Part):
    """One key of a Secret in the Function's namespace."""

    name: part.ObjectName = Field(description="Name of the Secret.")
    key: part.Key = Field(description="Key in the Secret.")


class Jwt(part.Part):
    """Callers show a JSON Web Token in `Authorization: Bearer`, signed by the issuer and with an end (exp)."""

    model_config = part.configure(
        ("has(self.jwksUrl) != has(self.jwksSecret)", "set exactly one of auth.jwt.jwksUrl, auth.jwt.jwksSecret")
    )
    issuer: str = Field(description="Issuer of the tokens: their claim iss.", min_length=1, max_length=512)
    jwks_url: str | None = Field(
        None,
        description="URL of the issuer's public keys (JWKS), read again every five minutes.",
        max_length=1024,
        pattern=r"^https?://[^\s@]+$",
    )
    jwks_secret: KeyOfSecret | None = Field(None, description="Key of a Secret that holds the JWKS.")
    audiences: tuple[Annotated[str, Field(min_length=1, max_length=512)], ...] = Field(
        (),
        description="The token's claim aud must name one of these, else the answer is 403; any when absent.",
        max_length=16,
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    claims: dict[
        str, Annotated[tuple[Annotated[str, Field(max_length=512)], ...], Field(min_length=1, max_length=32)]
    ] = Field(
        {},
        description="Claims the token must have, each with one of the values: role: [admin]. A claim that is a list"
        " must contain one; scope is taken as a list; numbers and truth values count as they are written; a.b is also"
        " b within a. Without one the answer is 403.",
        max_length=16,
    )


class ApiKey(part.Part):
    """Callers show a key that is a value of a Secret."""

    model_config = part.configure(
        ("!(has(self.header) && has(self.query))", "set one of auth.apiKey.header, auth.apiKey.query, not both")
    )
    secret: part.ObjectName = Field(
        description="Secret in the Function's namespace: client name -> key. The client's name reaches the Function as"
        " header X-Mayfly-Client."
    )
    header: HeaderName | None = Field(None, description="Header that carries the key. Default: X-API-Key.")
    query: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[-_.A-Za-z0-9]+$")] | None = Field(
        None, description="Query parameter that carries the key instead; the Function does not see it."
    )


class ClusterLocalAuth(StrEnum):
    """Whether callers on the cluster-local address must authenticate too."""

    REQUIRED = "required"
    EXEMPT = "exempt"


class Auth(part.Part):
    """Who may call: exactly one of jwt, apiKey. Everybody else gets 401."""

    model_config = part.configure(("has(self.jwt) != has(self.apiKey)", "set exactly one of auth.jwt, auth.apiKey"))
    jwt: Jwt | None = Field(None, description="A JSON Web Token of an issuer.")
    api_key: ApiKey | None = Field(None, description="A key from a Secret.")
    cluster_local: ClusterLocalAuth = Field(
        ClusterLocalAuth.REQUIRED,
        description="required: callers on the cluster-local address must authenticate too; exempt: they need not,"
        " for events and calls between functions. Default: required.",
    )


class Cors(part.Part):
    """Which web pages of other origins may call (https://fetch.spec.whatwg.org/#http-cors-protocol)."""

    model_config = part.configure(
        (
            "!has(self.credentials) || !self.credentials || !self.origins.exists(item, item == '*')",
            "cors.credentials needs origins by name: browsers refuse '*' together with credentials",
        )
    )
    origins: tuple[
        Annotated[
            str,
            Field(
                max_length=253,
                pattern=_ORIGIN,
                json_schema_extra=part.make_text_rule(
                    "!self.contains('*') || size(self) <= 80", "cors.origins with * have at most 80 characters"
                ),
            ),
        ],
        ...,
    ] = Field(
        description="Origins that may call: https://shop.example, https://*.shop.example, or * for all.",
        min_length=1,
        max_length=32,
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    methods: Methods = Field(
        (), description="Methods that pages may use. Default: GET, HEAD, POST, PUT, PATCH, DELETE."
    )
    headers: tuple[HeaderName, ...] = Field(
        (),
        description="Request headers that pages may send beyond the safe ones. Default: Authorization, Content-Type.",
        max_length=64,
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    expose_headers: tuple[HeaderName, ...] = Field(
        (),
        description="Response headers that pages may read beyond the safe ones.",
        max_length=64,
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    credentials: bool = Field(False, description="Let pages send cookies and Authorization. Default: false.")
    max_age: part.Duration = Field(
        "10m",
        description="How long browsers may remember the answer, up to 24h. Default: 10m.",
        json_schema_extra=part.make_duration_rule("cors.maxAge", "0s", "24h", such_as="10m"),
    )


class Limit(part.Part):
    """So many requests in so much time: a burst may use them all at once, and they come back evenly."""

    requests: int = Field(description="Requests.", ge=1, le=1_000_000)
    window: part.Duration = Field(
        "1s",
        description="Time, from 1s to 1h. Default: 1s.",
        json_schema_extra=part.make_duration_rule("rateLimit window", "1s", "1h", such_as="1s"),
    )


class RateLimit(part.Part):
    """How often the Function may be called, by each gateway replica, host and path; beyond it 429 with Retry-After."""

    model_config = part.configure(
        (
            "has(self.total) || has(self.perClient) || has(self.perKey)",
            "set at least one of rateLimit.total, rateLimit.perClient, rateLimit.perKey",
        )
    )
    total: Limit | None = Field(None, description="All callers together.")
    per_client: Limit | None = Field(None, description="Each client address.")
    per_key: Limit | None = Field(
        None, description="Each authenticated caller: the name of its API key, or the subject of its token."
    )


class Http(part.Part):
    """How the Function is reached over HTTP."""

    model_config = part.configure(
        ("!has(self.paths) || has(self.hosts)", "http.paths are paths of http.hosts; give at least one host"),
        ("!has(self.tls) || has(self.hosts)", "http.tls is for http.hosts; give at least one host"),
        (
            "!has(self.hosts) || !has(self.visibility) || self.visibility == 'public'",
            "http.hosts are public; remove them or set http.visibility to public",
        ),
        (
            "!has(self.rateLimit) || !has(self.rateLimit.perKey) || has(self.auth)",
            "rateLimit.perKey counts authenticated callers; set http.auth",
        ),
    )
    visibility: Visibility = Field(
        Visibility.PUBLIC,
        description="public: through the gateway's public address; cluster-local: only from inside the cluster."
        " Default: public.",
    )
    hosts: tuple[
        Annotated[
            str,
            Field(
                max_length=253,
                pattern=_HOST,
                json_schema_extra=part.make_text_rule(
                    "!self.endsWith('.cluster.local') && !self.endsWith('.svc')",
                    "http.hosts are names outside the cluster; .svc and .cluster.local belong to Kubernetes",
                ),
            ),
        ],
        ...,
    ] = Field(
        (),
        description="Further host names, beside the one that the platform gives; DNS must point them at the gateway."
        " Functions of one namespace may share a host and divide its paths.",
        min_length=1,
        max_length=16,
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    paths: tuple[Path, ...] = Field(
        (),
        description="What of http.hosts this Function serves; everything when absent.",
        min_length=1,
        max_length=32,
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    tls: Tls | None = Field(None, description="Serve http.hosts over HTTPS with this certificate.")
    auth: Auth | None = Field(None, description="Who may call; everybody when absent.")
    cors: Cors | None = Field(
        None, description="Which web pages of other origins may call; the Function decides when absent."
    )
    rate_limit: RateLimit | None = Field(
        None,
        description="How often it may be called; each replica of the gateway, host and entry of paths counts for"
        " itself. No limit when absent.",
    )
    max_request_size: part.Quantity | None = Field(
        None,
        description="Largest request body, such as 1Mi; beyond it the answer is 413. What a stream or a WebSocket sends"
        " counts together. No limit when absent.",
    )
    max_response_size: part.Quantity | None = Field(
        None,
        description="Largest response body, from 1Ki, such as 6Mi; an answer that says it is longer (Content-Length)"
        " becomes 502, a stream passes. No limit when absent.",
    )
    compression: bool = Field(
        False, description="Compress answers of text, JSON and the like for clients that ask for it. Default: false."
    )
    async_: bool = Field(
        True,
        alias="async",
        description="Take calls to be carried out later: with the header Prefer: respond-async, or below /async/. The"
        " answer is 202 with the address of the invocation. False for a Function that has its own use for these."
        " Default: true.",
    )

    @property
    def max_request_bytes(self) -> int | None:
        """Largest request body in bytes, ``None`` without a limit."""
        return None if self.max_request_size is None else quantity.parse_bytes(self.max_request_size)

    @property
    def max_response_bytes(self) -> int | None:
        """Largest response body in bytes, ``None`` without a limit."""
        return None if self.max_response_size is None else quantity.parse_bytes(self.max_response_size)


class Exposure(part.Part):
    """What the gateway must know of a Function."""

    http: Http = Http()
    timeout_seconds: float | None = None
    """Longest time for one request; ``None`` when nobody said."""

    @property
    def is_plain(self) -> bool:
        """Tell whether there is nothing for the gateway to enforce."""
        return self.http.model_copy(update={"visibility": Visibility.PUBLIC}) == Http()

    def to_json(self) -> str:
        """Return the text of the annotation, the same for the same content."""
        return _dump(self)


PROGRAMMING = "Programming"
"""The reason for not being served yet."""


class Served(part.Part):
    """What the gateway made of an ``Exposure``: ``reason`` is empty when it serves it."""

    version: str
    """``version_of`` the annotation's text."""
    reason: str = ""
    """``PROGRAMMING`` when waiting will mend it."""
    message: str = ""

    def to_json(self) -> str:
        """Return the text of the annotation, the same for the same content."""
        return _dump(self)


def version_of(text: str) -> str:
    """Return the version of an exposure: 16 hexadecimal digits that change with the annotation's ``text``."""
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def parse_exposure(text: str) -> Exposure:
    """Return the exposure that the annotation's ``text`` describes.

    A field that is not known is refused: a gateway older than the controller must not leave out a protection that it
    has not heard of.

    Raises:
        SpecError: it is not one; names field and rule.
    """
    try:
        return Exposure.model_validate_json(text, extra="forbid")
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = ".".join(str(part) for part in first["loc"])
        raise errors.SpecError(
            f"annotation {ANNOTATION}: {path}: {first['msg']}; it is written by the controller "
            "from spec.http of the Function: correct it there"
        ) from error


def parse_served(text: str | None) -> Served | None:
    """Return what the gateway said, ``None`` when it has said nothing that can be read."""
    try:
        return None if text is None else Served.model_validate_json(text)
    except pydantic.ValidationError:
        return None


def _dump(value: part.Part) -> str:
    content: dict[str, Any] = value.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return json.dumps(content, sort_keys=True, separators=(",", ":"))
