"""Streams for hypothesis: small and nasty, or long and of every texture."""

import dataclasses
import datetime as dt
import math
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st
from reference.oracle import Boundaries, Grid, LocalCalendar, Row, Shape, Want
from reference.streams import Case, Step

VALUE_TYPES = {
    "p": pa.float64(),
    "s": pa.float64(),
    "q": pa.int64(),
    "u": pa.uint64(),
    "i": pa.int16(),
    "b": pa.bool_(),
    "f": pa.float32(),
}
KEY_TYPES = {"k": pa.string(), "n": pa.int64(), "x": pa.float64()}

# Magnitudes whose squares neither vanish nor overflow, the two ends that do, and what is no number.
TAME = st.one_of(
    st.integers(-9, 9).map(float),
    st.floats(-1e6, 1e6).map(lambda x: x if abs(x) > 1e-100 else -0.0),
    st.sampled_from([1e9 + 4, 1e9 + 7, 1e9 + 13, 1e9 + 16, 1e16, -1e16, 0.1, 2.0**53]),
)
WILD = st.sampled_from([1e200, -1e200, 1.7e308, -1.7e308, 1e145, 2.0**480, -(2.0**479)])
TINY = st.sampled_from([5e-324, -5e-324, 3e-310, 1e-200, -3e-200, 2.5e-180, 1e-60, 0.0])
SPECIAL = st.sampled_from([math.nan, math.inf, -math.inf])
NULL = st.none()


