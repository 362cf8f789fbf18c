"""What is an event is read without loss; what is none is refused by name; nothing else ever happens."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mayfly import errors
from mayfly.events import binary, cloudevent, event, limits, media
from tests.unit.events import cases

LEAST = {name[3:]: value for name, value in cases.BINARY}


def read(headers, body):
    (one,) = cloudevent.parse_http(headers, body)
    return one


def table(rows):
    return pytest.mark.parametrize("row", rows.values(), ids=rows.keys())


@table(cases.GOOD_BINARY)
def test_binary_events_keep_every_character_and_byte(row):
    headers, body, more, data = row
    one = read(headers, body)
    assert one.attributes == {**LEAST, **more}
    assert one.data == data


@table(cases.BAD_BINARY)
def test_what_is_no_binary_event_is_refused_by_name(row):
    headers, body, words = row
    with pytest.raises(errors.InvalidEvent) as caught:
        cloudevent.parse_http(headers, body)
    assert words in str(caught.value)
    assert len(str(caught.value)) < 400
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("source", cases.SOURCES)
def test_sources_are_uri_references(source):
    assert read(cases.make_binary(source=source.replace("%", "%25")), b"").source == source


@pytest.mark.parametrize("source", cases.BAD_SOURCES)
def test_what_is_no_uri_reference_is_refused(source):
    with pytest.raises(errors.InvalidEvent, match=r"attribute source = .* is not a URI reference"):
        cloudevent.parse_http(cases.make_binary(source=binary.encode(source)), b"")


@table(cases.GOOD_STRUCTURED)
def test_structured_events_keep_the_text_of_their_data(row):
    body, more, data = row
    one = read([("Content-Type", cases.JSON_TYPE)], body)
    assert one.attributes == {**LEAST, **more}
    assert one.data == data


@table(cases.BAD_STRUCTURED)
def test_what_is_no_structured_event_is_refused_by_name(row):
    body, words = row
    with pytest.raises(errors.InvalidEvent) as caught:
        cloudevent.parse_http([("content-type", cases.JSON_TYPE)], body)
    assert words in str(caught.value)
    assert len(str(caught.value)) < 400


@table(cases.GOOD_BATCH)
def test_batches_have_any_number_of_events(row):
    """An empty one is allowed (HTTP binding, section 3.3.2): there is nothing to store."""
    body, count = row
    assert len(cloudevent.parse_http([("content-type", cases.BATCH_TYPE)], body)) == count


@table(cases.BAD_BATCH)
def test_a_batch_is_taken_whole_or_not_at_all(row):
    body, words = row
    with pytest.raises(errors.InvalidEvent) as caught:
        cloudevent.parse_http([("content-type", cases.BATCH_TYPE)], body)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "content_type",
    [
        "application/cloudevents+json",
        "Application/CloudEvents+JSON",
        "application/cloudevents+json; charset=UTF-8",
        'application/cloudevents+json ;charset="utf-8"',
        " application/cloudevents+json;x=y; charset=us-ascii ",
    ],
)
def test_the_mode_is_told_by_the_media_type_alone(content_type):
    assert read([("CONTENT-TYPE", content_type), ("ce-id", "ignored")], cases.ONE).id == "a-1"


@pytest.mark.parametrize(
    ("kind", "headers", "body"),
    [
        (errors.UnsupportedEvent, [("content-type", f"{cases.JSON_TYPE}; charset=utf-16")], cases.ONE),
        (errors.UnsupportedEvent, [("content-type", f"{cases.JSON_TYPE}; charset")], cases.ONE),
        (errors.UnsupportedEvent, [("content-type", "application/cloudevents+xml")], b""),
        (errors.UnsupportedEvent, [("content-type", "application/cloudevents-batch+avro")], b""),
        (errors.UnsupportedEvent, [("content-type", cases.JSON_TYPE)], cases.make_structured(specversion="0.3")),
        (errors.EventTooLarge, cases.make_binary(), b"x" * 2**21),
        (errors.EventTooLarge, [("content-type", cases.JSON_TYPE)], b"[" * 1000),
    ],
)
def test_size_and_format_have_kinds_of_their_own(kind, headers, body):
    """They become 413 and 415; all else is 400."""
    with pytest.raises(kind):
        cloudevent.parse_http(headers, body)


def test_bounds_are_the_callers():
    bounds = limits.Limits(event_bytes=4, attributes=4)
    assert cloudevent.parse_http(cases.make_binary(), b"1234", bounds)[0].data == b"1234"
    with pytest.raises(errors.EventTooLarge, match="5 bytes; at most 4"):
        cloudevent.parse_http(cases.make_binary(), b"12345", bounds)
    with pytest.raises(errors.EventTooLarge, match="5 attributes"):
        cloudevent.parse_http(cases.make_binary(subject="x"), b"", bounds)


def test_an_event_is_a_value():
    one = read(cases.make_binary(("content-type", "text/plain"), tenant="t", averyveryverylongname1="x"), b"x")
    assert (one.id, one.source, one.type, one.content_type) == ("a-1", "/shop/orders", "com.shop.order", "text/plain")
    assert one.identity == ("/shop/orders", "a-1")
    assert one.extensions == {"tenant": "t", "averyveryverylongname1": "x"}
    assert one.long_names == ("averyveryverylongname1",)
    with pytest.raises(TypeError):
        one.attributes["id"] = "b"
    other = one.replace(id="b")
    assert (other.id, one.id, other.data) == ("b", "a-1", b"x")
    with pytest.raises(errors.InvalidEvent, match="source"):
        one.replace(source="")


def test_binary_requests_have_no_content_type_of_their_own():
    assert cloudevent.to_binary(event.make_event(LEAST, b"x")).headers == cases.BINARY
    typed = event.make_event({**LEAST, "datacontenttype": "a/b", "subject": 'é "%'})
    assert cloudevent.to_binary(typed).headers[4:] == (("content-type", "a/b"), ("ce-subject", "%C3%A9%20%22%25"))


@pytest.mark.parametrize(
    ("content_type", "data", "member"),
    [
        ("application/json", b'{"a": 1.0}', '"data":{"a": 1.0}'),
        ("application/json", b' {"a": 1.0}', '"data_base64":'),
        ("application/json", b"{", '"data_base64":'),
        ("application/json", b"NaN", '"data_base64":'),
        ("application/json", b"null", '"data_base64":'),
        ("application/json", b"[" * 64 + b"]" * 64, '"data_base64":'),
        ("text/plain", "é".encode(), '"data":"é"'),
        ("text/plain", b"\xe9", '"data_base64":'),
        ("text/plain; charset=iso-8859-1", b"\xe9", '"data_base64":'),
        ("image/svg+xml", b"<svg/>", '"data":"<svg/>"'),
        ("image/png", b"abc", '"data_base64":"YWJj"'),
        (None, b"{}", '"data_base64":'),
    ],
)
def test_structured_requests_are_readable_where_nothing_is_lost(content_type, data, member):
    attributes = LEAST if content_type is None else {**LEAST, "datacontenttype": content_type}
    one = event.make_event(attributes, data)
    sent = cloudevent.to_structured(one)
    assert member in sent.body.decode()
    json.loads(sent.body)
    assert cloudevent.parse_http(sent.headers, sent.body) == (one,)


TEXT = st.text(
    st.characters(exclude_categories=("Cc", "Cs", "Cn")),
    min_size=1,
    max_size=20,
)
NAME = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=12).filter(
    lambda name: name not in event.CORE and name != "data"
)
CONTENT_TYPES = st.sampled_from(
    [
        "application/json",
        "text/plain",
        "text/plain; charset=iso-8859-1",
        "application/x+xml",
        "image/png",
        "a/b+json;c=d",
    ]
)
JSON_BYTES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
).map(lambda value: json.dumps(value).encode())


@st.composite
def events(draw):
    attributes = {**LEAST, "id": draw(TEXT), "type": draw(TEXT), **draw(st.dictionaries(NAME, TEXT, max_size=4))}
    for name, values in (
        ("datacontenttype", CONTENT_TYPES),
        ("subject", TEXT),
        ("source", st.sampled_from(cases.SOURCES)),
    ):
        if draw(st.booleans()):
            attributes[name] = draw(values)
    return event.make_event(attributes, draw(st.none() | st.binary(max_size=50) | JSON_BYTES))


@given(events())
def test_binary_gives_back_what_went_in(one):
    # HTTP has no blanks around a value; none are lost, since they are percent-encoded.
    sent = cloudevent.to_binary(one)
    assert all(value.isascii() and value.isprintable() and value == value.strip() for _, value in sent.headers)
    assert cloudevent.parse_http(sent.headers, sent.body) == (one,)


@given(events())
def test_structured_gives_back_what_went_in(one):
    sent = cloudevent.to_structured(one)
    assert cloudevent.parse_http(sent.headers, sent.body) == (one,)


@given(st.lists(events(), max_size=4))
def test_batches_give_back_what_went_in(several):
    sent = cloudevent.to_batch(several)
    assert cloudevent.parse_http(sent.headers, sent.body) == tuple(several)


def refuse_or_read(headers, body):
    with contextlib.suppress(errors.InvalidEvent):
        cloudevent.parse_http(headers, body)


BITS = st.sampled_from(
    [
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b'"',
        b"\\",
        b"\\u",
        b"d800",
        b" ",
        b"null",
        b"NaN",
        b"1e9",
        b"-",
        b"data",
        b'"id"',
    ]
)


@pytest.mark.parametrize("content_type", [cases.JSON_TYPE, cases.BATCH_TYPE])
@given(body=st.binary(max_size=60) | st.lists(BITS, max_size=25).map(b"".join))
def test_no_bytes_raise_anything_else(content_type, body):
    refuse_or_read([("content-type", content_type)], body)


@given(st.integers(0, 400), st.binary(max_size=4), st.integers(0, 4))
def test_no_damage_raises_anything_else(place, put, cut):
    whole = cases.splice('"subject":"\\ud83d\\ude00","datacontenttype":"text/plain","data":"x","n":1')
    place %= len(whole)
    refuse_or_read([("content-type", cases.JSON_TYPE)], whole[:place] + put + whole[place + cut :])


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["ce-id", "ce-source", "ce-x", "content-type", "ce-time", "CE-", "é"]), st.text(max_size=20)
        ),
        max_size=5,
    ),
    st.binary(max_size=9),
)
@example([("content-type", '";')], b"")
def test_no_headers_raise_anything_else(headers, body):
    refuse_or_read([*cases.BINARY, *headers], body)
    refuse_or_read(headers, body)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a/b", media.MediaType("a/b")),
        ('A/B ; CharSet="U\\TF-8";x=";"', media.MediaType("a/b", "utf-8")),
        ("a/b;", media.MediaType("a/b")),
        ("a", None),
        ("a/", None),
        ("a/b c", None),
        ("a/b;c=", None),
        ('a/b;c="', None),
        ("a /b", None),
        ("a/b\n", None),
    ],
)
def test_media_types(text, wanted):
    assert media.parse_media_type(text) == wanted
