"""One column of whatever kind becomes an Arrow array, and no value changes on the way."""

from __future__ import annotations

import array
import collections
import datetime as dt
from decimal import Decimal
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.core.convert import Place, from_python, to_arrow
from tidegate.core.errors import ColumnTypeError, InputError

BERLIN = ZoneInfo("Europe/Berlin")
NS = "2024-01-01 00:00:00.123456789"


class Side(StrEnum):
    BUY = "buy"


def read(values: object) -> Any:
    return to_arrow(values, Place("x"))


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, None, -5], pa.int64()),
        ([2**63, 1], pa.uint64()),
        ([np.int8(1), np.uint16(2), 3], pa.int64()),
        ([np.uint64(2**63 + 1)], pa.uint64()),
        ([1, 2.5, None], pa.float64()),
        ([np.float32(0.1), np.int8(3), 0.1], pa.float64()),
        ([0.5, np.uint64(2**52)], pa.float64()),
        ([True, None, np.bool_(False)], pa.bool_()),
        (["a", None, np.str_("b"), Side.BUY], pa.string()),
        ([b"a", bytearray(b"b"), None], pa.binary()),
        ([dt.date(2024, 1, 1), None], pa.date32()),
        ([dt.time(1, 2, 3), None], pa.time64("us")),
        ([dt.timedelta(1), None], pa.duration("us")),
        ([dt.datetime(2024, 1, 1), None], pa.timestamp("us")),
        ([Decimal("1.5"), 2], pa.decimal128(2, 1)),
        ([[1], None], pa.list_(pa.int64())),
        ([None, None], pa.null()),
        ([], pa.null()),
    ],
)
def test_python_values_have_one_type(values: list[Any], kind: pa.DataType) -> None:
    arrow = read(values)
    assert arrow.type == kind
    assert [v if v is None else v == w for v, w in zip(arrow.to_pylist(), values, strict=True)] == [
        None if v is None else True for v in values
    ]


def test_nan_in_a_list_is_a_value() -> None:
    arrow = read([1, float("nan"), None])
    assert arrow.null_count == 1
    assert np.isnan(arrow[1].as_py())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1, None, True], "row 2 is True .bool., but the values before it are int"),
        ([2.5, True], "row 1 is True"),
        ([True, 1], "row 1 is 1 .int., but the values before it are bool"),
        ([1.5, 1, "a"], "row 2 is 'a' .str., but the values before it are float"),
        (["a", b"a"], "row 1 is b'a'"),
        ([dt.date(2024, 1, 1), dt.datetime(2024, 1, 1, 5)], "row 1 is datetime.datetime"),
        ([dt.datetime(2024, 1, 1), dt.date(2024, 1, 1)], "row 1 is datetime.date"),
        ([np.datetime64(1, "s"), dt.datetime(2024, 1, 1)], "row 1 is datetime.datetime"),
        ([np.timedelta64(1, "s"), 1], "row 1 is 1"),
        ([Decimal(1), 1.5], "row 1 is 1.5"),
        (
            [dt.datetime(2024, 1, 1, tzinfo=dt.UTC), None, dt.datetime(2024, 1, 1)],
            "row 2 is 2024-01-01 00:00:00, without a time zone",
        ),
        ([None, object()], "row 1 is <object"),
        ([0.5, np.longdouble(1) / 3], "row 1 is np.longdouble"),
        ([np.longdouble(1) / 3], "row 0 is np.longdouble"),
        ([1, "x" * 10**6], "row 1 is 'x{76}[.]{3} .str."),
    ],
)
def test_mixed_types_are_an_error_that_names_the_first_misfit(
    values: list[Any], message: str
) -> None:
    with pytest.raises(ColumnTypeError, match=f"column 'x', {message}"):
        read(values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([10**5000], "row 0 is a huge int"),
        ([1, 2**64], f"row 1 is {2**64}, which does not fit uint64"),
        ([-1, None, 2**63], f"row 2 is {2**63}, which does not fit int64"),
        ([1, -(2**63) - 1], "row 1 is -9223372036854775809, which does not fit int64"),
        ([0.5, 2**53 + 1], "row 1 is 9007199254740993"),
        ([0.5, np.uint64(2**64 - 1)], "row 1 is 18446744073709551615"),
        (["a", "\ud800"], "row 1 is '.ud800'"),
        ([Decimal("NaN")], "row 0 is Decimal"),
    ],
)
def test_a_value_that_does_not_fit_names_its_row(values: list[Any], message: str) -> None:
    with pytest.raises(InputError, match=f"column 'x', {message}"):
        read(values)


def test_zoned_times_of_any_zone_are_the_same_instants_also_when_clocks_go_back() -> None:
    times = [
        dt.datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN),
        dt.datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN, fold=1),
        dt.datetime(2024, 10, 27, 2, 30, tzinfo=dt.UTC),
    ]
    assert read(times).cast(pa.int64()).to_pylist() == [
        int(time.timestamp()) * 10**6 for time in times
    ]


