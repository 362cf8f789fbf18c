"""Create, read, update and delete Functions.

Objects pass through as Kubernetes has them; only ``metadata.managedFields`` is left out. Every write is checked by the
API server with ``fieldValidation=Strict``, so an unknown field is an error and not lost.
"""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response

from mayfly import errors
from mayfly.api import access, documents, edges, intake, problem
from mayfly.cluster import kinds
from mayfly.model import names

MANAGER = "mayfly-api"
"""Field manager of writes whose caller names none."""
DNS_LABEL = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"

router = APIRouter(prefix="/v1/namespaces/{namespace}/functions", tags=["functions"])

Namespace = Annotated[str, Path(description="Namespace.", max_length=63, pattern=DNS_LABEL)]
Name = Annotated[str, Path(description="Name of the Function.", max_length=names.MAX_FUNCTION_NAME, pattern=DNS_LABEL)]
Manager = Annotated[
    str, Query(alias="fieldManager", description="Who owns the fields written.", min_length=1, max_length=128)
]
DryRun = Annotated[bool, Query(alias="dryRun", description="Check everything, store nothing.")]
IfMatch = Annotated[str | None, Header(alias="If-Match", description="ETag of the version that is meant.")]

_FUNCTION_BODY = documents.body_of(
    {"application/json": {"$ref": "#/components/schemas/FunctionObject"}}, "The Function."
)
_ONE: dict[str, Any] = {"model": documents.FunctionObject, "description": "The Function; ETag is its resourceVersion."}


def _may(verb: str) -> Any:
    return Depends(access.Permission(verb))


@router.get(
    "",
    dependencies=[_may("list")],
    summary="List the Functions of a namespace",
    responses=documents.answers({200: {"model": documents.FunctionList, "description": "One page."}}, 410),
)
async def list_functions(
    request: Request,
    namespace: Namespace,
    limit: Annotated[int, Query(description="Functions on one page.", ge=1, le=500)] = 100,
    token: Annotated[str | None, Query(alias="continue", description="Token of the page before.")] = None,
    labels: Annotated[
        str | None, Query(alias="labelSelector", description="Label selector, as kubectl has it.")
    ] = None,
) -> Response:
    """Return one page; ``metadata.continue`` is the token for the next, absent on the last."""
    page = await edges.of(request).list_page(namespace=namespace, limit=limit, token=token, labels=labels)
    metadata = {field: value for field, value in page["metadata"].items() if field in {"resourceVersion", "continue"}}
    items = [_shorten(item) for item in page.get("items") or []]
    document = {
        "apiVersion": names.API_VERSION,
        "kind": f"{names.KIND}List",
        "metadata": {field: value for field, value in metadata.items() if value},
        "items": [{"apiVersion": names.API_VERSION, "kind": names.KIND, **item} for item in items],
    }
    return _answer(document)


@router.post(
    "",
    dependencies=[_may("create")],
    status_code=201,
    summary="Create a Function",
    responses=documents.answers({201: _ONE}, 409, 413, 415, 422),
    openapi_extra=_FUNCTION_BODY,
)
async def create_function(
    request: Request, namespace: Namespace, manager: Manager = MANAGER, dry_run: DryRun = False
) -> Response:
    """Store a new Function; 409 when the name is taken."""
    obj = check_object(await intake.read_json(request), namespace=namespace, name=None)
    made = await edges.of(request).create(obj, namespace=namespace, manager=manager, dry_run=dry_run)
    return _answer_one(made, status=201)


@router.get(
    "/{name}",
    dependencies=[_may("get")],
    summary="Read a Function",
    responses=documents.answers({200: _ONE, 304: {"description": "It is still the version of If-None-Match."}}, 404),
)
async def read_function(
    request: Request,
    namespace: Namespace,
    name: Name,
    known: Annotated[str | None, Header(alias="If-None-Match", description="ETag that the caller has.")] = None,
) -> Response:
    """Return one Function with its status."""
    found = await edges.of(request).cluster.get(kinds.FUNCTION, namespace, name)
    if known is not None and parse_etag(known) == found["metadata"]["resourceVersion"]:
        return Response(status_code=304, headers={"ETag": make_etag(found)})
    return _answer_one(found)