def mostly(common: st.SearchStrategy[Any], *rare: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Draw one kind of thing, and one time in eight another."""
    return st.integers(1, 8).flatmap(lambda dice: st.one_of(*rare) if dice == 8 else common)


# One of these a stream: or else hardly a window would be free of NaN.
PRICES = {
    "whole": TAME,
    "gaps": mostly(TAME, NULL),
    "wild": mostly(TAME, WILD, NULL),
    "tiny": mostly(TINY, TAME, NULL),
    "odd": mostly(TAME, SPECIAL),  # without nulls, as the quick paths of the kernels want it
    "all": mostly(TAME, WILD, SPECIAL, NULL),
}
# Integers that floats do not hold, and that cancel; the sums of a hundred of them fit.
BEYOND = [2**55, 2**55 + 1, 2**55 - 1, 2**53 + 1, 2**56 + 3]
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "s": mostly(st.one_of(st.integers(-3, 99).map(float), st.floats(1e-6, 1e9)), NULL),
    "q": mostly(
        st.one_of(
            st.integers(-9, 9),
            st.integers(-(2**55), 2**55),
            st.sampled_from(BEYOND + [-x for x in BEYOND]),
        ),
        NULL,
    ),
    "u": mostly(st.one_of(st.integers(0, 9), st.integers(0, 2**56), st.sampled_from(BEYOND)), NULL),
    "i": mostly(st.integers(-(2**15), 2**15 - 1), NULL),
    "b": mostly(st.booleans(), NULL),
    "f": mostly(st.integers(-(2**20), 2**20).map(lambda x: x / 64), NULL),
}
KEYS: dict[str, st.SearchStrategy[Any]] = {
    "k": st.sampled_from(["a", "b", "c", "", None]),
    "n": st.sampled_from([0, 1, -1, 2**62, None]),
    "x": st.sampled_from([0.0, 1.5, math.nan, math.inf, None]),
}
ONE_COLUMN = (
    *("count", "first", "last", "min", "max", "sum", "mean", "var", "std"),
    *("sem", "range", "argmin", "argmax", "zscore", "skew", "kurt", "slope"),
    *("median", "quantile", "mad", "nunique", "mode", "collect"),
)
INTERPOLATIONS = ("linear", "lower", "higher", "nearest", "midpoint")
TWO_COLUMNS = ("vwap", "wmean", "cov", "corr", "slope")


def options_of(draw: st.DrawFn, kind: str) -> tuple[tuple[str, Any], ...]:
    """Draw the options of an aggregate."""
    if kind in {"skew", "kurt"}:
        return (("bias", draw(st.booleans())),)
    if kind == "quantile":
        q = draw(st.one_of(st.sampled_from([0.0, 0.25, 0.5, 0.9, 1.0]), st.floats(0, 1)))
        return (("q", q), ("interpolation", draw(st.sampled_from(INTERPOLATIONS))))
    return ()


@st.composite
def wants(
    draw: st.DrawFn,
    columns: tuple[str, ...] = tuple(VALUE_TYPES),
    one_column: tuple[str, ...] = ONE_COLUMN,
    two_columns: tuple[str, ...] = TWO_COLUMNS,
) -> tuple[Want, ...]:
    """Draw a plan: a handful of aggregates, over columns of every type."""
    # Half of the plans are of one float column: there lie most of the paths of the kernels.
    column = st.sampled_from(columns if draw(st.booleans()) else columns[:1])
    one = st.tuples(st.just(1), st.sampled_from(one_column))
    two = st.tuples(st.just(2), st.sampled_from(two_columns))
    kinds = st.one_of(one, one, two)
    drawn = draw(st.lists(st.tuples(kinds, column, column, st.integers(0, 3)), max_size=6))
    plan = [Want("n_rows", "rows")] if draw(st.booleans()) or not drawn else []
    for place, ((n_columns, kind), first, second, ddof) in enumerate(drawn):
        over = (first, second)[:n_columns]
        plan.append(Want(f"a{place}", kind, over, ddof, options_of(draw, kind)))
    return tuple(plan)


@st.composite
def grids(draw: st.DrawFn) -> Grid:
    """Draw tumbling and sliding windows of integer times, some with gaps between them."""
    size = draw(st.integers(1, 12))
    every = draw(st.one_of(st.just(size), st.integers(1, 15)))
    origin = draw(st.sampled_from(["epoch", "epoch", "first"]))
    return Grid(size, every, draw(st.integers(-20, 20)), origin)


@st.composite
def times(draw: st.DrawFn, n_rows: int) -> list[int | None]:
    """Draw integer times that mostly rise, fall back now and then, jump, or are not there."""
    often = st.just(0) if draw(st.booleans()) else st.integers(0, 3)  # long runs of one window, too
    step = mostly(often, st.integers(-9, 12), st.sampled_from([-60, 60, 997]))
    at = draw(st.one_of(st.integers(-30, 30), st.sampled_from([-(2**40), 1_700_000_000_000])))
    drawn: list[int | None] = []
    for move in draw(st.lists(step, min_size=n_rows, max_size=n_rows)):
        at += move
        drawn.append(at)
    for place in draw(st.sets(st.integers(0, max(n_rows - 1, 0)), max_size=2)):
        if place < n_rows and draw(st.booleans()):
            drawn[place] = None
    return drawn


@st.composite
def cases(
    draw: st.DrawFn,
    *,
    max_rows: int = 40,
    columns: tuple[str, ...] = tuple(VALUE_TYPES),
    late: bool | None = None,
    plans: st.SearchStrategy[tuple[Want, ...]] | None = None,
) -> Case:
    """Draw a whole case; `late` says whether the watermark moves before the end of input."""
    plan = draw(wants(columns) if plans is None else plans)
    keys = st.lists(st.sampled_from(list(KEY_TYPES)), min_size=1, max_size=2, unique=True)
    by = tuple(draw(keys)) if draw(st.booleans()) else ()
    used = dict.fromkeys(column for want in plan for column in want.columns)
    n_rows = draw(st.integers(0, max_rows))
    values = VALUES | {"p": PRICES[draw(st.sampled_from(list(PRICES)))]}
    row = st.tuples(*(KEYS[name] for name in by), *(values[name] for name in used))
    drawn = draw(st.lists(row, min_size=n_rows, max_size=n_rows))
    types = {"t": pa.int64(), **{name: (KEY_TYPES | VALUE_TYPES)[name] for name in (*by, *used)}}
    placed = zip(draw(times(n_rows)), drawn, strict=True)
    rows: list[Row] = [dict(zip(types, (t, *rest), strict=True)) for t, rest in placed]
    moves = draw(st.booleans()) if late is None else late
    return Case(
        table=pa.Table.from_pylist(rows, schema=pa.schema(types.items())),
        grid=draw(grids()),
        wants=plan,
        by=by,
        lateness=draw(st.integers(0, 20)) if moves else None,
        nan=draw(st.sampled_from(["value", "missing"])),
        rows=rows,
    )


def moved(case: Case, shape: Shape, times: list[int | None], time_type: pa.DataType) -> Case:
    """Put the rows of a case elsewhere in time, under other windows."""
    table = case.table.set_column(0, "t", pa.array(times, time_type))
    rows = [row | {"t": t} for row, t in zip(case.rows, times, strict=True)]
    return dataclasses.replace(case, table=table, rows=rows, grid=shape)


@st.composite
def edge_cases(draw: st.DrawFn, *, late: bool | None = None) -> Case:
    """Draw a case whose windows lie between explicit boundaries, among its rows."""
    case = draw(cases(late=late))
    times = case.table["t"].to_pylist()
    there = [t for t in times if t is not None] or [0]
    near = st.sampled_from(there).flatmap(lambda t: st.integers(t - 5, t + 5))
    edges = draw(st.sets(near, min_size=2, max_size=12))
    return moved(case, Boundaries(tuple(sorted(edges))), times, pa.int64())


# Where clocks change: by an hour, by half of one, at midnight, over it, and a day that never was.
CHANGES = [
    ("UTC", dt.datetime(1970, 1, 1)),
    ("America/New_York", dt.datetime(2024, 3, 10, 7)),
    ("America/New_York", dt.datetime(2024, 11, 3, 6)),
    ("America/Sao_Paulo", dt.datetime(2018, 11, 4, 3)),
    ("America/Sao_Paulo", dt.datetime(2018, 2, 18, 2)),
    ("America/Havana", dt.datetime(2023, 11, 5, 5)),
    ("America/St_Johns", dt.datetime(2010, 11, 7, 2, 31)),
    ("Australia/Lord_Howe", dt.datetime(2024, 4, 6, 15)),
    ("Australia/Lord_Howe", dt.datetime(2024, 10, 5, 15, 30)),
    ("Pacific/Apia", dt.datetime(2011, 12, 30, 10)),
    ("Asia/Kathmandu", dt.datetime(1985, 12, 31, 18, 30)),
    ("Europe/Berlin", dt.datetime(2500, 3, 28, 1)),
]
UNITS_OF_TIME = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


@st.composite
def calendar_cases(draw: st.DrawFn, *, late: bool | None = None) -> Case:
    """Draw a case whose windows are those of a calendar, its rows around a change of clocks."""
    case = draw(cases(late=late))
    tz, change = draw(st.sampled_from(CHANGES))
    unit = draw(st.sampled_from(["day", "day", "day", "week", "month", "quarter", "year"]))
    time_unit = draw(st.sampled_from(["s", "ms", "us"] + ["ns"] * (change.year < 2262)))
    shape = LocalCalendar(unit, draw(st.integers(1, 3)), tz, UNITS_OF_TIME[time_unit])
    seconds = (change - dt.datetime(1970, 1, 1)) // dt.timedelta(seconds=1)
    reach = draw(st.sampled_from([7_200, 2 * 86_400, 400 * 86_400]))
    span = st.integers(-reach, reach).map(lambda x: (seconds + x) * shape.per_second)
    stretch = st.integers(-4, 4).map(lambda x: (seconds + x * 1_800) * shape.per_second)
    drawn = st.one_of(span, stretch, stretch.map(lambda x: x - 1))
    times: list[int | None] = [
        None if t is None else draw(drawn) for t in case.table["t"].to_pylist()
    ]
    if draw(st.booleans()):
        times.sort(key=lambda t: -(2**63) if t is None else t)
    lateness = case.lateness and case.lateness * 3_600 * shape.per_second
    case = dataclasses.replace(case, lateness=lateness)
    return moved(case, shape, times, pa.timestamp(time_unit))


def steps(max_rows: int = 15) -> st.SearchStrategy[list[Step]]:
    """Draw a way to feed a stream: batches, single events, and stops in between."""
    fed = st.tuples(st.sampled_from(["push", "push", "rows"]), st.integers(0, max_rows))
    return st.lists(st.one_of(fed, fed, st.just(("restore", 0))), max_size=8)


# Long streams: too many rows to draw one by one


def ticks(
    seed: int, n_rows: int, *, disorder: int = 0, share: float = 1.0, n_keys: int = 7
) -> pa.Table:
    """Make a long stream: prices that wander, some nulls, NaN and infinities, times in bursts.

    `disorder` is how far, in units of time, a row may fall back behind its place, `share` how
    many of the rows do. The sums of column `h` cancel beyond what two floats hold: they show in
    their bits in what order they were added up.
    """
    rng = np.random.default_rng(seed)
    moves = rng.integers(0, 4, n_rows) * (rng.random(n_rows) < 0.3)
    t = np.cumsum(moves) - rng.integers(0, disorder + 1, n_rows) * (rng.random(n_rows) < share)
    p = 100 + np.cumsum(rng.normal(0, 0.01, n_rows))
    p[rng.random(n_rows) < 0.001] = math.nan
    p[rng.random(n_rows) < 0.0005] = math.inf
    return pa.table(
        {
            "t": t,
            "k": pa.array(rng.integers(0, n_keys, n_rows)).cast(pa.string()),
            "p": pa.array(p, mask=rng.random(n_rows) < 0.01),
            "s": np.round(rng.lognormal(1, 2, n_rows), 3),
            "q": rng.integers(-1000, 1000, n_rows),
            "h": rng.normal(size=n_rows) * 2.0 ** rng.integers(-200, 200, n_rows),
        }
    )


LONG_WANTS = (
    Want("n_rows", "rows"),
    Want("n", "count", ("p",)),
    Want("open", "first", ("p",)),
    Want("high", "max", ("p",)),
    Want("low", "min", ("p",)),
    Want("close", "last", ("p",)),
    Want("volume", "sum", ("s",)),
    Want("turnover", "vwap", ("p", "s")),
    Want("middle", "mean", ("s",)),
    Want("width", "std", ("s",)),
    Want("net", "sum", ("q",)),
    Want("net_var", "var", ("q",)),
    Want("s_sem", "sem", ("s",)),
    Want("p_range", "range", ("p",)),
    Want("p_low_at", "argmin", ("p",)),
    Want("p_high_at", "argmax", ("p",)),
    Want("q_high_at", "argmax", ("q",)),
    Want("s_z", "zscore", ("s",)),
    Want("s_q_cov", "cov", ("s", "q")),
    Want("p_s_corr", "corr", ("p", "s")),
    Want("s_slope", "slope", ("s",)),
    Want("s_skew", "skew", ("s",), options=(("bias", False),)),
    Want("q_kurt", "kurt", ("q",), options=(("bias", True),)),
    Want("p_middle", "median", ("p",)),
    Want("s_high", "quantile", ("s",), options=(("q", 0.9), ("interpolation", "linear"))),
    Want("q_low", "quantile", ("q",), options=(("q", 0.1), ("interpolation", "lower"))),
    Want("s_mad", "mad", ("s",)),
    Want("q_kinds", "nunique", ("q",)),
    Want("q_mode", "mode", ("q",)),
    Want("all_p", "collect", ("p",)),
)
HARSH_WANTS = (
    *LONG_WANTS,
    Want("h_sum", "sum", ("h",)),
    Want("h_mean", "mean", ("h",)),
    Want("h_var", "var", ("h",)),
    Want("h_weighed", "vwap", ("p", "h")),
    Want("h_s_cov", "cov", ("h", "s")),
    Want("h_kurt", "kurt", ("h",), options=(("bias", False),)),
)
