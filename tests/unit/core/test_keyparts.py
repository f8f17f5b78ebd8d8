"""Keys of a stream on threads: any number gives the same results, late rows, counts and state."""

import dataclasses
import pickle

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.compare import assert_same_bits
from reference.strategies import ticks
from reference.threaded import asked, assert_alike, assert_failed_push_is_not_gone_on_with, fed

import tidegate as tg
from tidegate import agg, errors
from tidegate.core import keyparts, lookup, rowviews, sharing

N_ROWS = 30_000  # some blocks of the kernels
WANTS = {
    "n": agg.rows(),
    "total": agg.sum("h"),
    "open": agg.first("p"),
    "close": agg.last("p"),
    "spread": agg.std("s"),
    "worth": agg.vwap("p", "q"),
    "net": agg.sum("q"),
    "net_high": agg.max("q"),
    "middle": agg.median("s"),
    "kinds": agg.nunique("q"),
    "slope": agg.slope("s"),
}
DEALT = {"mean": agg.mean("h"), "spread": agg.std("h"), "high": agg.max("s"), "sum": agg.sum("s")}
WINDOWS = {
    "tumbling": tg.Tumbling(97),
    "first": tg.Tumbling(97, origin="first", offset=5),
    "long": tg.Tumbling(10**9),
    "sliding": tg.Sliding(600, 150),
    "odd": tg.Sliding(70, 30),
    "gaps": tg.Sliding(30, 70),
    "edges": tg.Edges(list(range(1_000, 12_000, 450))),
    "zero": tg.Tumbling(97, empty="zero"),
    "label": tg.Tumbling(97, label="end"),
}
THREADS = [2, 3, 4]


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    """Let batches of a few rows be worth threads, however much is open, by keys alone."""
    monkeypatch.setattr(sharing, "WORTH_PARTS", 8)
    monkeypatch.setattr(sharing, "MOST_MOVED", 0)
    monkeypatch.setattr(sharing, "can_have_windows_apart", lambda _: False)
    monkeypatch.setattr(sharing, "is_better_in_parts", lambda *_: True)
    monkeypatch.setattr(lookup, "CHUNK", 3_000)
    monkeypatch.setattr(lookup, "FIRST", 1_000)


@pytest.fixture(scope="module", params=["sorted", "late", "many"])
def table(request) -> pa.Table:
    n_keys = 600 if request.param == "many" else 7
    disorder = 0 if request.param == "sorted" else 300
    return ticks(5, N_ROWS, disorder=disorder, share=0.2, n_keys=n_keys)


@pytest.mark.parametrize("name", list(WINDOWS))
def test_any_number_of_threads_gives_the_same(table, name):
    options = {"on": "t", "by": "k", "lateness": 40, **WANTS}
    one = tg.Aggregator(WINDOWS[name], **options)
    expected = fed(one, table)
    for threads in THREADS[: 1 if name not in ("tumbling", "sliding") else 3]:
        many = tg.Aggregator(WINDOWS[name], **options, threads=threads)
        assert_same_bits(fed(many, table), expected)
        assert_alike(many, one) if threads == 4 else None
    fresh = tg.Aggregator(WINDOWS[name], **options, threads=2)
    fed(fresh, table)
    again = tg.Aggregator(WINDOWS[name], **options)
    fed(again, table)
    assert_alike(fresh, again)


def test_lists_of_values_are_taken_with_keys_looked_up_ahead():
    table = ticks(5, 9_000, n_keys=7)
    options = {"on": "t", "by": "k", "lateness": 40, "all": agg.collect("q")}
    one = tg.Aggregator(tg.Tumbling(97), **options)
    expected = fed(one, table)
    for threads in THREADS:
        assert_same_bits(
            fed(tg.Aggregator(tg.Tumbling(97), **options, threads=threads), table), expected
        )


@pytest.mark.parametrize("threads", THREADS)
def test_parts_are_taken_at_all(table, threads):
    live = tg.Aggregator(tg.Tumbling(97), on="t", by="k", threads=threads, **WANTS)
    live.push(table.slice(0, 10_000), take=False)
    parts = live._run.bound.parts
    assert len(parts.states) == threads
    assert all(state.n_open for state in parts.states)
    assert not live._run.bound.head.n_open


