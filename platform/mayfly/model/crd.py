"""The CustomResourceDefinition of a Function, generated from the model.

``python -m mayfly.model.crd`` prints it; ``make crd`` writes the committed copies and ``make crd-check`` proves that
they are current.
"""

from __future__ import annotations

import sys
from typing import Any

import yaml

from mayfly.model import function, names, schema, status

_NAME_RULES = [
    {
        "rule": f"self.metadata.name.size() <= {names.MAX_FUNCTION_NAME}",
        "message": f"metadata.name may have at most {names.MAX_FUNCTION_NAME} characters: Knative derives longer"
        " names from it that must fit into 63",
    },
    {
        "rule": "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
        "message": "metadata.name must be a DNS label that begins with a letter: lower-case letters, digits and '-'",
    },
]

_COLUMNS = [
    ("Ready", "string", ".status.conditions[?(@.type=='Ready')].status", 0),
    ("Reason", "string", ".status.conditions[?(@.type=='Ready')].reason", 0),
    ("URL", "string", ".status.url", 0),
    ("Revision", "string", ".status.revision", 0),
    ("Age", "date", ".metadata.creationTimestamp", 0),
    ("Triggers", "integer", ".status.triggers", 1),
    ("Runtime", "string", ".status.runtime", 1),
    ("Signature", "string", ".status.signature", 1),
    ("Image", "string", ".status.image", 1),
]


def make_crd() -> dict[str, Any]:
    """Return the CRD as an object ready to apply."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{names.PLURAL}.{names.GROUP}",
            "labels": {"app.kubernetes.io/part-of": "mayfly"},
            # Helm must never delete the CRD: every Function would go with it.
            "annotations": {"helm.sh/resource-policy": "keep"},
        },
        "spec": {
            "group": names.GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": names.KIND,
                "listKind": f"{names.KIND}List",
                "plural": names.PLURAL,
                "singular": "function",
                "shortNames": ["fn"],
                "categories": ["all", "mayfly", "knative"],
            },
            "versions": [_make_version()],
        },
    }


def _make_version() -> dict[str, Any]:
    return {
        "name": names.VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": _make_schema()},
        "subresources": {
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.scaling.min",
                "statusReplicasPath": ".status.replicas",
                "labelSelectorPath": ".status.selector",
            },
        },
        "additionalPrinterColumns": [
            {"name": name, "type": kind, "jsonPath": path} | ({"priority": priority} if priority else {})
            for name, kind, path, priority in _COLUMNS
        ],
    }


def _make_schema() -> dict[str, Any]:
    return {
        "type": "object",
        "description": "A Function is source code that Mayfly builds into an image, runs on Knative and serves through"
        " its gateway.",
        "required": ["spec"],
        "x-kubernetes-validations": _NAME_RULES,
        "properties": {
            "apiVersion": {"type": "string", "description": "Version of this schema, mayfly.dev/v1alpha1."},
            "kind": {"type": "string", "description": "Function."},
            "metadata": {"type": "object"},
            "spec": schema.make_structural(function.FunctionSpec),
            "status": schema.make_structural(status.FunctionStatus),
        },
    }


def render_crd() -> str:
    """Return the CRD as the YAML text that is committed."""
    header = "# Generated from platform/mayfly/model by `make crd`; edit the model, not this file.\n"
    return header + yaml.safe_dump(make_crd(), sort_keys=False, width=120, allow_unicode=True)


if __name__ == "__main__":
    sys.stdout.write(render_crd())
