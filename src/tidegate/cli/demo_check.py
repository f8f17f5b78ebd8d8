"""A slow independent check of bars: which rows count by the definition, their sums in fractions."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tidegate.core.errors import TidegateError

__all__ = ["Check", "check"]

SECOND_NS = 1_000_000_000
SEED = 1
VWAP_TOLERANCE = 1e-14  # relative; everything else must be equal

Array: TypeAlias = "np.ndarray[tuple[int], np.dtype[Any]]"
Key: TypeAlias = tuple[int, int]  # code of the symbol, start of the window


class Tick(NamedTuple):
    """One row."""

    time: int
    price: float
    size: int


@dataclass(frozen=True, slots=True)
class Check:
    """What was found right."""

    n_checked: int
    n_out_of_order: int


@dataclass(frozen=True, slots=True)
class Ticks:
    """The columns of the tick file, the window that each row is in, and which rows are late."""

    table: pa.Table
    times: Array
    starts: Array
    codes: Array
    symbols: list[str]
    late: Array
    n_out_of_order: int


def check(ticks: Path, bars: Path, late: Path, *, lateness_s: int, n_samples: int) -> Check:
    """Compute a sample of the bars again, and which rows are late.

    Parameters
    ----------
    ticks, bars, late
        The Parquet files.
    lateness_s
        The lateness that the bars were made with.
    n_samples
        How many bars to compute again.

    Raises
    ------
    TidegateError
        Something differs; the message says what.
    """
    rows = _read_ticks(ticks, lateness_s * SECOND_NS)
    found = pq.read_table(bars)
    late_rows = pq.read_table(late, columns=["row"]).column("row").to_numpy()
    _expect("the late rows", late_rows.tolist(), np.flatnonzero(rows.late).tolist())
    keys = np.unique(np.stack([rows.codes, rows.starts])[:, ~rows.late], axis=1)
    _expect("the number of bars", found.num_rows, keys.shape[1])
    rng = np.random.default_rng(SEED)
    sample = rng.choice(found.num_rows, min(n_samples, found.num_rows), replace=False)
    wanted = {_key(bar, rows.symbols): bar for bar in found.take(np.sort(sample)).to_pylist()}
    by_key = _collect(rows, wanted)
    for key, bar in wanted.items():
        _check_bar(bar, by_key[key])
    return Check(len(wanted), rows.n_out_of_order)


def _read_ticks(path: Path, lateness_ns: int) -> Ticks:
    """Read the rows, and say by the definition which of them are late."""
    table = pq.read_table(path, columns=["time", "symbol", "price", "size"])
    symbols: Any = table.column("symbol").combine_chunks()
    times = table.column("time").cast(pa.int64()).to_numpy()
    largest = np.maximum.accumulate(times)
    before = np.concatenate([[np.iinfo(np.int64).min // 2], largest[:-1]])
    starts = times // SECOND_NS * SECOND_NS
    return Ticks(
        table=table,
        times=times,
        starts=starts,
        codes=symbols.indices.to_numpy(),
        symbols=symbols.dictionary.to_pylist(),
        late=starts + SECOND_NS <= before - lateness_ns,
        n_out_of_order=int(np.count_nonzero(times < before)),
    )


def _key(bar: Mapping[str, Any], symbols: list[str]) -> Key:
    """Name a bar; pandas is not needed for nanoseconds of whole seconds."""
    return symbols.index(bar["symbol"]), int(bar["window_start"].timestamp()) * SECOND_NS


def _collect(rows: Ticks, wanted: Mapping[Key, Any]) -> dict[Key, list[Tick]]:
    """Gather the rows of the wanted bars, in the order of arrival."""
    starts = np.array([start for _, start in wanted])
    chosen = np.flatnonzero(np.isin(rows.starts, starts) & ~rows.late)
    prices = rows.table.column("price").to_numpy()[chosen].tolist()
    sizes = rows.table.column("size").to_numpy()[chosen].tolist()
    by_key: dict[Key, list[Tick]] = defaultdict(list)
    for row, price, size in zip(chosen.tolist(), prices, sizes, strict=True):
        key = int(rows.codes[row]), int(rows.starts[row])
        by_key[key].append(Tick(int(rows.times[row]), price, size))
    return by_key


def _check_bar(bar: Mapping[str, Any], ticks: list[Tick]) -> None:
    """Compute one bar again from its rows alone."""
    in_time = sorted(ticks, key=lambda tick: tick.time)  # stable: equal times by arrival
    volume = sum(tick.size for tick in ticks)
    turnover = sum((Fraction(tick.price) * tick.size for tick in ticks), Fraction(0))
    again = {
        "open": in_time[0].price,
        "high": max(tick.price for tick in ticks),
        "low": min(tick.price for tick in ticks),
        "close": in_time[-1].price,
        "volume": volume,
        "rows": len(ticks),
    }
    name = f"of {bar['symbol']} at {bar['window_start']}"
    for column, value in again.items():
        _expect(f"{column} {name}", bar[column], value)
    vwap = float(turnover / volume)
    if not math.isclose(bar["vwap"], vwap, rel_tol=VWAP_TOLERANCE):
        _expect(f"vwap {name}", bar["vwap"], vwap)


def _expect(what: str, found: object, expected: object) -> None:
    """Stop with an error if two values differ."""
    if found != expected:
        raise TidegateError(
            f"the check failed: {what}: found {str(found)[:100]}, expected {str(expected)[:100]}; "
            "please report it"
        )
