"""The local cluster: upstream programs as processes of one node, without a container engine."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable

from cluster import (
    base_image,
    cgroups,
    containerd,
    control_plane,
    daemons,
    dns,
    environment,
    errors,
    images,
    knative,
    kubelet,
    layout,
    node,
    packages,
    pause,
    pki,
    processes,
    programs,
    registry,
    small_images,
    steps,
)

GRACE_SECONDS = 8.0
_PODS_FIRST = ("kubelet", "kube-controller-manager", "kube-scheduler")


def refuse_unfit() -> None:
    """Raise errors.ClusterError unless this can work here: root, on Linux on amd64."""
    if os.geteuid() != 0:
        raise errors.ClusterError("The local cluster makes namespaces and mounts: run it as root (sudo).")
    if os.uname().sysname != "Linux" or os.uname().machine != "x86_64":
        raise errors.ClusterError(
            f"The local cluster runs on Linux on x86_64, not on {os.uname().sysname} on {os.uname().machine}: "
            "use kind (MAYFLY_CLUSTER=kind), or give a cluster by KUBECONFIG and REGISTRY."
        )


def make_steps(places: layout.Layout) -> list[steps.Step]:
    """Return the way up. The needs are stated step by step, so that builds, images and daemons overlap."""
    return [*_make_builds(places), *_make_node(places), *_make_knative(places), _make_output(places)]


def _make_builds(places: layout.Layout) -> list[steps.Step]:
    """Build what the cache lacks: the small sets first, Kubernetes beside the images."""
    return [
        steps.Step(
            "install Debian packages",
            run=lambda: packages.install(places),
            done=lambda: not packages.find_missing(),
            after=(),
        ),
        _build(places, "tools", after=()),
        _build(places, "kubernetes", after=("build tools",)),
        _build(places, "etcd", after=("build tools",)),
        steps.Step(
            "build pause",
            run=lambda: pause.build(places),
            done=lambda: pause.program(places).exists(),
            after=("install Debian packages",),
        ),
        _image(places, "pause", small_images.pause_directory, small_images.make_pause, after=("build pause",)),
        _image(
            places,
            "static",
            small_images.static_directory,
            small_images.make_static,
            after=("install Debian packages",),
        ),
        _image(
            places,
            "base-python",
            base_image.directory,
            base_image.make,
            after=("install Debian packages", "make image static"),
        ),
    ]


def _make_node(places: layout.Layout) -> list[steps.Step]:
    """Start the node and its daemons."""
    kubernetes = ("make certificates", "start etcd")
    ready = ("start kube-apiserver", "grant rights")
    return [
        steps.Step(
            "start node",
            run=lambda: node.start(places),
            done=lambda: node.is_up(places),
            after=("build pause",),
        ),
        daemons.step(places, registry.make_daemon(places), after=("start node",)),
        _push(
            places,
            "base images",
            after=("start registry", "build tools", "make image pause", "make image static"),
        ),
        daemons.step(places, containerd.make_daemon(places), after=("start node",)),
        steps.Step(
            "make certificates",
            run=lambda: pki.make(places),
            done=lambda: places.pki.is_dir(),
            after=("build kubernetes",),
        ),
        daemons.step(places, control_plane.make_etcd(places), after=("start node", "build etcd")),
        daemons.step(places, control_plane.make_api_server(places), after=kubernetes),
        _stamped(places, "grant rights", lambda: pki.grant(places), after=("start kube-apiserver",)),
        daemons.step(places, control_plane.make_controller_manager(places), after=ready),
        daemons.step(places, control_plane.make_scheduler(places), after=ready),
        daemons.step(places, dns.make_daemon(places), after=ready),
        daemons.step(places, kubelet.make_proxy(places), after=ready),
        daemons.step(
            places,
            kubelet.make_kubelet(places),
            after=(*ready, "start containerd", "push base images"),
        ),
    ]


def _make_knative(places: layout.Layout) -> list[steps.Step]:
    """Install Knative Serving."""
    images_ready = ("build Knative", "push Knative images")
    return [
        steps.Step(
            "build Knative",
            run=lambda: knative.build(places),
            done=lambda: knative.directory(places).is_dir(),
            after=("push base images", "build kubernetes"),
        ),
        steps.Step(
            "push Knative images",
            run=lambda: knative.push_images(places),
            done=lambda: knative.are_images_pushed(places),
            after=("build Knative",),
        ),
        _stamped(places, "apply Knative types", lambda: knative.apply_types(places), after=("grant rights",)),
        _stamped(
            places,
            "apply Knative",
            lambda: knative.apply_core(places),
            after=("apply Knative types", *images_ready),
        ),
        steps.Step(
            "push base-python",
            run=lambda: _push_base_python(places),
            done=lambda: images.is_pushed(
                base_image.directory(places), repository=base_image.REPOSITORY, tag=base_image.TAG
            ),
            after=("start registry", "build tools", "make image base-python"),
        ),
        steps.Step(
            "wait for Knative",
            run=lambda: knative.wait_available(places),
            done=lambda: knative.is_available(places),
            after=(
                "apply Knative",
                "start kubelet",
                "start kube-proxy",
                "start coredns",
                "start kube-scheduler",
                "start kube-controller-manager",
            ),
        ),
    ]


def _make_output(places: layout.Layout) -> steps.Step:
    return steps.Step(
        "write .cluster",
        run=lambda: write_output(places),
        done=lambda: False,
        after=None,
    )


def write_output(places: layout.Layout) -> None:
    """Write kubeconfig, env and programs into this clone; another clone may have started the cluster."""
    environment.write(
        places,
        kubeconfig=places.admin_kubeconfig.read_text(),
        variables={"GATEWAY_URL": layout.gateway_url(), "REGISTRY": layout.registry_address()},
        links=environment.command_line_links(places),
    )


def prepare(places: layout.Layout) -> None:
    """Clean up after a cluster whose node is gone; leave a living one alone."""
    if not node.is_up(places) and (places.state.exists() or find_leftovers(places)):
        stop(places)
    for directory in (places.logs, places.processes, places.stamps, places.cache):
        directory.mkdir(parents=True, exist_ok=True)


def stop(places: layout.Layout) -> None:
    """End every process of the cluster, then remove its groups, link, rules and state.

    Only what is recorded, or runs in the cluster's own control groups, is ended.
    Raises: errors.ClusterError naming what could not be removed.
    """
    records = {path.stem: processes.find(path) for path in sorted(places.processes.glob("*.json"))}
    living = {name: identity for name, identity in records.items() if identity}
    processes.stop([each for name, each in living.items() if name in _PODS_FIRST], grace_seconds=2)
    _end_members(keep={each.pid for each in living.values()})
    processes.stop([each for name, each in living.items() if name != "node"], grace_seconds=GRACE_SECONDS)
    _end_members(keep=set())
    if "registry" in living:
        os.sync()
        registry.mark_clean(places)
    node.remove(places)
    _remove_groups()
    shutil.rmtree(places.state, ignore_errors=True)
    if leftovers := find_leftovers(places):
        raise errors.ClusterError("These are left and could not be removed: " + "; ".join(leftovers))


def find_leftovers(places: layout.Layout) -> list[str]:
    """Return what a stopped cluster must not leave, as words; empty if all is clean."""
    found = [f"process {pid}" for pid in sorted(cgroups.members())]
    found += [f"control group {path}" for path in cgroups.remaining()]
    found += node.remaining()
    if places.state.exists():
        found.append(f"directory {places.state}")
    return found


def _end_members(keep: set[int]) -> None:
    """End the processes in the cluster's control groups: containers and their shims."""
    pods = [identity for pid in cgroups.members() - keep if (identity := processes.identify(pid))]
    processes.stop(pods, grace_seconds=1.0)


