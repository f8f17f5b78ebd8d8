"""Bad input: a named error that says what and where, or rows on the side; never a wrong number."""

import datetime as dt
import math
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import tidegate as tg
from tidegate import agg, errors

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
PLAN = {"n": agg.rows(), "x": agg.sum("p"), "top": agg.max("p")}


def bars(data, shape=None, **options):
    settings = {"on": "t"} | options
    return tg.aggregate(data, shape or tg.Tumbling(10), **settings, **PLAN)


def columns(result):
    """Give a result as plain lists, whatever kind of thing it is."""
    table = pa.table(result) if not isinstance(result, list) else pa.Table.from_pylist(result)
    return table.select(["window_start", "n", "x"]).to_pydict()


def is_both(caught, builtin):
    """Tell whether an error is one of ours and one that a caller would expect."""
    return isinstance(caught.value, errors.TidegateError) and isinstance(caught.value, builtin)


# Nothing there


@pytest.mark.parametrize(
    "empty",
    [
        pa.table({"t": pa.array([], pa.int64()), "p": pa.array([], pa.float64())}),
        {"t": np.empty(0, "i8"), "p": np.empty(0)},
        pa.RecordBatch.from_pydict({"t": pa.array([], pa.int64()), "p": pa.array([], "f8")}),
    ],
    ids=["table", "arrays", "batch"],
)
def test_empty_input_gives_no_windows(empty):
    assert columns(bars(empty)) == {"window_start": [], "n": [], "x": []}


def test_empty_pandas_and_polars_give_no_windows():
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    assert len(bars(pd.DataFrame({"t": np.empty(0, "i8"), "p": np.empty(0)}))) == 0
    assert bars(pl.DataFrame({"t": [], "p": []}, {"t": pl.Int64, "p": pl.Float64})).height == 0


def test_empty_list_of_records_gives_an_empty_list():
    assert bars([]) == []


def test_column_that_is_not_there_is_named_with_those_that_are():
    for data in ({"t": [1], "q": [2]}, pa.table({"t": [1], "q": [2]}), [{"t": 1, "q": 2}]):
        with pytest.raises(errors.ColumnNotFoundError, match=r"'p'.*'q'") as caught:
            bars(data)
        assert is_both(caught, KeyError)
        assert not str(caught.value).startswith('"')


def test_time_or_key_column_that_is_not_there_is_named():
    with pytest.raises(errors.ColumnNotFoundError, match="'when'"):
        bars({"t": [1], "p": [1]}, on="when")
    with pytest.raises(errors.ColumnNotFoundError, match="'who'"):
        bars({"t": [1], "p": [1]}, by="who")


def test_columns_of_unequal_length_are_an_error_that_names_both_lengths():
    with pytest.raises(errors.InputError, match=r"'p'") as caught:
        bars({"t": np.arange(3), "p": np.arange(2)})
    assert is_both(caught, ValueError)
    assert "3" in str(caught.value)
    assert "2" in str(caught.value)


@pytest.mark.parametrize("nothing", [None, 7, "file.parquet", object()])
def test_what_holds_no_columns_is_an_error(nothing):
    with pytest.raises(errors.ColumnTypeError) as caught:
        bars(nothing)
    assert is_both(caught, TypeError)


def test_none_where_an_array_belongs_is_an_error_that_names_the_column():
    with pytest.raises(errors.ColumnTypeError, match="'p'"):
        bars({"t": [1, 2], "p": None})


def test_two_columns_of_one_name_are_an_error():
    table = pa.Table.from_arrays([pa.array([1])] * 3, names=["t", "p", "p"])
    with pytest.raises(errors.ColumnTypeError, match="'p'"):
        bars(table)


def test_options_that_are_unknown_are_errors():
    data = {"t": [1], "p": [1]}
    with pytest.raises(errors.InputError, match="nan"):
        bars(data, nan="zero")
    with pytest.raises(errors.InputError, match="late"):
        bars(data, late="never")
    with pytest.raises((errors.ColumnTypeError, errors.WindowError), match="window"):
        bars(data, "10s")
    with pytest.raises((errors.InputError, errors.ColumnTypeError)):
        bars(data, by=["p", "p"])
    with pytest.raises((errors.InputError, errors.ColumnTypeError)):
        bars(data, on=None)


# Nulls everywhere


