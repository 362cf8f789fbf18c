"""Files as nodes: what is read, with its line, and what is refused before it can do harm."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayfly.migrate import parsing, text


def read(source, file="stack.yml"):
    data = source.encode() if isinstance(source, str) else source
    return [document.root for document in parsing.parse(file, data)]


def plain(node):
    if node.fields is not None:
        return {key: plain(one) for key, one in node.pairs()}
    return [plain(one) for one in node.items] if node.items is not None else node.value


def test_a_node_knows_its_path_line_and_text():
    (root,) = read("functions:\n  resize:\n    labels: {a.b: '1', c: yes}\n    ports: [80, 81]\n")
    assert plain(root) == {"functions": {"resize": {"labels": {"a.b": "1", "c": "yes"}, "ports": [80, 81]}}}
    port = root.at("functions", "resize", "ports").each()[1]
    assert (port.path, port.line, port.text) == ("functions.resize.ports[1]", 4, "81")
    assert root.at("functions", "resize", "labels", "a.b").path == 'functions.resize.labels["a.b"]'
    assert root.at("functions", "gone", "labels").path == "functions.gone.labels"
    assert not root.at("functions", "gone", "labels")


def test_documents_without_content_are_none():
    assert [plain(root) for root in read("---\n---\na: 1\n---\nb: 2\n")] == [{"a": 1}, {"b": 2}]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("yes", "yes"),
        ("true", True),
        ("null", None),
        ("1:30", "1:30"),
        ("007", "007"),
        ("0.36.0", "0.36.0"),
        ("'1'", "1"),
        ("!!str 1", "1"),
        ("2026-01-01", "2026-01-01"),
        ("12345678901234567890123", "12345678901234567890123"),
        ("1.5", 1.5),
    ],
)
def test_scalars_mean_what_they_look_like(written, value):
    (root,) = read(f"a: {written}\nb: 1\n")
    assert root["a"].value == value


def test_anchors_and_merges_are_followed():
    (root,) = read("base: &b {x: 1, y: 2}\nf: {<<: *b, y: 3}\ng: *b\nh: {<<: [{z: 9}, *b]}\n")
    two = {"x": 1, "y": 2}
    assert plain(root) == {"base": two, "f": {"y": 3, "x": 1}, "g": two, "h": {"z": 9, "x": 1, "y": 2}}
    assert root["g"]["x"].path == "g.x"


def test_tags_of_cloudformation_are_words():
    (document,) = parsing.parse("template.yaml", b"a: !Sub [x, {y: !Ref z}]\n")
    assert document.root["a"].tag == "Sub"
    assert document.root["a"].items[1]["y"].tag == "Ref"
    assert document.tagged is not None


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(ord(c) + 1)}: &{chr(ord(c) + 1)} [{', '.join(['*' + c] * 10)}]\n" for c in "abcdef"
)


@pytest.mark.parametrize(
    ("file", "source", "says"),
    [
        ("stack.yml", BOMB, "more than 20000 values"),
        ("stack.yml", "a: &a {<<: *a}", "stands within its own anchor"),
        ("stack.yml", "a: &a [*a]", "stands within its own anchor"),
        ("stack.yml", "a: *nowhere", "stack.yml:1: "),
        ("stack.yml", "a: " + "[" * 100_000, "nested deeper than 40"),
        ("stack.yml", "a: " + "{b: " * 500 + "}" * 500, "nested deeper than 40"),
        ("stack.yml", "a: 1\nb: 2\na: 3\n", "stack.yml:3: field 'a' stands twice"),
        ("stack.yml", "a: 1\n? [b, c]\n: 2\n", "a field's name is a text"),
        ("stack.yml", "a: !!python/object/apply:os.system [id]", "asks for an object"),
        ("stack.yml", "a: !!binary aGk=", "asks for an object"),
        ("stack.yml", "a: 1\n  b: 2\n", "stack.yml:2: not YAML"),
        ("stack.yml", "a: b: c", "not YAML"),
        ("stack.yml", b"a: \xff\xfe", "not UTF-8 text at byte 3"),
        ("stack.yml", "a: \x07", "not YAML"),
        ("stack.yml", 'a: "\\ud800"', "not YAML"),
        ("stack.yml", "<<: 5", "<< takes a mapping"),
        ("stack.yml", "---\na: 1\n" * 201, "more than 200 documents"),
        ("stack.yml", "x" * (text.MAX_BYTES + 1), "at most 1048576 are read"),
        ("host.json", '{"a": 1, "a": 2}', "field 'a' stands twice"),
        ("host.json", '{"a": \n 1,,}', "host.json:2: not JSON"),
        ("host.json", "[" * 100_000, "nested deeper than 40"),
        ("host.json", '{"a": "\\ud800"}', "half a character"),
        ("host.json", "/* " * 100_000, None),
    ],
    ids=lambda value: repr(value)[:30] if isinstance(value, str | bytes) else None,
)
def test_what_is_refused_says_why(file, source, says):
    if says is None:
        assert read(source, file) == []
        return
    with pytest.raises(text.Unreadable, match=r"^(stack\.yml|host\.json)") as caught:
        read(source, file)
    assert says in str(caught.value)
    assert len(str(caught.value)) < 500


def test_json_may_have_comments_and_texts_that_look_like_them():
    (root,) = read('{"a": "http://x/*y*/", // why\n "b": [1, 2.50, true, null] /* so */}', "host.json")
    assert plain(root) == {"a": "http://x/*y*/", "b": [1, 2.5, True, None]}
    assert root["b"].items[1].text == "2.50"


@given(st.binary(max_size=400) | st.text(max_size=400).map(lambda value: value.encode("utf-8", "replace")))
def test_any_bytes_are_read_or_refused(data):
    for file in ("stack.yml", "host.json"):
        try:
            parsing.parse(file, data)
        except text.Unreadable as error:
            assert str(error).startswith(file)  # noqa: PT017