def _remove_groups() -> None:
    """Remove the control groups; the kernel lets go of an emptied one a moment late."""
    deadline = time.monotonic() + 5
    while cgroups.remaining() and time.monotonic() < deadline:
        cgroups.remove()
        time.sleep(0.05)


def _build(places: layout.Layout, name: str, *, after: tuple[str, ...]) -> steps.Step:
    return steps.Step(
        f"build {name}",
        run=lambda: programs.build(places, name),
        done=lambda: programs.is_built(places, name),
        after=after,
    )


def _image(
    places: layout.Layout,
    name: str,
    directory: Callable[[layout.Layout], object],
    make: Callable[[layout.Layout], None],
    *,
    after: tuple[str, ...],
) -> steps.Step:
    return steps.Step(
        f"make image {name}",
        run=lambda: make(places),
        done=lambda: directory(places).is_dir(),  # type: ignore[attr-defined]
        after=after,
    )


def _push(places: layout.Layout, name: str, *, after: tuple[str, ...]) -> steps.Step:
    def run() -> None:
        for directory, repository in _base_images(places):
            images.push(places, directory, repository=repository, tag="latest")

    def done() -> bool:
        return all(
            images.is_pushed(directory, repository=repository, tag="latest")
            for directory, repository in _base_images(places)
        )

    return steps.Step(f"push {name}", run=run, done=done, after=after)


def _base_images(places: layout.Layout) -> list[tuple[object, str]]:
    return [
        (small_images.pause_directory(places), containerd.PAUSE_REPOSITORY),
        (small_images.static_directory(places), small_images.STATIC_REPOSITORY),
    ]


def _push_base_python(places: layout.Layout) -> None:
    images.push(
        places, base_image.directory(places), repository=base_image.REPOSITORY, tag=base_image.TAG
    )


def _stamped(
    places: layout.Layout, name: str, run: Callable[[], None], *, after: tuple[str, ...]
) -> steps.Step:
    """Return a step whose end is noted in the state, which goes away with the cluster."""
    stamp = places.stamps / name.replace(" ", "-")

    def run_and_note() -> None:
        run()
        stamp.touch()

    return steps.Step(name, run=run_and_note, done=stamp.exists, after=after)
