"""Labels: a window goes by its start or its end, under the name of the time column."""

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest
from reference.compare import assert_same_bits
from reference.strategies import ticks

import tidegate as tg
from tidegate import agg, errors
from tidegate.core import ranges

EDGES = ("window_start", "window_end")
LABELS = {"start": "window_start", "end": "window_end"}
WINDOWS = {
    "tumbling": lambda **o: tg.Tumbling(30, **o),
    "first": lambda **o: tg.Tumbling(30, origin="first", offset=7, **o),
    "sliding": lambda **o: tg.Sliding(90, 40, **o),
    "gaps": lambda **o: tg.Sliding(20, 50, **o),
    "edges": lambda **o: tg.Edges(list(range(100, 9_000, 130)), **o),
    "zero": lambda **o: tg.Tumbling(3, empty="zero", **o),
    "carry": lambda **o: tg.Sliding(9, 3, empty="carry", **o),
}
WANTS = {"n": agg.rows(), "total": agg.sum("h"), "high": agg.max("p"), "middle": agg.median("s")}

by_window = pytest.mark.parametrize("name", list(WINDOWS))
by_label = pytest.mark.parametrize("label", list(LABELS))
by_keys = pytest.mark.parametrize("by", [None, "k"])


def called(table: pa.Table, label: str, on: str = "t") -> pa.Table:
    """Name one edge as the time column, and leave out the other."""
    other = LABELS["end" if label == "start" else "start"]
    kept = table.drop_columns([other])
    return kept.rename_columns(
        [on if name == LABELS[label] else name for name in kept.column_names]
    )


@by_label
@by_window
@by_keys
def test_label_is_one_of_the_two_edges_and_nothing_else_changes(name, label, by):
    table = ticks(3, 25_000, disorder=40, share=0.02)
    window = WINDOWS[name]
    expected = called(tg.aggregate(table, window(), on="t", by=by, **WANTS), label)
    got = tg.aggregate(table, window(label=label), on="t", by=by, **WANTS)
    assert got.column_names == [*([by] if by else []), "t", *WANTS]
    assert_same_bits(got, expected)


@by_label
@by_window
@by_keys
def test_stream_gives_labels_through_cuts_and_snapshots(name, label, by):
    table = ticks(4, 9_000, disorder=25, share=0.05)
    window = WINDOWS[name]
    whole = tg.aggregate(table, window(), on="t", by=by, lateness=12, side=tg.Side(), **WANTS)
    live = tg.Aggregator(window(label=label), on="t", by=by, lateness=12, **WANTS)
    parts = []
    for at in range(0, 9_000, 700):
        parts.append(live.push(table.slice(at, 500)))
        live.push(table.slice(at + 500, 200), take=False)
        live = tg.Aggregator.restore(live.snapshot())
    parts.append(live.flush())
    assert_same_bits(pa.concat_tables(parts), called(whole, label))
    late = live.take_late()
    assert late.num_rows or name in ("sliding", "gaps")
    assert late.column_names[-3:-1] == list(EDGES)


@by_label
@pytest.mark.parametrize("share", [0.0, 1.0])
@pytest.mark.parametrize("name", ["tumbling", "sliding", "edges"])
def test_threads_give_the_same_labels(name, label, share, monkeypatch):
    monkeypatch.setattr(ranges, "BLOCK", 4_096)
    table = ticks(5, 60_000, disorder=500, share=share)
    wants = {name: WANTS[name] for name in ("n", "total", "high")}
    window = WINDOWS[name](label=label)
    alone = tg.aggregate(table, window, on="t", by="k", threads=1, **wants)
    assert_same_bits(tg.aggregate(table, window, on="t", by="k", threads=3, **wants), alone)


TIMES = {
    "int32": pa.array([5, 14, 23], pa.int32()),
    "float": pa.array([0.5, 1.25, 2.5]),
    "timestamp": pa.array([0, 11, 25], pa.timestamp("us")),
    "zoned": pa.array([0, 11, 25], pa.timestamp("ns", "Europe/Berlin")),
    "date": pa.array([dt.date(2024, 1, 1), dt.date(2024, 2, 1)]),
}


@by_label
@pytest.mark.parametrize("kind", list(TIMES))
def test_label_has_the_type_of_the_edges(kind, label):
    table = pa.table({"t": TIMES[kind]})
    size = {"float": 0.5, "date": "1d"}.get(kind, 10)
    if kind in ("timestamp", "zoned"):
        size = np.timedelta64(10, "us" if kind == "timestamp" else "ns")
    both = tg.aggregate(table, tg.Tumbling(size), agg.rows(), on="t")
    one = tg.aggregate(table, tg.Tumbling(size, label=label), agg.rows(), on="t")
    assert one.schema.field("t").type == both.schema.field(LABELS[label]).type
    assert one["t"].to_pylist() == both[LABELS[label]].to_pylist()


@by_label
def test_calendar_days_are_called_by_their_midnights(label):
    hours = np.arange("2024-03-09T05", "2024-03-12T04", dtype="M8[h]").astype("M8[s]")
    days = tg.Calendar("day", tz="America/New_York", label=label)
    both = tg.aggregate({"t": hours}, tg.Calendar("day", tz="America/New_York"), agg.rows(), on="t")
    assert (tg.aggregate({"t": hours}, days, agg.rows(), on="t")["t"] == both[LABELS[label]]).all()


