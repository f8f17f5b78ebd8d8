"""What a type checker knows of the public face; read by mypy, never run.

This folder must not become a package: `tests/` is on the path of the test run, where a package
named `typing` would hide the standard one.
"""

import datetime as dt
import zoneinfo
from typing import Any, assert_type

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

import tidegate as tg
from tidegate import agg, errors

# Aggregations are made by functions, their options typed.


def aggregations() -> None:
    assert_type(agg.quantile("p", 0.9, "lower"), agg.Aggregation)
    assert_type(agg.slope("p", "s"), agg.Aggregation)
    assert_type(agg.skew("p", bias=True), agg.Aggregation)
    assert_type(agg.custom(max, "p", "s", type=pa.int64(), name="max"), agg.Aggregation)
    agg.corr("p")  # type: ignore[call-arg]
    agg.quantile("p", q="half")  # type: ignore[arg-type]
    agg.skew("p", bias="yes")  # type: ignore[arg-type]


# One shot: the result is of the kind that came in.


def one_shot(
    table: pa.Table,
    frame: pd.DataFrame,
    polars_frame: pl.DataFrame,
    arrays: dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]],
    records: list[dict[str, float]],
) -> None:
    window = tg.Tumbling("1s")
    assert_type(tg.aggregate(table, window, on="t", n=agg.rows()), pa.Table)
    assert_type(tg.aggregate(frame, window, agg.rows(), on="t"), pd.DataFrame)
    assert_type(tg.aggregate(polars_frame, window, on="t", n=agg.rows()), pl.DataFrame)
    assert_type(
        tg.aggregate(arrays, window, on="t", n=agg.rows()),
        dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]],
    )
    assert_type(tg.aggregate(records, window, on="t", n=agg.rows()), list[dict[str, float]])


def options(table: pa.Table) -> None:
    side = tg.Side()
    tg.aggregate(
        table,
        tg.Sliding(dt.timedelta(minutes=1), np.timedelta64(1, "s"), origin="first", offset=3),
        agg.ohlcv("price", "size"),
        on="t",
        by=["symbol", "venue"],
        lateness="500ms",
        late="drop",
        nan="missing",
        threads=2,
        limits=tg.Limits(max_keys=100),
        side=side,
        vwap=agg.vwap("price", "size"),
    )
    shifts = tg.Edges(np.array([0, 1], "M8[s]"))
    assert_type(tg.aggregate(table, shifts, on="t", n=agg.rows()), pa.Table)
    assert_type(shifts.unit, str | None)
    assert_type(tg.Session("30s", dt.timedelta(hours=1)), tg.Session)
    assert_type(tg.Count(100, 50, complete_only=True), tg.Count)
    assert_type(tg.Threshold(("price", "size"), 1e6, overshoot="carry"), tg.Threshold)
    tg.Threshold("size", 10, overshoot="keep")  # type: ignore[arg-type]
    tg.aggregate(table, tg.Session(10), agg.rows(), on="t")
    days = tg.Calendar("day", 2, tz=zoneinfo.ZoneInfo("Europe/Berlin"))
    assert_type(tg.aggregate(table, days, on="t", n=agg.rows()), pa.Table)
    assert_type(days.tz, str)
    tg.Calendar("hour")  # type: ignore[arg-type]
    tg.aggregate(table, tg.Tumbling(10), on="t", late="never", n=agg.rows())  # type: ignore[arg-type]
    tg.aggregate(table, "10s", on="t", n=agg.rows())  # type: ignore[arg-type]
    tg.aggregate(table, tg.Tumbling(10), n=agg.rows())  # type: ignore[call-arg]
    tg.aggregate(table, tg.Tumbling(10), on="t", n="rows")  # type: ignore[arg-type]


def joins(
    table: pa.Table,
    frame: pd.DataFrame,
    polars_frame: pl.DataFrame,
    records: list[dict[str, float]],
) -> None:
    assert_type(tg.asof_join(table, frame, on="t"), pa.Table)
    assert_type(tg.asof_join(frame, table, on="t", by="k", tolerance="1s"), pd.DataFrame)
    assert_type(
        tg.asof_join(
            polars_frame,
            records,
            on=("t", "u"),
            by=["k", "v"],
            tolerance=dt.timedelta(seconds=1),
            direction="nearest",
            allow_exact_matches=False,
            suffix="_quote",
            threads=2,
            limits=tg.Limits(max_keys=100),
        ),
        pl.DataFrame,
    )
    assert_type(tg.asof_join(records, table, on="t"), list[dict[str, float]])
    tg.asof_join(table, table, on="t", direction="up")  # type: ignore[arg-type]
    tg.asof_join(table, table)  # type: ignore[call-arg]


