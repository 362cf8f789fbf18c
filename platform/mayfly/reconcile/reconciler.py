"""The sentence: observe, build, deploy, judge, report."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

from mayfly import errors
from mayfly.cluster import client, kinds, watch
from mayfly.model import build, function, names, status
from mayfly.reconcile import building, deployed, diagnose, observe, report, request, triggered, verdicts, waiting
from mayfly.resources import compare, owner, service

log = logging.getLogger(__name__)

LOOK_AGAIN_SECONDS = 5.0
"""How often a revision that is starting is looked at: its pods' Events and the clock wake nobody."""
REFUSED_SECONDS = 30.0
"""How often a Service that was refused is tried again: nothing tells us that a name or a right has come free."""
FIRST_WAIT_SECONDS = 0.5
"""How long the builder is waited for in place, so that a small change needs one exchange; longer waits go aside."""
BY_FUNCTION = "function"
"""Name of the index of Services and pods by their Function, ``namespace/name``."""


class Recorder(Protocol):
    """Whoever tells of Events; ``cluster.events.Recorder`` is one."""

    def record(self, obj: Mapping[str, Any], *, reason: str, message: str, warning: bool = False) -> None:
        """Note that ``reason`` happened to ``obj``."""
        ...


class Copies(NamedTuple):
    """Live copies of what is read at every turn; ``pods`` is indexed ``BY_FUNCTION``."""

    functions: watch.Cache
    services: watch.Cache
    ingresses: watch.Cache
    pods: watch.Cache


@dataclass(frozen=True, slots=True)
class Deployment:
    """What the deploy phase found or made: ``service`` is ``None`` when there is none, or none of ours."""

    service: observe.Object | None
    verdict: verdicts.Verdict | None = None


