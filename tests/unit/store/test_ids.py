"""Ids are of version 7, sort by time, and are given once, in threads and in child processes too."""

from __future__ import annotations

import concurrent.futures
import os
import re

from mayfly.store import ids

FORM = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def test_an_id_has_the_form_of_version_7():
    assert FORM.fullmatch(ids.make_id(1_790_000_000.0))


def test_ids_sort_by_time():
    made = [ids.make_id(1_790_000_000 + number / 1000) for number in range(100)]
    assert made == sorted(made)


def test_no_id_is_given_twice_whichever_thread_asks():
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: ids.make_id(0.0), range(20_000)))
    assert len(set(made)) == len(made)


def test_a_child_process_gives_ids_of_its_own():
    """What the parent had in store would otherwise be given by both."""
    ids.make_id(0.0)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, ids.make_id(0.0).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        other = pipe.read()
    os.waitpid(child, 0)
    assert FORM.fullmatch(other)
    assert other not in {ids.make_id(0.0) for _ in range(1000)}
