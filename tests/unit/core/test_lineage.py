"""Records tell which steps they went through."""

import asyncio
import inspect
import threading
from types import MappingProxyType

import pytest

import tidegate as tg
from tidegate import errors
from tidegate.core.lineage import LineageStore, lineage_store, mark_step


@pytest.fixture
def store():
    return LineageStore()


def test_steps_are_noted_by_id_in_order(store):
    track = tg.track_lineage(store=store)

    @track
    def transform(record, factor=1):
        """Scale."""
        return record["x"] * factor

    @tg.track_lineage(store=store, step="checked")
    def check(record):
        return record

    assert transform({"id": 1, "x": 2}, factor=3) == 6
    check({"id": 1})
    transform({"id": "b", "x": 2})
    assert store[1] == ["transform", "checked"]
    assert dict(store) == {1: ["transform", "checked"], "b": ["transform"]}
    assert (transform.__name__, transform.__doc__) == ("transform", "Scale.")
    assert str(inspect.signature(transform)) == "(record, factor=1)"


def test_the_common_store_is_the_default():
    lineage_store.clear()

    @tg.track_lineage
    def transform(record):
        return record

    for _ in range(2):
        transform({"id": 5})
    assert lineage_store[5] == ["transform", "transform"]
    lineage_store.clear()
    assert (len(lineage_store), 5 in lineage_store) == (0, False)


@pytest.mark.parametrize("record", [{}, {"key": 1}, None, 7, "id", [("id", 1)]])
def test_what_has_no_id_is_not_tracked(store, record):
    assert tg.track_lineage(lambda given: given, store=store)(record) is record
    assert len(store) == 0


def test_ids_that_mean_nothing_are_ids_too(store):
    track = tg.track_lineage(lambda record: record, store=store, step="s")
    for record in ({"id": None}, {"id": 0}, MappingProxyType({"id": ""})):
        track(record)
    assert list(store) == [None, 0, ""]


def test_another_field_can_be_the_id(store):
    tg.track_lineage(lambda record: record, store=store, id="trade", step="s")({"trade": 9})
    assert store[9] == ["s"]


def test_a_step_that_fails_is_noted(store):
    @tg.track_lineage(store=store)
    def fail(record):
        raise ValueError(record)

    with pytest.raises(ValueError, match="id"):
        fail({"id": 1})
    assert store[1] == ["fail"]


def test_an_id_that_cannot_be_a_key_is_refused_before_the_call(store):
    called = []
    with pytest.raises(errors.ColumnTypeError, match=r"id \[1\] cannot be a key"):
        tg.track_lineage(called.append, store=store)({"id": [1]})
    assert called == []


def test_methods_keywords_and_coroutines_are_tracked(store):
    class Stage:
        @tg.track_lineage(store=store)
        def clean(self, record):
            return record

        @tg.track_lineage(store=store)
        @staticmethod
        def score(record):
            return record

    @tg.track_lineage(store=store)
    async def send(record):
        return record

    record = {"id": 1}
    Stage().clean(record)
    Stage().clean(record=record)
    Stage.score(record)
    assert inspect.iscoroutinefunction(send)
    assert asyncio.run(send(record)) is record
    assert store[1] == ["clean", "clean", "score", "send"]


def test_the_store_is_bounded_and_counts_what_it_dropped():
    small = LineageStore(max_records=2, times=True)
    for record_id in (1, 2, 1, 3, 4):
        small.add(record_id, "s")
    assert (list(small), small.n_dropped) == ([3, 4], 2)
    assert small.times_of(4) != []
    with pytest.raises(KeyError):
        small.times_of(1)
    small.clear()
    assert (list(small), small.n_dropped) == ([], 0)


def test_times_are_kept_on_request():
    timed = LineageStore(times=True, clock=iter([1.0, 2.5]).__next__)
    timed.add("a", "x")
    timed.add("a", "y")
    assert (timed["a"], timed.times_of("a")) == (["x", "y"], [1.0, 2.5])
    with pytest.raises(errors.InputError, match="times=True"):
        LineageStore().times_of("a")


def test_no_step_is_lost_under_eight_threads():
    store = LineageStore(max_records=50, times=True)

    def run():
        for k in range(500):
            store.add(k % 50, "s")

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(map(len, store.values())) == 4000
    assert sum(len(store.times_of(k)) for k in store) == 4000


@pytest.mark.parametrize("size", [0, True, 1.5, None])
def test_bad_sizes_are_named(size):
    with pytest.raises(errors.InputError, match="max_records"):
        LineageStore(size)


def test_a_record_carries_its_own_steps():
    record = {"x": 1}
    assert mark_step(record, "clean") is record
    assert mark_step(record, "score")["_lineage"] == ["clean", "score"]
    assert mark_step({}, "s", field="steps") == {"steps": ["s"]}


@pytest.mark.parametrize("record", [None, [1], {"_lineage": "clean"}, {"_lineage": ()}])
def test_a_record_that_cannot_carry_steps_is_named(record):
    with pytest.raises(errors.ColumnTypeError, match="mark_step"):
        mark_step(record, "s")
