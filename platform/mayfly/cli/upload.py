"""Send a source archive to Mayfly's REST API."""

from __future__ import annotations

from mayfly.cli import pack, rest, session


async def upload(current: session.Session, *, name: str, archive: pack.Archive, door: rest.Door) -> str:
    """Store ``archive`` as the source of the function ``name`` and return its reference for ``spec.source.oci.ref``.

    Raises:
        errors.MayflyError: the API cannot be reached, or refuses; the text says why and what to do.
    """
    api = rest.Api(current, door)
    headers = {"Content-Type": "application/gzip"}
    reply = await api.ask("POST", f"/functions/{name}/source", headers=headers, body=archive.data)
    return str(reply.document["ref"])
