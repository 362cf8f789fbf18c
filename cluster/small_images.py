"""The two other images: `pause`, which holds a pod's namespaces, and `static`, the base of Go programs."""

from __future__ import annotations

import hashlib
import io
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cluster import images, layout, oci, pause

NONROOT = 65532
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_PASSWD = f"root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:{NONROOT}:{NONROOT}:nonroot:/tmp:/sbin/nologin\n"
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def find_pause(places: layout.Layout) -> images.Kept:
    """Return the image `pause`, made or not."""
    return images.Kept(places.cache / "images" / pause.program(places).name, repository="mayfly/pause")


def make_pause(places: layout.Layout) -> None:
    """Make the image `pause` into the cache."""
    files = {"pause": (pause.program(places).read_bytes(), 0o755)}
    config = {"Entrypoint": ["/pause"], "User": f"{NONROOT}:{NONROOT}", "Env": [_PATH]}
    _make(find_pause(places).directory, files=files, config=config)


def find_static(places: layout.Layout) -> images.Kept:
    """Return the image `static`, made or not; it changes with the machine's certificate authorities."""
    digest = hashlib.sha256(_CERTIFICATES.read_bytes() + _PASSWD.encode()).hexdigest()
    return images.Kept(places.cache / "images" / f"static-{digest[:16]}", repository="mayfly/static")


def make_static(places: layout.Layout) -> None:
    """Make the image `static` into the cache: certificate authorities, a user that is not root, /tmp."""
    files = {
        "etc/passwd": (_PASSWD.encode(), 0o644),
        "etc/group": (f"root:x:0:\nnonroot:x:{NONROOT}:\n".encode(), 0o644),
        "etc/ssl/certs/ca-certificates.crt": (_CERTIFICATES.read_bytes(), 0o644),
    }
    config = {
        "User": f"{NONROOT}:{NONROOT}",
        "WorkingDir": "/",
        "Env": [_PATH, "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"],
    }
    _make(find_static(places).directory, files=files, config=config)


def make_tar(files: Mapping[str, tuple[bytes, int]]) -> bytes:
    """Return a tar of the files (path -> content, mode) with their directories and /tmp, all dated 1970. Pure."""
    directories = {str(parent): 0o755 for path in files for parent in Path(path).parents if parent.name}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path, mode in sorted({**directories, "tmp": 0o1777}.items()):
            entry = tarfile.TarInfo(path)
            entry.type, entry.mode = tarfile.DIRTYPE, mode
            archive.addfile(entry)
        for path, (content, mode) in sorted(files.items()):
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(content), mode
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _make(target: Path, *, files: Mapping[str, tuple[bytes, int]], config: Mapping[str, Any]) -> None:
    with tempfile.NamedTemporaryFile(suffix=".tar") as tar:
        tar.write(make_tar(files))
        tar.flush()
        oci.write_image(target, layer=Path(tar.name), config=config)
