"""What the interface's description (OpenAPI) says about the objects that go over it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import pydantic
from pydantic import Field

from mayfly.api import problem
from mayfly.model import function, names
from mayfly.model import status as states


class Metadata(pydantic.BaseModel):
    """Kubernetes object metadata; fields that are not named here pass through."""

    model_config = pydantic.ConfigDict(extra="allow")

    name: str = Field(description="Name, a DNS label of at most 52 characters.", max_length=names.MAX_FUNCTION_NAME)
    namespace: str | None = Field(None, description="Namespace; the one of the path when absent.")
    labels: dict[str, str] | None = Field(None, description="Labels.")
    annotations: dict[str, str] | None = Field(None, description="Annotations.")
    resourceVersion: str | None = Field(None, description="Version of the stored object; also its ETag.")  # noqa: N815


class FunctionObject(pydantic.BaseModel):
    """A Function, as kubectl shows it."""

    apiVersion: Literal["mayfly.dev/v1alpha1"] = Field(description="Version of the schema.")  # noqa: N815
    kind: Literal["Function"] = Field(description="Function.")
    metadata: Metadata = Field(description="Name, labels and so on.")
    spec: function.FunctionSpec = Field(description="What the Function is to be.")
    status: states.FunctionStatus | None = Field(None, description="What it is at the moment; ignored when sent.")


class ListMetadata(pydantic.BaseModel):
    """Where a list stands."""

    resourceVersion: str = Field(description="Moment of the list; every page of a list has the same.")  # noqa: N815
    continue_: str | None = Field(
        None, alias="continue", description="Token for the next page; absent on the last one."
    )


class FunctionList(pydantic.BaseModel):
    """One page of Functions."""

    apiVersion: Literal["mayfly.dev/v1alpha1"] = Field(description="Version of the schema.")  # noqa: N815
    kind: Literal["FunctionList"] = Field(description="FunctionList.")
    metadata: ListMetadata = Field(description="Where the list stands.")
    items: list[FunctionObject] = Field(description="The Functions, by name.")


class Upload(pydantic.BaseModel):
    """A stored source archive."""

    ref: str = Field(description="Reference for spec.source.oci.ref: HOST/REPOSITORY@sha256:DIGEST.")
    digest: str = Field(description="SHA-256 of the archive, as sha256:HEX.")
    size: int = Field(description="Size of the archive in bytes.")


PROBLEM: dict[str, Any] = {
    "model": problem.Problem,
    "content": {problem.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}

_SAYS = {
    400: "The request breaks a rule of this interface.",
    401: "No bearer token, or one that the cluster does not accept.",
    403: "The caller may not do this in this namespace.",
    404: "There is no such Function.",
    408: "The body stopped coming.",
    409: "It exists already, or another field manager owns a field.",
    410: "The continue token is too old; list anew.",
    412: "The Function changed since the version named in If-Match.",
    413: "The body is too large.",
    415: "The content type is not one of those accepted.",
    422: "Admission refused the Function.",
    429: "Too much waits in this namespace; Retry-After says when to try again.",
    502: "The registry or the API server gave a wrong answer.",
    503: "The API server or the registry cannot be reached, so nothing was done.",
}


Answers = dict[int | str, dict[str, Any]]


def answers(success: Answers, *statuses: int, says: Mapping[int, str] | None = None) -> Answers:
    """Return the description of a route's answers; every route can also say 400, 401, 403 and 503.

    ``says`` has the words for statuses that mean something of their own there.
    """
    words = _SAYS | dict(says or {})
    refusals: Answers = {
        status: {"description": words[status], "content": PROBLEM["content"]}
        for status in sorted({400, 401, 403, 503, *statuses})
    }
    return success | refusals


def body_of(media_types: dict[str, dict[str, Any]], description: str) -> dict[str, Any]:
    """Return the ``openapi_extra`` of a route that reads its body itself."""
    content = {media: {"schema": schema} for media, schema in media_types.items()}
    return {"requestBody": {"required": True, "description": description, "content": content}}
