"""The verbs of the Kubernetes API on plain dictionaries.

Server-side apply: https://kubernetes.io/docs/reference/using-api/server-side-apply/.
"""

from __future__ import annotations

import builtins
import contextlib
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, Self

import aiohttp

import mayfly
from mayfly import errors
from mayfly.cluster import access, answer, kinds, lines, proxied, transport, wire

Object = wire.Object
Objects = wire.Objects

APPLY = "application/apply-patch+yaml"
"""JSON is YAML, so every server version since 1.22 takes our JSON under this type."""
MERGE = "application/merge-patch+json"
PAGE = 500
"""Objects per page of a list, as client-go asks for."""
LIST_TRIES = 3
"""So often a list is begun whose continue token expired on the way; the server keeps one for minutes."""
WATCH_SECONDS = 300
"""How long the server is asked to keep a watch open."""
SILENCE_SECONDS = 90.0
"""A watch that says nothing for so long is dead: a living one sends a bookmark about once a minute."""


async def connect(
    *,
    kubeconfig: Path | str | None = None,
    context: str | None = None,
    user_agent: str = f"mayfly/{mayfly.__version__}",
) -> Cluster:
    """Return a connection; nothing is sent yet.

    Without ``kubeconfig`` the order is kubectl's: the files of ``$KUBECONFIG``, ``~/.kube/config``, then the pod's
    service account. ``context`` chooses one of the kubeconfig's contexts; ``None`` is its current one.

    Raises:
        errors.Unauthorized: there are no credentials, or they cannot be read.
    """
    credentials = await access.load(kubeconfig=kubeconfig, context=context)
    return Cluster(transport.Transport(credentials, user_agent=user_agent))