@router.put(
    "/{name}",
    dependencies=[_may("create"), _may("patch")],
    summary="Create a Function or make it so",
    responses=documents.answers({200: _ONE}, 409, 412, 413, 415, 422),
    openapi_extra=_FUNCTION_BODY,
)
async def apply_function(
    *,
    request: Request,
    namespace: Namespace,
    name: Name,
    manager: Manager = MANAGER,
    force: Annotated[bool, Query(description="Take fields over from other field managers.")] = False,
    dry_run: DryRun = False,
    if_match: IfMatch = None,
) -> Response:
    """Apply the Function (server-side apply): the fields sent become so, those this manager sent before and now
    leaves out are removed, fields of other managers stay. 409 names the managers in the way; ``force=true`` takes over.
    """  # noqa: D205
    obj = check_object(await intake.read_json(request), namespace=namespace, name=name)
    if if_match is not None and (version := parse_etag(if_match)) is not None:
        obj["metadata"]["resourceVersion"] = version
    try:
        made = await edges.of(request).cluster.apply(obj, manager=manager, force=force, dry_run=dry_run)
    except errors.Conflict as error:
        _raise_changed(error, if_match)
        raise
    return _answer_one(made)


@router.delete(
    "/{name}",
    dependencies=[_may("delete")],
    status_code=204,
    response_class=Response,
    summary="Delete a Function",
    responses=documents.answers({204: {"description": "It goes."}}, 404, 412),
)
async def delete_function(request: Request, namespace: Namespace, name: Name, if_match: IfMatch = None) -> None:
    """Delete a Function and all that was made for it."""
    version = parse_etag(if_match) if if_match is not None else None
    try:
        await edges.of(request).cluster.delete(kinds.FUNCTION, namespace, name, resource_version=version)
    except errors.Conflict as error:
        _raise_changed(error, if_match)
        raise


def check_object(document: dict[str, Any], *, namespace: str, name: str | None) -> dict[str, Any]:
    """Return ``document`` as it is sent on: of the right kind, in ``namespace``, without what only the server sets.

    Raises:
        problem.Refused: it is of another kind, or its metadata contradicts the path.
    """
    for field, wanted in {"apiVersion": names.API_VERSION, "kind": names.KIND}.items():
        if document.get(field) != wanted:
            raise problem.Refused(
                f"{field} is {document.get(field)!r}; send {wanted!r}", status=422, reason="InvalidSpec"
            )
    metadata = document.get("metadata", {} if name else None)
    if not isinstance(metadata, dict):
        raise problem.Refused("metadata is missing; send at least metadata.name", status=422, reason="InvalidSpec")
    for field, said in {"namespace": namespace, "name": name}.items():
        if said is not None and metadata.get(field, said) != said:
            raise problem.Refused(f"metadata.{field} is {metadata[field]!r}, the path says {said!r}; make them equal")
    if name is None and not isinstance(metadata.get("name"), str):
        raise problem.Refused("metadata.name is missing; send a DNS label", status=422, reason="InvalidSpec")
    kept = {field: value for field, value in metadata.items() if field not in {"managedFields", "uid"}}
    kept |= {"namespace": namespace} | ({"name": name} if name else {})
    return {field: value for field, value in document.items() if field != "status"} | {"metadata": kept}


def make_etag(obj: dict[str, Any]) -> str:
    """Return the ETag of an object: its resourceVersion (https://www.rfc-editor.org/rfc/rfc9110#field.etag)."""
    return f'"{obj["metadata"]["resourceVersion"]}"'


def parse_etag(text: str) -> str | None:
    """Return the resourceVersion in an If-Match or If-None-Match header; ``None`` for ``*``.

    Raises:
        problem.Refused: the header is not one quoted tag.
    """
    tag = text.strip().removeprefix("W/")
    if tag == "*":
        return None
    if len(tag) < 3 or tag[0] != '"' or tag[-1] != '"' or not tag[1:-1].isalnum():  # noqa: PLR2004
        raise problem.Refused(f'If-Match {text!r}: send one ETag in quotes as Mayfly gave it, such as "4711"')
    return tag[1:-1]


def _raise_changed(error: errors.Conflict, if_match: str | None) -> None:
    """Raise 412 when the conflict is over the version that the caller named."""
    if if_match is not None and "conflict with" not in str(error):
        raise problem.Refused(
            f"the Function is not the version {if_match} any more; read it again: {error}", status=412
        ) from error


def _shorten(obj: dict[str, Any]) -> dict[str, Any]:
    obj["metadata"].pop("managedFields", None)
    return obj


def _answer_one(obj: dict[str, Any], *, status: int = 200) -> Response:
    """Answer with one object; what a dry run made has no version yet, and so no ETag."""
    headers = {"ETag": make_etag(obj)} if "resourceVersion" in obj["metadata"] else None
    return _answer(_shorten(obj), status=status, headers=headers)


def _answer(document: dict[str, Any], *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    body = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return Response(body, status, {"Cache-Control": "no-store", **(headers or {})}, "application/json")