# Bit by bit.


def live(batch: pa.RecordBatch) -> None:
    run = tg.Aggregator(tg.Tumbling("1s"), on="t", by="symbol", lateness="1s", n=agg.rows())
    assert_type(run, tg.Aggregator)
    assert_type(run.push(batch), pa.Table)
    assert_type(run.push_row(1, "ACME", 101.5, 300), bool)
    assert_type(run.take(), pa.Table)
    assert_type(run.take_late(), pa.Table)
    assert_type(run.stats, tg.Stats)
    assert_type(run.stats.late, int)
    assert_type(run.watermark, Any)
    assert_type(run.snapshot(), bytes)
    assert_type(tg.Aggregator.restore(run.snapshot()), tg.Aggregator)
    assert_type(tg.Aggregator.restore(run.snapshot(), functions={"max": max}), tg.Aggregator)
    run.merge(run)
    assert_type(run.flush(), pa.Table)


def live_join(batch: pa.RecordBatch, rows: list[dict[str, float]]) -> None:
    run = tg.AsofJoin(
        on=("t", "u"),
        by="symbol",
        tolerance="1s",
        direction="forward",
        allow_exact_matches=False,
        suffix="_quote",
        lateness=dt.timedelta(seconds=1),
        late="drop",
        limits=tg.Limits(max_keys=100),
        max_rows=1_000_000,
        left_schema=batch.schema,
        right_schema=batch.schema,
    )
    assert_type(run.push_left(batch), pa.Table)
    assert_type(run.push_right(rows), pa.Table)
    assert_type(run.advance(12), pa.Table)
    assert_type(run.take_late(), pa.Table)
    assert_type(run.take_late("left"), pa.Table)
    assert_type(run.stats, tg.JoinStats)
    assert_type(run.stats.left.pending, int)
    assert_type(run.watermark, Any)
    assert_type(run.flush(), pa.Table)
    tg.AsofJoin()  # type: ignore[call-arg]
    run.take_late("both")  # type: ignore[arg-type]


# Windows and aggregations are plain values; errors are ours and the built-in ones.


def values() -> None:
    assert_type(tg.Tumbling("1s"), tg.Tumbling)
    assert_type(tg.Sliding(60, 1), tg.Sliding)
    for one in (
        agg.rows(),
        agg.count("p"),
        agg.first("p"),
        agg.last("p"),
        agg.min("p"),
        agg.max("p"),
        agg.sum("p"),
        agg.mean("p"),
        agg.var("p", ddof=0),
        agg.std("p"),
        agg.vwap("p", "s"),
    ):
        assert_type(one, agg.Aggregation)
    agg.vwap("p")  # type: ignore[call-arg]
    agg.sum(3)  # type: ignore[arg-type]


def caught(error: errors.ColumnNotFoundError, other: errors.DurationError) -> None:
    as_key_error: KeyError = error
    as_value_error: ValueError = other
    ours: errors.TidegateError = error
    print(as_key_error, as_value_error, ours)


# Decorators keep the type of what they decorate; a limiter knows functions from iterables.


def decorators() -> None:
    def scale(x: int, by: float = 1.0) -> float:
        return x * by

    assert_type(tg.skip_error(scale)(1, by=2.0), float)
    assert_type(tg.skip_error(message="{error}")(scale)(1), float)
    assert_type(tg.halt_on_error(scale)(1), float)
    assert_type(tg.track_lineage(step="s")(scale)(1), float)
    assert_type(tg.throttle(10)(scale)(1), float)
    assert_type(next(tg.throttle(10)([1, 2])), int)
    assert_type(tg.parallel({"a": scale}, 1), dict[str, Any])
    assert_type(tg.parallel([scale], 1), list[Any])
    assert_type(tg.trace([{"t": 1}], [(0, 1)]), list[dict[str, int]])
    tg.throttle("fast")  # type: ignore[arg-type]
    tg.setup_logging("TRACE").info("ready")


# Formats: whatever a serializer is, it turns rows into bytes and bytes into a table.


def formats(table: pa.Table, records: list[dict[str, float]]) -> None:
    format_ = tg.serializers.get("json")
    assert_type(format_.dumps(table), bytes)
    assert_type(format_.dumps(records), bytes)
    assert_type(format_.loads(b""), pa.Table)
    assert_type(tg.serializers.names(), list[str])
    tg.serializers.view().register("mine", format_, replace=True)
    tg.serializers.register("mine", 3)  # type: ignore[arg-type]
