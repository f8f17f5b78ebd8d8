"""Whatever the user has becomes record batches, and the result the same kind of thing."""

from __future__ import annotations

import datetime as dt
import types
from collections.abc import Callable
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.core.batch import read_input
from tidegate.core.errors import ColumnNotFoundError, ColumnTypeError, InputError

TABLE = pa.table({"ts": [1, 2, 3], "price": [1.5, None, 2.5], "symbol": ["A", "B", None]})
RECORDS = TABLE.to_pylist()


class Capsule:
    """An object that only has the Arrow PyCapsule interface."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.table.__arrow_c_stream__(requested_schema)


class OneBatch:
    """An object that only has the PyCapsule interface for one batch."""

    def __arrow_c_array__(self, requested_schema: object = None) -> Any:
        return one_batch(TABLE).__arrow_c_array__(requested_schema)


def one_batch(table: pa.Table) -> pa.RecordBatch:
    return table.combine_chunks().to_batches()[0]


def all_rows(data: object, max_rows: int = 2, columns: list[str] | None = None) -> pa.Table:
    rows = read_input(data, columns)
    return pa.Table.from_batches(list(rows.batches(max_rows)), rows.schema)


def arrays(table: pa.Table) -> dict[str, Any]:
    return {name: table.column(name) for name in table.column_names}


KINDS: dict[str, Callable[[pa.Table], Any]] = {
    "Table": lambda table: table,
    "RecordBatch": one_batch,
    "RecordBatchReader": lambda table: table.to_reader(),
    "pandas": lambda table: table.to_pandas(types_mapper=pd.ArrowDtype),
    "Polars": pl.DataFrame,
    "dict of Arrow": arrays,
    "dict of lists": lambda table: table.to_pydict(),
    "dict of Series": lambda table: {n: pl.Series(v.to_pylist()) for n, v in arrays(table).items()},
    "mapping": lambda table: types.MappingProxyType(arrays(table)),
    "list of dicts": lambda table: table.to_pylist(),
    "tuple of mappings": lambda table: tuple(map(types.MappingProxyType, table.to_pylist())),
    "DuckDB": lambda table: duckdb.from_arrow(table),
    "stream capsule": Capsule,
    "array capsule": lambda table: OneBatch(),  # noqa: ARG005  # the same table
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_input_has_the_same_rows(kind: str) -> None:
    for max_rows in (1, 2, 3, 1000):
        assert all_rows(KINDS[kind](TABLE), max_rows).to_pylist() == RECORDS


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_columns_that_are_asked_for_are_read_in_that_order(kind: str) -> None:
    got = all_rows(KINDS[kind](TABLE), columns=["symbol", "ts", "symbol"])
    assert got.column_names == ["symbol", "ts"]
    assert got.to_pylist() == [{"symbol": r["symbol"], "ts": r["ts"]} for r in RECORDS]


@pytest.mark.parametrize("kind", KINDS)
def test_a_column_that_is_missing_is_named(kind: str) -> None:
    with pytest.raises(ColumnNotFoundError, match=r"'prise'.*'ts', 'price', 'symbol'"):
        read_input(KINDS[kind](TABLE), ["ts", "prise"])


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_has_at_most_max_rows_and_is_never_empty(kind: str) -> None:
    table = pa.concat_tables([TABLE, TABLE.slice(0, 0), TABLE, TABLE.slice(1, 1)])
    if kind in ("RecordBatch", "array capsule"):
        table = TABLE
    for max_rows in (1, 2, 5):
        sizes = [batch.num_rows for batch in read_input(KINDS[kind](table)).batches(max_rows)]
        assert sum(sizes) == table.num_rows
        assert all(1 <= size <= max_rows for size in sizes)


@pytest.mark.parametrize("kind", KINDS)
def test_no_rows_keep_their_schema(kind: str) -> None:
    if kind in ("list of dicts", "tuple of mappings", "array capsule", "RecordBatch"):
        return
    rows = read_input(KINDS[kind](TABLE.slice(0, 0)))
    assert rows.schema.names == TABLE.column_names
    assert list(rows.batches(10)) == []


def test_how_many_rows_there_are_is_known_except_in_a_stream() -> None:
    for kind, make in KINDS.items():
        is_stream = kind in ("RecordBatchReader", "DuckDB", "stream capsule")
        assert read_input(make(TABLE)).n_rows == (None if is_stream else 3)


def test_a_stream_can_be_read_only_once() -> None:
    rows = read_input(TABLE.to_reader())
    assert len(list(rows.batches(10))) == 1
    with pytest.raises(InputError, match="read already"):
        rows.batches(10)
    rows = read_input(TABLE)
    assert len(list(rows.batches(10))) == len(list(rows.batches(10)))


def test_max_rows_has_to_be_positive() -> None:
    with pytest.raises(InputError, match="max_rows is 0"):
        read_input(TABLE).batches(0)


def test_batches_are_views() -> None:
    values = np.arange(10.0)
    batches = list(read_input({"x": values}).batches(4))
    starts = []
    for batch in batches:
        buffer: Any = batch.column(0).buffers()[1]
        starts.append(buffer.address + 8 * batch.column(0).offset - values.ctypes.data)
    assert starts == [0, 32, 64]


def test_nan_is_missing_for_pandas_and_a_value_elsewhere() -> None:
    for kind, make in KINDS.items():
        assert read_input(make(TABLE)).nan == ("missing" if kind == "pandas" else "value")


def test_nan_and_null_stay_apart_wherever_they_can() -> None:
    nan = float("nan")
    for data in (
        pl.DataFrame({"x": [1.0, nan, None]}),
        {"x": [1.0, nan, None]},
        [{"x": 1.0}, {"x": nan}, {}],
        pd.DataFrame({"x": pd.array([1.0, nan, None], dtype=pd.ArrowDtype(pa.float64()))}),
    ):
        x = all_rows(data).column("x")
        assert x.null_count in (1, 2)  # pandas takes NaN for null when it makes the array
        assert x[2].as_py() is None
    frame = pd.DataFrame({"x": [1.0, nan]})
    assert all_rows(frame).column("x").null_count == 0


RESULT = pa.table(
    {
        "symbol": pa.chunked_array([["A"], [None]], pa.string()),
        "window_start": pa.chunked_array([[1], [2]], pa.timestamp("us")),
        "rows": pa.chunked_array([[1], [None]], pa.int64()),
        "mean": pa.chunked_array([[1.5], [None]], pa.float64()),
    }
)


def test_the_result_is_the_kind_that_came_in() -> None:
    expected = {
        "RecordBatch": pa.RecordBatch,
        "pandas": pd.DataFrame,
        "Polars": pl.DataFrame,
        "dict of Arrow": dict,
        "dict of lists": dict,
        "dict of Series": dict,
        "mapping": dict,
        "list of dicts": list,
        "tuple of mappings": list,
    }
    for kind, make in KINDS.items():
        for table in (RESULT, RESULT.slice(0, 0)):
            result = read_input(make(TABLE)).give_back(table)
            assert type(result) is expected.get(kind, pa.Table), kind
            assert len(result) == (4 if isinstance(result, dict) else table.num_rows)


def test_a_record_batch_keeps_the_schema_of_the_result() -> None:
    rows = read_input(one_batch(TABLE))
    for table in (RESULT, RESULT.slice(0, 0)):
        batch = rows.give_back(table)
        assert batch.schema == RESULT.schema
        assert pa.Table.from_batches([batch]).equals(table)


def test_the_columns_of_a_record_batch_are_those_of_the_result_and_no_copies() -> None:
    table = pa.table({"x": np.arange(100.0)})
    batch = read_input(one_batch(TABLE)).give_back(table)
    assert batch["x"].buffers()[1].address == table["x"].chunk(0).buffers()[1].address
    two = pa.concat_tables([table, table])
    assert pa.Table.from_batches([read_input(one_batch(TABLE)).give_back(two)]).equals(two)


def test_a_frame_has_a_plain_index() -> None:
    frame = read_input(pd.DataFrame({"x": [1]}, index=[7])).give_back(RESULT)
    assert frame.index.equals(pd.RangeIndex(2))
    assert frame["window_start"].dtype == "datetime64[us]"
    assert frame["mean"].dtype == np.float64


def test_a_dict_has_numpy_arrays_that_can_be_written_to() -> None:
    result = read_input({"x": [1]}).give_back(RESULT)
    assert result["symbol"].tolist() == ["A", None]
    assert result["window_start"].dtype == "datetime64[us]"
    np.testing.assert_array_equal(result["rows"], [1.0, np.nan])
    np.testing.assert_array_equal(result["mean"], [1.5, np.nan])
    for values in result.values():
        values[0] = values[1]


def test_zoned_times_come_back_from_a_dict_in_utc() -> None:
    zoned = pa.table({"t": pa.array([0, None], pa.timestamp("ns", "Asia/Tokyo"))})
    times = read_input({"x": [1]}).give_back(zoned)["t"]
    np.testing.assert_array_equal(times, np.array([0, "NaT"], "M8[ns]"))


def test_chunks_with_different_dictionaries_come_back_as_their_values() -> None:
    chunks = [pa.array(["a", "b"]).dictionary_encode(), pa.array(["c", None]).dictionary_encode()]
    table = pa.table({"s": pa.chunked_array(chunks)})
    assert read_input({"x": [1]}).give_back(table)["s"].tolist() == ["a", "b", "c", None]
    assert read_input([{"x": 1}]).give_back(table) == [{"s": s} for s in ("a", "b", "c", None)]
    assert read_input(one_batch(TABLE)).give_back(table).to_pydict() == {"s": ["a", "b", "c", None]}
    assert [b.to_pydict()["s"] for b in read_input(table).batches(3)] == [["a", "b"], ["c", None]]


def test_records_keep_nanoseconds_without_pandas() -> None:
    table = pa.table({"t": pa.array([1, None], pa.timestamp("ns")), "n": [1, None]})
    result = read_input([{"x": 1}]).give_back(table)
    assert result == [{"t": np.datetime64(1, "ns"), "n": 1}, {"t": None, "n": None}]
    micro = pa.table({"t": pa.array([1], pa.timestamp("us"))})
    assert read_input([{}]).give_back(micro) == [{"t": dt.datetime(1970, 1, 1, 0, 0, 0, 1)}]


def test_an_empty_list_has_no_columns_or_those_that_are_asked_for() -> None:
    rows = read_input([])
    assert rows.schema.names == []
    assert rows.n_rows == 0
    assert rows.give_back(RESULT.slice(0, 0)) == []
    assert read_input([], ["ts", "x"]).schema.types == [pa.null(), pa.null()]


def test_records_have_the_union_of_their_fields_in_order_of_first_appearance() -> None:
    records = [{"a": 1}, {}, {"b": "x", "a": None}, {"c": 1, "b": "y"}]
    copy = [dict(record) for record in records]
    table = all_rows(records)
    assert table.to_pydict() == {
        "a": [1, None, None, None],
        "b": [None, None, "x", "y"],
        "c": [None, None, None, 1],
    }
    assert records == copy
    assert all_rows([{}, {}]).column_names == []


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([{"a": 1}, [1]], "record 1 is of type list; expected a dict"),
        ([None], "record 0 is of type NoneType"),
        (["abc"], "record 0 is of type str"),
        ([{"a": 1}, {2: 1}], "record 1: the field name 2 is not a string"),
        ([{"a": 1}, {}, {"a": "x"}], "field 'a', record 2 is 'x' .str."),
        ([{"a": 1}, {"a": True}], "field 'a', record 1 is True .bool."),
    ],
)
def test_a_bad_record_is_named(records: list[Any], message: str) -> None:
    with pytest.raises(ColumnTypeError, match=message):
        read_input(records)


def test_fields_that_are_not_asked_for_may_hold_anything() -> None:
    assert all_rows([{"a": 1, "b": 1}, {"a": 2, "b": "x"}], columns=["a"]).num_rows == 2
    assert all_rows({"a": [1, 2], "b": object()}, columns=["a"]).num_rows == 2
    frame = pd.DataFrame({"a": [1, 2], "b": pd.Series([1, "x"], dtype=object)})
    assert all_rows(frame, columns=["a"]).num_rows == 2


def test_columns_of_unequal_lengths_are_named_with_their_lengths() -> None:
    with pytest.raises(InputError, match="'ts' has 3, 'price' has 2"):
        read_input({"ts": [1, 2, 3], "price": np.zeros(2)})
    assert all_rows({"ts": [1, 2], "price": np.zeros(3)}, columns=["ts"]).num_rows == 2


def test_column_names_have_to_be_strings() -> None:
    with pytest.raises(ColumnTypeError, match="column name 1 is not a string"):
        read_input({1: [1]})
    assert read_input(pd.DataFrame({1: [1]})).schema.names == ["1"]


def test_duplicate_names_are_an_error_only_if_asked_for() -> None:
    table = pa.table([[1], [2], [3]], names=["a", "a", "b"])
    frame = pd.DataFrame([[1, 2, 3]], columns=["a", "a", "b"])
    for data in (table, one_batch(table), table.to_reader(), frame, Capsule(table)):
        with pytest.raises(ColumnTypeError, match="'a' is there 2 times"):
            read_input(data, ["a"])
    for data in (table, one_batch(table), table.to_reader(), frame, Capsule(table)):
        assert all_rows(data, columns=["b"]).to_pydict() == {"b": [3]}


def test_the_index_of_a_frame_is_left_out_and_its_name_is_known() -> None:
    frame = pd.DataFrame({"x": [1, 2]}, index=pd.Index([5, 6], name="ts"))
    assert read_input(frame).schema.names == ["x"]
    with pytest.raises(ColumnNotFoundError, match="reset_index"):
        read_input(frame, ["ts"])


def test_a_frame_of_one_block_is_read_column_by_column() -> None:
    frame = pd.DataFrame(np.arange(6.0).reshape(3, 2), columns=["a", "b"])
    assert all_rows(frame).to_pydict() == {"a": [0.0, 2.0, 4.0], "b": [1.0, 3.0, 5.0]}
    assert read_input(pd.DataFrame()).n_rows == 0


def test_pandas_timestamps_keep_their_unit() -> None:
    frame = pd.DataFrame({"t": pd.to_datetime(["2024-01-01", None])})
    assert read_input(frame).schema.types == [pa.timestamp(frame["t"].dt.unit)]
    assert all_rows(frame).column("t").null_count == 1


@pytest.mark.parametrize(
    "data", [None, 5, "file.parquet", b"", object(), iter([]), {1, 2}, np.zeros(3), pa.array([1])]
)
def test_anything_else_is_an_error_that_says_what_is_accepted(data: object) -> None:
    with pytest.raises(ColumnTypeError, match="a dict of arrays or a list of dicts"):
        read_input(data)


@pytest.mark.parametrize("series", [pl.Series([1]), pd.Series([1]), pa.chunked_array([[1]])])
def test_one_column_is_not_a_table(series: object) -> None:
    with pytest.raises(ColumnTypeError, match="does not hold columns"):
        read_input(series)


def test_a_lazy_frame_says_how_to_get_its_rows() -> None:
    with pytest.raises(ColumnTypeError, match="collect"):
        read_input(pl.LazyFrame({"x": [1]}))


def test_frames_of_derived_classes_are_frames() -> None:
    class Ticks(pd.DataFrame):
        pass

    rows = read_input(Ticks({"x": [1.0]}))
    assert rows.nan == "missing"
    assert isinstance(rows.give_back(RESULT), pd.DataFrame)


def test_arrow_and_numpy_numbers_import_no_other_library(run_python: Callable[..., str]) -> None:
    code = (
        "import sys, numpy as np, pyarrow as pa\n"
        "from tidegate.core.batch import read_input\n"
        "numbers = {'t': np.zeros(3, 'M8[s]'), 'x': np.zeros(3, '>f4')}\n"
        "table = list(read_input(numbers).batches(2))[0]\n"
        "for data in (table, pa.Table.from_batches([table])):\n"
        "    rows = read_input(data)\n"
        "    rows.give_back(pa.Table.from_batches(rows.batches(1)))\n"
        "print([name for name in ('pandas', 'polars', 'duckdb') if name in sys.modules])"
    )
    assert run_python(code).strip() == "[]"


@given(
    st.lists(st.lists(st.none() | st.integers(-5, 5), max_size=5), max_size=4), st.integers(1, 4)
)
def test_any_chunks_cut_at_any_size_are_the_same_rows(
    chunks: list[list[int | None]], max_rows: int
) -> None:
    table = pa.table({"x": pa.chunked_array(chunks, pa.int64())})
    for data in (table, table.to_reader(), Capsule(table)):
        assert all_rows(data, max_rows).to_pydict() == table.to_pydict()
