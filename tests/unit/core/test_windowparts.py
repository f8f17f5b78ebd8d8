"""Windows of a stream on threads: any number gives the same results, late rows and state."""

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
from tidegate.core import keyparts, lookup, sharing, windowparts

N_ROWS = 30_000  # some blocks of the kernels
WANTS = {
    "n": agg.rows(),
    "total": agg.sum("h"),
    "open": agg.first("p"),
    "close": agg.last("p"),
    "spread": agg.std("s"),
    "worth": agg.vwap("p", "q"),
    "net": agg.sum("q"),
    "middle": agg.median("s"),
    "kinds": agg.nunique("q"),
}
WINDOWS = {
    "tumbling": tg.Tumbling(97),
    "first": tg.Tumbling(97, origin="first", offset=5),
    "sliding": tg.Sliding(600, 150),
    "odd": tg.Sliding(70, 30),
    "gaps": tg.Sliding(30, 70),
    "edges": tg.Edges(list(range(1_000, 12_000, 450))),
    "label": tg.Tumbling(97, label="end"),
}
THREADS = [2, 3, 4]
KEYS = [None, "k"]


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    """Let batches of a few rows be worth threads, again and again."""
    monkeypatch.setattr(sharing, "WORTH_PARTS", 8)
    monkeypatch.setattr(sharing, "WORTH_WINDOWS", 8)
    monkeypatch.setattr(sharing, "has_parts", lambda _: False)
    monkeypatch.setattr(lookup, "CHUNK", 3_000)
    monkeypatch.setattr(lookup, "FIRST", 1_000)
    monkeypatch.setattr(windowparts, "PAUSE", 0)


@pytest.fixture
def taken(monkeypatch):
    """Note how many states have taken each batch."""
    seen: list[int] = []
    push = windowparts.WindowParts.push

    def noted(self, *given):
        done = push(self, *given)
        seen.append(0 if done is None else len(done.states))
        return done

    monkeypatch.setattr(windowparts.WindowParts, "push", noted)
    return seen


def assert_threads_do_not_show(window, table, size=7_000, numbers=THREADS, **options):
    """Compare results, late rows, counts, and the state half way."""
    half = table.num_rows // 2
    lives = [tg.Aggregator(window, **options, threads=n) for n in (1, *numbers)]
    for live in lives:
        live.push(table.slice(0, half), take=False)
    assert len({live.snapshot() for live in lives}) == 1
    ends = [fed(live, table.slice(half), size) for live in lives]
    for live, end in zip(lives[1:], ends[1:], strict=True):
        assert_same_bits(end, ends[0])
        assert live.stats == lives[0].stats
        assert repr(live.watermark) == repr(lives[0].watermark)
    late = [live.take_late() for live in lives]
    for other in late[1:]:
        assert_same_bits(other, late[0])
    return lives[0].stats


@pytest.mark.parametrize("by", KEYS)
@pytest.mark.parametrize("disorder", ["sorted", "near", "late", "far"])
@pytest.mark.parametrize("name", list(WINDOWS))
def test_any_number_of_threads_gives_the_same(name, disorder, by):
    fall, share = {"sorted": (0, 0), "near": (35, 0.3), "late": (300, 0.01), "far": (9_000, 0.2)}[
        disorder
    ]
    table = ticks(5, N_ROWS, disorder=fall, share=share)
    numbers = THREADS if name in ("tumbling", "sliding") else [3]
    options = {"on": "t", "by": by, "lateness": 40, **WANTS}
    stats = assert_threads_do_not_show(WINDOWS[name], table, numbers=numbers, **options)
    if name == "tumbling":
        assert (stats.late > 0) == (fall > 40)


@pytest.mark.parametrize("by", KEYS)
@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("name", ["tumbling", "sliding", "edges"])
def test_each_batch_is_taken_in_as_many_parts_as_there_are_threads(taken, name, threads, by):
    table = ticks(5, N_ROWS, disorder=30, share=0.3)
    live = tg.Aggregator(WINDOWS[name], on="t", by=by, lateness=40, threads=threads, **WANTS)
    fed(live, table, 15_000)
    assert taken == [threads, threads]


