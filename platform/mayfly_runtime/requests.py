"""The request object that a plain function gets: the often used part of Flask's.

Source of the names and their behaviour: https://flask.palletsprojects.com/en/stable/api/#flask.Request. When the
function imports Flask itself it gets Flask's own object (``dialects.flask``), not this one.
"""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

from mayfly_runtime import calls, forms, problem

JSON_TYPES = ("application/json",)


class Values(dict[str, str]):
    """A mapping to first values that knows all of them."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._all: dict[str, list[str]] = {}
        for name, value in pairs:
            self._all.setdefault(name, []).append(value)
        super().__init__({name: values[0] for name, values in self._all.items()})

    def get(self, key: str, default: Any = None, type: Callable[[str], Any] | None = None) -> Any:  # noqa: A002
        """Return the first value, converted by ``type``; ``default`` without one or when it does not convert."""
        if key not in self:
            return default
        if type is None:
            return self[key]
        try:
            return type(self[key])
        except (ValueError, TypeError):
            return default

    def getlist(self, key: str) -> list[str]:
        """Return every value of ``key``."""
        return list(self._all.get(key, ()))

    def to_dict(self, flat: bool = True) -> dict[str, Any]:
        """Return a plain dict of first values, of lists when not ``flat``."""
        return dict(self) if flat else {name: list(values) for name, values in self._all.items()}


class Headers(Mapping[str, str]):
    """Request headers; names match in any case, repeated ones are joined by a comma (RFC 9110 section 5.2)."""

    def __init__(self, raw: calls.Headers) -> None:
        self._values: dict[str, str] = {}
        for name, value in raw:
            key, text = name.decode("latin-1"), value.decode("latin-1")
            if key in self._values:
                text = f"{self._values[key]}{'; ' if key == 'cookie' else ','}{text}"
            self._values[key] = text

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._values

    def __iter__(self) -> Iterator[str]:
        return (name.title() for name in self._values)

    def __len__(self) -> int:
        return len(self._values)

    def get(self, name: str, default: Any = None, type: Callable[[str], Any] | None = None) -> Any:  # noqa: A002
        """Return the header, converted by ``type``; ``default`` without one or when it does not convert."""
        value = self._values.get(name.lower())
        if value is None or type is None:
            return default if value is None else value
        try:
            return type(value)
        except (ValueError, TypeError):
            return default

    def getlist(self, name: str) -> list[str]:
        """Return the header's values as sent, or an empty list."""
        return [part.strip() for part in self[name].split(",")] if name in self else []


