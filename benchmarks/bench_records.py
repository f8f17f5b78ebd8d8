"""Records (lists of dicts) to Arrow, to JSON lines, and back, against Arrow's own ways and orjson.

    pytest benchmarks/bench_records.py

A million ticks of four fields, and as many readings of a sensor with twenty: nulls, one of a few
words, and an array. `TIDEGATE_BENCH_ROWS` sets a smaller number.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pytest

from tidegate.core.fields import column_of
from tidegate.core.formats.jsonlines import JsonLines
from tidegate.core.pyobjects import to_dicts
from tidegate.core.records import to_table

FULL = 1_000_000
N_ROUNDS = 5
STATES = ("idle", "running", "alarm", "service")
Records = list[dict[str, Any]]


@pytest.fixture(scope="session")
def n_rows() -> int:
    """Give the number of records."""
    return min(FULL, int(os.environ.get("TIDEGATE_BENCH_ROWS", FULL)))


@pytest.fixture(scope="session", params=["4 fields", "20 fields"])
def records(request: pytest.FixtureRequest, n_rows: int) -> tuple[str, Records]:
    """Make records."""
    rng = np.random.default_rng(7)
    make = ticks if request.param == "4 fields" else readings
    return request.param, make(rng, n_rows)


def ticks(rng: np.random.Generator, n: int) -> Records:
    """Make ticks."""
    price = np.round(100 + np.cumsum(rng.normal(0, 0.01, n)), 2).tolist()
    size = rng.integers(1, 1000, n).tolist()
    symbol = [f"S{i:03}" for i in rng.integers(0, 500, n)]
    return [
        {"ts": 1_700_000_000_000 + i, "symbol": symbol[i], "price": price[i], "size": size[i]}
        for i in range(n)
    ]


def readings(rng: np.random.Generator, n: int) -> Records:
    """Make readings of sensors."""
    made: Records = []
    for start in range(0, n, 10_000):  # whole columns of NumPy would be more than the records
        size = min(10_000, n - start)
        floats = np.round(rng.normal(20, 5, (size, 10)), 3).tolist()
        missing = (rng.random((size, 10)) < 0.1).tolist()
        spectrum = np.round(rng.random((size, 4)), 4).tolist()
        number = rng.integers(0, 100_000, (size, 3)).tolist()
        for i in range(size):
            values = {f"value_{k}": None if missing[i][k] else floats[i][k] for k in range(10)}
            made.append(
                {
                    "ts": 1_700_000_000_000 + start + i,
                    "device": f"device-{number[i][0] % 977}",
                    "site": f"site-{number[i][1] % 31}",
                    "state": STATES[number[i][2] % 4],
                    **values,
                    "is_valid": number[i][0] % 10 != 0,
                    "cycles": number[i][0],
                    "errors": None if number[i][1] % 3 else number[i][1],
                    "battery": number[i][2] % 101,
                    "note": "" if number[i][0] % 7 else "calibrated",
                    "spectrum": spectrum[i],
                }
            )
    return made


def test_dicts_to_arrow(race: Any, records: tuple[str, Records]) -> None:
    kind, rows = records
    assert to_table(rows).equals(pa.Table.from_pylist(rows))
    race(
        f"dicts to Arrow, {kind}",
        lambda: to_table(rows),
        {"pa.Table.from_pylist": lambda: pa.Table.from_pylist(rows)},
        target=3,
        n_rounds=N_ROUNDS,
    )


def test_arrow_to_dicts(race: Any, records: tuple[str, Records]) -> None:
    kind, rows = records
    table = to_table(rows)
    assert to_dicts(table) == table.to_pylist() == rows
    race(
        f"Arrow to dicts, {kind}",
        lambda: to_dicts(table),
        {"Table.to_pylist": table.to_pylist},
        target=5,
        n_rounds=3,
    )


def test_one_column(race: Any, records: tuple[str, Records]) -> None:
    kind, rows = records

    def by_comprehension() -> np.ndarray[Any, np.dtype[Any]]:
        return np.array([row["ts"] for row in rows])

    assert column_of(rows, "ts").tolist() == by_comprehension().tolist()
    race(
        f"one column of dicts, {kind}",
        lambda: column_of(rows, "ts"),
        {"np.array of a list": by_comprehension},
        target=1,
        n_rounds=N_ROUNDS,
    )


def orjson_writers(rows: Records) -> dict[str, Callable[[], bytes]]:
    """Give the ways to lines; which is fastest depends on the length of a line."""
    line = partial(orjson.dumps, option=orjson.OPT_APPEND_NEWLINE)
    return {
        "orjson, lines joined": lambda: b"\n".join(map(orjson.dumps, rows)) + b"\n",
        "orjson, APPEND_NEWLINE": lambda: b"".join(map(line, rows)),
    }


def orjson_readers(lines: bytes) -> dict[str, Callable[[], Records]]:
    """Give the ways from lines."""
    return {
        "orjson, line by line": lambda: list(map(orjson.loads, lines.splitlines())),
        "orjson, as one array": lambda: orjson.loads(
            b"[" + lines.rstrip().replace(b"\n", b",") + b"]"
        ),
    }


def test_dicts_to_json_lines(race: Any, records: tuple[str, Records]) -> None:
    kind, rows = records
    format_ = JsonLines()
    lines = format_.dumps(rows)
    peers = orjson_writers(rows)
    for run in peers.values():
        assert run() == lines
    race(
        f"dicts to JSON lines, {kind}",
        lambda: format_.dumps(rows),
        peers,
        target=1,
        n_rounds=N_ROUNDS,
    )


def test_json_lines_to_dicts(race: Any, records: tuple[str, Records]) -> None:
    kind, rows = records
    format_ = JsonLines()
    lines = format_.dumps(rows)
    peers = orjson_readers(lines)
    for run in peers.values():
        assert run() == format_.loads_records(lines) == rows
    race(
        f"JSON lines to dicts, {kind}",
        lambda: format_.loads_records(lines),
        peers,
        target=1,
        n_rounds=N_ROUNDS,
    )


def test_dicts_to_json_lines_and_back_against_json(race: Any, records: tuple[str, Records]) -> None:
    kind, rows = records
    format_ = JsonLines()

    def by_json() -> Records:
        text = "\n".join(map(json.dumps, rows)).encode()
        return [json.loads(line) for line in text.splitlines()]

    assert by_json() == rows
    race(
        f"dicts to JSON lines and back, {kind}",
        lambda: format_.loads_records(format_.dumps(rows)),
        {"json": by_json},
        target=5,
        n_rounds=2,
    )
