"""From function.yaml and options to the Function that is applied."""

from __future__ import annotations

import pytest

from mayfly.cli import exits, manifest

EMPTY = {"apiVersion": "mayfly.dev/v1alpha1", "kind": "Function", "metadata": {}, "spec": {}}


def complete(document=EMPTY, *, name=None, namespace="shop", fallback="cart", **overrides):
    return manifest.complete(
        document, namespace=namespace, name=name, fallback=fallback, overrides=manifest.Overrides(**overrides)
    )


def test_a_folder_without_a_manifest_is_named_after_itself(tmp_path):
    assert complete(manifest.read_folder(tmp_path))["metadata"] == {"name": "cart", "namespace": "shop"}


@pytest.mark.parametrize(("given", "in_file", "expected"), [("a", "b", "a"), (None, "b", "b"), (None, None, "cart")])
def test_the_name_is_the_options_then_the_files_then_the_folders(given, in_file, expected):
    document = {**EMPTY, "metadata": {"name": in_file} if in_file else {}}
    assert complete(document, name=given)["metadata"]["name"] == expected


def test_options_override_and_leave_the_rest():
    document = {
        **EMPTY,
        "spec": {
            "timeout": "5s",
            "scaling": {"min": 1, "max": 3},
            "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
        },
    }
    spec = complete(document, max=9, env=("B=x=y", "C="), memory="64Mi", visibility="cluster-local")["spec"]
    assert spec == {
        "timeout": "5s",
        "scaling": {"min": 1, "max": 9},
        "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "x=y"}, {"name": "C", "value": ""}],
        "resources": {"memory": "64Mi"},
        "http": {"visibility": "cluster-local"},
    }
    assert document["spec"]["scaling"] == {"min": 1, "max": 3}, "the manifest itself is not changed"


def test_zero_is_a_value():
    assert complete(min=0)["spec"] == {"scaling": {"min": 0}}


@pytest.mark.parametrize(
    ("name", "better"),
    [("Shop_Cart", "shop-cart"), ("9lives", "lives"), ("a" * 60, "a" * 52), ("---", "hello"), ("käse", "k-se")],
)
def test_a_wrong_name_comes_with_a_right_one(name, better):
    with pytest.raises(exits.WrongUsage, match=f"--name {better}$"):
        complete(name=name)


def test_a_manifest_for_another_namespace_is_not_moved():
    with pytest.raises(exits.WrongUsage, match="use -n bank"):
        complete({**EMPTY, "metadata": {"namespace": "bank"}})


@pytest.mark.parametrize("text", ["A", "=x", "1A=x", "A-B=x"])
def test_a_wrong_variable_is_refused(text):
    with pytest.raises(exits.WrongUsage, match="NAME=VALUE"):
        manifest.parse_variable(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "is not YAML"),
        ("", "holds no manifest"),
        ("kind: Pod\napiVersion: v1\n", "must be 'mayfly.dev/v1alpha1'"),
        ("- 1\n", "apiVersion is None"),
        ("apiVersion: mayfly.dev/v1alpha1\nkind: Function\nspec: 3\n", "spec is 3"),
    ],
)
def test_a_wrong_file_is_named_with_its_rule(tmp_path, text, words):
    file = tmp_path / "function.yaml"
    file.write_text(text)
    with pytest.raises(exits.WrongUsage, match=words) as caught:
        manifest.read_folder(tmp_path)
    assert str(file) in str(caught.value)


def test_several_functions_come_from_one_file(tmp_path):
    file = tmp_path / "all.yaml"
    one = "apiVersion: mayfly.dev/v1alpha1\nkind: Function\nmetadata: {name: %s}\n"
    file.write_text(f"{one % 'a'}---\n---\n{one % 'b'}")
    assert [document["metadata"]["name"] for document in manifest.read_manifests(str(file))] == ["a", "b"]
    with pytest.raises(exits.WrongUsage, match="cannot be read"):
        manifest.read_manifests(str(tmp_path / "none.yaml"))
