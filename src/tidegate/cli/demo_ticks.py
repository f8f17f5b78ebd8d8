"""Ticks that look like a market's: random numbers of a fixed seed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from tidegate.core.files import Format
from tidegate.core.sinks import Sink

__all__ = ["SYMBOLS", "write_ticks"]

SYMBOLS = [
    *("ALDER", "ASPEN", "BEECH", "BIRCH", "CEDAR", "EBONY", "ELDER", "FIR", "HAZEL", "HOLLY"),
    *("LARCH", "LIME", "MAPLE", "OAK", "OLIVE", "PINE", "PLANE", "ROWAN", "TEAK", "YEW"),
]
SEED = 20_240_808
START_NS = 1_709_562_600_000_000_000  # 2024-03-04 14:30 UTC
MEAN_GAP_NS = 5_000_000  # 200 ticks a second
TICK = 100  # ticks of one hundredth
CHUNK = 1 << 20  # rows made at a time
SCHEMA = pa.schema(
    [
        ("received", pa.timestamp("ns", "UTC")),
        ("time", pa.timestamp("ns", "UTC")),
        ("symbol", pa.dictionary(pa.int8(), pa.string())),
        ("price", pa.float64()),
        ("size", pa.int64()),
    ]
)

Integers: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.int64]]"


def write_ticks(path: Path, n_rows: int) -> None:
    """Write ticks to a Parquet file in the order in which they were received.

    Parameters
    ----------
    path
        The file; replaced.
    n_rows
        How many ticks. The same number gives the same ticks.

    Notes
    -----
    Gaps between ticks are exponential; prices walk at random in steps of one tick, each symbol on
    its own; sizes are log-normal. A tick is received 2 ms after its time on average; one in a
    hundred up to half a second later, and one in five thousand up to half a minute.
    """
    with Sink(path, Format.PARQUET) as sink:
        for table in _tables(n_rows):
            sink.write(table)
        sink.commit()


def _tables(n_rows: int) -> Iterator[pa.Table]:
    """Make the ticks chunk by chunk, in the order of receipt."""
    rng = np.random.default_rng(SEED)
    prices = rng.integers(20 * TICK, 500 * TICK, len(SYMBOLS))
    now = START_NS
    held = [np.empty(0, np.int64)] * len(SCHEMA)
    for start in range(0, n_rows, CHUNK):
        made = _chunk(rng, min(CHUNK, n_rows - start), now, prices)
        now = int(made[1][-1])
        rows = [np.concatenate(pair) for pair in zip(held, made, strict=True)]
        order = np.argsort(rows[0], kind="stable")
        if start + CHUNK < n_rows:  # what is received later comes with the next chunk
            n_received = int(np.searchsorted(rows[0], now, side="right", sorter=order))
        else:
            n_received = len(order)
        held = [column[order[n_received:]] for column in rows]
        yield _table([column[order[:n_received]] for column in rows])


def _chunk(rng: np.random.Generator, n: int, now: int, prices: Integers) -> list[Integers]:
    """Make some ticks in the order of their times; columns as in the schema, all integers."""
    weights = 1 / np.arange(1, len(SYMBOLS) + 1)
    times = now + np.cumsum(rng.exponential(MEAN_GAP_NS, n).astype(np.int64))
    codes = rng.choice(len(SYMBOLS), n, p=weights / weights.sum())
    steps = rng.integers(-1, 2, n)
    sizes = np.ceil(rng.lognormal(4.0, 1.0, n)).astype(np.int64)
    return [times + _delays(rng, n), times, codes, _walk(prices, codes, steps), sizes]


def _table(columns: list[Integers]) -> pa.Table:
    """Give integers the types of the schema."""
    received, times, codes, in_ticks, sizes = columns
    indices: pa.Array[Any] = pa.array(codes.astype(np.int8))
    symbols = pa.DictionaryArray.from_arrays(indices, pa.array(SYMBOLS, pa.string()))
    arrays = [
        pa.array(received).cast(SCHEMA.field("received").type),
        pa.array(times).cast(SCHEMA.field("time").type),
        symbols,
        pa.array(in_ticks / TICK),
        pa.array(sizes),
    ]
    return pa.table(arrays, schema=SCHEMA)


def _delays(rng: np.random.Generator, n_rows: int) -> Integers:
    """Make the delays of receipt in nanoseconds."""
    delays = rng.exponential(2e6, n_rows)
    kinds = rng.random(n_rows)
    delays += np.where(kinds < 0.01, rng.uniform(0, 5e8, n_rows), 0)
    delays += np.where(kinds < 0.0002, rng.uniform(0, 3e10, n_rows), 0)
    return delays.astype(np.int64)


def _walk(prices: Integers, codes: Integers, steps: Integers) -> Integers:
    """Let each symbol's price walk on from where it was; `prices` is moved to where it ends."""
    out = np.empty(len(codes), np.int64)
    for code in range(len(prices)):
        rows = np.flatnonzero(codes == code)
        if len(rows):
            out[rows] = np.maximum(prices[code] + np.cumsum(steps[rows]), 1)
            prices[code] = out[rows[-1]]
    return out
