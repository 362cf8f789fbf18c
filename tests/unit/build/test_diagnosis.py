"""What uv 0.13 says becomes a sentence with the package, the rule and the fix."""

from __future__ import annotations

import pytest

from mayfly.build import diagnosis

HEAD = "error: No solution found when resolving dependencies\n  cause: "
END = ", we can conclude that your requirements are unsatisfiable."

SAID = {
    "missing": (
        f"{HEAD}Because flaskk was not found in the package registry and you require flaskk{END}",
        "package 'flaskk' does not exist in the package index; did you mean 'flask'?",
        False,
    ),
    "missing, import name": (
        f"{HEAD}Because cv2 was not found in the package registry and you require cv2{END}",
        "did you mean 'opencv-python-headless'?",
        False,
    ),
    "missing, standard library": (
        f"{HEAD}Because uuid was not found in the package registry and you require uuid{END}",
        "'uuid' is part of Python, not a package",
        False,
    ),
    "missing, unknown": (
        f"{HEAD}Because zzqqxx was not found in the package registry and you require zzqqxx{END}",
        "does not exist in the package index; correct the name",
        False,
    ),
    "source only": (
        f"{HEAD}Because docopt==0.6.2 has no usable wheels and you require docopt==0.6.2{END}",
        "package 'docopt==0.6.2' exists as source code only",
        False,
    ),
    "other python": (
        (
            f"{HEAD}Because tensorflow==1.0.0 has no wheels with a matching Python ABI tag (e.g., `cp311`) and you"
            f" require tensorflow==1.0{END}"
        ),
        "package 'tensorflow==1.0.0' has no wheel for this Python (cp311)",
        False,
    ),
    "other platform": (
        (
            f"{HEAD}Because pywin32>=303 has no wheels with a matching platform tag (e.g., `manylinux_2_36_x86_64`) and"
            f" you require pywin32{END}"
        ),
        "package 'pywin32>=303' has no wheel for this platform (manylinux_2_36_x86_64)",
        False,
    ),
    "no version": (
        f"{HEAD}Because there is no version of idna==99.0 and you require idna==99.0{END}",
        "there is no version 'idna==99.0' in the package index",
        False,
    ),
    "contradiction": (
        f"{HEAD}Because you require idna==3.7 and idna==3.8{END}",
        "the requirements contradict each other",
        False,
    ),
    "contradiction in depth": (
        (
            f"{HEAD}Because requests==2.31.0 depends on idna>=2.5,<4 and you require requests==2.31.0, we can conclude"
            f" that you require idna>=2.5,<4.\n         And because you require idna==2.0{END}"
        ),
        "the requirements contradict each other",
        False,
    ),
    "hash mismatch": (
        "error: Failed to download `idna==3.7`\n  cause: Hash mismatch for `idna==3.7`\n\n  Expected:\n    sha256:00",
        "'idna==3.7' in the package index has other content than its --hash says",
        False,
    ),
    "hash missing": (
        "error: Hash-checking is required, but no trusted hash was provided for: `charset-normalizer`",
        "'charset-normalizer' is needed but has no --hash",
        False,
    ),
    "bad requirement": (
        (
            "error: Couldn't parse requirement in `requirements.txt` at position 0\n"
            '  cause: no such comparison operator "=", must be one of ~= ==\n         idna=3.7\n             ^^^^'
        ),
        "'idna=3.7' is not a requirement: no such comparison operator",
        False,
    ),
    "index down": (
        "error: Failed to fetch: http://127.0.0.1:9/simple/idna/\n  cause: error sending request for url",
        "the package index cannot be reached",
        True,
    ),
    "index refuses": (
        "error: Failed to fetch: https://i.example/simple/idna/\n  cause: HTTP status client error (401 Unauthorized)",
        "the package index refused access (401)",
        False,
    ),
    "disk": ("error: failed to write\n  cause: No space left on device (os error 28)", "disk is full", True),
    "new words": ("error: something uv says one day", "the dependencies cannot be installed", False),
}


@pytest.mark.parametrize(("output", "sentence", "temporary"), SAID.values(), ids=SAID)
def test_explained(output: str, sentence: str, temporary: bool) -> None:
    """The first line is for the author; uv's own words follow."""
    error = diagnosis.explain(f"Using CPython 3.11\n{output}")
    assert sentence in str(error).splitlines()[0]
    assert output.splitlines()[0] in str(error)
    assert error.temporary is temporary
