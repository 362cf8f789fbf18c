"""Install the Debian packages the local cluster needs, and nothing if they are there."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from cluster import commands, errors, layout, toolchain

CNI_PLUGINS = Path("/usr/lib/cni")

# What must exist, and the package that brings it.
NEEDED = {
    "ip": "iproute2",
    "nft": "nftables",
    "nsenter": "util-linux",
    "mount": "mount",
    "containerd": "containerd",
    "runc": "runc",
    "docker-registry": "docker-registry",
    "mmdebstrap": "mmdebstrap",
    "gcc": "gcc",
    "curl": "curl",
    "buildah": "buildah",
    "skopeo": "skopeo",
    str(CNI_PLUGINS / "ptp"): "containernetworking-plugins",
    "/usr/include/stdlib.h": "libc6-dev",
    "/etc/ssl/certs/ca-certificates.crt": "ca-certificates",
}


def find_missing(places: layout.Layout) -> list[str]:
    """Return the packages whose program or file is not there, Go's among them if no Go is."""
    found = []
    for name, package in NEEDED.items():
        here = Path(name).exists() if name.startswith("/") else shutil.which(name, path=_search_path())
        if not here:
            found.append(package)
    if toolchain.find(places) is None and not shutil.which("go"):
        found.append(toolchain.DEBIAN_PACKAGE)
    return found


def install(places: layout.Layout) -> None:
    """Install what is missing without questions; read the package lists anew only if they lack it.

    Raises: errors.ClusterError if this is not a Debian-like machine.
    """
    missing = find_missing(places)
    if not shutil.which("apt-get"):
        raise errors.ClusterError(
            f"The local cluster needs {', '.join(missing)} and this machine has no apt-get: "
            "install them by hand, or give a cluster by KUBECONFIG and REGISTRY."
        )
    log = places.logs / "packages.log"
    words = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *missing]
    env = {"DEBIAN_FRONTEND": "noninteractive"}
    with _services_stay_off():
        try:
            commands.run(words, log=log, env=env)
        except errors.CommandFailed:
            commands.run(["apt-get", "update", "-q"], log=log, env=env)
            commands.run(words, log=log, env=env)


@contextlib.contextmanager
def _services_stay_off() -> Iterator[None]:
    """Keep the packages' own services from starting while they are installed (invoke-rc.d(8), policy-rc.d)."""
    policy = Path("/usr/sbin/policy-rc.d")
    if policy.exists():
        yield
        return
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink(missing_ok=True)


def _search_path() -> str:
    return os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
