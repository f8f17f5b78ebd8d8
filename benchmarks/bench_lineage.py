"""What `lineage=True` costs: bars with the ranges of their rows against the same bars without.

    pytest benchmarks/bench_lineage.py

The peer is our own `aggregate`, or `Aggregator`; 0.91 is at most 10 % more time. Rows out of order
lie up to half a second behind; windows with keys have one range each, from their first to their
last row.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import tidegate as tg

N_ROUNDS = 15
BARS = tg.agg.ohlcv("price", "size")

WINDOWS = {
    "bars of a second": tg.Tumbling("1s"),
    "bars of 10 ms": tg.Tumbling("10ms"),
    "bars of a minute, each second": tg.Sliding("1m", "1s"),
}


KEYED = {"bars of a minute": tg.Tumbling("1m")}
LATE = {
    "bars of a second": tg.Tumbling("1s"),
    "bars of a minute": tg.Tumbling("1m"),
    "bars of a minute, each second": tg.Sliding("1m", "1s"),
}
LOOK_BACKS = {
    "means of 100 rows": (tg.Rolling(rows=100), tg.agg.mean("price")),
    "deviations of a second": (tg.Rolling("1s"), tg.agg.std("price")),
}
MADE_BY_ROWS = {
    "sessions of 5 ms": tg.Session("5ms"),
    "bars of 100 rows": tg.Count(100),
    "volume bars": tg.Threshold("size", 5000),
}


@pytest.fixture(scope="session")
def streams(ticks: pa.Table) -> dict[str, pa.Table]:
    """The ticks as they are, of 1,000 keys at random, and out of order."""
    rng = np.random.default_rng(11)
    keys = pa.array(rng.integers(0, 1000, ticks.num_rows))
    times = ticks["time"].to_numpy() + rng.integers(0, 500_000_000, ticks.num_rows)
    late = ticks.set_column(0, "time", pa.array(times))
    return {
        "in order": ticks,
        "of 1,000 keys": ticks.append_column("key", keys),
        "out of order": late,
        "of 1,000 keys, out of order": late.append_column("key", keys),
    }


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    ("kind", "name", "window"),
    [
        *(("in order", *one) for one in WINDOWS.items()),
        *(("of 1,000 keys", *one) for one in KEYED.items()),
        *(("out of order", *one) for one in LATE.items()),
        *(("of 1,000 keys, out of order", *one) for one in KEYED.items()),
    ],
)
def test_row_ranges_cost_little(
    race: Any, streams: dict[str, pa.Table], kind: str, name: str, window: Any, threads: int
) -> None:
    ticks = streams[kind]
    by = "key" if "key" in ticks.column_names else None

    def bars(lineage: bool) -> pa.Table:
        return tg.aggregate(ticks, window, BARS, on="time", by=by, threads=threads, lineage=lineage)

    traced = bars(True)
    assert traced.drop_columns(["row_ranges"]).equals(bars(False))
    at = traced.num_rows // 2
    start, end = (traced[name][at].value for name in ("window_start", "window_end"))
    own = tg.trace(ticks, traced["row_ranges"][at])
    times = own["time"].to_numpy().view(np.int64)
    every = ticks["time"].to_numpy().view(np.int64)
    is_own = (every >= start) & (every < end)
    if by is not None:
        is_own &= ticks["key"].to_numpy() == traced["key"][at].as_py()
    assert ((times >= start) & (times < end)).all()
    assert len(times) == is_own.sum() > 0
    race(
        f"{name}, rows {kind}, {threads} thread{'s' * (threads > 1)}, with lineage",
        lambda: bars(True),
        {"our own without": lambda: bars(False)},
        target=0.91,
        n_rounds=N_ROUNDS,
    )


@pytest.mark.parametrize("size", [10_000, 1_000_000])
@pytest.mark.parametrize(
    ("kind", "name", "window"),
    [
        ("in order", "bars of a second", tg.Tumbling("1s")),
        ("in order", "bars of a minute, each second", tg.Sliding("1m", "1s")),
        ("out of order", "bars of a minute", tg.Tumbling("1m")),
        ("of 1,000 keys", "bars of a minute", tg.Tumbling("1m")),
        ("of 1,000 keys, out of order", "bars of a minute", tg.Tumbling("1m")),
    ],
)
def test_row_ranges_of_streams_cost_little(
    race: Any, streams: dict[str, pa.Table], kind: str, name: str, window: Any, size: int
) -> None:
    ticks = streams[kind]
    by = "key" if "key" in ticks.column_names else None
    batches = ticks.combine_chunks().to_batches(max_chunksize=size)
    lateness = "1s" if "out of order" in kind else 0

    def bars(lineage: bool) -> pa.Table:
        live = tg.Aggregator(window, BARS, on="time", by=by, lateness=lateness, lineage=lineage)
        return pa.concat_tables([*[live.push(batch) for batch in batches], live.flush()])

    traced = bars(True)
    assert traced.drop_columns(["row_ranges"]).equals(bars(False))
    whole = tg.aggregate(ticks, window, BARS, on="time", by=by, lineage=True)
    assert traced["row_ranges"].to_pylist()[:1000] == whole["row_ranges"].to_pylist()[:1000]
    race(
        f"{name}, a stream of batches of {size:,} rows {kind}, with lineage",
        lambda: bars(True),
        {"our own without": lambda: bars(False)},
        target=0.91,
        n_rounds=N_ROUNDS,
    )


@pytest.mark.parametrize("is_stream", [False, True], ids=["one shot", "stream"])
@pytest.mark.parametrize("kind", ["in order", "of 1,000 keys", "of 1,000 keys, out of order"])
@pytest.mark.parametrize("name", MADE_BY_ROWS)
def test_row_ranges_of_windows_made_by_rows(
    race: Any, streams: dict[str, pa.Table], name: str, kind: str, is_stream: bool
) -> None:
    ticks, window = streams[kind], MADE_BY_ROWS[name]
    named: dict[str, Any] = {"on": "time", "by": "key" if "key" in ticks.column_names else None}
    batches = ticks.combine_chunks().to_batches(max_chunksize=1_000_000)
    lateness = "1s" if "out of order" in kind else 0

    def bars(lineage: bool) -> pa.Table:
        if not is_stream:
            return tg.aggregate(ticks, window, BARS, lineage=lineage, threads=1, **named)
        live = tg.Aggregator(window, BARS, lateness=lateness, lineage=lineage, **named)
        return pa.concat_tables([*[live.push(batch) for batch in batches], live.flush()])

    traced = bars(True)
    assert traced.drop_columns(["row_ranges"]).equals(bars(False))
    at = traced.num_rows // 2
    own = tg.trace(ticks, traced["row_ranges"][at])
    assert pc.sum(own["size"]).as_py() == traced["volume"][at].as_py() > 0
    place = "a stream of batches of 1,000,000 rows" if is_stream else "rows"
    race(
        f"{name}, {place} {kind}, 1 thread, with lineage",
        lambda: bars(True),
        {"our own without": lambda: bars(False)},
        target=0.91,
        n_rounds=N_ROUNDS // 3,
    )


@pytest.mark.parametrize("is_stream", [False, True], ids=["one shot", "stream"])
@pytest.mark.parametrize("kind", ["in order", "of 1,000 keys", "of 1,000 keys, out of order"])
@pytest.mark.parametrize("name", LOOK_BACKS)
def test_row_ranges_of_look_backs(
    race: Any, streams: dict[str, pa.Table], name: str, kind: str, is_stream: bool
) -> None:
    ticks, (window, wanted) = streams[kind], LOOK_BACKS[name]
    named: dict[str, Any] = {"on": "time", "by": "key" if "key" in ticks.column_names else None}
    named |= {"threads": 1, "made": wanted}
    batches = ticks.combine_chunks().to_batches(max_chunksize=100_000)
    lateness = "1s" if "out of order" in kind else 0

    def looks(lineage: bool) -> pa.Table:
        if not is_stream:
            return tg.aggregate(ticks, window, lineage=lineage, **named)
        live = tg.Aggregator(window, lateness=lateness, lineage=lineage, **named)
        return pa.concat_tables([*[live.push(batch) for batch in batches], live.flush()])

    traced = looks(True)
    assert traced.drop_columns(["row_ranges"]).equals(looks(False))
    at = traced.num_rows // 2
    own = tg.trace(ticks, traced["row_ranges"][at])
    again = tg.aggregate(own, window, **named)["made"][-1].as_py()
    told = traced["made"][at].as_py()
    assert again == told or again == pytest.approx(told, rel=1e-12)
    place = "a stream of batches of 100,000 rows" if is_stream else "rows"
    race(
        f"look-backs: {name}, {place} {kind}, 1 thread, with lineage",
        lambda: looks(True),
        {"our own without": lambda: looks(False)},
        target=0.91,
        n_rounds=N_ROUNDS // 3,
    )
