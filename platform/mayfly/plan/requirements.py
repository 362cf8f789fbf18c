"""Read requirements files as pip defines them (https://pip.pypa.io/en/stable/reference/requirements-file-format/).

Only what stays inside the tree and the platform's own index is accepted: names with versions, hashes, markers, and
``-r``/``-c`` to other files of the source. Everything else is refused with its reason, never passed over.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass

from mayfly import errors
from mayfly.plan import tree

MAX_REQUIREMENTS = 2000
_MAX_FILES = 32

_NAME = re.compile(r"([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(\[[^\]]*\])?\s*(.*)", re.DOTALL)
"""Name, extras and the rest of a requirement (PEP 508)."""
_HASH = re.compile(r"\s--hash[= ]\s*(\S+)")
_COMMENT = re.compile(r"(^|\s)#.*$")
_REFERENCE = re.compile(r"(-r|--requirement|-c|--constraint)(?:\s*=\s*|\s+|(?<=-[rc]))(\S+)")

_REFUSED_OPTIONS = (
    (
        ("-i", "--index-url", "--extra-index-url", "-f", "--find-links", "--no-index", "--trusted-host"),
        "the platform's operator chooses the package index (chart value builder.indexUrl); remove the line",
    ),
    (
        ("-e", "--editable"),
        "an editable install points outside the image; put the package's source beside the handler, or name a release",
    ),
    (
        ("--no-binary",),
        "packages are installed from wheels only, so nothing of theirs runs while building; remove the line",
    ),
    (("--pre",), "write the pre-release's version out, for example NAME==2.0.0rc1, and remove the line"),
)
_ACCEPTED_OPTIONS = ("--require-hashes", "--only-binary", "--prefer-binary")


@dataclass(frozen=True)
class Requirement:
    """One requirement: normalised text without hashes, its hashes, and where it stands (``file:line``)."""

    text: str
    hashes: tuple[str, ...]
    place: str

    @property
    def pinned(self) -> bool:
        """Tell whether exactly one version satisfies it."""
        return re.search(r"===?\s*[^*,;\s]+(\s*(;|$))", self.text) is not None

    @property
    def name(self) -> str:
        """Canonical name of the project it asks for."""
        return re.split(r"[^a-z0-9-]", self.text, maxsplit=1)[0]

    def line(self) -> str:
        """Return the line that stands for it in a requirements file."""
        return " ".join([self.text, *(f"--hash={value}" for value in self.hashes)])


@dataclass(frozen=True)
class Requirements:
    """What a set of requirements files asks for, in the order it was read."""

    wanted: tuple[Requirement, ...] = ()
    constraints: tuple[Requirement, ...] = ()
    paths: tuple[str, ...] = ()


def read_requirements(source: tree.SourceTree, path: str) -> Requirements:
    """Return what ``path`` and the files it refers to ask for.

    Raises:
        DependencyError: a line is of a kind that is not supported, or a file referred to is not in the source.
    """
    wanted: list[Requirement] = []
    constraints: list[Requirement] = []
    waiting = [(path, False, "")]
    seen: list[str] = []
    while waiting:
        current, constraint, place = waiting.pop(0)
        if current in seen:
            continue
        seen.append(current)
        if len(seen) > _MAX_FILES:
            raise errors.DependencyError(f"{place}: more than {_MAX_FILES} requirements files; join them")
        if current not in source.files:
            raise errors.DependencyError(f"{place}: the source has no file {current!r}; add it or correct the line")
        for number, line in _lines(source.text(current)):
            here = f"{current}:{number}"
            if reference := _REFERENCE.fullmatch(line):
                target = posixpath.normpath(posixpath.join(posixpath.dirname(current), reference[2]))
                waiting.append((target, constraint or reference[1] in {"-c", "--constraint"}, here))
            elif not _accepted_option(line, here):
                (constraints if constraint else wanted).append(parse_requirement(line, here))
    if len(wanted) + len(constraints) > MAX_REQUIREMENTS:
        raise errors.DependencyError(f"{path}: more than {MAX_REQUIREMENTS} requirements; split the function")
    return Requirements(tuple(wanted), tuple(constraints), tuple(seen))


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield (number of the first line, logical line) without comments and blanks; a backslash joins lines."""
    held, start = "", 0
    for number, raw in enumerate([*text.splitlines(), ""], start=1):
        start = start or number
        if raw.endswith("\\"):
            held += raw[:-1] + " "
            continue
        line = _COMMENT.sub("", held + raw).strip()
        if line:
            yield start, line
        held, start = "", 0


