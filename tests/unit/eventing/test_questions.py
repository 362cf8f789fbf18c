"""Questions are read strictly: what is overlooked would show, redrive or delete too much."""

from __future__ import annotations

import pytest

from mayfly import errors
from mayfly.eventing.management import questions
from mayfly.store import records

ID = "019a0000-0000-7000-8000-000000000001"


def test_a_question_without_conditions_means_everything():
    assert questions.parse_listing("") == questions.Listing(records.Selection(), 100, None)


def test_every_condition_is_read():
    query = (
        f"function=mail&state=dead,waiting&since=2026-09-21T14:13:20Z&until=2026-09-21T16:13:21.5%2B02:00&limit=500"
        f"&cursor={ID}"
    )
    states = frozenset({records.State.DEAD, records.State.WAITING})
    selection = records.Selection(function="mail", states=states, since=1_790_000_000.0, until=1_790_000_001.5)
    assert questions.parse_listing(query) == questions.Listing(selection, 500, ID)


WRONG = {
    "unknown": ("fucntion=mail", "'fucntion' is not known here; there is function"),
    "twice": ("function=mail&function=cart", "given twice"),
    "no function": ("function=", "function=''"),
    "no name": ("function=Mail", "function='Mail'"),
    "long name": (f"function={'a' * 53}", "at most 52"),
    "no limit": ("limit=", "a number from 1 to"),
    "limit 0": ("limit=0", "a number from 1 to"),
    "limit -1": ("limit=-1", "a number from 1 to"),
    "limit ٣": ("limit=%D9%A3", "a number from 1 to"),
    "much": ("limit=1001", "a number from 1 to"),
    "cursor": ("cursor=x' or 1=1", "pass on what the page before said"),
}
LISTS = {"list": questions.parse_listing, "dead": questions.parse_dead_letters, "redrive": questions.parse_redrive}


@pytest.mark.parametrize("parse", LISTS.values(), ids=LISTS)
@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_parameter_is_refused_everywhere(parse, case):
    query, words = WRONG[case]
    with pytest.raises(errors.InvalidQuestion) as caught:
        parse(query)
    assert words in str(caught.value)


@pytest.mark.parametrize("case", set(WRONG) - {"cursor"})
def test_a_purge_is_as_strict(case):
    with pytest.raises(errors.InvalidQuestion):
        questions.parse_purge(WRONG[case][0])


@pytest.mark.parametrize(
    "query",
    [
        "state=",
        "state=done",
        "state=dead,",
        "since=yesterday",
        "since=2026-09-21T14:13:20",
        "until=1790000000",
        "since=0001-01-01T00:00:00%2B14:00",
        "since=9999-12-31T23:59:59-14:00",
        "limit=501",
    ],
)
def test_a_list_refuses_what_it_cannot_read(query):
    with pytest.raises(errors.InvalidQuestion):
        questions.parse_listing(query)


def test_a_purge_goes_on_from_an_instant():
    step, before = questions.parse_purge("function=mail&limit=7&cursor=2026-09-21T14:13:20.000Z")
    assert (step.function, step.limit, before) == ("mail", 7, 1_790_000_000.0)
    assert questions.parse_purge("")[1] is None


@pytest.mark.parametrize(
    ("body", "revision"),
    [
        (b"", None),
        (b" \n", None),
        (b"{}", None),
        (b'{"revision": null}', None),
        (b'{"revision": "mail-00002"}', "mail-00002"),
    ],
)
def test_a_replay_may_name_a_revision(body, revision):
    assert questions.parse_revision(body, function="mail") == revision


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"mail-00002",
        b"\xff",
        b"[" * 100_000,
        b'{"revison": "mail-00002"}',
        b'{"revision": 2}',
        b'{"revision": ""}',
        b'{"revision": "cart-00002"}',
        b'{"revision": "mail-out-00002"}',
        b'{"revision": "mail-00002.bank"}',
        b'{"revision": "mail-00002\\n"}',
        b'{"revision": "\\ud800"}',
    ],
)
def test_a_replay_goes_to_revisions_of_its_own_function_alone(body):
    with pytest.raises(errors.InvalidQuestion):
        questions.parse_revision(body, function="mail")


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        ([], 0.0),
        (["wait=5"], 5.0),
        (["respond-async", "Wait = 5"], 5.0),
        (["return=minimal, wait=5;x=y"], 5.0),
        (['wait="5"'], 5.0),
        (["wait=86400"], 20.0),
        (["wait=-1"], 0.0),
        (["await=5"], 0.0),
        (["wait=5s"], 0.0),
    ],
)
def test_a_wish_to_wait_is_read(prefer, seconds):
    assert questions.parse_wait(prefer) == seconds
