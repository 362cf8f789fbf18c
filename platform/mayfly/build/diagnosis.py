"""Turn what uv says into what the author of a function can do."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass

from mayfly import errors

_MAX_EXPLANATION = 1200

KNOWN_NAMES = (
    "aiohttp", "aiosqlite", "alembic", "anyio", "asyncpg", "attrs", "azure-storage-blob", "beautifulsoup4", "boto3",
    "botocore", "celery", "certifi", "charset-normalizer", "click", "cloudevents", "cryptography", "django", "fastapi",
    "flask", "functions-framework", "google-cloud-storage", "grpcio", "httpx", "idna", "itsdangerous", "jinja2",
    "jsonschema", "kafka-python", "kubernetes", "lxml", "mangum", "markdown", "markupsafe", "minio", "motor",
    "mysqlclient", "nats-py", "numpy", "opencv-python-headless", "openpyxl", "orjson", "pandas", "pika", "pillow",
    "protobuf", "psycopg", "psycopg2-binary", "pyarrow", "pydantic", "pydantic-settings", "pyjwt", "pymongo",
    "pymysql", "pypdf", "python-dateutil", "python-dotenv", "python-multipart", "pytz", "pyyaml", "quart", "redis",
    "requests", "rich", "scikit-learn", "scipy", "sentry-sdk", "six", "sqlalchemy", "starlette", "stripe", "tenacity",
    "tornado", "tqdm", "typer", "typing-extensions", "urllib3", "uvicorn", "werkzeug", "xmltodict",
)  # fmt: skip
"""Packages that functions use often: a misspelt name is compared with these."""
IMPORT_NAMES = {
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "dotenv": "python-dotenv",
    "jwt": "pyjwt",
    "multipart": "python-multipart",
    "pil": "pillow",
    "psycopg2": "psycopg2-binary",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}
"""Names of modules that people write instead of the package's."""

_STANDARD = frozenset({"asyncio", "json", "logging", "os", "pathlib", "re", "sqlite3", "sys", "typing", "uuid"})


@dataclass(frozen=True)
class _Rule:
    """A pattern of uv's text and the sentence for it; ``temporary`` says that trying again may help."""

    pattern: re.Pattern[str]
    sentence: Callable[[re.Match[str]], str]
    temporary: bool = False


def _missing(found: re.Match[str]) -> str:
    name = found[1]
    if name in _STANDARD:
        return f"{name!r} is part of Python, not a package; remove it from the requirements"
    near = IMPORT_NAMES.get(name) or next(iter(difflib.get_close_matches(name, KNOWN_NAMES, n=1, cutoff=0.75)), None)
    hint = f"; did you mean {near!r}?" if near else "; correct the name"
    return f"package {name!r} does not exist in the package index{hint}"


def _rule(pattern: str, sentence: Callable[[re.Match[str]], str], *, temporary: bool = False) -> _Rule:
    return _Rule(re.compile(pattern, re.DOTALL), sentence, temporary)


_RULES = (
    _rule(r"Because (\S+) was not found in the package registry", _missing),
    _rule(r"[Bb]ecause there (?:is|are) no versions? of (\S+?),? (?:and|we|that)", lambda m: (
        f"there is no version {m[1]!r} in the package index; choose one that exists")),
    _rule(r"(\S+) has no usable wheels", lambda m: (
        f"package {m[1]!r} exists as source code only, and only wheels are installed, so that nothing of a package"
        " runs while building; choose a version that has wheels, or another package")),
    _rule(r"(\S+) has no wheels with a matching Python \w+ tag \(e\.g\., `(\w+)`\)", lambda m: (
        f"package {m[1]!r} has no wheel for this Python ({m[2]}); choose a version that has one")),
    _rule(r"(\S+) has no wheels with a matching platform tag \(e\.g\., `(\w+)`\)", lambda m: (
        f"package {m[1]!r} has no wheel for this platform ({m[2]}); choose a version or package that has one")),
    _rule(r"Hash mismatch for `([^`]+)`", lambda m: (
        f"{m[1]!r} in the package index has other content than its --hash says; lock it again, and find out why")),
    _rule(r"no trusted hash was provided for: `([^`]+)`", lambda m: (
        f"{m[1]!r} is needed but has no --hash, and where one requirement has hashes all must, indirect ones"
        " included; lock again, for example with `uv pip compile --generate-hashes`")),
    _rule(r"must have their versions pinned[^`]*`([^`]+)`", lambda m: (
        f"{m[1]!r} has hashes but no exact version; pin it with ==")),
    _rule(r"Couldn't parse requirement[^\n]*\n\s*cause: ([^\n]+)\n\s*([^\n]+)", lambda m: (
        f"{m[2].strip()!r} is not a requirement: {m[1]}; write NAME==1.2.3 or NAME>=1,<2")),
    _rule(r"(?:status|HTTP)[^\n]{0,40}\b(401|403)\b", lambda m: (
        f"the package index refused access ({m[1]}); the platform's operator must give the builder credentials")),
    _rule(r"No space left on device", lambda _: "the builder's disk is full; try again later", temporary=True),
    _rule(r"Failed to (?:fetch|download|extract)|error sending request|Connection|timed out|dns error|\b50[0234]\b",
          lambda _: "the package index cannot be reached; try again, and check the builder's network and index URL",
          temporary=True),
    _rule(r"(?:you require|depends on).*unsatisfiable", lambda _: (
        "the requirements contradict each other; loosen or remove one of them")),
    _rule(r"requirements are unsatisfiable", lambda _: "the requirements cannot be satisfied; loosen one of them"),
)  # fmt: skip
"""Tried in order; the first match wins."""


def explain(output: str) -> errors.DependencyError:
    """Return the error for uv's ``output``: one sentence of what to do, then uv's own words."""
    rule, found = next(((r, m) for r in _RULES if (m := r.pattern.search(output))), (None, None))
    sentence = rule.sentence(found) if rule and found else "the dependencies cannot be installed"
    error = errors.DependencyError(f"{sentence}\n{_explanation(output)}")
    error.temporary = bool(rule and rule.temporary)
    return error


def _explanation(output: str) -> str:
    """Return the lines of ``output`` from uv's first error on."""
    lines = [line for line in output.splitlines() if line.strip()]
    start = next((i for i, line in enumerate(lines) if line.startswith("error")), 0)
    text = "\n".join(lines[start:])
    return text if len(text) <= _MAX_EXPLANATION else f"{text[:_MAX_EXPLANATION]}..."
