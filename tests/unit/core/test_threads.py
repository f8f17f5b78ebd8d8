"""Work that is shared out among threads."""

from __future__ import annotations

import os
import threading

import pytest

from tidegate.core.threads import beside, on_threads, parts_of


def test_results_are_in_order_and_the_last_is_done_here():
    done = on_threads(lambda item: (item, threading.get_ident()), range(4))
    assert [item for item, _ in done] == [0, 1, 2, 3]
    assert done[-1][1] == threading.get_ident()


def test_all_items_are_at_work_at_the_same_time():
    together = threading.Barrier(5, timeout=60)
    on_threads(lambda _: together.wait(), range(5))


def test_items_that_wait_for_items_of_their_own_are_not_in_the_way_of_these():
    together = threading.Barrier(9, timeout=60)

    def do(_):
        on_threads(lambda _: together.wait(), range(3))

    on_threads(do, range(3))


def test_the_first_error_is_raised_when_all_have_ended():
    ended = []

    def do(item):
        if item in (1, 3):
            raise ValueError(item)
        ended.append(item)

    with pytest.raises(ValueError, match=r"^1$"):
        on_threads(do, range(4))
    assert sorted(ended) == [0, 2]


def test_what_runs_beside_has_ended_when_the_block_is_left():
    may_end, ended = threading.Event(), []

    def do(item):
        assert may_end.wait(60)
        ended.append(item)
        return -item

    with beside(do, [1, 2]) as coming:
        may_end.set()
    assert [made.result() for made in coming] == [-1, -2]
    with pytest.raises(ValueError, match=r"^of the block$"), beside(do, [3]):
        raise ValueError("of the block")
    assert sorted(ended) == [1, 2, 3]


def test_threads_are_kept():
    def once():
        return {ident for _, ident in on_threads(lambda i: (i, threading.get_ident()), [0, 1])}

    once()
    n_threads = threading.active_count()
    for _ in range(20):
        assert len(once()) == 2
    assert threading.active_count() <= n_threads + 1


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_process_that_was_forked_off_has_threads_of_its_own():
    on_threads(abs, [1, 2])
    child = os.fork()
    if not child:
        os._exit(0 if on_threads(abs, [-1, 2]) == [1, 2] else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_parts_follow_one_another_and_are_as_long_as_asked_for():
    assert parts_of(10, 3, 1) == [slice(0, 3), slice(3, 6), slice(6, 10)]
    assert parts_of(10, 3, 4) == [slice(0, 5), slice(5, 10)]
    assert parts_of(10, 3, 11) == [slice(0, 10)]
    assert parts_of(0, 3, 1) == [slice(0, 0)]