def test_all_null_values_count_as_rows():
    got = bars(pa.table({"t": [1, 2], "p": pa.nulls(2, pa.float64())}))
    assert got.select(["n", "x", "top"]).to_pylist() == [{"n": 2, "x": 0.0, "top": None}]


@pytest.mark.parametrize("type", [pa.int64(), pa.float64(), pa.timestamp("us"), pa.null()], ids=str)
def test_all_null_times_are_rejected(type):  # noqa: A002
    side = tg.Side()
    shape = tg.Tumbling("1s") if pa.types.is_timestamp(type) or pa.types.is_null(type) else None
    got = bars(pa.table({"t": pa.nulls(3, type), "p": [1.0, 2.0, 3.0]}), shape, side=side)
    assert got.num_rows == 0
    assert side.late["reason"].to_pylist() == ["null time"] * 3
    assert (side.stats.rows_in, side.stats.rejected) == (3, 3)


def test_null_nan_and_nat_times_go_to_the_side_with_their_reason():
    side = tg.Side()
    bars({"t": pa.array([1.0, None, math.nan, math.inf]), "p": [1, 2, 3, 4]}, side=side)
    assert side.late["reason"].to_pylist() == ["null time", "nan time", "time out of range"]
    assert side.late["row"].to_pylist() == [1, 2, 3]
    assert side.late["p"].to_pylist() == [2, 3, 4]
    stamps = np.array(["NaT", "2024-01-01"], "datetime64[s]")
    bars({"t": stamps, "p": [1, 2]}, tg.Tumbling("1s"), side=side)
    assert side.late["reason"].to_pylist() == ["null time"]


@pytest.mark.parametrize("time", [INT64_MIN, INT64_MAX])
@pytest.mark.parametrize("shape", [tg.Tumbling(10), tg.Sliding(10, 5)], ids=repr)
def test_times_at_the_ends_of_int64_are_rejected(time, shape):
    side = tg.Side()
    got = bars(pa.table({"t": [0, time, 1], "p": [1, 2, 4]}), shape, side=side)
    assert sum(got["x"].to_pylist()) == 5 * (2 if isinstance(shape, tg.Sliding) else 1)
    assert side.late["reason"].to_pylist() == ["time out of range"]


def test_window_from_the_least_int64_on_is_used():
    got = bars(pa.table({"t": [INT64_MIN], "p": [1]}), tg.Tumbling(2**62))
    assert got["window_start"].to_pylist() == [INT64_MIN]


def test_unsigned_time_beyond_int64_is_an_error():
    with pytest.raises(errors.InputError, match="'t'"):
        bars({"t": np.array([1, 2**63], "u8"), "p": [1, 2]})


@pytest.mark.parametrize("times", [["09:00", "10:00"], [b"1", b"2"], [True, False], [[1], [2]]])
def test_times_that_are_no_times_are_an_error_that_names_the_column(times):
    with pytest.raises(errors.ColumnTypeError, match="'t'"):
        bars(pa.table({"t": times, "p": [1, 2]}))


def test_float_grid_that_is_finer_than_its_floats_does_not_hang(run_python):
    # Around 1.7e9 the floats are 2.4e-7 apart: no window of 1e-18 can be told from the next one.
    code = (
        "import tidegate as tg\n"
        "side = tg.Side()\n"
        "try:\n"
        "    rows = [{'t': 1.7e9}, {'t': 1.7e9 + 1}]\n"
        "    shape = tg.Tumbling(1e-18, origin='first')\n"
        "    got = tg.aggregate(rows, shape, on='t', side=side, n=tg.agg.rows())\n"
        "except tg.errors.InputError as error:\n"
        "    print('error')\n"
        "else:\n"
        "    print(side.late['reason'].to_pylist())\n"
    )
    said = run_python(code, timeout=20).strip()
    assert said == "error" or set(said.strip("[]").split(", ")) == {"'time out of range'"}


# Sizes


@pytest.mark.parametrize("size", [0, -1, "NaN", "0s", "-1s", "1ns"])
def test_size_that_cannot_be_is_an_error_that_shows_it(size):
    times = pa.array([0, 1], pa.timestamp("us"))
    with pytest.raises((errors.WindowError, errors.DurationError), match=str(size)) as caught:
        bars(pa.table({"t": times, "p": [1, 2]}), tg.Tumbling(math.nan if size == "NaN" else size))
    assert is_both(caught, ValueError)


