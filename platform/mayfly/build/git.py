"""Ask a git server over smart HTTP: which commit a revision is, and the pack of one commit.

Two requests of our own over the guarded way out, instead of the git program or a library that opens connections
itself: so every connection is judged, no redirect, helper, hook or option of git is involved, and what comes is counted
while it comes. Of the pack ``unpack.py`` makes files, without a network. Protocol version 2 is asked for; a server that
knows only the older one answers in that. Formats:
https://git-scm.com/docs/protocol-v2, https://git-scm.com/docs/gitprotocol-http and
https://git-scm.com/docs/gitprotocol-pack.
"""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

import aiohttp

from mayfly import errors
from mayfly.build import limits
from mayfly.model import build
from mayfly.outside import download

MAX_ANSWER_BYTES = 16 * 1024 * 1024
"""Of a list of references; the largest public repositories list some 10 MB by the older protocol."""
FLUSH, DELIMITER, END = b"0000", b"0001", b"0002"
_ADVERTISEMENT = "application/x-git-upload-pack-advertisement"
_SHA1_HEX = 40
_HEADER = re.compile(r"[A-Za-z0-9-]+")
_FRAMING = frozenset({"host", "content-length", "transfer-encoding", "connection", "git-protocol"})
"""Headers that say where a request goes and ends (RFC 9112), and git's own: no login."""
_PACK, _PROGRESS, _FATAL = 1, 2, 3
"""Bands of a multiplexed answer."""


@dataclass(frozen=True)
class Server:
    """A repository as its server presents it: ``refs`` are there only by the older protocol."""

    url: str
    version: int
    capabilities: frozenset[str]
    refs: Mapping[str, str]


async def resolve(downloads: download.Downloads, source: build.GitSource, credentials: build.Credentials | None) -> str:
    """Return the commit that the branch, tag or HEAD of ``source`` is at now, 40 hex digits.

    A name that is a branch and a tag is the branch, as for ``git clone --branch``.

    Raises:
        SourceError: there is no such revision or repository, or the login is refused.
        SourceUnavailable: the host does not answer.
    """
    server = await _discover(downloads, source, credentials)
    wanted = _candidates(source.revision)
    refs = server.refs if server.version < 2 else await _list_refs(downloads, server, source, credentials)  # noqa: PLR2004
    for name in wanted:
        if found := refs.get(f"{name}^{{}}") or refs.get(name):
            return _check_commit(found, source)
    raise errors.SourceError(
        f"revision {source.revision!r} is neither branch nor tag of {download.show(source.url)}: correct"
        " source.git.revision; a commit is written in full, 40 hex digits"
    )


async def fetch_pack(
    downloads: download.Downloads,
    source: build.GitSource,
    credentials: build.Credentials | None,
    out: BinaryIO,
    *,
    bounds: limits.Limits,
) -> int:
    """Write the pack of the commit that ``source`` is pinned to, without its history, to ``out``; return its size.

    Raises:
        SourceError: the server does not have the commit, the login is refused, or there is too much.
        SourceUnavailable: the host does not answer, or not to the end.
    """
    server = await _discover(downloads, source, credentials)
    body = _ask_v2(source.revision) if server.version == 2 else _ask_v0(source.revision, server)  # noqa: PLR2004
    size = 0
    async with downloads.open(
        f"{server.url}/git-upload-pack",
        headers=_headers(credentials, server.version, "upload-pack-request"),
        body=body,
        login=name_login(source.secret),
    ) as answer:
        async for chunk in _read_pack(_packets(answer, None), source):
            size += len(chunk)
            if size > bounds.archive_bytes:
                raise errors.SourceError(
                    f"commit {source.revision} of {download.show(source.url)} is larger than"
                    f" {limits.shown(bounds.archive_bytes)}, packed: take data and generated files out of the"
                    " repository, or build an archive of the part that is needed"
                )
            out.write(chunk)
    out.flush()
    return size


