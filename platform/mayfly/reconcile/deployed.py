"""Verdicts on a Knative Service: is the newest revision deployed, is it routed? Pure."""

from __future__ import annotations

from typing import Any

from mayfly.model import exposure, names
from mayfly.reconcile import diagnose, observe, verdicts


def find_newest(service: observe.Object) -> str | None:
    """Return the name of the newest revision, ``None`` while ``service`` does not speak of its present spec."""
    told = service.get("status") or {}
    return told.get("latestCreatedRevisionName") if observe.is_current(service) else None


def judge_deployed(
    service: observe.Object,
    revision: observe.Object | None,
    pods: tuple[observe.Object, ...],
    context: diagnose.Context,
) -> verdicts.Verdict:
    """Return whether the newest revision's instances start; ``pods`` are those of that revision."""
    told = service.get("status") or {}
    newest, ready = told.get("latestCreatedRevisionName"), told.get("latestReadyRevisionName")
    configured = observe.find_condition(service, "ConfigurationsReady")
    if not observe.is_current(service):
        return verdicts.deploying("Knative has not yet taken up the newest spec")
    trouble = diagnose.diagnose_pods(pods, context)
    if configured.get("status") == "True" and newest and newest == ready:
        # It has served; an instance that only takes long to wake is no news.
        return trouble if trouble is not None and trouble.truth == "False" else verdicts.deployed(newest)
    if trouble is not None:
        return verdicts.still_serving(trouble, ready if ready != newest else None)
    if failed := diagnose.diagnose_revision(revision, context):
        return verdicts.still_serving(failed, ready if ready != newest else None)
    # What the Service says of a revision is older than what the revision says of itself: a pod that waited for room and
    # found it is no failure.
    if configured.get("status") == "False" and revision is None:
        failed = diagnose.explain_failure(configured.get("reason", ""), configured.get("message", ""), context)
        return verdicts.still_serving(failed, ready if ready != newest else None)
    return verdicts.deploying(f"revision {newest} is starting" if newest else "the first revision is being made")


def judge_routed(
    service: observe.Object, ingress: observe.Object | None, exposed: exposure.Exposure
) -> verdicts.Verdict:
    """Return whether the gateway serves the newest revision that is ready, the way ``spec.http`` asks for."""
    told = service.get("status") or {}
    routes = observe.find_condition(service, "RoutesReady")
    if not observe.is_current(service):
        return verdicts.routing("Knative has not yet taken up the newest spec")
    if routes.get("status") == "True":
        return _judge_exposed(ingress, exposed) or verdicts.routed(told.get("url", ""))
    if routes.get("reason") == "IngressNotConfigured":
        annotations = service["metadata"].get("annotations") or {}
        return verdicts.no_gateway(annotations.get(names.INGRESS_CLASS_ANNOTATION, ""))
    if routes.get("reason") in {"RevisionMissing", None} or not told.get("latestReadyRevisionName"):
        return verdicts.awaiting_revision()
    if routes.get("status") == "False":
        return verdicts.Verdict("False", routes.get("reason", "RouteFailed"), routes.get("message", ""))
    return verdicts.Verdict("Unknown", routes.get("reason") or "Routing", routes.get("message", ""))


def _judge_exposed(ingress: observe.Object | None, exposed: exposure.Exposure) -> verdicts.Verdict | None:
    """Return what is wrong with the exposure, ``None`` when the gateway serves it."""
    if exposed.is_plain:
        return None
    annotations = ((ingress or {}).get("status") or {}).get("annotations") or {}
    served = exposure.parse_served(annotations.get(exposure.SERVED_ANNOTATION))
    if served is None or served.version != exposure.version_of(exposed.to_json()):
        return verdicts.routing("the gateway has not yet taken up spec.http")
    if served.reason == exposure.PROGRAMMING:
        return verdicts.routing(served.message)
    return verdicts.Verdict("False", served.reason, served.message) if served.reason else None


def find_digest(revision: observe.Object | None) -> str | None:
    """Return the image by digest as Knative resolved it, ``None`` when it has not or was told not to."""
    containers: list[dict[str, Any]] = ((revision or {}).get("status") or {}).get("containerStatuses") or []
    return next((str(status["imageDigest"]) for status in containers if status.get("imageDigest")), None)