def test_states_are_used_again(taken):
    table = ticks(5, N_ROWS)
    live = tg.Aggregator(tg.Tumbling(97), on="t", by="k", lateness=40, threads=3, **WANTS)
    fed(live, table, 5_000)
    assert taken == [3] * 6
    assert len(live._run.bound.window_parts.spares) == 2


@pytest.mark.parametrize("by", KEYS)
@pytest.mark.parametrize("threads", [4, 8])
@pytest.mark.parametrize(
    ("row", "tips"),
    [(12_000, -3_000), (22_000, -3_000), (8_000, 3_000), (18_000, 3_000), (28_000, -9_000)],
)
def test_row_on_the_wrong_side_of_a_cut_is_taken_by_those_whose_it_is(
    taken, row, tips, threads, by
):
    """The watermark is so far behind that such a row is not late; but nobody has looked there."""
    t = np.arange(40_000)
    times = t.copy()
    times[row] += tips
    table = pa.table({"t": times, "k": t % 11, "x": 0.1 * (t % 101)})
    wants = {"n": agg.rows(), "total": agg.sum("x"), "last": agg.last("x")}
    options = {"on": "t", "by": by, "lateness": abs(tips) + 10, **wants}
    for window in (tg.Tumbling(100), tg.Sliding(300, 100)):
        one = tg.Aggregator(window, **options)
        many = tg.Aggregator(window, **options, threads=threads)
        assert_same_bits(fed(many, table, 40_000), fed(one, table, 40_000))
        assert_alike(many, one)
        assert one.stats.late == 0
    assert len(taken) == 2
    assert all(1 <= n < threads - 1 for n in taken)


@pytest.mark.parametrize("by", KEYS)
def test_rows_that_go_back_and_forth_are_taken_by_one(taken, by):
    t = np.random.default_rng(3).permutation(20_000)
    t[-1] = 20_000
    table = pa.table({"t": t, "k": t % 3, "x": t * 0.1})
    options = {"on": "t", "by": by, "lateness": 15_000, "total": agg.sum("x")}
    one = tg.Aggregator(tg.Tumbling(10), **options)
    many = tg.Aggregator(tg.Tumbling(10), **options, threads=2)
    assert_same_bits(fed(many, table, 20_000), fed(one, table, 20_000))
    assert_alike(many, one)
    assert taken in ([0], [1])


def test_after_a_batch_in_vain_some_are_not_cut(taken, monkeypatch):
    monkeypatch.setattr(windowparts, "PAUSE", 2)
    t = np.arange(6 * 10_000)
    t[4_000] += 2_000
    table = pa.table({"t": t})
    live = tg.Aggregator(tg.Tumbling(10), agg.rows(), on="t", lateness=2_500, threads=2)
    fed(live, table, 10_000)
    assert taken == [1, 0, 0, 2, 2, 2]