@by_label
def test_revisions_stand_behind_the_label(label):
    rows = {"t": [1, 12, 3, 25], "x": [1.0, 2.0, 4.0, 8.0]}
    options = {"on": "t", "lateness": 0, "allowed_lateness": 20, "total": agg.sum("x")}
    live = tg.Aggregator(tg.Tumbling(10, label=label), **options)
    got = pa.concat_tables([live.push(rows), live.flush()])
    assert got.column_names == ["t", "revision", "total"]
    both = tg.Aggregator(tg.Tumbling(10), **options)
    assert_same_bits(got, called(pa.concat_tables([both.push(rows), both.flush()]), label))


def test_columns_may_be_called_revision():
    for by, on in (("revision", "t"), ("k", "revision")):
        rows = {by: ["a", "b"], on: [1, 25]}
        live = tg.Aggregator(tg.Tumbling(10, label="end"), agg.rows(), on=on, by=by, lateness=0)
        live.push(rows)
        assert live.flush().column_names == [by, on, "rows"]


@by_label
@pytest.mark.parametrize("order", ["sorted", "mixed"])
@pytest.mark.parametrize("name", ["tumbling", "sliding", "zero", "edges"])
def test_lineage_goes_with_a_label(name, label, order):
    t = np.sort(np.random.default_rng(1).integers(0, 900, 400))
    if order == "mixed":
        t = np.roll(t, 30)
    window = WINDOWS[name]
    both = tg.aggregate(pa.table({"t": t}), window(), agg.rows(), on="t", lineage=True)
    one = tg.aggregate(pa.table({"t": t}), window(label=label), agg.rows(), on="t", lineage=True)
    assert_same_bits(one, called(both, label))


def test_results_may_be_named_as_edges_where_a_label_leaves_room():
    rows = pa.table({"t": [1, 3, 12], "x": [1.0, 2.0, 4.0]})
    out = tg.aggregate(
        rows, tg.Tumbling(10, label="end"), on="t", window_start=agg.min("x"), lineage=True
    )
    assert out.column_names == ["t", "window_start", "row_ranges"]
    assert out["t"].to_pylist() == [10, 20]
    assert out["window_start"].to_pylist() == [1.0, 4.0]


@by_label
def test_halves_merge_by_label(label):
    def half(k):
        live = tg.Aggregator(
            tg.Tumbling(10, label=label), agg.rows(), on="t", by="k", lateness=None
        )
        live.push({"t": [1, 12, 25], "k": [k] * 3})
        live.advance(20)
        live.push({"t": [40], "k": [k]}, take=False)
        return live

    live, other = half("a"), half("b")
    live.advance(30)
    other.push({"t": [45], "k": ["b"]}, take=False)
    live.merge(other)
    place = {"start": 0, "end": 10}[label]
    got = live.flush()
    assert got["t"].to_pylist() == [20 + place, 40 + place, 40 + place]


@by_label
@pytest.mark.parametrize("window", [
    lambda label: tg.Tumbling(10, label=label),
    lambda label: tg.Sliding(10, 5, label=label),
    lambda label: tg.Edges([0, 10], label=label),
    lambda label: tg.Calendar("day", label=label),
])  # fmt: skip
def test_plan_knows_its_label(window, label):
    plan = tg.Aggregator(window(label), agg.rows(), on="t").plan
    again = tg.Plan.from_json(plan.to_json())
    assert again == plan
    assert again.window.label == label
    assert window(label) != window(None)
    old = plan.to_json().replace(f', "label": "{label}"', "")
    assert tg.Plan.from_json(old).window.label is None


@pytest.mark.parametrize("label", ["left", "", 0, True, ["start"]])
def test_other_labels_are_a_named_error(label):
    for window in (tg.Tumbling(1, label=label), tg.Edges([0, 1], label=label)):
        with pytest.raises(errors.WindowError, match=r"label is .*: choose from start, end"):
            tg.Aggregator(window, agg.rows(), on="t")


def test_clash_of_names_says_how_out():
    with pytest.raises(errors.InputError, match=r"'t': label='end' .* leave label out"):
        tg.aggregate({"t": [1]}, tg.Tumbling(10, label="end"), agg.rows(), on="t", by="t")
    with pytest.raises(errors.InputError, match=r"'t': label='start' .* another keyword"):
        tg.aggregate({"t": [1]}, tg.Tumbling(10, label="start"), on="t", t=agg.rows())


def test_windows_that_rows_make_have_no_label():
    with pytest.raises(TypeError):
        tg.Session(10, label="start")


def test_what_came_in_comes_out_with_a_label():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"t": pd.to_datetime(["2024-01-01 00:00:10", "2024-01-01 00:01:30"])})
    out = tg.aggregate(frame, tg.Tumbling("1m", label="end"), agg.rows(), on="t")
    expected = frame.assign(rows=1).resample("1min", on="t", label="right")["rows"].sum()
    assert out["t"].tolist() == expected.index.tolist()
    assert out["rows"].tolist() == expected.tolist()


def test_polars_groups_have_the_same_labels():
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame({"t": [0, 4, 11, 12, 35], "x": [1.0, 2.0, 4.0, 8.0, 16.0]})
    for label, theirs in (("start", "left"), ("end", "right")):
        out = tg.aggregate(frame, tg.Tumbling(10, label=label), on="t", x=agg.sum("x"))
        expected = frame.group_by_dynamic("t", every="10i", label=theirs).agg(pl.col("x").sum())
        assert out.equals(expected)


def test_stream_of_word_columns_takes_the_short_way():
    live = tg.Aggregator(tg.Tumbling(10, label="start"), agg.sum("x"), on="t", lateness=0)
    for at in range(0, 200, 20):
        batch = pa.record_batch({"t": [at, at + 19], "x": [1.0, 2.0]})
        out = live.push(batch)
        assert out.column_names == ["t", "x_sum"]
        assert out["t"].to_pylist() == ([at] if not at else [at - 10, at])
    assert live._run.intake is not None
