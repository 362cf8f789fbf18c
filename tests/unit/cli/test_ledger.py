"""What is printed of invocations."""

from __future__ import annotations

import datetime as dt
import json
import re

import pytest

from mayfly.cli import ledger, options
from mayfly.cli.commands import events_tail_command as tail
from mayfly.eventing.management import documents
from mayfly.store import records
from tests.unit.eventing.test_documents import NOW, make_invocation

THEN = dt.datetime.fromtimestamp(NOW + 60, dt.UTC)
ID = "019a0000-0000-7000-8000-000000000001"


def make(**changes):
    return documents.make_invocation(make_invocation(**changes))


def make_dead(**changes):
    one = make_invocation(state=records.State.DEAD, settled=NOW + 30, reason="Expired", status=503, **changes)
    return documents.make_dead_letter(one, kept_until=NOW + 7260)


def render(*items, form=options.Format.TABLE, **more):
    return ledger.render(items, form, now=THEN, **more)


def test_states_are_the_stores():
    assert [state.value for state in options.State] == [state.value for state in records.State]


def test_a_table_says_what_comes_next():
    assert render(make(due=NOW + 65)).splitlines() == [
        "ID                                     FUNCTION   KIND    STATE     ATTEMPTS   STATUS   AGE   NOTE",
        f"{ID}   mail       event   waiting   2          -        60s   next try in 5s",
    ]


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"due": NOW}, "next try now"),
        ({"tries": 0, "redrives": 0}, ""),
        ({"tries": 0}, "redriven 1x"),
        ({"state": records.State.DEAD, "reason": "Gone"}, "Gone"),
        ({"state": records.State.DELIVERED, "redrives": 0}, ""),
    ],
)
def test_a_note_says_what_is_worth_knowing(changes, note):
    assert ledger.make_note(make(**changes), now=THEN) == note


def test_dead_letters_say_why_when_and_for_how_long():
    _, row = render(make_dead(), dead=True).splitlines()
    assert re.split(" {3,}", row) == [ID, "mail", "Expired", "503", "2", "30s ago", "in 2h"]


@pytest.mark.parametrize("dead", [False, True])
def test_wide_adds_columns_of_one_line_each(dead):
    one = make_dead(detail="first line\nsecond " + "x" * 200)
    head, row = render(one, form=options.Format.WIDE, dead=dead).splitlines()
    assert head.endswith("DETAIL")
    assert row.endswith("…")


def test_json_is_the_documents_and_name_the_ids():
    assert json.loads(render(make(), form=options.Format.JSON)) == {"items": [make()]}
    assert render(make(), make(), form=options.Format.NAME) == f"{ID}\n{ID}"


def test_a_card_tells_the_whole_story():
    attempts = [
        documents.make_attempt(records.Attempt(1, records.Tried.RETRIED, NOW, NOW + 0.25, 503, "", "w", "mail-00001")),
        documents.make_attempt(
            records.Attempt(2, records.Tried.UNKNOWN, NOW + 5, None, None, "lease\nlapsed", "w", None)
        ),
    ]
    card = ledger.render_card(make(parent="p", depth=2, expires=NOW + 3660), attempts, now=THEN)
    assert "Function:     mail in shop" in card
    assert "Next attempt: 2026-09-21T14:13:21.250Z (59s ago)" in card
    assert "Expires:      2026-09-21T15:14:20.250Z (in 60m)" in card
    assert "Parent:       p (depth 2)" in card
    assert card.splitlines()[-2:] == [
        "  1   retried   503      2026-09-21T14:13:20.250Z   0.250 s   mail-00001   -",
        "  2   unknown   -        2026-09-21T14:13:25.250Z   -         -            lease lapsed",
    ]
    assert "None" not in card


def test_a_message_reads_as_on_the_wire():
    message = documents.make_message(records.Message((("a", "b"), ("cookie", "c")), b"text", path="/p?token=x"))
    assert ledger.render_message(message) == "POST /p?token=(hidden)\na: b\ncookie: (hidden)\n\ntext"
    assert "(2 bytes that are no text" in ledger.render_message(documents.make_message(records.Message(body=b"\xff\0")))


@pytest.mark.parametrize("body", [b"", b"text", "Grüße".encode(), b"\xff\x00"])
def test_a_body_comes_back_byte_for_byte(body):
    assert ledger.read_body(documents.make_body(body)) == body


def test_what_was_printed_is_not_printed_again():
    """A look brings what the one before brought, the newest first; it is given once, the oldest first."""
    seen = tail.Seen(most=3)
    one, two, three, four = ({"id": str(number)} for number in range(4))
    assert seen.choose([two, one]) == [one, two]
    assert seen.choose([three, two, one]) == [three]
    assert seen.choose([four, three, two]) == [four]
    assert seen.choose([four]) == []