@pytest.mark.parametrize("name", ["tumbling", "sliding", "edges"])
def test_dealt_rows_have_the_same_bits(name):
    table = ticks(9, 100_000, n_keys=40)
    assert not table["h"].null_count
    options = {"on": "t", "by": "k", "lateness": 10, **DEALT}
    window = {"tumbling": tg.Tumbling(9_000), "sliding": tg.Sliding(9_000, 3_000)}.get(
        name, tg.Edges([0, 10_000, 30_000])
    )
    expected = fed(tg.Aggregator(window, **options), table, 40_000)
    for threads in THREADS:
        many = tg.Aggregator(window, **options, threads=threads)
        assert_same_bits(fed(many, table, 40_000), expected)


@pytest.mark.parametrize("name", ["tumbling", "sliding", "zero"])
def test_snapshot_is_the_same_and_goes_on_with_another_number(table, name):
    options = {"on": "t", "by": "k", "lateness": 40, **WANTS}
    lives = [tg.Aggregator(WINDOWS[name], **options, threads=n) for n in (1, 2, 4)]
    for at, threads in ((0, (1, 2, 4)), (9_000, (2, 4, 1)), (18_000, (4, 1, 3))):
        for live in lives:
            live.push(table.slice(at, 9_000), take=False)
        states = [live.snapshot() for live in lives]
        assert states[0] == states[1] == states[2]
        lives = [
            tg.Aggregator.restore(state, threads=n)
            for state, n in zip(states, threads, strict=True)
        ]
    ends = [live.flush() for live in lives]
    assert_same_bits(ends[1], ends[0])
    assert_same_bits(ends[2], ends[0])
    assert_alike(lives[1], lives[0])


