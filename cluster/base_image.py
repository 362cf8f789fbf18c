"""The base image functions run on: Debian bookworm with Python 3.11, made by mmdebstrap without an engine."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from pathlib import Path

from cluster import commands, images, layout, oci

_VERSION = "3.11"
_SUITE = "bookworm"
_SOURCE_DATE_EPOCH = "1735689600"

# libstdc++6: the manylinux policy lets wheels expect it (PEP 600).
_PACKAGES = ("python3-minimal", "libpython3-stdlib", "ca-certificates", "libstdc++6", "tzdata")
_LEFT_OUT = ("doc/*", "man/*", "info/*", "locale/*", "lintian/*", "bug/*", "common-licenses/*")

# Bytecode that is never checked against its source: nothing in an image layer changes, and start-up is quicker.
_HOOKS = (
    'chroot "$1" python3 -m compileall -q -f --invalidation-mode unchecked-hash /usr/lib/python3.11 /usr/lib/python3',
    'rm -rf "$1"/usr/lib/python3.11/lib-dynload/_test*.so "$1"/usr/lib/python3.11/lib-dynload/xxlimited*.so',
    'rm -rf "$1"/var/log/* "$1"/var/cache/* "$1"/var/lib/apt "$1"/root/.[!.]*',
    'echo "nonroot:x:65532:65532:nonroot:/tmp:/usr/sbin/nologin" >> "$1/etc/passwd"',
    'echo "nonroot:x:65532:" >> "$1/etc/group"',
)
_CONFIG = {
    "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"],
    "Cmd": ["python3"],
    "WorkingDir": "/",
    "Labels": {"org.opencontainers.image.title": "base-python", "org.opencontainers.image.version": _VERSION},
}


def find(places: layout.Layout) -> images.Kept:
    """Return the image, made or not; where it is kept follows the hash of its recipe."""
    recipe = json.dumps([_SUITE, _PACKAGES, _LEFT_OUT, _HOOKS, _CONFIG, _SOURCE_DATE_EPOCH], sort_keys=True)
    key = hashlib.sha256(recipe.encode()).hexdigest()[:16]
    where = places.cache / "images" / f"base-python-{key}"
    return images.Kept(where, repository="mayfly/base-python", tag=_VERSION)


def make(places: layout.Layout) -> None:
    """Make the image into the cache. Its mounts live in a mount namespace that ends with the command."""
    target = find(places).directory
    target.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".base-", dir=target.parent))
    work.chmod(0o755)
    try:
        tar = work / "root.tar"
        commands.run(
            [
                *("unshare", "--mount", "--propagation", "private", "--"),
                *("mmdebstrap", "--quiet", "--mode=root", "--variant=essential", "--format=tar"),
                f"--include={','.join(_PACKAGES)}",
                *(f"--dpkgopt=path-exclude=/usr/share/{each}" for each in _LEFT_OUT),
                '--aptopt=Acquire::Languages "none"',
                *(f"--customize-hook={hook}" for hook in _HOOKS),
                *(_SUITE, tar),
            ],
            log=places.logs / "base-image.log",
            env={"SOURCE_DATE_EPOCH": _SOURCE_DATE_EPOCH, "TMPDIR": str(work)},
        )
        oci.write_image(target, layer=tar, config=_CONFIG)
    finally:
        shutil.rmtree(work, ignore_errors=True)
