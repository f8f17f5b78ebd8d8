"""Calendar windows and explicit boundaries: one answer in every way, and that of the oracle."""

import dataclasses
import datetime as dt
import zoneinfo

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.compare import assert_answers, assert_same_bits, assert_same_run, with_plain_times
from reference.oracle import Boundaries, LocalCalendar
from reference.strategies import HARSH_WANTS, calendar_cases, edge_cases, steps, ticks
from reference.streams import Case, window

import tidegate as tg
from tidegate import agg

CASES = [edge_cases, calendar_cases]
any_case = pytest.mark.parametrize("cases", CASES, ids=["edges", "calendar"])


@any_case
@given(st.data())
def test_stream_says_what_the_oracle_says(cases, data):
    case = data.draw(cases())
    said, run = case.oracle(), case.stream(data.draw(steps()))
    assert_answers(with_plain_times(run.result), said, case.wants, by=case.by)
    late = with_plain_times(run.late)
    for name in ("row", "reason", "window_start", "window_end", "late_by"):
        assert late[name].to_pylist() == [row[name] for row in said.late]
    assert (run.stats.used, run.stats.rejected) == (said.used, said.rejected)


@any_case
@given(st.data())
def test_any_cut_gives_the_same_bits(cases, data):
    case = data.draw(cases())
    assert_same_run(case.stream(data.draw(steps())), case.stream(data.draw(steps())))


@any_case
@given(st.data())
def test_row_by_row_gives_the_same_bits(cases, data):
    case = data.draw(cases())
    assert_same_run(case.stream([("rows", case.table.num_rows)]), case.stream())


@any_case
@given(st.data())
def test_one_shot_is_the_stream(cases, data):
    case = data.draw(cases(late=True))
    assert_same_run(case.one_shot(), case.stream())
    patient = dataclasses.replace(case, lateness=None)
    assert_same_run(patient.one_shot(), patient.stream())


@any_case
@given(st.data())
def test_late_rows_are_refused_before_anything_is_taken(cases, data):
    case = data.draw(cases(late=True))
    rows = case.table
    live = case.aggregator(late="raise")
    said = case.oracle()
    late = [row["row"] for row in said.late if row["reason"] == "late"]
    if not late:
        live.push(rows)
        return
    with pytest.raises(tg.errors.LateRowError, match=f"row {late[0]} is late"):
        live.push(rows)
    assert live.stats.rows_in == 0
    live.push(rows.slice(0, late[0]))


def long_calendar(shape, *, disorder, seed=3):
    """Make a long stream of some two years, 300 rows a day, on a calendar."""
    table = ticks(seed, 200_000, disorder=disorder)
    times = table["t"].to_numpy()
    there = times[~np.isnan(times)] if times.dtype.kind == "f" else times
    scaled = (pc.subtract(table["t"], int(there[0]))).to_numpy(zero_copy_only=False)
    seconds = 1_640_000_000 + scaled * (2 * 366 * 86_400 / (np.nanmax(scaled) + 1))
    column = pa.array(np.nan_to_num(seconds).astype("i8"), mask=np.isnan(seconds))
    table = table.set_column(table.schema.get_field_index("t"), "t", column.cast(pa.timestamp("s")))
    return Case(table, shape, HARSH_WANTS)


SHAPES = {
    "days": LocalCalendar("day", 1, "America/New_York"),
    "weeks": LocalCalendar("week", 2, "Australia/Lord_Howe"),
    "months": LocalCalendar("month", 1, "Europe/Berlin"),
}


@pytest.mark.parametrize("by", [(), ("k",)], ids=["unkeyed", "keyed"])
@pytest.mark.parametrize("disorder", [0, 50, 9000])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_any_number_of_threads_gives_the_same_bits(shape, disorder, by):
    case = dataclasses.replace(long_calendar(shape, disorder=disorder), by=by)
    alone = case.one_shot(threads=1)
    for threads in (2, 3):
        assert_same_run(case.one_shot(threads=threads), alone)
    assert_same_run(case.stream([("push", 77_777), ("restore", 0)], lateness=2**40), alone)