@settings(max_examples=settings().max_examples // 4)
@given(
    seed=st.integers(0, 99),
    sizes=st.lists(st.integers(0, 900), min_size=1, max_size=6),
    name=st.sampled_from(["tumbling", "sliding", "gaps", "zero"]),
    threads=st.sampled_from(THREADS),
    what=st.lists(st.sampled_from(["row", "advance", "take", "stats", "late", "snapshot", "none"]),
                  min_size=6, max_size=6),
)  # fmt: skip
def test_everything_else_sees_all_windows(seed, sizes, name, threads, what):
    table = ticks(seed, 6_000, disorder=200, share=0.2)
    options = {"on": "t", "by": "k", "lateness": 40, **WANTS}
    one = tg.Aggregator(WINDOWS[name], **options)
    many = tg.Aggregator(WINDOWS[name], **options, threads=threads)
    at = 0
    for size, then in zip(sizes, what, strict=False):
        batch, at = table.slice(at, size), at + size
        assert_same_bits(many.push(batch), one.push(batch))
        if then == "row" and at < 6_000:
            row = table.select(["t", "k", "h", "p", "s", "q"]).slice(at, 1).to_pylist()[0]
            assert many.push_row(*row.values()) == one.push_row(*row.values())
        elif then == "advance" and one._run.bound is not None:
            time = table["t"][min(at, 5_999)].as_py()
            assert_same_bits(many.advance(time), one.advance(time))
        else:
            many = asked(then, many, one, threads)
    assert_same_bits(many.flush(), one.flush())
    assert_alike(many, one)


def test_merge_of_streams_with_threads():
    table = ticks(8, 8_000)
    halves = [table.filter(pa.array([k.as_py() in keys for k in table["k"]]))
              for keys in ({"0", "1", "2"}, {"3", "4", "5", "6"})]  # fmt: skip
    lives = [
        tg.Aggregator(tg.Tumbling(97), on="t", by="k", lateness=None, threads=n, **WANTS)
        for n in (3, 1)
    ]
    for live, half in zip(lives, halves, strict=True):
        live.push(half)
    lives[0].merge(lives[1])
    whole = tg.aggregate(table, tg.Tumbling(97), on="t", by="k", **WANTS)
    columns = [name for name in whole.column_names if name != "k"]
    got = lives[0].flush()
    order = [("window_end", "ascending"), ("n", "ascending"), ("total", "ascending")]
    assert_same_bits(got.sort_by(order).select(columns), whole.sort_by(order).select(columns))


@pytest.mark.parametrize("late", ["drop", "raise", "side"])
def test_late_rows_and_jumps_are_dealt_with_alike(late):
    table = ticks(3, 9_000, disorder=400, share=0.01)
    far = table.slice(0, 50).set_column(0, "t", pa.array(np.full(50, 10**9)))
    options = {"on": "t", "by": "k", "lateness": 100, "late": late, "max_jump": 10_000}
    lives = [tg.Aggregator(tg.Tumbling(50), **options, threads=n, **WANTS) for n in (1, 3)]
    seen = []
    for live in lives:
        said = []
        for batch in (table.slice(0, 3_000), far, table.slice(3_000, 5_000)):
            try:
                said.append(live.push(batch))
            except errors.LateRowError as error:
                said.append(str(error))
        seen.append(said)
    for got, expected in zip(*seen[::-1], strict=True):
        if isinstance(got, str):
            assert got == expected
        else:
            assert_same_bits(got, expected)
    assert_alike(lives[1], lives[0])
    if late == "side":
        assert lives[1].stats.late
    assert lives[1].stats.rejected or late == "raise"


def test_limits_hold_as_with_one_thread():
    table = ticks(4, 5_000, n_keys=900)
    for limits in (tg.Limits(max_open=500), tg.Limits(max_keys=200), tg.Limits(max_kept=500)):
        said = []
        for threads in (1, 3):
            live = tg.Aggregator(
                tg.Tumbling(10_000), on="t", by="k", limits=limits, threads=threads, **WANTS
            )
            live.push(table.slice(0, 100))
            with pytest.raises(errors.LimitError) as caught:
                live.push(table.slice(100, 4_000))
            said.append((str(caught.value), live.stats, live.snapshot()))
        assert said[0] == said[1]


def test_sum_that_does_not_fit_is_the_same_error():
    n = 3_000
    rows = {"t": np.arange(n), "k": np.arange(n) % 7, "x": np.full(n, 2**62)}
    for threads in (1, 3):
        live = tg.Aggregator(tg.Tumbling(10**6), agg.sum("x"), on="t", by="k", threads=threads)
        live.push(rows)
        with pytest.raises(errors.AggregateOverflowError, match="x_sum: the sum of column 'x'"):
            live.flush()
        with pytest.raises(errors.AggregateOverflowError):
            live.push(rows)


OTHERS = {
    "no keys": {"by": None},
    "by key": {"watermark": "key"},
    "revisions": {"allowed_lateness": 100},
    "ttl": {"ttl": 200},
    "sources": {"sources": "q", "idle": 50},
}


@pytest.mark.parametrize("name", list(OTHERS))
def test_plans_that_one_thread_takes_have_the_same_bits(name):
    table = ticks(6, 9_000, disorder=100, share=0.1)
    options = {"on": "t", "by": "k", "lateness": 40, **OTHERS[name]}
    one = tg.Aggregator(tg.Tumbling(97), **options, **WANTS)
    many = tg.Aggregator(tg.Tumbling(97), **options, **WANTS, threads=3)
    assert_same_bits(fed(many, table), fed(one, table))
    assert many._run.bound.parts is None
    assert_alike(many, one)


@pytest.mark.parametrize("window", [tg.Session(5), tg.Count(9), tg.Rolling(9)])
def test_other_windows_and_texts_take_one_thread(window):
    table = ticks(7, 3_000)
    wants = {"n": agg.rows(), "total": agg.sum("s")}
    one = tg.Aggregator(window, on="t", by="k", **wants)
    many = tg.Aggregator(window, on="t", by="k", threads=3, **wants)
    assert_same_bits(fed(many, table), fed(one, table))
    texts = tg.Aggregator(tg.Tumbling(97), agg.last("k"), agg.collect("q"), on="t", by="k",
                          threads=2)  # fmt: skip
    assert texts.push(table).equals(
        tg.Aggregator(tg.Tumbling(97), agg.last("k"), agg.collect("q"), on="t", by="k").push(table)
    )


@pytest.mark.parametrize("threads", [0, -1, True, 1.5, "2", None])
def test_other_numbers_of_threads_are_a_named_error(threads):
    with pytest.raises(errors.InputError, match="threads is"):
        tg.Aggregator(tg.Tumbling(1), agg.rows(), on="t", threads=threads)
    live = tg.Aggregator(tg.Tumbling(1), agg.rows(), on="t")
    with pytest.raises(errors.InputError, match="threads is"):
        tg.Aggregator.restore(live.snapshot(), threads=threads)
    with pytest.raises(errors.InputError, match="threads is"):
        tg.Aggregator.from_plan(live.plan, threads=threads)


def test_plan_says_nothing_of_threads():
    plans = [tg.Aggregator(tg.Tumbling(1), agg.rows(), on="t", threads=n).plan for n in (1, 4)]
    assert plans[0] == plans[1]
    assert pickle.dumps(plans[0]) == pickle.dumps(plans[1])
    assert "threads" not in {field.name for field in dataclasses.fields(tg.Plan)}


@pytest.mark.parametrize(
    ("threads", "wants", "n", "is_better"),
    [
        (2, WANTS, 9_000, True),
        (2, WANTS, 900, False),
        (2, {"spread": agg.std("s"), "net": agg.sum("q")}, 9_000, False),
        (3, {"spread": agg.std("s"), "net": agg.sum("q")}, 9_000, True),
        (3, DEALT, 9_000, False),
        (2, DEALT, 9_000, False),
    ],
)
def test_parts_are_for_what_gains_by_them(threads, wants, n, is_better):
    table = ticks(5, n)
    live = tg.Aggregator(tg.Tumbling(97), on="t", by="k", **wants)
    live.push(table.slice(0, 1))
    rows = rowviews.rows_of(table.combine_chunks().to_batches()[0], live._run.bound)
    assert keyparts.is_better_in_parts(live._run.bound, rows, threads) == is_better


def test_worth_is_a_batch_of_many_rows():
    assert keyparts.WORTH_PARTS == 1 << 16


def test_more_threads_than_parts_there_may_be():
    table = ticks(2, 2_000, n_keys=900)
    many = tg.Aggregator(tg.Tumbling(97), agg.sum("h"), on="t", by="k", threads=1_000)
    one = tg.Aggregator(tg.Tumbling(97), agg.sum("h"), on="t", by="k")
    assert_same_bits(fed(many, table), fed(one, table))


def test_calendar_and_zones_with_threads():
    seconds = np.sort(np.random.default_rng(1).integers(0, 400 * 86_400, 9_000))
    table = pa.table({"t": seconds.astype("M8[s]"), "k": seconds % 5, "x": seconds * 0.5})
    days = tg.Calendar("week", tz="America/New_York")
    options = {"on": "t", "by": "k", "lateness": "1d", "x": agg.mean("x")}
    one, many = tg.Aggregator(days, **options), tg.Aggregator(days, **options, threads=3)
    assert_same_bits(fed(many, table, 2_000), fed(one, table, 2_000))


def test_float_times_with_threads():
    table = ticks(2, 9_000, disorder=200, share=0.1)
    table = table.set_column(0, "t", pa.array(table["t"].to_numpy() * 0.25))
    options = {"on": "t", "by": "k", "lateness": 5.0, **WANTS}
    one, many = (
        tg.Aggregator(tg.Sliding(7.5, 2.5), **options),
        tg.Aggregator(tg.Sliding(7.5, 2.5), **options, threads=3),
    )
    assert_same_bits(fed(many, table, 2_000), fed(one, table, 2_000))
    assert_alike(many, one)


def test_push_that_fails_half_way_is_not_gone_on_with(monkeypatch):
    assert_failed_push_is_not_gone_on_with(monkeypatch)


@pytest.mark.parametrize("n_keys", [3_000, 70_000, 200_000])
def test_few_of_many_keys_come_out_in_order_of_first_appearance(n_keys):
    order = np.random.default_rng(1).permutation(n_keys)
    rng = np.random.default_rng(2)
    first = {"t": np.zeros(n_keys, np.int64), "k": order}
    later = {"t": np.repeat([100, 200, 300], 400), "k": rng.integers(0, n_keys, 1_200)}
    live = tg.Aggregator(tg.Tumbling(100), agg.rows(), on="t", by="k", lateness=0)
    live.push(first)
    live.push(later, take=False)
    got = live.flush()
    place = np.argsort(order)
    ends, places = got["window_end"].to_numpy()[n_keys:], place[got["k"].to_numpy()[n_keys:]]
    assert got.num_rows - n_keys == sum(len(set(later["k"][i : i + 400])) for i in (0, 400, 800))
    assert (np.lexsort((places, ends)) == np.arange(len(ends))).all()
