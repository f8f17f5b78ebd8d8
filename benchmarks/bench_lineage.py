"""What `lineage=True` costs: bars with the ranges of their rows against the same bars without.

    pytest benchmarks/bench_lineage.py

The peer is our own `aggregate`; 0.91 is at most 10 % more time.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

import tidegate as tg

N_ROUNDS = 15
BARS = tg.agg.ohlcv("price", "size")

WINDOWS = {
    "bars of a second": tg.Tumbling("1s"),
    "bars of 10 ms": tg.Tumbling("10ms"),
    "bars of a minute, each second": tg.Sliding("1m", "1s"),
}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", WINDOWS)
def test_row_ranges_cost_little(race: Any, ticks: pa.Table, name: str, threads: int) -> None:
    window = WINDOWS[name]

    def bars(lineage: bool) -> pa.Table:
        return tg.aggregate(ticks, window, BARS, on="time", threads=threads, lineage=lineage)

    traced = bars(True)
    assert traced.drop_columns(["row_ranges"]).equals(bars(False))
    at = traced.num_rows // 2
    start, end = traced["window_start"][at], traced["window_end"][at]
    times = tg.trace(ticks, traced["row_ranges"][at])["time"]
    assert start.as_py() <= times[0].as_py() <= times[-1].as_py() < end.as_py()
    race(
        f"{name}, {threads} thread{'s' * (threads > 1)}, with lineage",
        lambda: bars(True),
        {"our own without": lambda: bars(False)},
        target=0.91,
        n_rounds=N_ROUNDS,
    )
