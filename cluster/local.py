"""The local cluster: upstream programs as processes of one node, without a container engine."""

from __future__ import annotations

import os
from collections.abc import Callable

from cluster import (
    base_image,
    containerd,
    control_plane,
    daemons,
    dns,
    environment,
    errors,
    images,
    kubelet,
    layout,
    node,
    packages,
    pause,
    pki,
    programs,
    registry,
    serving,
    small_images,
    steps,
    toolchain,
)


def refuse_unfit() -> None:
    """Raise errors.ClusterError unless this can work here: root, on Linux on x86_64."""
    system = os.uname()
    if (system.sysname, system.machine) != ("Linux", "x86_64"):
        raise errors.ClusterError(
            f"The local cluster runs on Linux on x86_64, not on {system.sysname} on {system.machine}: "
            "use kind (MAYFLY_CLUSTER=kind), or give a cluster by KUBECONFIG and REGISTRY."
        )
    if os.geteuid() != 0:
        raise errors.ClusterError(
            f"The local cluster makes namespaces and mounts, and user {os.geteuid()} may not: run it as root."
        )


def make_steps(places: layout.Layout) -> list[steps.Step]:
    """Return the way up. Each step states its needs, so that builds, images and daemons overlap."""
    return [
        *_make_builds(places),
        *_make_images(places),
        *_make_node(places),
        *_make_kubernetes(places),
        *serving.make_steps(places, ready=("grant rights",), build_after=("build kubernetes",)),
        steps.Step("write .cluster", run=lambda: write_output(places), done=lambda: False),
    ]


def write_output(places: layout.Layout) -> None:
    """Write kubeconfig, env and programs into this clone; another clone may have started the cluster."""
    environment.write(
        places,
        kubeconfig=places.admin_kubeconfig.read_text(),
        variables={"GATEWAY_URL": places.gateway, "REGISTRY": places.registry},
        links=environment.command_line_links(places),
    )


def _make_builds(places: layout.Layout) -> list[steps.Step]:
    """Build what the cache lacks: first the tools, since images wait for them."""
    return [
        steps.Step(
            "install Debian packages",
            run=lambda: packages.install(places),
            done=lambda: not packages.find_missing(places),
            after=(),
        ),
        steps.Step(
            "fetch Go",
            run=lambda: toolchain.fetch(places),
            done=lambda: toolchain.find(places) is not None,
            after=("install Debian packages",),
        ),
        build_step(places, "tools", after=("fetch Go",)),
        build_step(places, "etcd", after=("build tools",)),
        build_step(places, "kubernetes", after=("build tools",)),
        steps.Step(
            "build pause",
            run=lambda: pause.build(places),
            done=lambda: pause.program(places).exists(),
            after=("install Debian packages",),
        ),
    ]


def _make_images(places: layout.Layout) -> list[steps.Step]:
    """Make the images that are not Knative's into the cache."""
    packages_there = ("install Debian packages",)
    return [
        make_step(places, "pause", small_images.find_pause, small_images.make_pause, after=("build pause",)),
        make_step(places, "static", small_images.find_static, small_images.make_static, after=packages_there),
        make_step(places, "base-python", base_image.find, base_image.make, after=packages_there),
    ]


def _make_node(places: layout.Layout) -> list[steps.Step]:
    """Start the node, the registry with its first images, and containerd."""
    running = ("start registry",)
    return [
        steps.Step(
            "start node", run=lambda: node.start(places), done=lambda: node.is_up(places), after=("build pause",)
        ),
        daemons.step(places, registry.make_daemon(places), after=("start node",)),
        push_step(places, "pause", small_images.find_pause, after=running),
        push_step(places, "static", small_images.find_static, after=running),
        push_step(places, "base-python", base_image.find, after=running),
        daemons.step(places, containerd.make_daemon(places), after=("start node",)),
    ]


def _make_kubernetes(places: layout.Layout) -> list[steps.Step]:
    """Start Kubernetes: certificates, control plane, names, agents."""
    api = ("start kube-apiserver", "grant rights")
    return [
        steps.Step(
            "make certificates",
            run=lambda: pki.make(places),
            done=places.pki.is_dir,
            after=("build kubernetes",),
        ),
        daemons.step(places, control_plane.make_etcd(places), after=("start node", "build etcd")),
        daemons.step(places, control_plane.make_api_server(places), after=("make certificates", "start etcd")),
        serving.stamped(places, "grant rights", lambda: pki.grant(places), after=("start kube-apiserver",)),
        daemons.step(places, control_plane.make_controller_manager(places), after=api),
        daemons.step(places, control_plane.make_scheduler(places), after=api),
        daemons.step(places, dns.make_daemon(places), after=(*api, "build tools")),
        daemons.step(places, kubelet.make_proxy(places), after=api),
        daemons.step(places, kubelet.make_kubelet(places), after=(*api, "start containerd", "push pause")),
    ]


def build_step(places: layout.Layout, name: str, *, after: tuple[str, ...]) -> steps.Step:
    """Return the step that has a set of programs built."""
    return steps.Step(
        f"build {name}",
        run=lambda: programs.build(places, name),
        done=lambda: programs.is_built(places, name),
        after=after,
    )


def make_step(
    places: layout.Layout,
    name: str,
    find: Callable[[layout.Layout], images.Kept],
    make: Callable[[layout.Layout], None],
    *,
    after: tuple[str, ...],
) -> steps.Step:
    """Return the step that has an image in the cache."""

    def done() -> bool:  # looked up late: the key may depend on what an earlier step installs
        return find(places).directory.is_dir()

    return steps.Step(
        f"make image {name}",
        run=lambda: make(places),
        done=done,
        after=after,
    )


def push_step(
    places: layout.Layout,
    name: str,
    find: Callable[[layout.Layout], images.Kept],
    *,
    after: tuple[str, ...],
) -> steps.Step:
    """Return the step that has a kept image in the registry."""
    return steps.Step(
        f"push {name}",
        run=lambda: images.push(places, find(places)),
        done=lambda: images.is_pushed(places, find(places)),
        after=(*after, "build tools", f"make image {name}"),
    )
