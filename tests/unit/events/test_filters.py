"""Filters select what they say; the index finds exactly what asking every filter would."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayfly import errors
from mayfly.events import event, filters, subscriptions
from mayfly.model import trigger


def make(**attributes):
    return event.make_event({"specversion": "1.0", "id": "1", "source": "/shop", "type": "order.created", **attributes})


ONE = make(subject="order/17", tenant="a")

MATCHES = [
    ({"exact": {"type": "order.created"}}, True),
    ({"exact": {"type": "order.created", "tenant": "a"}}, True),
    ({"exact": {"type": "order.created", "tenant": "b"}}, False),
    ({"exact": {"type": "Order.created"}}, False),
    ({"exact": {"missing": "x"}}, False),
    ({"prefix": {"type": "order."}}, True),
    ({"prefix": {"type": "order.", "subject": "x"}}, False),
    ({"prefix": {"missing": "x"}}, False),
    ({"suffix": {"type": ".created", "subject": "/17"}}, True),
    ({"suffix": {"type": ".deleted"}}, False),
    ({"suffix": {"missing": "x"}}, False),
    ({"all": [{"exact": {"tenant": "a"}}, {"prefix": {"type": "o"}}]}, True),
    ({"all": [{"exact": {"tenant": "a"}}, {"prefix": {"type": "x"}}]}, False),
    ({"any": [{"exact": {"tenant": "b"}}, {"prefix": {"type": "o"}}]}, True),
    ({"any": [{"exact": {"tenant": "b"}}]}, False),
    ({"not": {"exact": {"tenant": "b"}}}, True),
    ({"not": {"not": {"exact": {"tenant": "b"}}}}, False),
    ({"not": {"exact": {"missing": "b"}}}, True),
    ({"sql": "tenant = 'a' AND subject LIKE 'order/%'"}, True),
    ({"sql": "missing = 'a'"}, False),
    ({"not": {"sql": "missing = 'a'"}}, True),
    ({"sql": "tenant"}, False),
]


@pytest.mark.parametrize(("content", "wanted"), MATCHES, ids=repr)
def test_what_a_filter_selects(content, wanted):
    parsed = filters.parse_filter(content)
    assert parsed.matches(ONE) is wanted
    assert parsed == filters.parse_filter(content)
    assert hash(parsed) == hash(filters.parse_filter(content))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({}, "filter: a filter has exactly one of exact, prefix, suffix, all, any, not, sql"),
        ({"exact": {"a": "b"}, "prefix": {"a": "b"}}, "exactly one of"),
        ("x", "exactly one of"),
        (None, "exactly one of"),
        ({"regex": {}}, "dialect 'regex' is not known; there are exact"),
        ({"exact": {}}, "filter.exact: one attribute or more"),
        ({"exact": []}, "filter.exact: one attribute or more"),
        ({"exact": {"type": ""}}, "filter.exact.type: text of one character or more, not ''"),
        ({"exact": {"type": 1}}, "filter.exact.type: text of one character or more, not '1'"),
        ({"prefix": {"My": "x"}}, "attribute name 'My'"),
        ({"prefix": {"": "x"}}, "attribute name ''"),
        ({"prefix": {1: "x"}}, "names are text"),
        ({"all": []}, "filter.all: a list of one filter or more"),
        ({"any": {}}, "filter.any: a list of one filter or more"),
        ({"any": [{"exact": {"a": "b"}}, {}]}, r"filter\.any\[1\]: a filter has exactly one of"),
        ({"not": []}, "filter.not: a filter has exactly one of"),
        ({"sql": 5}, "filter.sql: an expression"),
        ({"all": [{"sql": "a ="}]}, r"filter\.all\[0\]\.sql: sql, character 3: the end stands where"),
        ({"any": [{"exact": {"a": "b"}}] * 256}, "at most 256 filters"),
    ],
    ids=repr,
)
def test_mistakes_are_refused_with_their_place(content, words):
    with pytest.raises(errors.InvalidFilter, match=words):
        filters.parse_filter(content)
    with pytest.raises(errors.InvalidFilter, match=r"^triggers\[0\]"):
        filters.parse_filters([content], "triggers")


def test_nesting_has_an_end():
    deep = {"exact": {"a": "b"}}
    for _ in range(15):
        deep = {"not": deep}
    filters.parse_filter(deep)
    with pytest.raises(errors.InvalidFilter, match="at most 16 deep"):
        filters.parse_filter({"not": deep})
    for _ in range(5000):
        deep = {"not": deep}
    with pytest.raises(errors.InvalidFilter, match="at most 16 deep"):
        filters.parse_filter(deep)


def test_no_filter_selects_everything():
    assert filters.parse_filters([]).matches(ONE)
    assert filters.parse_filters([{"exact": {"type": "x"}}, {"exact": {"tenant": "a"}}]).matches(ONE) is False


@pytest.mark.parametrize(
    ("content", "types"),
    [
        ({"exact": {"type": "a", "tenant": "x"}}, {"a"}),
        ({"exact": {"tenant": "x"}}, None),
        ({"prefix": {"type": "a"}}, None),
        ({"not": {"exact": {"type": "a"}}}, None),
        ({"any": [{"exact": {"type": "a"}}, {"exact": {"type": "b"}}]}, {"a", "b"}),
        ({"any": [{"exact": {"type": "a"}}, {"exact": {"tenant": "b"}}]}, None),
        ({"all": [{"exact": {"type": "a"}}, {"suffix": {"type": "b"}}]}, {"a"}),
        ({"all": [{"exact": {"type": "a"}}, {"exact": {"type": "b"}}]}, set()),
        ({"sql": "type = 'a'"}, {"a"}),
        ({"sql": "'a' = type AND total > 5"}, {"a"}),
        ({"sql": "type IN ('a', 'b')"}, {"a", "b"}),
        ({"sql": "type NOT IN ('a', 'b')"}, None),
        ({"sql": "type IN ('a', subject)"}, None),
        ({"sql": "type = 'a' OR type = 'b'"}, {"a", "b"}),
        ({"sql": "type = 'a' OR tenant = 'b'"}, None),
        ({"sql": "NOT (type = 'a')"}, None),
        ({"sql": "type = 'a' XOR tenant = 'b'"}, None),
        ({"sql": "type LIKE 'a'"}, None),
        ({"sql": "type = subject"}, None),
    ],
    ids=repr,
)
def test_the_types_a_filter_can_match(content, types):
    assert filters.parse_filter(content).types == (None if types is None else frozenset(types))


def test_a_trigger_of_the_manifest_becomes_a_filter():
    spec = trigger.EventTrigger.model_validate(
        {
            "type": "order.created",
            "source": "/shop",
            "attributes": {"tenant": "a"},
            "filters": [{"any": [{"not": {"exact": {"tenant": "b"}}}, {"all": [{"sql": "FALSE"}]}]}],
        }
    )
    parsed = filters.parse_filters(spec.to_filters())
    assert parsed.types == {"order.created"}
    assert parsed.matches(ONE)
    assert not parsed.matches(make(tenant="b"))
    assert not parsed.matches(make())


LEAVES = st.sampled_from(
    [
        *(
            {dialect: {name: text}}
            for dialect in ("exact", "prefix", "suffix")
            for name in ("type", "tenant")
            for text in "ab"
        ),
        {"sql": "type = 'a'"},
        {"sql": "type IN ('a', 'b') AND EXISTS tenant"},
        {"sql": "type = 'ab' OR tenant = 'a'"},
        {"sql": "type = 'a' OR type = 'b'"},
        {"sql": "type != 'a'"},
    ]
)
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3).map(lambda several: {"any": several})
        | st.lists(inner, min_size=1, max_size=3).map(lambda several: {"all": several})
        | inner.map(lambda one: {"not": one})
    ),
    max_leaves=6,
)
EVENTS = [make(type=kind, **more) for kind in ("a", "b", "ab", "c") for more in ({}, {"tenant": "a"}, {"tenant": "b"})]


@given(st.lists(TREES, max_size=8))
def test_the_index_finds_what_asking_each_would(contents):
    several = [
        subscriptions.Subscription(place, filters.parse_filter(content)) for place, content in enumerate(contents)
    ]
    index = subscriptions.Subscriptions(several)
    assert len(index) == len(several)
    for one in EVENTS:
        assert index.find(one) == tuple(each.key for each in several if each.filter.matches(one))