def make_login(credentials: build.Credentials | None) -> dict[str, str]:
    """Return the header by which a source's host knows us, none without credentials.

    Raises:
        SourceError: the header is not ``NAME: VALUE``; its text is not repeated.
    """
    if credentials is None:
        return {}
    if credentials.header is not None:
        name, colon, value = credentials.header.get_secret_value().strip().partition(":")
        if not colon or not _HEADER.fullmatch(name) or not value.strip().isprintable() or name.lower() in _FRAMING:
            raise errors.SourceError(
                "the key header of the source's Secret is not NAME: VALUE with a login, such as Authorization: Bearer"
                " TOKEN"
            )
        return {name: value.strip()}
    user = credentials.username.get_secret_value() if credentials.username else "git"
    password = credentials.password.get_secret_value() if credentials.password else ""
    return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}


def name_login(secret: str | None) -> str:
    """Return how a message calls the login that the Secret ``secret`` holds."""
    return f"Secret {secret}" if secret else ""


def _headers(credentials: build.Credentials | None, version: int, kind: str = "") -> dict[str, str]:
    headers = make_login(credentials)
    if version == 2:  # noqa: PLR2004
        headers["Git-Protocol"] = "version=2"
    if kind:
        headers |= {"Content-Type": f"application/x-git-{kind}", "Accept": f"application/x-git-{kind[:-7]}result"}
    return headers


# What the server is


async def _discover(
    downloads: download.Downloads, source: build.GitSource, credentials: build.Credentials | None
) -> Server:
    """Return what the server says of itself; its URL is that to which it sends on, without what was asked."""
    url = f"{source.url.rstrip('/')}/info/refs?service=git-upload-pack"
    async with downloads.open(url, headers=_headers(credentials, 2), login=name_login(source.secret)) as answer:
        if answer.content_type != _ADVERTISEMENT:
            raise errors.SourceError(
                f"{download.show(source.url)} is no git repository over HTTP (it answers {answer.content_type}): write"
                " the URL that git clone takes"
            )
        final = str(answer.url.with_query(None)).removesuffix("/info/refs")
        lines = [packet async for packet in _packets(answer, MAX_ANSWER_BYTES)]
    lines = lines[2:] if lines and lines[0].startswith(b"# service=") else lines
    if lines and lines[0].strip() == b"version 2":
        return Server(final, 2, frozenset(), {})
    return _parse_advertisement(final, lines, source)


def _parse_advertisement(url: str, lines: list[bytes], source: build.GitSource) -> Server:
    """Return what a server of the older protocol lists: ``ID NAME``, on the first line with NUL and capabilities."""
    refs: dict[str, str] = {}
    capabilities: frozenset[str] = frozenset()
    for line in lines:
        if line in {FLUSH, b"version 1\n"} or line.startswith(b"shallow "):
            continue
        _check_error(line, source)
        text, _, told = line.rstrip(b"\n").partition(b"\0")
        capabilities |= frozenset(told.decode(errors="replace").split())
        identity, _, name = text.decode(errors="replace").partition(" ")
        refs[name] = identity
    return Server(url, 0, capabilities, refs)


async def _list_refs(
    downloads: download.Downloads, server: Server, source: build.GitSource, credentials: build.Credentials | None
) -> dict[str, str]:
    """Return name -> id of the references that the revision may mean; a tag's commit is under ``NAME^{}``."""
    prefixes = [make_packet(f"ref-prefix {name}\n") for name in _candidates(source.revision)]
    body = b"".join([make_packet("command=ls-refs\n"), DELIMITER, make_packet("peel\n"), *prefixes, FLUSH])
    refs: dict[str, str] = {}
    async with downloads.open(
        f"{server.url}/git-upload-pack",
        headers=_headers(credentials, 2, "upload-pack-request"),
        body=body,
        login=name_login(source.secret),
    ) as answer:
        async for packet in _packets(answer, MAX_ANSWER_BYTES):
            if packet == FLUSH:
                break
            _check_error(packet, source)
            identity, _, rest = packet.decode(errors="replace").strip().partition(" ")
            name, *attributes = rest.split(" ")
            refs[name] = identity
            for attribute in attributes:
                if attribute.startswith("peeled:"):
                    refs[f"{name}^{{}}"] = attribute.removeprefix("peeled:")
    return refs


def _candidates(revision: str) -> tuple[str, ...]:
    """Return the full names that ``revision`` may stand for, the likeliest first."""
    if revision == "HEAD" or revision.startswith("refs/"):
        return (revision,)
    return (f"refs/heads/{revision}", f"refs/tags/{revision}")