class Cluster:
    """One cluster as its API server shows it; use as ``async with await client.connect() as cluster``.

    Every method raises ``errors.ClusterError``: ``NotFound``, ``Conflict``, ``Forbidden``, ``Unauthorized``,
    ``Invalid``, ``Throttled`` or ``Unreachable``, with the server's own text.
    """

    def __init__(self, sender: transport.Transport, *, may_write: Callable[[], bool] | None = None) -> None:
        self._sender = sender
        self._may_write = may_write

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection; open watches and streams end."""
        await self._sender.close()

    @property
    def host(self) -> str:
        """Return the API server's base URL."""
        return self._sender.access.host

    @property
    def default_namespace(self) -> str:
        """Return the namespace of the kubeconfig's context or of the pod; ``default`` when neither says one."""
        return self._sender.access.namespace

    def fenced(self, may_write: Callable[[], bool]) -> Cluster:
        """Return a view of this cluster whose writes first ask ``may_write``, such as ``LeaderElection.is_leader``.

        The question is put right before the bytes leave, so that a process that was frozen and thaws after its lease
        ran out writes nothing more. A refused write raises ``errors.Conflict``.
        """
        return Cluster(self._sender, may_write=may_write)

    # Reading

    async def get(self, kind: kinds.Kind, namespace: str | None, name: str) -> Object:
        """Return one object; ``namespace`` is ``None`` for kinds that have none."""
        found: Object = await self._sender.call("GET", kind.path(namespace=namespace, name=name))
        return found

    async def list(
        self, kind: kinds.Kind, namespace: str | None = None, labels: str | None = None, *, fields: str | None = None
    ) -> Objects:
        """Return the objects of a namespace, or of all when ``None``, each with its ``apiVersion`` and ``kind``.

        ``labels`` and ``fields`` are selectors as kubectl takes them: ``mayfly.dev/function=x``, ``metadata.name=x``.
        """
        for _ in range(LIST_TRIES - 1):
            with contextlib.suppress(answer.Expired):
                return await self._list(kind, namespace, labels, fields)
        return await self._list(kind, namespace, labels, fields)

    async def _list(self, kind: kinds.Kind, namespace: str | None, labels: str | None, fields: str | None) -> Objects:
        return [item async for page in self.pages(kind, namespace, labels, fields=fields) for item in page.items]

    async def pages(
        self,
        kind: kinds.Kind,
        namespace: str | None = None,
        labels: str | None = None,
        *,
        fields: str | None = None,
        limit: int = PAGE,
    ) -> AsyncGenerator[wire.Page, None]:
        """Give a list page by page, all pages of one moment.

        Raises:
            answer.Expired: the list took so long that the server forgot its moment; start anew.
        """
        query = {"limit": str(limit), **wire.selectors(labels, fields)}
        while True:
            document = await self._sender.call("GET", kind.path(namespace=namespace), query=query)
            items: Objects = document.get("items") or []
            for item in items:
                item.setdefault("apiVersion", kind.api_version)
                item.setdefault("kind", kind.kind)
            metadata = document.get("metadata") or {}
            yield wire.Page(items, metadata.get("resourceVersion", ""))
            if not metadata.get("continue"):
                return
            query["continue"] = metadata["continue"]

    async def watch(
        self,
        kind: kinds.Kind,
        namespace: str | None = None,
        labels: str | None = None,
        *,
        fields: str | None = None,
        resource_version: str | None = None,
        seconds: float = WATCH_SECONDS,
        silence_seconds: float = SILENCE_SECONDS,
    ) -> AsyncGenerator[wire.Change, None]:
        """Give what changes after ``resource_version``, until the server ends the watch after ``seconds``.

        ``None`` starts with an ADDED for every object that exists. One watch only: resuming and listing again is
        ``watch.Cache``'s work. Close the iterator (``contextlib.aclosing``) to hang up early.

        Raises:
            answer.Expired: ``resource_version`` is too old; list again.
            errors.Unreachable: the connection broke, or was silent for ``silence_seconds``.
        """
        query = wire.watch_query(seconds, resource_version) | wire.selectors(labels, fields)
        timeout = aiohttp.ClientTimeout(
            total=seconds + transport.REQUEST_SECONDS,
            sock_connect=transport.CONNECT_SECONDS,
            sock_read=silence_seconds,
        )
        path = kind.path(namespace=namespace)
        async with self._sender.open("GET", path, query=query, timeout=timeout) as response:
            with self._sender.translated():
                async for line in lines.split(response.content.iter_any()):
                    yield wire.parse_change(line)

    async def logs(
        self,
        namespace: str,
        pod: str,
        container: str | None = None,
        *,
        follow: bool = False,
        tail: int | None = None,
        since_seconds: int | None = None,
        previous: bool = False,
        timestamps: bool = False,
    ) -> AsyncGenerator[str, None]:
        """Give a container's log line by line, without line ends; with ``follow`` until the container ends.

        ``tail`` keeps the last lines only, ``previous`` reads the container that ran before the last restart,
        ``timestamps`` puts the RFC 3339 time before each line. ``container=None`` is right for a pod with one.
        """
        query = {
            "container": container,
            "follow": "true" if follow else None,
            "tailLines": None if tail is None else str(tail),
            "sinceSeconds": None if since_seconds is None else str(since_seconds),
            "previous": "true" if previous else None,
            "timestamps": "true" if timestamps else None,
        }
        path = kinds.POD.path(namespace=namespace, name=pod, subresource="log")
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=transport.CONNECT_SECONDS)
        async with self._sender.open("GET", path, query=wire.drop_absent(query), timeout=timeout) as response:
            with self._sender.translated():
                async for line in lines.split(response.content.iter_any()):
                    yield line.decode(errors="replace")

    # Writing

    async def create(self, obj: Mapping[str, Any], *, manager: str | None = None, dry_run: bool = False) -> Object:
        """Create ``obj`` and return it as stored; ``metadata.generateName`` works too.

        Raises:
            errors.Conflict: an object of that name exists.
        """
        kind = kinds.of(obj)
        return await self._write(
            "POST",
            kind.path(namespace=wire.namespace_of(obj)),
            obj,
            query=wire.write_query(manager=manager, dry_run=dry_run),
        )

    async def apply(
        self,
        obj: Mapping[str, Any],
        *,
        manager: str,
        force: bool = True,
        dry_run: bool = False,
        validation: wire.Validation = "Strict",
    ) -> Object:
        """Make the fields of ``obj`` so, creating it if needed, and return the whole object (server-side apply).

        ``manager`` owns those fields from now on; what it applied before and leaves out now is removed. ``force``
        takes fields from other managers, which is right for a controller. ``validation="Strict"`` refuses unknown
        fields instead of dropping them.

        Raises:
            errors.Conflict: another manager owns a field and ``force`` is false.
        """
        return await self._apply(obj, None, manager=manager, force=force, dry_run=dry_run, validation=validation)

    async def apply_status(
        self, obj: Mapping[str, Any], *, manager: str, force: bool = True, dry_run: bool = False
    ) -> Object:
        """Make ``obj["status"]`` so through the status subresource; every other field but the identity is left out.

        A ``metadata.resourceVersion`` in ``obj`` is kept: the write is then refused if the object changed meanwhile.
        """
        return await self._apply(
            wire.make_status(obj), "status", manager=manager, force=force, dry_run=dry_run, validation="Strict"
        )

    async def patch(
        self,
        kind: kinds.Kind,
        namespace: str | None,
        name: str,
        body: Mapping[str, Any],
        *,
        manager: str | None = None,
        subresource: str | None = None,
    ) -> Object:
        """Merge ``body`` into an object (RFC 7396: ``None`` removes) and return it.

        With ``metadata.resourceVersion`` in ``body`` the write is refused as a ``Conflict`` if the object changed.
        """
        path = kind.path(namespace=namespace, name=name, subresource=subresource)
        query = wire.write_query(manager=manager)
        return await self._write("PATCH", path, body, query=query, content_type=MERGE)

    async def replace(self, obj: Mapping[str, Any], *, manager: str | None = None) -> Object:
        """Put ``obj`` in place of the stored one; its ``metadata.resourceVersion`` must be the stored one's."""
        kind = kinds.of(obj)
        path = kind.path(namespace=wire.namespace_of(obj), name=obj["metadata"]["name"])
        return await self._write("PUT", path, obj, query=wire.write_query(manager=manager))

    async def delete(
        self,
        kind: kinds.Kind,
        namespace: str | None,
        name: str,
        *,
        propagation: wire.Propagation = "Background",
        uid: str | None = None,
        resource_version: str | None = None,
    ) -> None:
        """Delete an object; its dependents follow by ``propagation``.

        ``uid`` and ``resource_version`` say which one is meant: another is not touched, and ``Conflict`` is raised.
        """
        body = wire.make_delete_options(propagation, uid=uid, resource_version=resource_version)
        await self._write("DELETE", kind.path(namespace=namespace, name=name), body)

    async def post(self, path: str, body: Mapping[str, Any]) -> Object:
        """Post ``body`` to a path of the API server and return its answer: reviews, subresources."""
        return await self._write("POST", path, body)

    # Who and where

    async def server_version(self) -> str:
        """Return the API server's version, such as ``v1.34.4``."""
        document = await self._sender.call("GET", "/version")
        return str(document["gitVersion"])

    async def whoami(self) -> Object:
        """Return the ``userInfo`` that the API server sees: ``username``, ``uid``, ``groups``, ``extra``."""
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        document = await self._sender.call("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", body=review)
        found: Object = document["status"]["userInfo"]
        return found

    async def bearer_token(self) -> str | None:
        """Return the token of these credentials; ``None`` when a client certificate or a password is the proof."""
        authorization = await self._sender.access.authorization()
        scheme, _, token = (authorization or "").partition(" ")
        return token if scheme.lower() == "bearer" else None

    async def create_token(
        self,
        namespace: str,
        service_account: str,
        *,
        audiences: builtins.list[str] | None = None,
        expiry_seconds: int = 3600,
    ) -> str:
        """Return a new token of a service account (TokenRequest); no ``audiences`` means the API server's own.

        The API server gives at least 600 seconds and may give less than asked.
        """
        path = kinds.SERVICE_ACCOUNT.path(namespace=namespace, name=service_account, subresource="token")
        document = await self._write("POST", path, wire.make_token_request(audiences, expiry_seconds))
        return str(document["status"]["token"])

    @contextlib.asynccontextmanager
    async def service_proxy(
        self,
        namespace: str,
        service: str,
        port: int | str,
        method: str = "GET",
        path: str = "/",
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | AsyncIterable[bytes] | None = None,
        timeout_seconds: float | None = None,
    ) -> AsyncIterator[proxied.Answer]:
        """Call a Service through the API server and give its answer, whatever its status; bodies stream both ways.

        ``path`` may carry a query. The API server takes ``Authorization`` for itself and removes it, so a
        credential meant for the service needs another header. ``timeout_seconds`` bounds the whole exchange.

        Raises:
            errors.Unreachable: neither the API server nor, through it, the service answered.
        """
        base = kinds.SERVICE.path(namespace=namespace, name=f"{service}:{port}", subresource="proxy")
        timeout = aiohttp.ClientTimeout(total=timeout_seconds, sock_connect=transport.CONNECT_SECONDS)
        target = f"{base}/{path.lstrip('/')}"
        async with self._sender.open(
            method, target, headers=headers, data=body, timeout=timeout, refuse=False
        ) as response:
            yield proxied.Answer(response, self._sender)

    async def _apply(
        self,
        obj: Mapping[str, Any],
        subresource: str | None,
        *,
        manager: str,
        force: bool,
        dry_run: bool,
        validation: wire.Validation,
    ) -> Object:
        kind = kinds.of(obj)
        path = kind.path(namespace=wire.namespace_of(obj), name=obj["metadata"]["name"], subresource=subresource)
        query = wire.write_query(manager=manager, dry_run=dry_run)
        query |= {"force": str(force).lower(), "fieldValidation": validation}
        return await self._write("PATCH", path, obj, query=query, content_type=APPLY)

    async def _write(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any],
        *,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Object:
        def guard() -> None:
            if self._may_write is not None and not self._may_write():
                raise errors.Conflict(f"{method} {path} was not sent: this process does not hold the lease any more")

        result: Object = await self._sender.call(
            method, path, query=query, body=body, content_type=content_type, guard=guard
        )
        return result