def test_nanoseconds_of_pandas_are_kept() -> None:
    arrow = read([pd.Timestamp(NS), pd.NaT, dt.datetime(2024, 1, 1)])
    assert arrow.type == pa.timestamp("ns")
    assert arrow[0].value % 1000 == 789
    assert arrow[1].as_py() is None
    zoned = read([pd.Timestamp(NS, tz="Europe/Berlin")])
    assert zoned.type == pa.timestamp("ns", "Europe/Berlin")
    assert zoned[0].value == pd.Timestamp(NS, tz="Europe/Berlin").value
    assert read([pd.Timedelta(1, "ns"), None]).type == pa.duration("ns")
    assert read([pd.Timestamp("2024-01-01"), pd.NA]).type == pa.timestamp("us")


def test_datetime64_of_mixed_units_takes_the_finest() -> None:
    values = [np.datetime64(1, "h"), None, np.datetime64(5, "ms"), np.datetime64("NaT")]
    arrow = read(values)
    assert arrow.type == pa.timestamp("ms")
    assert arrow.cast(pa.int64()).to_pylist() == [3_600_000, None, 5, None]
    assert read([np.timedelta64(1, "D"), None]).cast(pa.int64()).to_pylist() == [86_400, None]
    with pytest.raises(InputError, match=r"row 0 is .* does not fit datetime64.ns"):
        read([np.datetime64(10**12, "s"), np.datetime64(1, "ns")])


@pytest.mark.parametrize("code", ["?", "b", "h", "i", "q", "B", "H", "I", "Q", "e", "f", "d"])
def test_numpy_numbers_of_any_layout_keep_their_type_and_values(code: str) -> None:
    values = np.array([1, 0, 1, 1, 0, 1], code)
    odd = np.frombuffer(b"\0" + values.tobytes(), np.uint8)[1:].view(values.dtype)
    frozen = values.copy()
    frozen.flags.writeable = False
    plain = pa.array(values)
    for same in (values.astype(values.dtype.newbyteorder(">")), odd, frozen):
        assert read(same).equals(plain)
    assert read(values[::-2]).equals(pa.array(values[::-2].copy()))
    assert read(values[:0]).type == plain.type
    assert read(np.ma.MaskedArray(values, [0, 0, 0, 0, 0, 1])).null_count == 1


def test_contiguous_numpy_numbers_are_viewed() -> None:
    values = np.arange(5.0)
    assert read(values).buffers()[1].address == values.ctypes.data


@pytest.mark.parametrize(
    ("values", "kind", "stored"),
    [
        (np.array([5, "NaT"], "M8[ns]"), pa.timestamp("ns"), [5, None]),
        (np.array([5, "NaT"], "M8[us]"), pa.timestamp("us"), [5, None]),
        (np.array([5, "NaT"], ">M8[ms]"), pa.timestamp("ms"), [5, None]),
        (np.array([5, "NaT"], "M8[s]"), pa.timestamp("s"), [5, None]),
        (np.array([5, "NaT"], "M8[m]"), pa.timestamp("s"), [300, None]),
        (np.array([5, "NaT"], "M8[h]"), pa.timestamp("s"), [18_000, None]),
        (np.array([5, "NaT"], "M8[D]"), pa.timestamp("s"), [432_000, None]),
        (np.array([1, "NaT"], "M8[W]"), pa.timestamp("s"), [604_800, None]),
        (np.array([1, "NaT"], "M8[M]"), pa.timestamp("s"), [31 * 86_400, None]),
        (np.array([1, "NaT"], "M8[Y]"), pa.timestamp("s"), [365 * 86_400, None]),
        (np.array([5, "NaT"], "M8[25s]"), pa.timestamp("s"), [125, None]),
        (np.array([5, "NaT"], "M8[15m]"), pa.timestamp("s"), [4_500, None]),
        (np.array(["NaT"], "M8"), pa.timestamp("us"), [None]),
        (np.array([], "M8"), pa.timestamp("us"), []),
        (np.array([5, "NaT"], "m8[h]"), pa.duration("s"), [18_000, None]),
        (np.array([5, "NaT"], "m8[100ns]"), pa.duration("ns"), [500, None]),
    ],
)
def test_datetime64_of_any_unit_is_the_same_instant(
    values: Any, kind: pa.DataType, stored: list[int | None]
) -> None:
    arrow = read(values)
    assert arrow.type == kind
    assert arrow.cast(pa.int64()).to_pylist() == stored


@pytest.mark.parametrize("unit", ["M8[ps]", "m8[M]", "m8[Y]", "c16", "g", "V4"])
def test_numpy_types_that_arrow_lacks_are_named(unit: str) -> None:
    with pytest.raises(ColumnTypeError, match="column 'x' is"):
        read(np.zeros(2, unit))


def test_a_datetime64_that_overflows_names_its_row() -> None:
    with pytest.raises(InputError, match=r"row 1 is .* does not fit datetime64.s"):
        read(np.array([1, 10**17], "M8[D]"))