@dataclass
class Reconciler:
    """Bring one Function at a time to what its spec says.

    ``name`` is the value of the annotation ``mayfly.dev/controller`` on the Functions that are ours; ``takes_events``
    says whether the installation has the process that obeys triggers.
    """

    cluster: client.Cluster
    copies: Copies
    builder: building.Builder
    recorder: Recorder
    options: service.Options = field(default_factory=service.Options)
    name: str = ""
    takes_events: bool = True
    wake: Callable[[watch.Key], None] = lambda _key: None
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def __post_init__(self) -> None:
        self._waiters = waiting.Waiters(self.builder, self.wake)

    async def close(self) -> None:
        """Stop waiting for builds; the builder goes on with them."""
        await self._waiters.close()

    async def reconcile(self, key: watch.Key) -> float | None:
        """Take one Function one turn further; return the seconds after which to look again, ``None`` for never.

        Raises:
            ClusterError: the API server did not do what was asked; what is in its power to say is in the status.
        """
        seen = self._observe(key)
        if seen is None or seen.at_rest or seen.controller != self.name:
            self._waiters.drop(key)
            return None
        built = await self._build(key, seen)
        made = await self._deploy(seen, built.image)
        after, again = await self._judge(seen, built, made)
        await self._write(seen, after)
        return again

    # Observe

    def _observe(self, key: watch.Key) -> observe.Observation | None:
        found = self.copies.functions.get(key.namespace, key.name)
        if found is None:
            return None
        pods = self.copies.pods.by_index(BY_FUNCTION, f"{key.namespace}/{key.name}")
        service, ingress = (copy.get(*key) for copy in (self.copies.services, self.copies.ingresses))
        return observe.Observation(found, service, ingress, tuple(pods))

    # Build

    async def _build(self, key: watch.Key, seen: observe.Observation) -> building.Outcome:
        """Return where the build stands, asking the builder only when the status does not say it."""
        try:
            spec = seen.parse_spec()
            wanted = await self._make_request(seen, spec)
            now = self.clock()
            due = building.plan_look(seen.before, spec, now=now) == 0
            need = building.plan_build(seen.before, wanted, look_due=due)
            if wanted is None or need is building.Need.NOTHING:
                self._waiters.drop(key)
                return building.reuse_build(seen.before, spec.source)
            if need is building.Need.GIVE_UP:
                return building.repeat_failure(seen.before)
            wanted = await self._add_credentials(seen, wanted)
            answer = await self._waiters.ask(key, wanted, wait_seconds=FIRST_WAIT_SECONDS)
        except errors.ClusterError:
            raise
        except errors.MayflyError as error:
            return building.record_trouble(seen.before, error)
        record = building.record_look if need is building.Need.LOOK else building.record_build
        return record(seen.before, wanted, answer, now=now)

    async def _make_request(self, seen: observe.Observation, spec: function.FunctionSpec) -> build.BuildRequest | None:
        reference = spec.source.config_map
        config_map = None
        if reference is not None:
            try:
                config_map = await self.cluster.get(kinds.CONFIGMAP, seen.owned_by.namespace, reference.name)
            except errors.NotFound:
                log.debug("config map of a source is absent", extra={"function": seen.owned_by.name})
        look = building.mark_look(seen.before, seen.owned_by, seen.generation)
        return request.make_request(seen.owned_by, spec, config_map=config_map, rebuild=seen.rebuild, look=look)

    async def _add_credentials(self, seen: observe.Observation, wanted: build.BuildRequest) -> build.BuildRequest:
        """Return ``wanted`` with the login of the Secret that its source names in the Function's own namespace.

        Raises:
            SourceUnavailable: the Secret is absent, unreadable or holds no login; nothing tells us when that changes.
        """
        name, namespace = request.find_secret(wanted), seen.owned_by.namespace
        if name is None:
            return wanted
        try:
            secret = await self.cluster.get(kinds.SECRET, namespace, name)
        except errors.NotFound as error:
            raise errors.SourceUnavailable(
                f"Secret {namespace}/{name}, which spec.source names, does not exist; create it with the keys username"
                " and password, or header"
            ) from error
        except errors.Forbidden as error:
            raise errors.SourceUnavailable(
                f"Mayfly may not read Secret {namespace}/{name}, which spec.source names: the operator can set the"
                " chart's value builder.sourceSecrets, or let the controller get this Secret by a Role here"
            ) from error
        return wanted.model_copy(update={"credentials": request.read_credentials(f"{namespace}/{name}", secret)})

    # Deploy

    async def _deploy(self, seen: observe.Observation, image: str | None) -> Deployment:
        """Return the Knative Service as it should be, written only when the live one differs."""
        live = seen.service
        if live is not None and not owner.is_owned(live, seen.owned_by):
            return Deployment(None, verdicts.not_owned(seen.owned_by.name))
        if image is None:
            return Deployment(live)
        try:
            desired = service.make_service(seen.owned_by, seen.parse_spec(), image=image, options=self.options)
            if live is not None and compare.find_drift(live, desired) is None:
                return Deployment(live)
            return await self._apply(seen, desired)
        except (errors.SpecError, errors.Invalid, errors.Forbidden) as error:
            leaving = "because it is being terminated" in str(error)  # the namespace, and the Function with it
            return Deployment(live, None if leaving else verdicts.deploy_refused(error))
        except (errors.Unreachable, errors.Throttled) as error:
            return Deployment(live, verdicts.deploy_delayed(error))

    async def _apply(self, seen: observe.Observation, desired: Mapping[str, Any]) -> Deployment:
        """Apply ``desired`` over exactly the object that was seen.

        A Service that was not seen is never taken over: without force, its maker's fields are in conflict with ours.
        One that has changed meanwhile is refused too, so a controller that lost its lease cannot turn back time.
        """
        if seen.service is not None:
            return Deployment(await self._force(seen.service, desired))
        try:
            return Deployment(await self.cluster.apply(desired, manager=names.CONTROLLER, force=False))
        except errors.Conflict:
            # The copy holds only Services with our labels: look whose this one is.
            live = await self.cluster.get(kinds.KSERVICE, seen.owned_by.namespace, seen.owned_by.name)
            if not owner.is_owned(live, seen.owned_by):
                return Deployment(None, verdicts.not_owned(seen.owned_by.name))
            return Deployment(await self._force(live, desired))

    async def _force(self, live: observe.Object, desired: Mapping[str, Any]) -> observe.Object:
        metadata = desired["metadata"] | {"resourceVersion": live["metadata"]["resourceVersion"]}
        made = await self.cluster.apply({**desired, "metadata": metadata}, manager=names.CONTROLLER)
        remember(self.copies.services, made)
        return made

    # Judge

    async def _judge(
        self, seen: observe.Observation, built: building.Outcome, made: Deployment
    ) -> tuple[status.FunctionStatus, float | None]:
        """Return the status to be written and the seconds after which to look again."""
        now = self.clock()
        triggers = triggered.judge_triggered(_spec_or_none(seen), takes_events=self.takes_events)
        if made.service is None:
            waits = made.verdict or verdicts.awaiting_build()
            said = report.Verdicts(built.verdict, waits, verdicts.awaiting_revision(), triggers.verdict)
            after = report.describe_service(built.status, None, seen)
        else:
            told, routed, after = await self._judge_service(seen, built, made, now)
            said = report.Verdicts(built.verdict, told, routed, triggers.verdict)
        after = after.model_copy(update={"triggers": triggers.in_force})
        after = report.make_status(after, said, generation=seen.generation, now=now)
        planned = (self._plan_next(seen.before, after, said, now), _plan_look(seen, after, now))
        return after, min((seconds for seconds in planned if seconds is not None), default=None)

    async def _judge_service(
        self, seen: observe.Observation, built: building.Outcome, made: Deployment, now: datetime
    ) -> tuple[verdicts.Verdict, verdicts.Verdict, status.FunctionStatus]:
        """Return whether the newest revision is deployed, whether it is routed, and the status with what is seen."""
        live = made.service or {}
        # For the words of a diagnosis; an unreadable spec has been judged already.
        spec = _spec_or_none(seen) or function.FunctionSpec(source=function.Source())
        revision = await self._get_revision(seen, live, spec)
        after = report.describe_service(built.status, live, seen)
        after = report.describe_image(after, revision, provided=spec.source.image)
        pods = seen.pods_of((live.get("status") or {}).get("latestCreatedRevisionName") or "")
        context = diagnose.Context(spec, after.image or "", now, await self._get_events(seen, pods, now))
        judged = deployed.judge_deployed(live, revision, pods, context)
        routed = deployed.judge_routed(live, seen.ingress, service.make_exposure(spec))
        return made.verdict or judged, routed, after

    async def _get_revision(
        self, seen: observe.Observation, live: observe.Object, spec: function.FunctionSpec
    ) -> observe.Object | None:
        """Return the newest revision where its status matters, ``None`` elsewhere.

        It matters until the revision is ready, and for a ready image, whose digest only the revision knows.
        """
        name = deployed.find_newest(live)
        settled = name == (live.get("status") or {}).get("latestReadyRevisionName")
        known = seen.before.revision == name and "@sha256:" in (seen.before.image or "")
        if name is None or (settled and (spec.source.image is None or known)):
            return None
        try:
            return await self.cluster.get(kinds.REVISION, seen.owned_by.namespace, name)
        except errors.NotFound:
            return None

    async def _get_events(
        self, seen: observe.Observation, pods: tuple[observe.Object, ...], now: datetime
    ) -> tuple[str, ...]:
        """Return the messages of the warning Events of a pod that waits for its volumes, newest last."""
        stuck = next((pod for pod in pods if diagnose.awaits_mount(pod, now)), None)
        if stuck is None:
            return ()
        fields = f"involvedObject.uid={stuck['metadata']['uid']},type=Warning"
        found = await self.cluster.list(kinds.EVENT, seen.owned_by.namespace, fields=fields)
        found.sort(key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""))
        return tuple(str(event.get("message", "")) for event in found)

    def _plan_next(
        self, before: status.FunctionStatus, after: status.FunctionStatus, said: report.Verdicts, now: datetime
    ) -> float | None:
        for kind, verdict in ((status.ConditionType.BUILT, said.built), (status.ConditionType.DEPLOYED, said.deployed)):
            if verdict.passing:
                condition = before.get_condition(kind)
                same = condition is not None and condition.reason == verdict.reason
                return building.plan_pause(condition if same else None, now=now)
        if said.deployed.reason in {"NotOwned", errors.Forbidden.reason}:
            return REFUSED_SECONDS
        starting = after.url is not None and said.deployed.truth == "Unknown"
        return LOOK_AGAIN_SECONDS if starting else None

    # Report

    async def _write(self, seen: observe.Observation, after: status.FunctionStatus) -> None:
        """Write the status if it differs from what was seen, then tell of the changes."""
        if after.to_object() == (seen.manifest.get("status") or {}):
            return
        written = await self.cluster.apply_status(
            {
                "apiVersion": names.API_VERSION,
                "kind": names.KIND,
                "metadata": {
                    "namespace": seen.owned_by.namespace,
                    "name": seen.owned_by.name,
                    "resourceVersion": seen.resource_version,
                },
                "status": after.to_object(),
            },
            manager=names.CONTROLLER,
        )
        remember(self.copies.functions, written)
        for event in report.plan_events(seen.before, after):
            self.recorder.record(seen.manifest, reason=event.reason, message=event.message, warning=event.warning)


def remember(copy: watch.Cache, written: observe.Object) -> None:
    """Put what was written into ``copy``, so that the next turn does not decide on what was there before.

    The watch brings the same soon. An object that is not in the copy may just have been deleted: it stays out.
    """
    held = copy.get(*watch.key_of(written))
    if held is not None and watch.is_newer(
        written["metadata"]["resourceVersion"], held["metadata"].get("resourceVersion")
    ):
        copy.put(written)


def _plan_look(seen: observe.Observation, after: status.FunctionStatus, now: datetime) -> float | None:
    """Return the seconds until a branch is looked at again, somewhat spread; ``None`` also while a look is under way.

    Its end wakes the key.
    """
    spec = _spec_or_none(seen)
    seconds = building.plan_look(after, spec, now=now) if spec is not None else None
    return seconds * random.uniform(1.0, 1.1) if seconds else None  # noqa: S311  (jitter, not a secret)


def _spec_or_none(seen: observe.Observation) -> function.FunctionSpec | None:
    """Return the spec, ``None`` for one that breaks a rule."""
    try:
        spec: function.FunctionSpec = seen.parse_spec()
    except errors.SpecError:
        return None
    return spec
