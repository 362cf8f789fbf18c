"""Media types as in ``Content-Type``: https://www.rfc-editor.org/rfc/rfc9110#section-8.3.1."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"  # noqa: S105  (a token of RFC 9110, section 5.6.2)
_QUOTED = r'"(?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\[^\x00-\x08\x0a-\x1f\x7f])*+"'
_PARAMETER = re.compile(rf"[ \t]*+;[ \t]*+(?:({_TOKEN})=({_TOKEN}|{_QUOTED}))?")
_TYPE = re.compile(rf"({_TOKEN}/{_TOKEN})((?:{_PARAMETER.pattern})*+)[ \t]*+")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class MediaType:
    """One media type: ``essence`` (``type/subtype``) and ``charset`` in lower case, ``None`` when not given."""

    essence: str
    charset: str | None = None

    @property
    def is_json(self) -> bool:
        """Tell whether data of this type is JSON: subtype ``json`` or suffix ``+json`` (JSON format, section 3.1)."""
        subtype = self.essence.partition("/")[2]
        return subtype == "json" or subtype.endswith("+json")

    @property
    def is_text(self) -> bool:
        """Tell whether data of this type reads as text: ``text/*`` and XML."""
        return self.essence.startswith("text/") or self.essence.endswith(("/xml", "+xml"))


JSON = MediaType("application/json")


@functools.lru_cache(maxsize=1024)
def parse_media_type(text: str) -> MediaType | None:
    """Return the media type that ``text`` is, ``None`` when it is none.

    >>> parse_media_type('Application/CloudEvents+JSON; charset="UTF-8"')
    MediaType(essence='application/cloudevents+json', charset='utf-8')
    """
    found = _TYPE.fullmatch(text)
    if found is None:
        return None
    charset = None
    for name, value in _PARAMETER.findall(found[2]):
        if name.lower() == "charset" and charset is None:
            charset = _ESCAPED.sub(r"\1", value[1:-1]) if value.startswith('"') else value
    return MediaType(found[1].lower(), None if charset is None else charset.lower())