def test_window_of_a_nanosecond_over_a_year_costs_what_is_occupied():
    times = np.linspace(0, 365 * 86_400 * 10**9, 1000).astype("i8").view("datetime64[ns]")
    got = bars({"t": times, "p": np.ones(1000)}, tg.Tumbling("1ns"))
    assert len(got["n"]) == 1000
    slid = bars({"t": times, "p": np.ones(1000)}, tg.Sliding("3ns", "1ns"))
    assert len(slid["n"]) == 3000


def test_windows_that_overlap_without_end_are_an_error_that_names_the_limit():
    with pytest.raises(errors.LimitError, match="max_overlap"):
        bars({"t": [1, 2], "p": [1, 2]}, tg.Sliding(2**61, 1))


def test_size_and_step_without_a_common_divisor_cost_what_is_occupied():
    got = bars({"t": [1, 2**60], "p": [1, 2]}, tg.Sliding(2**61 - 1, 2**60))
    assert columns(got) == {"window_start": [-(2**60), 0, 2**60], "n": [1, 2, 1], "x": [1, 3, 2]}


# Arrays of every make


N = 1000
TIMES = np.arange(N)
VALUES = np.random.default_rng(2).normal(size=N)


def misaligned(array):
    raw = np.zeros(array.nbytes + 1, "u1")
    view = raw[1:].view(array.dtype)
    view[:] = array
    assert not view.flags.aligned
    return view


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


def strided(array):
    wide = np.full((len(array), 3), 99, array.dtype)
    wide[:, 1] = array
    return wide[:, 1]


MAKES = {
    "strided": strided,
    "backwards": lambda array: array[::-1].copy()[::-1],
    "big-endian": lambda array: array.astype(array.dtype.newbyteorder(">")),
    "read-only": read_only,
    "misaligned": misaligned,
    "fortran": lambda array: np.asfortranarray(np.stack([array, array]))[0],
}


@pytest.mark.parametrize("make", MAKES.values(), ids=MAKES)
def test_arrays_of_any_make_give_the_same_answer(make):
    plain = bars({"t": TIMES, "p": VALUES})
    odd = bars({"t": make(TIMES), "p": make(VALUES)})
    assert all(np.array_equal(odd[name], plain[name]) for name in plain)
    stamps = bars({"t": make(TIMES.view("m8[s]") + np.datetime64(0, "s")), "p": make(VALUES)})
    assert np.array_equal(stamps["x"], plain["x"])


def test_sliced_arrow_arrays_with_nulls_give_the_same_answer():
    valid = np.random.default_rng(3).random(N) < 0.7
    table = pa.table(
        {
            "t": pa.array(TIMES, mask=np.random.default_rng(4).random(N) < 0.02),
            "k": pa.array(np.where(valid, "a", "b"), mask=~valid).dictionary_encode(),
            "p": pa.array(VALUES, mask=~valid),
        }
    )
    for start in (0, 1, 7, 8, 9, 63, 64, 65, 500):
        part = table.slice(start, 333)
        fresh = pa.Table.from_pylist(part.to_pylist(), schema=table.schema)
        assert bars(part, by="k", side=tg.Side()).equals(bars(fresh, by="k", side=tg.Side()))


def test_misaligned_arrow_buffers_give_the_same_answer():
    def shifted(array):
        raw = pa.py_buffer(b"\0" + array.buffers()[1].to_pybytes()).slice(1)
        return pa.Array.from_buffers(array.type, len(array), [None, raw])

    table = pa.table({"t": shifted(pa.array(TIMES)), "p": shifted(pa.array(VALUES))})
    assert bars(table).equals(bars(pa.table({"t": TIMES, "p": VALUES})))


def test_records_that_are_no_dicts_are_named_by_their_index():
    with pytest.raises(errors.ColumnTypeError, match="1"):
        bars([{"t": 1, "p": 1.0}, "dear"])
    with pytest.raises(errors.TidegateError, match="'p'"):
        bars([{"t": 1, "p": 1.0}, {"t": 2, "p": "dear"}])


# Files


@pytest.fixture
def ticks_file(tmp_path):
    path = tmp_path / "ticks.parquet"
    start = dt.datetime(2024, 8, 8, tzinfo=dt.UTC)
    times = [start + dt.timedelta(milliseconds=40 * i) for i in range(1000)]
    pq.write_table(pa.table({"time": times, "price": np.linspace(1, 2, 1000)}), path)
    return path


