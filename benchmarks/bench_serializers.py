"""Formats of records against those that Python has: Avro.

    pytest benchmarks/bench_serializers.py

1 million records of `{ts, symbol, price, size}`, and of a sensor with 20 fields, some of them null,
an enum and an array.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import fastavro
import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from tidegate.core.formats.avro import Avro
from tidegate.core.formats.avroarrow import avro_schema_of

MOST = 1_000_000
N_ROUNDS = 5
N_SLOW_ROUNDS = 2
AVRO = Avro()

SYMBOLS = ["AAPL", "MSFT", "GOOG", "AMZN", "NVDA", "META", "TSLA", "BRK.B"]
STATES = ["OFF", "IDLE", "RUN", "FAULT"]


@pytest.fixture(scope="session")
def n_rows() -> int:
    """Give the number of rows."""
    from conftest import N_ROWS

    return min(N_ROWS, MOST)


@pytest.fixture(scope="session")
def orders(n_rows: int) -> pa.Table:
    """Make the records of four fields, none of them null."""
    rng = np.random.default_rng(3)
    columns: dict[str, Any] = {
        "ts": 1_700_000_000_000_000 + np.cumsum(rng.integers(1, 2_000, n_rows)),
        "symbol": np.array(SYMBOLS)[rng.integers(0, len(SYMBOLS), n_rows)],
        "price": np.round(rng.normal(100, 5, n_rows), 2),
        "size": rng.integers(1, 10_000, n_rows),
    }
    types = [pa.int64(), pa.string(), pa.float64(), pa.int64()]
    fields = [pa.field(n, t, nullable=False) for n, t in zip(columns, types, strict=True)]
    return pa.table(columns, schema=pa.schema(fields))


@pytest.fixture(scope="session")
def readings(n_rows: int) -> pa.Table:
    """Make the records of a sensor."""
    rng = np.random.default_rng(4)
    columns: dict[str, Any] = {
        "ts": 1_700_000_000_000_000 + np.arange(n_rows) * 1_000,
        "device": [f"sensor-{i:04d}" for i in rng.integers(0, 500, n_rows)],
        "sequence": np.arange(n_rows),
        "state": pa.DictionaryArray.from_arrays(
            rng.integers(0, len(STATES), n_rows).astype(np.int32), STATES
        ),
        "is_valid": rng.random(n_rows) < 0.9,
        "error": pa.array(rng.integers(0, 99, n_rows), pa.int32(), mask=rng.random(n_rows) < 0.9),
        "samples": pa.ListArray.from_arrays(
            pa.array(np.arange(n_rows + 1) * 4, pa.int32()), rng.normal(size=4 * n_rows)
        ),
    }
    for name in ("temperature", "pressure", "humidity", "voltage", "current", "speed"):
        columns[name] = pa.array(rng.normal(20, 5, n_rows), mask=rng.random(n_rows) < 0.05)
    for name in ("vx", "vy", "vz", "gain"):
        columns[name] = rng.normal(size=n_rows).astype(np.float32)
    for name in ("cycles", "ticks", "retries"):
        columns[name] = rng.integers(0, 100_000, n_rows)
    return pa.table(columns)


def schema_for(table: pa.Table) -> dict[str, Any]:
    """Give the schema of Avro of either table: null only where there are nulls."""
    fields = [
        pa.field(name, table[name].type, nullable=table[name].null_count > 0)
        for name in table.column_names
    ]
    schema = avro_schema_of(pa.schema(fields))
    for field in schema["fields"]:
        if field["name"] == "state":
            field["type"] = {"type": "enum", "name": "State", "symbols": STATES}
        if field["name"] == "samples":
            field["type"] = {"type": "array", "items": "double"}
    return schema


def by_fastavro(table: pa.Table, parsed: Any) -> bytes:
    """Write a table by fastavro."""
    file = io.BytesIO()
    fastavro.writer(file, parsed, table.to_pylist())
    return file.getvalue()


@pytest.mark.parametrize(("name", "fields"), [("orders", "4 fields"), ("readings", "20 fields")])
def test_arrow_to_avro(race: Any, request: pytest.FixtureRequest, name: str, fields: str) -> None:
    table = request.getfixturevalue(name)
    schema = schema_for(table)
    parsed = fastavro.parse_schema(schema)
    head = table.slice(0, 1_000)
    rows = list(fastavro.reader(io.BytesIO(AVRO.dumps(table, schema=schema))))
    assert rows == table.to_pylist()
    assert list(fastavro.reader(io.BytesIO(by_fastavro(head, parsed)))) == rows[:1_000]
    del rows
    race(
        f"Arrow to Avro, {fields}",
        lambda: AVRO.dumps(table, schema=schema),
        {"to_pylist, fastavro writer": lambda: by_fastavro(table, parsed)},
        target=100,
        n_rounds=N_SLOW_ROUNDS,
    )


@pytest.mark.parametrize(("name", "fields"), [("orders", "4 fields"), ("readings", "20 fields")])
@pytest.mark.parametrize("peer", ["fastavro", "polars"])
def test_avro_to_arrow(
    race: Any, request: pytest.FixtureRequest, name: str, fields: str, peer: str
) -> None:
    table = request.getfixturevalue(name)
    schema = schema_for(table)
    if peer == "fastavro":
        data = by_fastavro(table, fastavro.parse_schema(schema))
    else:
        data = AVRO.dumps(table, schema=schema)

    def rows() -> pa.Table:
        return pa.Table.from_pylist(list(fastavro.reader(io.BytesIO(data))))

    peers: dict[str, dict[str, Callable[[], object]]] = {
        "fastavro": {"fastavro reader, from_pylist": rows},
        "polars": {"Polars read_avro": lambda: pl.read_avro(io.BytesIO(data))},
    }
    ours = AVRO.loads(data)
    if peer == "fastavro":
        assert ours.to_pylist() == rows().to_pylist()
    else:
        theirs = pl.read_avro(io.BytesIO(data)).to_arrow()
        for column in table.column_names:
            assert ours[column].to_pylist() == theirs[column].to_pylist(), column
    race(
        f"Avro to Arrow, {fields}",
        lambda: AVRO.loads(data),
        peers[peer],
        target=50 if peer == "fastavro" else 4,
        n_rounds=N_SLOW_ROUNDS if peer == "fastavro" else N_ROUNDS,
    )


@pytest.mark.parametrize(("name", "fields"), [("orders", "4 fields"), ("readings", "20 fields")])
def test_dicts_to_avro_and_back(
    race: Any, request: pytest.FixtureRequest, name: str, fields: str
) -> None:
    table = request.getfixturevalue(name)
    schema = schema_for(table)
    parsed = fastavro.parse_schema(schema)
    rows = table.to_pylist()
    data = AVRO.dumps(rows, schema=schema)

    def write() -> bytes:
        file = io.BytesIO()
        fastavro.writer(file, parsed, rows)
        return file.getvalue()

    assert list(fastavro.reader(io.BytesIO(data))) == rows
    assert AVRO.loads_records(write()) == rows
    race(
        f"dicts to Avro and back, {fields}",
        lambda: AVRO.loads_records(AVRO.dumps(rows, schema=schema)),
        {"fastavro writer and reader": lambda: list(fastavro.reader(io.BytesIO(write())))},
        target=5,
        n_rounds=N_SLOW_ROUNDS,
    )
