"""1 s bars bit by bit: batches against our own one-shot, events against csp.

pytest benchmarks/bench_stream.py
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import csp
import numpy as np
import pyarrow as pa
import pytest
from csp import stats

import tidegate as tg

N_ROUNDS = 3
TARGET_BATCHES = 0.5
TARGET_EVENTS = 2
TARGET_STEPS = 0.25  # of what push_row takes where windows tell ahead when they close
BATCH_ROWS = (100, 1_000, 10_000)
SECOND = timedelta(seconds=1)
BAR = ("open", "high", "low", "close", "volume")

Columns = tuple[list[int], list[float], list[int]]
Arrays = tuple[np.ndarray[Any, Any], ...]


def aggregator(schema: pa.Schema) -> tg.Aggregator:
    """Make the aggregator of all benchmarks here."""
    return tg.Aggregator(tg.Tumbling("1s"), tg.agg.ohlcv("price", "size"), on="time", schema=schema)


def one_shot(ticks: pa.Table) -> pa.Table:
    """Make the bars in one call, on one thread, as a stream is."""
    return tg.aggregate(
        ticks, tg.Tumbling("1s"), tg.agg.ohlcv("price", "size"), on="time", threads=1
    )


def push_batches(batches: list[Any], schema: pa.Schema) -> pa.Table:
    """Make the bars batch by batch, and take them as they are closed."""
    live = aggregator(schema)
    bars = [live.push(batch) for batch in batches]
    return pa.concat_tables([*bars, live.flush()])


def push_batches_take_last(batches: list[Any], schema: pa.Schema) -> pa.Table:
    """Make the bars batch by batch, and take them all at the end, as one call gives them."""
    live = aggregator(schema)
    for batch in batches:
        live.push(batch, take=False)
    return live.flush()


def batches_of(ticks: pa.Table, n_rows_each: int) -> list[pa.RecordBatch]:
    """Cut rows into record batches."""
    return ticks.to_batches(max_chunksize=n_rows_each)


def arrays_of(ticks: pa.Table, n_rows_each: int) -> list[dict[str, np.ndarray[Any, Any]]]:
    """Cut rows into dicts of NumPy arrays."""
    columns = {name: ticks[name].to_numpy() for name in ticks.column_names}
    return [
        {name: values[at : at + n_rows_each] for name, values in columns.items()}
        for at in range(0, ticks.num_rows, n_rows_each)
    ]


def tables_alone(bars: pa.Table, n_tables: int) -> pa.Table:
    """Take a table of one bar as often as batches are pushed: no push that gives one saves that.

    A slice of a table that is there is the cheapest that pyarrow has: record batches and arrays put
    together cost more. Reading batches comes on top.
    """
    cut, n_bars = bars.slice, bars.num_rows
    return pa.concat_tables([cut(at % n_bars, 1) for at in range(n_tables)])


def push_events(events: Columns, schema: pa.Schema) -> pa.Table:
    """Make the bars event by event, and take each as it is closed."""
    live = aggregator(schema)
    bars = []
    for time, price, size in zip(*events, strict=True):
        if live.push_row(time, price, size):
            bars.append(live.take())
    return pa.concat_tables([*bars, live.flush()])


def push_events_take_last(events: Columns, schema: pa.Schema) -> pa.Table:
    """Make the bars event by event, and take them all at the end, as `csp.run` gives them."""
    live = aggregator(schema)
    for time, price, size in zip(*events, strict=True):
        live.push_row(time, price, size)
    return live.flush()


def add_bars(arrays: Arrays, timer: Any, **window: Any) -> None:
    """Add the outputs of a graph: nodes in C++ throughout, fed from NumPy arrays.

    One node in Python for all five took a tenth longer; `ignore_na=False` made no difference.
    """
    times, price, size = arrays
    prices, sizes = csp.curve(float, (times, price)), csp.curve(float, (times, size))
    window |= {"min_window": timedelta(), "trigger": timer}
    csp.add_graph_output("open", stats.first(prices, **window))
    csp.add_graph_output("high", stats.max(prices, **window))
    csp.add_graph_output("low", stats.min(prices, **window))
    csp.add_graph_output("close", stats.last(prices, **window))
    csp.add_graph_output("volume", stats.sum(sizes, **window))


@csp.graph(memoize=False)  # arrays have no hash
def sliding_graph(arrays: object) -> None:
    """Compute the bars from windows that drop events as they get old."""
    add_bars(arrays, csp.timer(SECOND), interval=SECOND)


@csp.graph(memoize=False)  # arrays have no hash
def resetting_graph(arrays: object) -> None:
    """Compute the bars from windows that grow, and begin anew in the cycle after a bar."""
    timer = csp.timer(SECOND)
    add_bars(arrays, timer, interval=None, reset=csp.delay(timer, timedelta()))


def run_csp(graph: Any, arrays: Arrays) -> dict[str, Any]:
    """Run a graph in simulation, from the second of the first event to the end of the last's."""
    first, last = (arrays[0][at].astype("M8[s]").item() for at in (0, -1))
    return csp.run(graph, arrays, starttime=first, endtime=last + SECOND, output_numpy=True)