def test_numpy_text_bytes_and_objects() -> None:
    assert read(np.array(["a", "bc"], ">U2")[::-1]).to_pylist() == ["bc", "a"]
    assert read(np.array([b"a", b"bc"])).to_pylist() == [b"a", b"bc"]
    assert read(np.array(["a", "bc"], np.dtypes.StringDType())).to_pylist() == ["a", "bc"]
    assert read(np.array([1, None], object)).to_pylist() == [1, None]
    hidden = np.ma.MaskedArray(np.array([1, "b"], object), [False, True])
    assert read(hidden).to_pylist() == [1, None]
    with pytest.raises(ColumnTypeError, match="row 1 is 'b'"):
        read(np.array([1, "b"], object))


@pytest.mark.parametrize("shape", [(), (2, 2), (1, 0)])
def test_another_number_of_dimensions_than_one_is_an_error(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="column 'x' has the shape"):
        read(np.zeros(shape))


def test_a_pandas_series_keeps_nan_and_null_apart_where_it_can() -> None:
    nan = float("nan")
    assert read(pd.Series([1.5, nan])).null_count == 0
    assert read(pd.Series([1.5, None], dtype="Float64")).null_count == 1
    assert read(pd.Series([1, None], dtype="Int64")).to_pylist() == [1, None]
    assert read(pd.Series(["a", None])).to_pylist() == ["a", None]
    assert read(pd.Series(["a", nan, None], dtype=object)).to_pylist() == ["a", None, None]
    assert read(pd.Series([1.5], dtype=pd.ArrowDtype(pa.float32()))).type == pa.float32()
    assert read(pd.Series([1, 2], dtype=">i4")).type == pa.int32()
    assert read(pd.Series(["a", "b"], dtype="category")).type.value_type == pa.large_string()
    assert read(pd.Index([3, 4])).to_pylist() == [3, 4]
    assert read(pd.date_range("2024", periods=2, tz="Asia/Tokyo")).type.tz == "Asia/Tokyo"
    with pytest.raises(ColumnTypeError, match="column 'x'"):
        read(pd.Series(pd.arrays.SparseArray([0, 1])))
    with pytest.raises(ColumnTypeError, match="row 1 is 'a'"):
        read(pd.Series([1, "a"], dtype=object))


def test_a_pandas_timestamp_keeps_its_own_unit() -> None:
    for unit in ("s", "ms", "us", "ns"):
        assert read(pd.Series(np.array([1], f"M8[{unit}]"))).type == pa.timestamp(unit)


def test_other_arrays() -> None:
    nan = float("nan")
    series = read(pl.Series([1.0, nan, None]))
    assert (len(series), series.null_count) == (3, 1)
    assert read(array.array("d", [1.5])).to_pylist() == [1.5]
    assert read(memoryview(b"ab")).to_pylist() == [97, 98]
    assert read(range(3)).to_pylist() == [0, 1, 2]
    assert read((1, 2)).to_pylist() == [1, 2]
    assert read(collections.deque([1, 2])).to_pylist() == [1, 2]
    chunked = pa.chunked_array([[1], [2]])
    assert read(chunked) is chunked


@pytest.mark.parametrize("values", ["abc", b"abc", 5, None, {"a": 1}, {1, 2}, iter([1])])
def test_what_is_no_array_is_an_error(values: object) -> None:
    with pytest.raises(ColumnTypeError, match="column 'x' is of type"):
        read(values)


def test_a_broken_array_interface_names_the_column() -> None:
    class Broken:
        def __arrow_c_array__(self, requested_schema: object = None) -> object:
            raise ValueError("out of order")

    with pytest.raises(ColumnTypeError, match=r"column 'x' .* out of order"):
        read(Broken())


def test_the_values_of_the_caller_are_not_changed() -> None:
    values = [pd.NaT, dt.datetime(2024, 1, 1)]
    read(values)
    assert values[0] is pd.NaT
    frozen = np.array([5, 7], "M8[D]")
    read(frozen)
    assert frozen.dtype == "M8[D]"


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=3),
    st.binary(max_size=3),
    st.datetimes(),
    st.dates(),
    st.timedeltas(),
    st.sampled_from(
        [np.int8(3), np.float32(0.1), np.datetime64(5, "ns"), pd.NaT, np.uint64(2**64 - 1)]
    ),
)


@given(st.lists(scalars, max_size=6))
def test_any_list_becomes_equal_values_or_a_named_error(values: list[Any]) -> None:
    try:
        arrow = from_python(values, Place("x", "field", "record"))
    except (ColumnTypeError, InputError) as error:
        assert "field 'x', record " in str(error)  # noqa: PT017  # either outcome is fine
        return
    for got, given_ in zip(arrow, values, strict=True):
        if given_ is None or given_ is pd.NaT:
            assert not got.is_valid
        elif isinstance(given_, np.datetime64):
            assert got.value == given_.astype("M8[ns]").astype(int)
        elif given_ != given_:  # NaN
            assert np.isnan(got.as_py())
        else:
            assert got.as_py() == given_
