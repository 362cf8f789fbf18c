"""The kinds of object that Mayfly reads or writes, and where the API server keeps them.

Pure. Paths follow https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-uris.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any
from urllib import parse

from mayfly.model import names


@dataclasses.dataclass(frozen=True, slots=True)
class Kind:
    """Name one collection of the API: ``group`` is ``""`` for the core group."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """Return what an object of this kind carries as ``apiVersion``."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, *, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """Return the URL path of a collection, an object or a subresource.

        ``namespace=None`` means the collection over all namespaces, or a kind that has none.

        >>> LEASE.path(namespace="shop", name="x")
        '/apis/coordination.k8s.io/v1/namespaces/shop/leases/x'
        """
        parts = ["apis", self.group, self.version] if self.group else ["api", self.version]
        if namespace is not None and self.namespaced:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        parts += [part for part in (name, subresource) if part is not None]
        return "/" + "/".join(parse.quote(part, safe="") for part in parts)


FUNCTION = Kind(names.GROUP, names.VERSION, names.PLURAL, names.KIND)

KSERVICE = Kind("serving.knative.dev", "v1", "services", "Service")
CONFIGURATION = Kind("serving.knative.dev", "v1", "configurations", "Configuration")
REVISION = Kind("serving.knative.dev", "v1", "revisions", "Revision")
ROUTE = Kind("serving.knative.dev", "v1", "routes", "Route")
DOMAIN_MAPPING = Kind("serving.knative.dev", "v1beta1", "domainmappings", "DomainMapping")
KINGRESS = Kind("networking.internal.knative.dev", "v1alpha1", "ingresses", "Ingress")
SERVERLESS_SERVICE = Kind("networking.internal.knative.dev", "v1alpha1", "serverlessservices", "ServerlessService")
CLUSTER_DOMAIN_CLAIM = Kind(
    "networking.internal.knative.dev", "v1alpha1", "clusterdomainclaims", "ClusterDomainClaim", namespaced=False
)

SERVICE = Kind("", "v1", "services", "Service")
POD = Kind("", "v1", "pods", "Pod")
SECRET = Kind("", "v1", "secrets", "Secret")
CONFIGMAP = Kind("", "v1", "configmaps", "ConfigMap")
NAMESPACE = Kind("", "v1", "namespaces", "Namespace", namespaced=False)
SERVICE_ACCOUNT = Kind("", "v1", "serviceaccounts", "ServiceAccount")
EVENT = Kind("", "v1", "events", "Event")
DEPLOYMENT = Kind("apps", "v1", "deployments", "Deployment")
ENDPOINTSLICE = Kind("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice")
LEASE = Kind("coordination.k8s.io", "v1", "leases", "Lease")
CRD = Kind("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False)
TOKEN_REVIEW = Kind("authentication.k8s.io", "v1", "tokenreviews", "TokenReview", namespaced=False)
SUBJECT_ACCESS_REVIEW = Kind(
    "authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview", namespaced=False
)

ALL = tuple(value for value in list(vars().values()) if isinstance(value, Kind))
_BY_NAME = {(kind.api_version, kind.kind): kind for kind in ALL}


def of(obj: Mapping[str, Any]) -> Kind:
    """Return the kind of ``obj`` by its ``apiVersion`` and ``kind``.

    Raises:
        LookupError: Mayfly does not write objects of this kind; add it to this module.
    """
    wanted = (obj.get("apiVersion"), obj.get("kind"))
    for name, kind in _BY_NAME.items():
        if name == wanted:
            return kind
    raise LookupError(f"no Kind for apiVersion {wanted[0]!r} and kind {wanted[1]!r}; add it to mayfly.cluster.kinds")