def bars_of_csp(outputs: dict[str, Any]) -> pa.Table:
    """Put the outputs side by side; csp gives a bar the time of its end."""
    columns = {name: outputs[name][1] for name in BAR}
    return pa.table({"window_end": outputs["open"][0].astype("M8[ns]"), **columns})


@pytest.mark.parametrize("n_rows_each", BATCH_ROWS)
@pytest.mark.parametrize(
    ("work", "push"),
    [
        ("each taken as it closes", push_batches),
        ("all taken at the end", push_batches_take_last),
    ],
)
@pytest.mark.parametrize(
    ("kind", "cut"), [("record batches", batches_of), ("dicts of arrays", arrays_of)]
)
def test_push_of_batches(
    race: Any,
    ticks: pa.Table,
    n_rows_each: int,
    work: str,
    push: Callable[[list[Any], pa.Schema], pa.Table],
    kind: str,
    cut: Callable[[pa.Table, int], list[Any]],
) -> None:
    batches = cut(ticks, n_rows_each)
    assert push(batches, ticks.schema).equals(one_shot(ticks))
    race(
        f"push of {n_rows_each:,}-row {kind}, 1 s bars, {work}",
        lambda: push(batches, ticks.schema),
        {"our own one-shot, 1 thread": lambda: one_shot(ticks)},
        target=TARGET_BATCHES,
        n_rounds=N_ROUNDS,
    )


@pytest.mark.parametrize("n_rows_each", BATCH_ROWS)
def test_tables_of_pyarrow_alone(race: Any, ticks: pa.Table, n_rows_each: int) -> None:
    bars = one_shot(ticks)
    assert tables_alone(bars, bars.num_rows).equals(bars)
    n_tables = -(-ticks.num_rows // n_rows_each)
    race(
        f"pyarrow's tables of one bar for each {n_rows_each:,} rows, nothing else",
        lambda: tables_alone(bars, n_tables),
        {"our own one-shot, 1 thread": lambda: one_shot(ticks)},
        target=TARGET_BATCHES,
        n_rounds=N_ROUNDS,
    )


@pytest.fixture(scope="module")
def events(ticks: pa.Table) -> Columns:
    """Give the columns as lists of what a program in Python has: its making is not timed."""
    times = ticks["time"].cast(pa.int64())
    return times.to_pylist(), ticks["price"].to_pylist(), ticks["size"].to_pylist()


@pytest.fixture(scope="module")
def arrays(ticks: pa.Table) -> Arrays:
    """Give the columns as csp reads them fastest."""
    return (
        ticks["time"].to_numpy(),
        ticks["price"].to_numpy(),
        ticks["size"].to_numpy().astype(float),
    )


@pytest.mark.parametrize(
    ("work", "push"),
    [
        ("push_row, 1 s bars, each taken as it closes", push_events),
        ("push_row, 1 s bars, all taken at the end", push_events_take_last),
    ],
)
def test_push_row(
    race: Any,
    ticks: pa.Table,
    events: Columns,
    arrays: Arrays,
    assert_same: Any,
    work: str,
    push: Callable[[Columns, pa.Schema], pa.Table],
) -> None:
    graphs = {"csp, sliding": sliding_graph, "csp, resetting": resetting_graph}
    bars = push(events, ticks.schema)
    assert bars.equals(one_shot(ticks))
    for graph in graphs.values():
        assert_same(bars, bars_of_csp(run_csp(graph, arrays)), {})  # volumes are whole numbers
    race(
        work,
        lambda: push(events, ticks.schema),
        {name: lambda graph=graph: run_csp(graph, arrays) for name, graph in graphs.items()},
        target=TARGET_EVENTS,
        n_rounds=N_ROUNDS,
    )


@pytest.mark.parametrize(
    ("work", "window", "options"),
    [
        ("sessions", tg.Session("5ms"), {}),
        ("bars of 1,000 rows", tg.Count(1_000), {}),
        ("bars of volume", tg.Threshold("size", 50_000), {"lateness": "1s"}),
        ("1 s bars, max_jump", tg.Tumbling("1s"), {"max_jump": "1h"}),
        ("1 s bars, allowed_lateness", tg.Tumbling("1s"), {"allowed_lateness": "5s"}),
    ],
)
def test_push_row_into_other_windows(
    race: Any,
    ticks: pa.Table,
    events: Columns,
    work: str,
    window: Any,
    options: dict[str, Any],
) -> None:
    def rows(window: Any, **options: Any) -> pa.Table:
        """Push the events one by one, and take what they close at the end."""
        bars = tg.agg.ohlcv("price", "size")
        live = tg.Aggregator(window, bars, on="time", schema=ticks.schema, **options)
        for time, price, size in zip(*events, strict=True):
            live.push_row(time, price, size)
        return live.flush()

    batches = tg.Aggregator(window, tg.agg.ohlcv("price", "size"), on="time", **options)
    batches.push(ticks, take=False)
    assert rows(window, **options).equals(batches.flush())
    race(
        f"push_row, {work}",
        lambda: rows(window, **options),
        {"our own push_row, 1 s bars": lambda: rows(tg.Tumbling("1s"))},
        target=TARGET_STEPS,
        n_rounds=N_ROUNDS,
    )
