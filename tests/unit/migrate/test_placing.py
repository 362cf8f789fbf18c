"""Where manifests are written, and the command that deploys each."""

from __future__ import annotations

import pytest

from mayfly.migrate import migration, placing

STACK = b"provider: {name: openfaas}\nfunctions:\n"


def place(functions, *, inputs=("stack.yml",), folders=("", "a", "b"), apart=False):
    lines = "".join(f"  {name}: {{lang: {lang}, handler: ./{folder}}}\n" for name, lang, folder in functions)
    found = migration.migrate({"stack.yml": STACK + lines.encode()}, root="shop")
    return placing.find_places(found, inputs=set(inputs), folders=set(folders), apart=apart)


@pytest.mark.parametrize(
    ("functions", "options", "files"),
    [
        ([("f", "python3", "a"), ("g", "python3", "b")], {}, ["a/function.yaml", "b/function.yaml"]),
        ([("f", "python3", "a"), ("g", "python3", "a")], {}, ["a/f.function.yaml", "a/g.function.yaml"]),
        ([("f", "python3", "a"), ("g", "node20", "a")], {}, ["a/function.yaml", None]),
        ([("f", "python3", "a")], {"inputs": ("a/function.yaml",)}, ["a/f.function.yaml"]),
        ([("f", "python3", "gone")], {}, ["f.function.yaml"]),
        ([("f", "python3", "a")], {"apart": True}, ["f.function.yaml"]),
    ],
    ids=["alone", "shared", "the other has none", "the input is called so", "no folder", "apart"],
)
def test_where(functions, options, files):
    assert [one and one.file for one in place(functions, **options)] == files


def test_how_it_is_deployed_from_there():
    (alone,) = place([("f", "python3", "a")])
    assert alone.deploy("shop", None) == "mayfly deploy shop/a"
    shared, _ = place([("f", "python3", "a"), ("g", "python3", "a")])
    assert shared.deploy(".", None) == "mayfly deploy a -f a/f.function.yaml"
    (apart,) = place([("f", "python3", "a")], apart=True)
    assert apart.deploy("shop", "out dir") == "mayfly deploy shop/a -f 'out dir/f.function.yaml'"
    own = placing.Place("f.function.yaml", None)
    assert own.deploy("shop", None) == "mayfly deploy -f shop/f.function.yaml"