def command(source, target):
    asked = ["--every", "1s", "--on", "time", "--agg", "x=sum(price)"]
    return ["aggregate", source, *asked, "-o", target]


def fails(run_tidegate, *args, code=1):
    """Run a command that has to fail with one line, no traceback and no half-written output."""
    said = run_tidegate(*args, code=code)
    assert "Traceback" not in said.stderr
    assert said.stdout == ""
    return said.stderr


def test_file_that_is_not_there(run_tidegate, tmp_path):
    said = fails(run_tidegate, *command(tmp_path / "none.parquet", tmp_path / "out.parquet"))
    assert "none.parquet" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kept", [0, 3, 100, 0.5, -1], ids=str)
def test_file_that_is_cut_short(run_tidegate, ticks_file, tmp_path, kept):
    whole = ticks_file.read_bytes()
    cut = tmp_path / "cut.parquet"
    cut.write_bytes(whole[: int(kept * len(whole)) if isinstance(kept, float) else kept])
    said = fails(run_tidegate, *command(cut, tmp_path / "out.parquet"))
    assert "cut.parquet" in said
    assert not list(tmp_path.glob("*out*"))


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_file_that_is_not_what_its_name_says(run_tidegate, tmp_path, suffix):
    lie = tmp_path / f"lie{suffix}"
    lie.write_text("time,price\n2024-08-08,1\n" * 10)
    assert lie.name in fails(run_tidegate, *command(lie, tmp_path / "out.parquet"))
    assert not list(tmp_path.glob("*out*"))


def test_parquet_that_calls_itself_text(run_tidegate, ticks_file, tmp_path):
    for suffix in (".csv", ".ndjson"):
        lie = tmp_path / f"lie{suffix}"
        shutil.copy(ticks_file, lie)
        assert lie.name in fails(run_tidegate, *command(lie, tmp_path / "out.parquet"))


def test_column_that_is_not_in_the_file(run_tidegate, ticks_file, tmp_path):
    args = command(ticks_file, tmp_path / "out.parquet")
    args[args.index("x=sum(price)")] = "x=sum(prize)"
    said = fails(run_tidegate, *args)
    assert "prize" in said
    assert "price" in said


def test_output_folder_that_is_not_there(run_tidegate, ticks_file, tmp_path):
    assert "missing" in fails(
        run_tidegate, *command(ticks_file, tmp_path / "missing" / "o.parquet")
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_output_folder_that_is_not_writable(run_tidegate, ticks_file, tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    assert "closed" in fails(run_tidegate, *command(ticks_file, closed / "out.parquet"))


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no folder that even root can't write")
def test_output_folder_that_nobody_can_write(run_tidegate, ticks_file):
    assert "/proc" in fails(run_tidegate, *command(ticks_file, "/proc/self/out.parquet"))


def test_output_that_is_a_folder(run_tidegate, ticks_file, tmp_path):
    target = tmp_path / "out.parquet"
    target.mkdir()
    assert "out.parquet" in fails(run_tidegate, *command(ticks_file, target))


def test_output_that_is_full(run_command, ticks_file, tmp_path):
    target = tmp_path / "out.parquet"
    words = map(str, [sys.executable, "-m", "tidegate", *command(ticks_file, target)])
    said = run_command("bash", "-c", 'ulimit -f 1 && exec "$@"', "bash", *words, code=1)
    assert "out.parquet" in said.stderr
    assert "Traceback" not in said.stderr
    assert not list(tmp_path.glob("*out*"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_stdout_that_is_full(run_command, ticks_file):
    words = map(
        str,
        [sys.executable, "-m", "tidegate", *command(ticks_file, "-"), "--output-format", "arrows"],
    )
    said = run_command("bash", "-c", 'exec "$@" > /dev/full', "bash", *words, code=1)
    assert "Traceback" not in said.stderr
    assert said.stderr != ""


def test_wrong_usage_is_another_exit_code(run_tidegate, ticks_file, tmp_path):
    args = command(ticks_file, tmp_path / "out.parquet")
    args[args.index("x=sum(price)")] = "x=__import__('os').abort()"
    fails(run_tidegate, *args, code=2)
    args = command(ticks_file, tmp_path / "out.parquet")
    args[args.index("1s")] = "one second"
    fails(run_tidegate, *args, code=2)
