"""Keys of a stream that are looked up on a thread, ahead of the rows: the same as one by one."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.compare import assert_same_bits
from reference.strategies import ticks

import tidegate as tg
from tidegate import agg, errors
from tidegate.core import lookup, sharing

WANTS = {"n": agg.rows(), "total": agg.sum("h"), "close": agg.last("p"), "middle": agg.median("s")}
DEALT = {"mean": agg.mean("h"), "high": agg.max("s")}


@pytest.fixture(autouse=True)
def pushed(monkeypatch):
    """Let batches of a few rows be taken so, and count them."""
    monkeypatch.setattr(sharing, "WORTH_PARTS", 8)
    monkeypatch.setattr(sharing, "can_have_windows_apart", lambda _: False)
    monkeypatch.setattr(sharing, "is_better_in_parts", lambda *_: False)
    monkeypatch.setattr(lookup, "CHUNK", 3_000)
    monkeypatch.setattr(lookup, "FIRST", 500)
    seen = []

    def noted(bound, batch, rows):
        seen.append(batch.num_rows)
        return lookup.push_ahead(bound, batch, rows)

    monkeypatch.setattr(sharing, "push_ahead", noted)
    return seen


@pytest.mark.parametrize("wants", [WANTS, DEALT], ids=["rows", "dealt"])
@pytest.mark.parametrize("lateness", [40, None])
@pytest.mark.parametrize("n_keys", [3, 700])
def test_results_late_rows_and_state_are_those_of_one_thread(pushed, n_keys, lateness, wants):
    table = ticks(5, 60_000, disorder=100, share=0.05, n_keys=n_keys)
    one, two = (
        tg.Aggregator(tg.Tumbling(2_000), on="t", by="k", lateness=lateness, threads=n, **wants)
        for n in (1, 2)
    )
    for at in range(0, 60_000, 20_000):
        assert_same_bits(two.push(table.slice(at, 20_000)), one.push(table.slice(at, 20_000)))
        if wants is WANTS:  # the two floats of a sum that is dealt may share its bits otherwise
            assert two.snapshot() == one.snapshot()
        two = tg.Aggregator.restore(two.snapshot(), threads=2)
    assert_same_bits(two.flush(), one.flush())
    assert_same_bits(two.take_late(), one.take_late())
    assert two.stats == one.stats
    assert pushed == [20_000] * 3


@settings(max_examples=settings().max_examples // 4)
@given(
    seed=st.integers(0, 99),
    sizes=st.lists(st.integers(0, 2_000), min_size=1, max_size=5),
    window=st.sampled_from([tg.Tumbling(97), tg.Sliding(600, 150), tg.Tumbling(97, empty="zero")]),
    max_jump=st.sampled_from([None, 60]),
)
def test_any_cuts_give_the_same(seed, sizes, window, max_jump):
    table = ticks(seed, 10_000, disorder=100, share=0.2)
    options = {"on": "t", "by": "k", "lateness": 40, "max_jump": max_jump, **WANTS}
    one, two = (tg.Aggregator(window, **options, threads=n) for n in (1, 2))
    at = 0
    for size in sizes:
        batch, at = table.slice(at, size), at + size
        assert_same_bits(two.push(batch), one.push(batch))
        two = tg.Aggregator.restore(two.snapshot(), threads=2)
    assert_same_bits(two.flush(), one.flush())
    assert_same_bits(two.take_late(), one.take_late())


def test_sum_that_does_not_fit_is_the_same_error():
    n = 9_000
    rows = {"t": np.arange(n), "k": np.arange(n) % 7, "x": np.full(n, 2**62)}
    said = []
    for threads in (1, 2):
        live = tg.Aggregator(tg.Tumbling(5_000), agg.sum("x"), on="t", by="k", threads=threads)
        with pytest.raises(errors.AggregateOverflowError) as caught:
            live.push(rows)
        with pytest.raises(errors.AggregateOverflowError):
            live.push(rows)
        said.append(str(caught.value))
    assert said[0] == said[1]


def test_push_that_fails_half_way_is_not_gone_on_with(monkeypatch):
    table = ticks(2, 9_000)
    live = tg.Aggregator(tg.Tumbling(97), agg.sum("h"), on="t", by="k", threads=2)
    live.push(table.slice(0, 2_000))
    state = live.snapshot()
    encode, calls = live._run.bound.keys.encode, []

    def fails(batch):
        calls.append(batch.num_rows)
        if len(calls) == 3:
            raise MemoryError("no memory for keys")
        return encode(batch)

    monkeypatch.setattr(live._run.bound.keys, "encode", fails)
    with pytest.raises(MemoryError, match="no memory for keys"):
        live.push(table.slice(2_000, 7_000))
    assert calls == [500, 3_000, 3_000]
    with pytest.raises(errors.InputError, match="restore a snapshot"):
        live.push(table.slice(2_000, 7_000))
    again = tg.Aggregator.restore(state, threads=2)
    assert again.push(table.slice(2_000, 7_000)).num_rows


def test_codes_come_in_order_to_whoever_waits():
    bound = tg.Aggregator(
        tg.Tumbling(1), agg.rows(), on="t", by="k",
        schema=pa.schema({"t": pa.int64(), "k": pa.int64()}),
    )._run.bound  # fmt: skip
    batch = pa.record_batch({"t": np.arange(8_000), "k": np.arange(8_000) // 4_000 * 3})
    looks = lookup.Lookup(bound.keys, batch, 2)
    looks.run()
    for reader in (0, 1):
        assert [looks.wait(reader) for _ in range(4)] == [
            (500, 1), (3_500, 1), (6_500, 2), (8_000, 2)
        ]  # fmt: skip
    assert looks.codes.tolist() == [0] * 4_000 + [1] * 4_000


def coded(first: int, n: int, last_code: int) -> pa.RecordBatch:
    """Rows with keys in a dictionary of three, whose last code may be none of them."""
    codes = np.arange(n, dtype=np.int32) % 3
    codes[-1] = last_code
    index = pa.Array.from_buffers(pa.int32(), n, [None, pa.py_buffer(codes)])
    keys = pa.DictionaryArray.from_arrays(index, pa.array(["a", "b", "c"]), safe=False)
    return pa.record_batch({"t": np.arange(first, first + n), "k": keys, "x": np.ones(n)})


def test_after_a_push_that_failed_half_way_nothing_is_taken(pushed):
    live = tg.Aggregator(tg.Tumbling(10**6), agg.sum("x"), on="t", by="k", threads=2)
    for number in range(3):
        live.push(coded(7 * number, 7, 0))
    before = live.stats.rows_in
    with pytest.raises(errors.InputError, match="row 19999: there is no entry 99"):
        live.push(coded(21, 20_000, 99))
    assert pushed == [20_000]
    for batch in (coded(20_021, 7, 0), coded(20_021, 20_000, 0)):
        with pytest.raises(errors.InputError, match="failed half way: restore a snapshot"):
            live.push(batch)
    assert live.stats.rows_in == before