def _accepted_option(line: str, place: str) -> bool:
    """Tell whether ``line`` is an option that changes nothing here.

    Raises:
        DependencyError: it is an option that would change something.
    """
    if not line.startswith("-"):
        return False
    option = re.split(r"[=\s]", line, maxsplit=1)[0]
    if option in _ACCEPTED_OPTIONS:
        return True
    for options, why in _REFUSED_OPTIONS:
        if option in options or any(len(o) == 2 and option.startswith(o) for o in options if option[1] != "-"):  # noqa: PLR2004
            raise errors.DependencyError(f"{place}: {option} is not supported: {why}")
    raise errors.DependencyError(f"{place}: option {option} is not supported; remove the line")


def parse_requirement(line: str, place: str) -> Requirement:
    """Return the requirement on ``line``; equal ones read equal, whatever their spelling.

    >>> parse_requirement("Flask [async]>= 3 ; python_version > '3'", "requirements.txt:1").text
    "flask[async]>=3 ; python_version > '3'"

    Raises:
        DependencyError: it is a URL, a path, or not a requirement at all.
    """
    hashes = tuple(sorted(_HASH.findall(f" {line}")))
    text = " ".join(_HASH.sub("", f" {line}").split())
    if "--" in text.partition(";")[0]:
        option = "--" + text.partition("--")[2].split()[0]
        raise errors.DependencyError(f"{place}: option {option} on a requirement is not supported; remove it")
    match = _NAME.fullmatch(text)
    rest = match[3] if match else ""
    if match is None or re.match(r"[a-z+]+://|[./]|\\", text + rest) or rest.startswith((":", "/")):
        raise errors.DependencyError(f"{place}: {_shown(text)} is {_kind(text)}")
    if rest.startswith("@"):
        raise errors.DependencyError(f"{place}: {_shown(text)} is {_kind(rest[1:].strip())}")
    specifier, semicolon, marker = rest.partition(";")
    specifier = specifier.replace(" ", "")
    if specifier and not re.match(r"===|[=~!<>]=|[<>(]", specifier):
        raise errors.DependencyError(f"{place}: {_shown(text)} is {_kind(text)}")
    if text.endswith((".whl", ".tar.gz", ".zip")):
        raise errors.DependencyError(f"{place}: {_shown(text)} is {_kind(text)}")
    extras = ",".join(sorted(e.strip().lower() for e in match[2][1:-1].split(","))) if match[2] else ""
    normal = normalise(match[1]) + (f"[{extras}]" if extras else "") + specifier
    return Requirement(f"{normal} ; {marker.strip()}" if semicolon else normal, hashes, place)


def _kind(text: str) -> str:
    """Say what ``text`` is instead of a requirement, and what to write."""
    if re.match(r"(git|hg|svn|bzr)\+", text):
        return "a version control URL; release the package to the index, or put its source beside the handler"
    if "://" in text:
        return "a URL; packages come from the platform's index only: name a release, for example NAME==1.2.3"
    if text.startswith((".", "/", "~")) or text.endswith((".whl", ".tar.gz", ".zip")) or "/" in text:
        return "a path; put the package's source beside the handler, or name a release, for example NAME==1.2.3"
    return "not a requirement; write NAME, NAME==1.2.3 or NAME>=1,<2"


def _shown(text: str) -> str:
    """Return ``text`` for a message, without credentials of a URL and cut."""
    return repr(re.sub(r"//[^/@\s]*@", "//***@", text))[:120]


def normalise(name: str) -> str:
    """Return the canonical spelling of a project name (PEP 503).

    >>> normalise("Foo.Bar_baz")
    'foo-bar-baz'
    """
    return re.sub(r"[-_.]+", "-", name).lower()