class Request:
    """A request whose body has been read whole."""

    def __init__(self, scope: calls.Scope, body: bytes, request_id: str = "") -> None:
        self.scope = scope
        self.request_id = request_id
        """The id in the log and in the response's ``X-Request-Id``; Flask's request has none."""
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self._body = body

    @cached_property
    def headers(self) -> Headers:
        """Headers of the request."""
        return Headers(self.scope["headers"])

    @cached_property
    def args(self) -> Values:
        """Parameters of the query string."""
        return Values(_parse_pairs(self.scope["query_string"]))

    @property
    def query_string(self) -> bytes:
        """The query string as it was sent."""
        return self.scope["query_string"]  # type: ignore[no-any-return]

    @property
    def full_path(self) -> str:
        """Path and query."""
        return f"{self.path}?{self.query_string.decode('latin-1')}"

    @property
    def scheme(self) -> str:
        """``https`` or ``http``, as the caller saw it."""
        forwarded = self.headers.get("x-forwarded-proto", "").split(",")[0].strip()
        return forwarded if forwarded in {"http", "https"} else self.scope["scheme"]  # type: ignore[no-any-return]

    @property
    def is_secure(self) -> bool:
        """True when the caller used TLS."""
        return self.scheme == "https"

    @property
    def host(self) -> str:
        """The Host header."""
        return self.headers.get("host", "localhost")  # type: ignore[no-any-return]

    @property
    def host_url(self) -> str:
        """Scheme and host with a final slash."""
        return f"{self.scheme}://{self.host}/"

    url_root = root_url = host_url

    @property
    def base_url(self) -> str:
        """The URL without its query."""
        return f"{self.host_url}{urllib.parse.quote(self.path.lstrip('/'))}"

    @property
    def url(self) -> str:
        """The whole URL."""
        query = self.query_string.decode("latin-1")
        return f"{self.base_url}?{query}" if query else self.base_url

    @property
    def remote_addr(self) -> str | None:
        """Address of the caller as the gateway saw it, else of the peer."""
        forwarded = self.headers.get("x-forwarded-for", "").split(",")[0].strip()
        client = self.scope.get("client")
        return forwarded or (client[0] if client else None)

    @property
    def user_agent(self) -> str:
        """The User-Agent header."""
        return self.headers.get("user-agent", "")  # type: ignore[no-any-return]

    @property
    def content_type(self) -> str | None:
        """The Content-Type header."""
        return self.headers.get("content-type")  # type: ignore[no-any-return]

    @property
    def mimetype(self) -> str:
        """The content type without parameters, in lower case."""
        return (self.content_type or "").partition(";")[0].strip().lower()

    @property
    def content_length(self) -> int:
        """Bytes of the body."""
        return len(self._body)

    @cached_property
    def cookies(self) -> dict[str, str]:
        """Cookies by name; the first of a name counts."""
        pairs = (part.strip().partition("=") for part in self.headers.get("cookie", "").split(";"))
        return {name: value.strip('"') for name, equals, value in reversed(list(pairs)) if equals}

    @property
    def data(self) -> bytes:
        """The body."""
        return self._body

    def get_data(self, cache: bool = True, as_text: bool = False, parse_form_data: bool = False) -> Any:  # noqa: ARG002
        """Return the body, decoded when ``as_text``; the other arguments are Flask's and change nothing."""
        return self._body.decode("utf-8", "replace") if as_text else self._body

    @property
    def is_json(self) -> bool:
        """True when the content type says JSON."""
        return self.mimetype == "application/json" or (
            self.mimetype.startswith("application/") and self.mimetype.endswith("+json")
        )

    @property
    def json(self) -> Any:
        """The body as JSON; see ``get_json``."""
        return self.get_json()

    def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> Any:  # noqa: ARG002
        """Return the body as JSON; None when ``silent`` and it is not.

        Raises:
            Problem: 415, the content type is not JSON and not ``force``; 400, the body does not parse.
        """
        if not force and not self.is_json:
            if silent:
                return None
            raise problem.Problem(415, f"Content-Type is {self.content_type!r}; send application/json")
        try:
            return self._parsed
        except problem.Problem:
            if silent:
                return None
            raise

    @cached_property
    def _parsed(self) -> Any:
        return parse_json(self._body)

    @cached_property
    def form(self) -> Values:
        """Fields of a form body, URL-encoded or multipart; empty for other bodies."""
        if self.mimetype == "application/x-www-form-urlencoded":
            return Values(_parse_pairs(self._body))
        return Values(self._multipart[0])

    @cached_property
    def files(self) -> dict[str, forms.Upload]:
        """Uploaded files by field name; the first of a name counts."""
        return {upload.name: upload for upload in reversed(self._multipart[1])}

    @cached_property
    def _multipart(self) -> tuple[list[tuple[str, str]], list[forms.Upload]]:
        return forms.parse_multipart(self.content_type or "", self._body)

    @property
    def values(self) -> Values:
        """Query parameters and form fields together."""
        pairs = [
            (name, value) for source in (self.args, self.form) for name in source for value in source.getlist(name)
        ]
        return Values(pairs)


def _parse_pairs(raw: bytes) -> list[tuple[str, str]]:
    return urllib.parse.parse_qsl(raw.decode("latin-1"), keep_blank_values=True) if raw else []


def parse_json(body: bytes) -> Any:
    """Return ``body`` as JSON.

    Raises:
        Problem: 400, it is not JSON, not UTF-8 or nested too deeply for the parser.
    """
    try:
        return json.loads(body)
    except RecursionError:
        raise problem.Problem(400, "the body is JSON nested too deeply") from None
    except ValueError as error:
        raise problem.Problem(400, f"the body is not JSON: {error}") from None