def _check_commit(identity: str, source: build.GitSource) -> str:
    if len(identity) != _SHA1_HEX or build.GitSource(url=source.url, revision=identity).moving:
        raise errors.SourceError(
            f"{download.show(source.url)} names its commits by something else than SHA-1 ({identity[:80]!a}), which is"
            " not understood here: use an archive"
        )
    return identity


# What is asked for


def _ask_v2(commit: str) -> bytes:
    arguments = ("no-progress\n", "ofs-delta\n", "deepen 1\n", f"want {commit}\n", "done\n")
    return b"".join([make_packet("command=fetch\n"), DELIMITER, *map(make_packet, arguments), FLUSH])


def _ask_v0(commit: str, server: Server) -> bytes:
    """Return the request in the older protocol, with those of the wanted capabilities that the server has."""
    if "side-band-64k" not in server.capabilities:
        raise errors.SourceError(
            f"the git server at {download.show(server.url)} has neither protocol version 2 nor side-band-64k, and is"
            " too old: use an archive"
        )
    # Some servers insist on thin-pack; to a client that has nothing there is nothing to be thin against.
    wished = sorted({"side-band-64k", "ofs-delta", "shallow", "no-progress", "thin-pack"} & server.capabilities)
    depth = make_packet("deepen 1\n") if "shallow" in server.capabilities else b""
    return b"".join([make_packet(f"want {commit} {' '.join(wished)}\n"), depth, FLUSH, make_packet("done\n")])


async def _read_pack(packets: AsyncIterator[bytes], source: build.GitSource) -> AsyncIterator[bytes]:
    """Yield the pack that ``packets`` carry on band 1, whatever comes before it."""
    begun = False
    async for packet in packets:
        if packet in {FLUSH, DELIMITER, END}:
            if begun:
                return
            continue
        band = packet[0]
        if band == _FATAL:
            _refuse(packet[1:], source)
        if band == _PACK:
            begun = True
            yield packet[1:]
        elif band != _PROGRESS:
            # Between the request and the pack: shallow-info, packfile, NAK, shallow ID.
            _check_error(packet, source)
    if not begun:
        raise errors.SourceUnavailable(f"{download.show(source.url)} sent no pack")


def _check_error(packet: bytes, source: build.GitSource) -> None:
    if packet.startswith(b"ERR "):
        _refuse(packet[4:], source)


def _refuse(said: bytes, source: build.GitSource) -> None:
    """Raise what the server said: most often that it does not have the commit."""
    text = ascii(said.decode(errors="replace").strip()[:200])
    raise errors.SourceError(
        f"{download.show(source.url)} does not give revision {source.revision!r}: it says {text}. Name a branch, a tag"
        " or a commit that a branch or tag leads to"
    )


# Packets


def make_packet(text: str) -> bytes:
    r"""Return ``text`` as a packet line: its length with the four digits that say so, in hex.

    >>> make_packet("done\n")
    b'0009done\n'
    """
    return f"{len(text.encode()) + 4:04x}{text}".encode()


async def _packets(answer: aiohttp.ClientResponse, most: int | None) -> AsyncIterator[bytes]:
    """Yield the packets of ``answer``: their contents, or ``FLUSH``, ``DELIMITER`` and ``END`` as they are.

    Raises:
        SourceError: they cannot be read, or are more than ``most`` bytes together.
        SourceUnavailable: the answer ends in the middle of one.
    """
    read = 0
    where = download.show(answer.url)
    try:
        while (head := await answer.content.read(1)) and (head := head + await answer.content.readexactly(3)):
            size = _parse_length(head, where)
            read += max(size, 4)
            if most is not None and read > most:
                raise errors.SourceError(f"{where} lists more than {limits.shown(most)} of references: use an archive")
            if size < 4:  # noqa: PLR2004  (a mark without content)
                yield head
            elif size > 4:  # noqa: PLR2004
                yield await answer.content.readexactly(size - 4)
    except EOFError as error:
        raise errors.SourceUnavailable(f"{where} broke off in the middle of its answer") from error


def _parse_length(head: bytes, where: str) -> int:
    try:
        return int(head, 16)
    except ValueError as error:
        raise errors.SourceError(f"{where} does not speak git's protocol: {head!a} is no packet's length") from error