@settings(max_examples=settings().max_examples // 4)
@given(
    seed=st.integers(0, 99),
    sizes=st.lists(st.integers(0, 1_500), min_size=1, max_size=6),
    name=st.sampled_from(["tumbling", "sliding", "odd", "gaps"]),
    threads=st.sampled_from(THREADS),
    by=st.sampled_from(KEYS),
    disorder=st.sampled_from([0, 30, 200]),
    what=st.lists(st.sampled_from(["row", "advance", "take", "stats", "late", "snapshot", "none"]),
                  min_size=6, max_size=6),
)  # fmt: skip
def test_everything_else_sees_all_windows(seed, sizes, name, threads, by, disorder, what):
    table = ticks(seed, 9_000, disorder=disorder, share=0.2)
    options = {"on": "t", "by": by, "lateness": 40, **WANTS}
    one = tg.Aggregator(WINDOWS[name], **options)
    many = tg.Aggregator(WINDOWS[name], **options, threads=threads)
    columns = ["t", *([] if by is None else [by]), "h", "p", "s", "q"]
    at = 0
    for size, then in zip(sizes, what, strict=False):
        batch, at = table.slice(at, size), at + size
        assert_same_bits(
            many.push(batch, take=then != "take"), one.push(batch, take=then != "take")
        )
        if then == "row":
            row = table.select(columns).slice(at, 1).to_pylist()[0]
            assert many.push_row(*row.values()) == one.push_row(*row.values())
        elif then == "advance" and one._run.bound is not None:
            time = table["t"][at].as_py()
            assert_same_bits(many.advance(time), one.advance(time))
        else:
            many = asked(then, many, one, threads)
    assert_same_bits(many.flush(), one.flush())
    assert_alike(many, one)


@pytest.mark.parametrize("by", KEYS)
def test_rows_without_a_time_and_those_too_far_ahead_are_left_out_alike(taken, by):
    table = ticks(3, 20_000, disorder=60, share=0.1)
    t = table["t"].to_numpy().copy()
    rng = np.random.default_rng(1)
    t[rng.integers(0, 19_000, 300)] += 10**6
    times = pa.array(t, mask=rng.random(20_000) < 0.05)
    table = table.set_column(0, "t", times)
    options = {"on": "t", "by": by, "lateness": 40, "max_jump": 10_000, **WANTS}
    stats = assert_threads_do_not_show(tg.Tumbling(50), table, size=10_000, **options)
    assert stats.rejected > 300
    assert stats.late
    assert max(taken) == 4


@pytest.mark.parametrize("by", KEYS)
def test_times_that_have_no_window_are_left_out_alike(by):
    t = np.arange(10_000)
    t[[10, 4_990, 5_000, 5_010, 9_000]] = [-(2**63)] * 5
    table = pa.table({"t": t, "k": t % 3, "x": t * 1.5})
    options = {"on": "t", "by": by, "lateness": 30, "x": agg.sum("x")}
    for window in (tg.Tumbling(100), tg.Sliding(90, 30)):
        stats = assert_threads_do_not_show(window, table, size=5_000, **options)
        assert stats.rejected == 5


@pytest.mark.parametrize("late", ["drop", "raise"])
def test_late_rows_are_dropped_and_refused_alike(late):
    table = ticks(3, 9_000, disorder=400, share=0.01)
    seen = []
    for threads in (1, 3):
        live = tg.Aggregator(tg.Tumbling(50), on="t", by="k", lateness=100, late=late,
                             threads=threads, **WANTS)  # fmt: skip
        said = []
        for at in range(0, 9_000, 3_000):
            try:
                said.append(live.push(table.slice(at, 3_000)))
            except errors.LateRowError as error:
                said.append(str(error))
        seen.append([*said, live.stats])
    assert [type(said) for said in seen[0]] == [type(said) for said in seen[1]]
    for got, expected in zip(*seen, strict=True):
        if isinstance(got, pa.Table):
            assert_same_bits(got, expected)
        else:
            assert got == expected


def test_side_that_is_full_takes_the_batch_back():
    table = ticks(3, 9_000, disorder=400, share=0.05)
    said = []
    for threads in (1, 3):
        live = tg.Aggregator(tg.Tumbling(50), on="t", lateness=100, limits=tg.Limits(max_late=50),
                             threads=threads, **WANTS)  # fmt: skip
        live.push(table.slice(0, 1_000))
        with pytest.raises(errors.LimitError, match="max_late=50") as caught:
            live.push(table.slice(1_000, 8_000))
        said.append((str(caught.value), live.stats, live.snapshot()))
    assert said[0] == said[1]


@pytest.mark.parametrize("by", KEYS)
@pytest.mark.parametrize("at", [1_000, 2_500, 4_900, 7_500])
def test_sum_that_does_not_fit_is_the_same_error(by, at):
    n = 10_000
    x = np.zeros(n, np.int64)
    x[at : at + 300] = 2**62
    x[9_000:9_300] = 2**62
    rows = {"t": np.arange(n), "k": np.arange(n) % 7, "x": x}
    said = []
    for threads in (1, 2, 3):
        live = tg.Aggregator(
            tg.Tumbling(100), agg.sum("x"), on="t", by=by, lateness=0, threads=threads
        )
        with pytest.raises(errors.AggregateOverflowError, match="x_sum: the sum") as caught:
            live.push(rows)
        with pytest.raises(errors.AggregateOverflowError):
            live.push(rows)
        said.append(str(caught.value))
    assert len(set(said)) == 1


def test_push_that_fails_half_way_is_not_gone_on_with(monkeypatch):
    assert_failed_push_is_not_gone_on_with(monkeypatch)


def test_calendar_and_zones(taken):
    seconds = np.sort(np.random.default_rng(1).integers(0, 400 * 86_400, 9_000))
    table = pa.table({"t": seconds.astype("M8[s]"), "k": seconds % 5, "x": seconds * 0.5})
    days = tg.Calendar("week", tz="America/New_York")
    for by in KEYS:
        options = {"on": "t", "by": by, "lateness": "1d", "x": agg.mean("x")}
        assert_threads_do_not_show(days, table, size=2_000, **options)
    assert max(taken) == 4


def test_float_times(taken):
    table = ticks(2, 20_000, disorder=40, share=0.1)
    table = table.set_column(0, "t", pa.array(table["t"].to_numpy() * 0.25))
    options = {"on": "t", "by": "k", "lateness": 5.0, **WANTS}
    assert_threads_do_not_show(tg.Tumbling(7.5), table, **options)
    assert max(taken) == 4
    taken.clear()
    assert_threads_do_not_show(tg.Sliding(7.5, 2.5), table, numbers=[2], **options)
    assert not taken


def test_results_of_many_windows_are_made_by_all(monkeypatch):
    monkeypatch.setattr(windowparts, "MANY_RESULTS", 100)
    table = ticks(2, N_ROWS)
    options = {"on": "t", "by": "k", "lateness": 5, **WANTS}
    assert_threads_do_not_show(tg.Tumbling(7), table, **options)


def test_windows_on_threads_and_keys_on_threads_take_turns(monkeypatch):
    monkeypatch.setattr(sharing, "has_parts", keyparts.has_parts)
    monkeypatch.setattr(sharing, "is_better_in_parts", lambda *_: True)
    monkeypatch.setattr(sharing, "MOST_MOVED", 0)
    table = ticks(2, N_ROWS, disorder=30, share=0.2)
    options = {"on": "t", "by": "k", "lateness": 40, **WANTS}
    one = tg.Aggregator(tg.Tumbling(97), **options)
    many = tg.Aggregator(tg.Tumbling(97), **options, threads=2)
    sizes, at, were_keys = [9_000, 60, 50, 9_000, 40, 11_850], 0, []
    for size in sizes:
        batch, at = table.slice(at, size), at + size
        assert_same_bits(many.push(batch), one.push(batch))
        were_keys.append(many._run.bound.parts is not None)
    assert were_keys == [False, True, True, False, True, False]
    assert many.snapshot() == one.snapshot()


OTHERS = {
    "by key": {"by": "k", "watermark": "key"},
    "revisions": {"allowed_lateness": 100},
    "ttl": {"by": "k", "ttl": 200},
    "sources": {"sources": "q", "idle": 50},
    "waits": {"lateness": None},
}


@pytest.mark.parametrize("name", list(OTHERS))
def test_plans_that_one_thread_takes_have_the_same_bits(taken, name):
    table = ticks(6, 9_000, disorder=100, share=0.1)
    options = {"on": "t", "lateness": 40, **OTHERS[name], **WANTS}
    one = tg.Aggregator(tg.Tumbling(97), **options)
    many = tg.Aggregator(tg.Tumbling(97), **options, threads=3)
    assert_same_bits(fed(many, table), fed(one, table))
    assert_alike(many, one)
    assert not taken


@pytest.mark.parametrize("by", KEYS)
@pytest.mark.parametrize("window", [tg.Session(5), tg.Count(9), tg.Tumbling(97, empty="zero")])
def test_other_windows_and_texts_take_one_thread(taken, window, by):
    table = ticks(7, 3_000)
    wants = {"n": agg.rows(), "total": agg.sum("s")}
    one = tg.Aggregator(window, on="t", by=by, **wants)
    many = tg.Aggregator(window, on="t", by=by, threads=3, **wants)
    assert_same_bits(fed(many, table), fed(one, table))
    texts = [tg.Aggregator(tg.Tumbling(97), agg.last("k"), agg.collect("q"), on="t", by=by,
                           threads=n) for n in (1, 2)]  # fmt: skip
    assert_same_bits(fed(texts[1], table), fed(texts[0], table))
    assert not taken


def test_worth_is_a_batch_of_many_rows():
    assert windowparts.WORTH_WINDOWS == 1 << 18