@pytest.mark.parametrize("by", [(), ("k",)], ids=["unkeyed", "keyed"])
@pytest.mark.parametrize("disorder", [0, 50, 9000])
def test_any_number_of_threads_gives_the_same_bits_between_boundaries(disorder, by):
    table = ticks(9, 500_000, disorder=disorder)
    times = table["t"].drop_null().to_numpy()
    low, high = int(times.min()), int(times.max())
    rng = np.random.default_rng(1)
    edges = np.unique(rng.integers(low + (high - low) // 9, high - (high - low) // 9, 500))
    case = Case(table, Boundaries(tuple(edges.tolist())), HARSH_WANTS, by=by)
    alone = case.one_shot(threads=1)
    for threads in (2, 3):
        assert_same_run(case.one_shot(threads=threads), alone)


def test_stream_that_stops_within_a_day_of_25_hours_goes_on_to_the_same_bits():
    first = np.datetime64("2024-11-02T00", "s").astype(np.int64)
    rng = np.random.default_rng(2)
    times = first + np.sort(rng.integers(0, 4 * 86_400, 9_000))
    table = pa.table(
        {"t": pa.array(times).cast(pa.timestamp("s")), "p": rng.normal(size=len(times))}
    )
    days = tg.Calendar("day", tz="America/New_York")
    options = {"on": "t", "mean": agg.mean("p"), "std": agg.std("p"), "n": agg.rows()}
    whole = tg.aggregate(table, days, **options)
    assert 25 in (
        (whole["window_end"].to_numpy() - whole["window_start"].to_numpy()) // 3600
    ).astype(int)
    change = int(np.searchsorted(times, np.datetime64("2024-11-03T06", "s").astype(np.int64)))
    for cut in (change - 1, change, change + 1, change + 999):
        live = tg.Aggregator(days, lateness="1h", **options)
        out = [live.push(table.slice(0, cut))]
        live = tg.Aggregator.restore(live.snapshot())
        out += [live.push(table.slice(cut)), live.flush()]
        assert_same_bits(pa.concat_tables(out), whole)


@any_case
@given(st.data())
def test_two_aggregators_merge_into_one(cases, data):
    case = data.draw(cases(late=False))
    case = dataclasses.replace(case, by=("k",), table=with_key(case.table))
    parts = [case.table.filter(pc.equal(case.table["k"], key)) for key in ("a", "b")]
    one, other = case.aggregator(), case.aggregator()
    one.push(parts[0])
    other.push(parts[1])
    one.merge(other)
    alone = case.aggregator()
    alone.push(pa.concat_tables(parts))
    assert_same_bits(one.flush(), alone.flush())


def with_key(table):
    """Give a table with a key column of two keys."""
    if "k" in table.column_names:
        table = table.drop_columns("k")
    keys = pa.array(["ab"[row % 2] for row in range(table.num_rows)], pa.string())
    return table.append_column("k", keys)


# Rows of years, in zones of every kind, against others

ZONES = [
    "UTC",
    "America/New_York",
    "America/Sao_Paulo",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "Pacific/Auckland",
    "Africa/Casablanca",
]


def hourly_rows(first="2017-01-01", last="2019-06-01"):
    """Make a row every 20 minutes over years."""
    times = np.arange(first, last, np.timedelta64(20, "m"), dtype="M8[s]")
    rng = np.random.default_rng(4)
    return pa.table({"t": times, "v": rng.integers(-(10**6), 10**6, len(times))})


def found(rows, unit, tz, n=1):
    """Give start (seconds since the epoch), rows and sum of our windows."""
    out = tg.aggregate(rows, tg.Calendar(unit, n, tz), on="t", n=agg.rows(), s=agg.sum("v"))
    starts = out["window_start"].cast(pa.timestamp("s")).cast(pa.int64()).to_pylist()
    return list(zip(starts, out["n"].to_pylist(), out["s"].to_pylist(), strict=True))


@pytest.mark.parametrize(
    ("unit", "rule"),
    [("day", "D"), ("week", "W-SUN"), ("month", "MS"), ("quarter", "QS"), ("year", "YS")],
)
@pytest.mark.parametrize("tz", ZONES)
def test_windows_are_those_of_pandas(tz, unit, rule):
    rows = hourly_rows()
    frame = rows.to_pandas()
    frame.index = pd.DatetimeIndex(frame.pop("t")).tz_localize("UTC").tz_convert(tz)
    if unit == "week":  # pandas resamples weeks to their last days only
        first_days = frame.index.tz_localize(None).to_period(rule).start_time
        sums = frame.groupby(first_days)["v"].agg(["count", "sum"])
        sums.index = sums.index.tz_localize(tz, nonexistent="shift_forward", ambiguous=True)
    else:
        sums = frame["v"].resample(rule).agg(["count", "sum"])
    starts = sums.index.tz_convert("UTC").as_unit("s").astype("int64")
    theirs = list(zip(starts, sums["count"], sums["sum"], strict=True))
    assert found(rows, unit, tz) == theirs


@pytest.mark.parametrize(
    ("unit", "n", "every"),
    [
        ("day", 1, "1d"),
        ("day", 3, "3d"),
        ("week", 1, "1w"),
        ("week", 2, "2w"),
        ("month", 1, "1mo"),
        ("month", 5, "5mo"),
        ("quarter", 1, "1q"),
        ("quarter", 2, "2q"),
        ("year", 1, "1y"),
        ("year", 4, "4y"),
    ],
)
@pytest.mark.parametrize("tz", ZONES)
def test_windows_are_those_of_polars(tz, unit, n, every):
    # Where midnight is skipped, Polars begins the day an hour before, in the day before.
    skips = tz == "America/Sao_Paulo" and unit == "day"
    rows = hourly_rows("2018-11-06") if skips else hourly_rows()
    frame = pl.from_arrow(rows).with_columns(
        pl.col("t").dt.replace_time_zone("UTC").dt.convert_time_zone(tz)
    )
    out = frame.group_by_dynamic("t", every=every).agg(pl.len().alias("n"), pl.col("v").sum())
    starts = (out["t"].dt.epoch("s")).to_list()
    assert found(rows, unit, tz, n) == list(zip(starts, out["n"], out["v"], strict=True))


@pytest.mark.parametrize("unit", ["day", "week", "month", "quarter", "year"])
@pytest.mark.parametrize("tz", ZONES)
def test_windows_are_those_of_duckdb(tz, unit):
    rows = hourly_rows()
    with duckdb.connect() as connection:
        connection.execute(f"SET TimeZone = '{tz}'")
        connection.register("rows_", rows)
        theirs = connection.execute(
            """SELECT epoch(date_trunc($1, t::TIMESTAMP AT TIME ZONE 'UTC'))::BIGINT AS start,
                count(*), sum(v)::BIGINT FROM rows_ GROUP BY start ORDER BY start""",
            [unit],
        ).fetchall()
    assert found(rows, unit, tz) == theirs


def test_keyed_windows_of_a_table_are_ordered_by_end_then_by_key():
    rows = pa.table(
        {
            "t": np.array(["2024-03-11T04", "2024-03-10T06", "2024-03-11T05"], "M8[s]"),
            "k": ["b", "a", "a"],
        }
    )
    out = tg.aggregate(rows, tg.Calendar("day", tz="America/New_York"), agg.rows(), on="t", by="k")
    assert out["k"].to_pylist() == ["a", "b", "a"]


def test_windows_of_shifts_are_those_of_pandas_cut():
    rng = np.random.default_rng(8)
    zone = zoneinfo.ZoneInfo("Europe/Berlin")
    edges = [
        dt.datetime(2024, 3, 28, hour, tzinfo=zone) + dt.timedelta(days=day)
        for day in range(5)
        for hour in (6, 14, 22)
    ]
    times = np.datetime64("2024-03-27", "s") + rng.integers(0, 8 * 86_400, 20_000)
    frame = pd.DataFrame(
        {"t": pd.DatetimeIndex(times).tz_localize("UTC"), "v": rng.normal(size=20_000)}
    )
    cuts = pd.cut(frame["t"], pd.DatetimeIndex(edges).tz_convert("UTC"), right=False)
    theirs = frame.groupby(cuts, observed=True)["v"].agg(["count", "max"])
    out = tg.aggregate(frame, tg.Edges(edges), on="t", n=agg.rows(), high=agg.max("v"))
    assert out["n"].tolist() == theirs["count"].tolist()
    assert out["high"].tolist() == theirs["max"].tolist()
    assert out["window_start"].tolist() == [interval.left for interval in theirs.index]


@settings(max_examples=20)
@given(st.lists(st.integers(-(2**40), 2**37), min_size=1, max_size=20), st.randoms())
def test_table_grows_in_both_directions_while_rows_come(times, random):
    shape = LocalCalendar("month", 1, "Europe/Paris")
    table = pa.table({"t": pa.array(times).cast(pa.timestamp("s")), "p": [1.0] * len(times)})
    case = Case(table, shape, tuple(w for w in HARSH_WANTS if set(w.columns) <= {"p"}))
    kinds = [random.choice(["push", "rows", "restore"]) for _ in range(9)]
    cuts = [(kind, 0 if kind == "restore" else random.randint(0, 4)) for kind in kinds]
    case = dataclasses.replace(case, lateness=random.choice([0, 10**9, 2**45]))
    assert_same_run(case.stream(cuts), case.stream())
    assert window(case.grid) == tg.Calendar("month", 1, "Europe/Paris")
