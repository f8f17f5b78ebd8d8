"""Batches on the shortest way in: the same answers, the same errors, nothing kept."""

import inspect
import sys

import numpy as np
import pyarrow as pa
import pytest

import tidegate as tg
from tidegate.core.run import MAX_BATCH

SCHEMA = pa.schema([("t", pa.int64()), ("x", pa.float64()), ("n", pa.int64())])
TIME = pa.field("t", pa.timestamp("ns"))
AGGREGATIONS = (tg.agg.sum("x"), tg.agg.count("x"), tg.agg.last("n"), tg.agg.rows())


def live(**options: object) -> tg.Aggregator:
    return tg.Aggregator(tg.Tumbling(10), *AGGREGATIONS, on="t", **options)


def rows(first: int, n: int = 25) -> pa.RecordBatch:
    t = np.arange(first, first + n)
    return pa.record_batch({"t": t, "x": np.sqrt(t), "n": t * 3})


def misaligned(batch: pa.RecordBatch, name: str) -> pa.RecordBatch:
    at, values = batch.schema.get_field_index(name), batch[name]
    raw = pa.py_buffer(b"\0" + values.to_numpy().tobytes()).slice(1)
    beside = pa.Array.from_buffers(values.type, len(values), [None, raw])
    return batch.set_column(at, name, beside)


def with_null(batch: pa.RecordBatch, name: str, row: int) -> pa.RecordBatch:
    values = batch[name].to_pylist()
    values[row] = None
    at = batch.schema.get_field_index(name)
    return batch.set_column(at, name, pa.array(values, batch.schema.field(name).type))


def plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch


class Derived(np.ndarray):
    """Arrays of a class of one's own, which may mean anything."""


def as_arrays(batch: pa.RecordBatch, **changed: object) -> dict[str, object]:
    """Give a batch as a dict of NumPy arrays, some of which are others."""
    return {name: batch[name].to_numpy() for name in batch.schema.names} | changed


def strided(values: np.ndarray) -> np.ndarray:
    return np.repeat(values, 2)[::2]


def beside_words(values: np.ndarray) -> np.ndarray:
    raw = np.frombuffer(b"\0" + values.tobytes(), np.uint8)[1:]
    return raw.view(values.dtype)


def read_only(values: np.ndarray) -> np.ndarray:
    values = values.copy()
    values.flags.writeable = False
    return values


ARRAYS = {
    "arrays": as_arrays,
    "more arrays": lambda batch: as_arrays(batch, more=np.zeros((7, 2))),
    "arrays in another order": lambda batch: dict(reversed(as_arrays(batch).items())),
    "strided": lambda batch: as_arrays(batch, x=strided(batch["x"].to_numpy())),
    "strided times": lambda batch: as_arrays(batch, t=strided(batch["t"].to_numpy())),
    "backwards": lambda batch: as_arrays(batch, n=batch["n"].to_numpy()[::-1].copy()[::-1]),
    "big-endian": lambda batch: as_arrays(batch, x=batch["x"].to_numpy().astype(">f8")),
    "big-endian times": lambda batch: as_arrays(batch, t=batch["t"].to_numpy().astype(">i8")),
    "beside the words": lambda batch: as_arrays(batch, x=beside_words(batch["x"].to_numpy())),
    "read-only": lambda batch: as_arrays(batch, x=read_only(batch["x"].to_numpy())),
    "of a derived class": lambda batch: as_arrays(batch, x=batch["x"].to_numpy().view(Derived)),
    "lists": lambda batch: batch.to_pydict(),
    "an Arrow array among them": lambda batch: as_arrays(batch, n=batch["n"]),
    "no rows in arrays": lambda batch: as_arrays(batch.slice(0, 0)),
    "late rows in arrays": lambda batch: as_arrays(rows(0, batch.num_rows)),
    "some late rows in arrays": lambda batch: as_arrays(
        batch, t=np.where(np.arange(len(batch)) % 5 == 2, 3, batch["t"].to_numpy())
    ),
}

UNLIKE = {
    "a null": lambda batch: with_null(batch, "x", 3),
    "a null time": lambda batch: with_null(batch, "t", 4),
    "misaligned": lambda batch: misaligned(batch, "x"),
    "misaligned times": lambda batch: misaligned(batch, "t"),
    "sliced": lambda batch: batch.slice(2, 20),
    "no rows": lambda batch: batch.slice(0, 0),
    "no memory": lambda batch: pa.RecordBatch.from_pylist([], batch.schema),
    "an empty table": lambda batch: batch.schema.empty_table(),
    "reordered": lambda batch: batch.select(["n", "x", "t"]),
    "more columns": lambda batch: batch.append_column("more", batch["x"]),
    "short views": lambda batch: batch.append_column(
        "more", pa.array(["a"] * len(batch)).cast(pa.string_view())
    ),
    "short views in lists": lambda batch: batch.append_column(
        "more", pa.array([["a"]] * len(batch)).cast(pa.list_(pa.string_view()))
    ),
    "short views in a dictionary in a struct": lambda batch: batch.append_column(
        "more",
        pa.StructArray.from_arrays(
            [
                pa.DictionaryArray.from_arrays(
                    pa.array([0] * len(batch)), pa.array(["a"]).cast(pa.string_view())
                )
            ],
            ["inner"],
        ),
    ),
    "metadata": lambda batch: batch.replace_schema_metadata({"a": "b"}),
    "late rows": lambda batch: rows(0, batch.num_rows),
    "a table": lambda batch: pa.table(batch),
    "a table in chunks": lambda batch: pa.Table.from_batches([batch.slice(0, 7), batch.slice(7)]),
    "a table of chunks that differ": lambda batch: pa.table(
        {
            "t": pa.chunked_array([batch["t"][:5], batch["t"][5:]]),
            "x": batch["x"],
            "n": pa.chunked_array([batch["n"][:9], batch["n"][9:]]),
        }
    ),
    "a list": lambda batch: batch.to_pylist(),
    **ARRAYS,
}


@pytest.mark.parametrize("unlike", UNLIKE.values(), ids=UNLIKE)
def test_a_batch_that_is_unlike_those_before_says_what_a_copy_says(unlike):
    aggregator, copied = live(), live(schema=SCHEMA)
    for number, change in enumerate([plain, plain, unlike, plain, unlike, unlike]):
        batch = change(rows(25 * number))
        table = pa.Table.from_pylist(records_of(batch), SCHEMA)
        copies = {name: table[name].to_pylist() for name in SCHEMA.names}
        expected = copied.push(copies) if table.num_rows else copied.take()
        assert aggregator.push(batch).equals(expected)
        assert aggregator.stats == copied.stats
        assert aggregator.watermark == copied.watermark
    assert aggregator.take_late().equals(copied.take_late())
    assert aggregator.flush().equals(copied.flush())


def records_of(batch: object) -> list[dict[str, object]]:
    if isinstance(batch, list):
        return batch
    if isinstance(batch, dict):
        columns = [np.asarray(batch[name]).tolist() for name in SCHEMA.names]
        return [dict(zip(SCHEMA.names, row, strict=True)) for row in zip(*columns, strict=True)]
    return batch.to_pylist()


def keyed_rows(first: int, n: int, kind: str, n_keys: int = 7) -> pa.RecordBatch:
    """Rows of keys that come and go; every ninth has none."""
    t = np.arange(first, first + n)
    names = [None if i % 9 == 0 else f"key {(i + i // 50) % n_keys}" for i in t.tolist()]
    keys = pa.array(names, pa.string())
    if kind == "dictionary":
        keys = keys.dictionary_encode()
    elif kind == "integers":
        keys = pa.array([None if name is None else int(name[4:]) for name in names])
    elif kind != "string":
        keys = keys.cast(kind)
    return rows(first, n).append_column("k", keys)


KINDS = ["dictionary", "string", "large_string", "string_view", "binary", "integers"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_keys", [3, 5000], ids=["few keys", "many keys"])
@pytest.mark.parametrize("by", ["k", ["k", "n"]], ids=["one key", "two keys"])
def test_batches_with_keys_say_what_one_shot_says(kind, n_keys, by):
    aggregator = live(by=by)
    batches = [keyed_rows(900 * number, 900, kind, n_keys) for number in range(8)]
    cuts = [
        cut for batch in batches for cut in (batch.slice(0, 1), batch.slice(1, 500), batch[501:])
    ]
    taken = [aggregator.push(batch) for batch in [*cuts[:9], cuts[9].slice(0, 0), *cuts[9:]]]
    assert aggregator.stats.rows_in == aggregator.stats.used == 7200
    whole = pa.Table.from_batches(batches).unify_dictionaries()
    said = tg.aggregate(whole, tg.Tumbling(10), *AGGREGATIONS, on="t", by=by)
    together = pa.concat_tables([*taken, aggregator.flush()])
    together.validate(full=True)
    assert together.equals(said)


def test_keys_of_a_type_may_come_as_a_dictionary_or_plain():
    aggregator = live(by="k")
    kinds = ["string", "dictionary", "dictionary", "string", "string"]
    taken = [aggregator.push(keyed_rows(30 * at, 30, kind)) for at, kind in enumerate(kinds)]
    said = tg.aggregate(
        pa.table(keyed_rows(0, 150, "string")), tg.Tumbling(10), *AGGREGATIONS, on="t", by="k"
    )
    assert pa.concat_tables([*taken, aggregator.flush()]).equals(said)
    with pytest.raises(tg.errors.InputError):
        aggregator.push(keyed_rows(150, 30, "string"))


@pytest.mark.parametrize("wrong", ["a null", "misaligned"])
def test_batches_with_keys_that_are_not_plain_say_what_plain_ones_say(wrong):
    aggregator, copied = live(by="k"), live(by="k")
    for at in range(6):
        batch = keyed_rows(30 * at, 30, "dictionary")
        batch = UNLIKE[wrong](batch) if at % 2 else batch
        plain_copy = pa.Table.from_pylist(batch.to_pylist(), keyed_rows(0, 1, "string").schema)
        assert aggregator.push(batch).equals(copied.push(plain_copy))
    assert aggregator.flush().equals(copied.flush())


def test_late_rows_with_keys_are_on_the_side():
    aggregator = live(by="k")
    for at in (0, 30, 5):
        aggregator.push(keyed_rows(at, 30, "string"))
    late = aggregator.take_late()
    assert late["t"].to_pylist() == list(range(5, 35))
    assert late["k"].to_pylist() == keyed_rows(5, 30, "string")["k"].to_pylist()
    assert aggregator.stats == tg.Stats(90, 60, 30, 0, 0, aggregator.stats.windows)


def test_one_key_too_many_is_refused_with_its_batch():
    aggregator = live(by="k", limits=tg.Limits(max_keys=4))
    other = live(by="k", limits=tg.Limits(max_keys=4))
    for at in (0, 30):
        assert aggregator.push(keyed_rows(at, 30, "string", 3)).equals(
            other.push(keyed_rows(at, 30, "string", 3))
        )
    before = aggregator.stats
    with pytest.raises(tg.errors.LimitError, match="max_keys"):
        aggregator.push(keyed_rows(60, 30, "string", 5))
    assert aggregator.stats == before
    assert aggregator.push(keyed_rows(60, 30, "string", 3)).equals(
        other.push(keyed_rows(60, 30, "string", 3))
    )
    assert aggregator.flush().equals(other.flush())


def test_a_damaged_dictionary_is_refused_and_right_ones_go_on():
    aggregator, other = live(by="k"), live(by="k")
    good = keyed_rows(0, 30, "dictionary")
    for taker in (aggregator, other):
        taker.push(good)
    index = pa.Array.from_buffers(pa.int32(), 30, [None, pa.py_buffer(np.full(30, 99, np.int32))])
    bad = pa.DictionaryArray.from_arrays(index, good["k"].dictionary, safe=False)
    with pytest.raises(tg.errors.InputError, match="dictionary"):
        aggregator.push(rows(30, 30).append_column("k", bad))
    more = keyed_rows(30, 30, "dictionary")
    assert aggregator.push(more).equals(other.push(more))
    assert aggregator.stats == other.stats


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (rows(50).set_column(1, "x", pa.array(["a"] * 25)), tg.errors.ColumnTypeError),
        (rows(50).set_column(1, "x", pa.array([1] * 25)), tg.errors.ColumnTypeError),
        (rows(50).set_column(0, "t", rows(50)["x"]), tg.errors.ColumnTypeError),
        (rows(50).set_column(1, "x", rows(50)["x"].cast("float32")), tg.errors.ColumnTypeError),
        (rows(50).select(["t", "n"]), tg.errors.ColumnNotFoundError),
        (rows(50).append_column("x", rows(50)["x"]), tg.errors.ColumnTypeError),
        (7, tg.errors.ColumnTypeError),
        (None, tg.errors.ColumnTypeError),
        (as_arrays(rows(50), x=rows(50)["n"].to_numpy()), tg.errors.ColumnTypeError),
        (as_arrays(rows(50), n=rows(50)["n"].to_numpy().view("M8[ns]")), tg.errors.ColumnTypeError),
        (as_arrays(rows(50), x=np.zeros((25, 1))), tg.errors.InputError),
        (as_arrays(rows(50), x=np.zeros(24)), tg.errors.InputError),
        (as_arrays(rows(50), x=None), tg.errors.ColumnTypeError),
        (as_arrays(rows(50)) | {7: np.zeros(25)}, tg.errors.ColumnTypeError),
        ({"t": np.arange(50, 75)}, tg.errors.ColumnNotFoundError),
    ],
    ids=[
        "text",
        "integers",
        "float times",
        "narrow",
        "missing",
        "twice",
        "a number",
        "None",
        "integers in an array",
        "times in an array",
        "a matrix",
        "unequal lengths",
        "None for an array",
        "a name that is none",
        "arrays missing",
    ],
)
@pytest.mark.parametrize("as_table", [False, True], ids=["batch", "table"])
def test_a_wrong_batch_is_refused_whole_and_right_ones_go_on(wrong, error, as_table):
    aggregator, other = live(), live()
    for batch in (rows(0), rows(25)):
        assert aggregator.push(batch).equals(other.push(batch))
    before = aggregator.stats
    with pytest.raises(error):
        aggregator.push(pa.table(wrong) if as_table and hasattr(wrong, "schema") else wrong)
    assert aggregator.stats == before
    assert aggregator.push(rows(50)).equals(other.push(rows(50)))
    assert aggregator.flush().equals(other.flush())


def test_tables_that_were_taken_never_change_while_more_is_pushed():
    aggregator = live()
    taken, written = [], []
    for number in range(200):
        taken.append(aggregator.push(rows(25 * number)))
        written.append(taken[-1].to_pylist())
    assert [table.to_pylist() for table in taken] == written
    whole = tg.aggregate(rows(0, 25 * 200), tg.Tumbling(10), *AGGREGATIONS, on="t")
    assert pa.Table.from_batches([whole]).equals(pa.concat_tables([*taken, aggregator.flush()]))


@pytest.mark.parametrize("n", [1, 24, 4096, 4097, MAX_BATCH, MAX_BATCH + 1])
@pytest.mark.parametrize("given_as", [plain, as_arrays])
def test_batches_of_any_length_are_taken(n, given_as):
    aggregator, window = live(), tg.Tumbling(10)
    cuts = [rows(0, 3), rows(3, n), rows(3 + n)]
    taken = [aggregator.push(given_as(cut)) for cut in cuts]
    whole = tg.aggregate(pa.table(rows(0, n + 28)), window, *AGGREGATIONS, on="t")
    assert pa.concat_tables([*taken, aggregator.flush()]).equals(whole)
    assert aggregator.stats.rows_in == aggregator.stats.used == n + 28
    assert aggregator.stats.windows == whole.num_rows


@pytest.mark.parametrize("by", [None, "n"])
@pytest.mark.parametrize("n_held", [1, 3, 60])
def test_results_may_be_left_while_more_is_pushed(by, n_held):
    aggregator, other = live(by=by), live(by=by)
    held, expected = [], []
    for number in range(120):
        batch = rows(25 * number)
        expected.append(other.push(batch))
        is_last = number % n_held == n_held - 1
        table = aggregator.push(pa.table(batch) if number == 50 else batch, take=is_last)
        assert is_last or table.num_rows == 0
        assert table.schema.equals(expected[-1].schema)
        assert aggregator.stats == other.stats
        held.append(table)
        if number % 50 == 20:
            aggregator = tg.Aggregator.restore(aggregator.snapshot())
    assert pa.concat_tables([*held, aggregator.take()]).equals(pa.concat_tables(expected))
    assert aggregator.flush().equals(other.flush())


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_arrays_of_times_are_those_of_record_batches(unit):
    aggregator, other = (tg.Aggregator(tg.Tumbling("10s"), *AGGREGATIONS, on="t") for _ in "ab")
    for number in range(5):
        batch = rows(25 * number)
        times = (batch["t"].to_numpy().astype("M8[s]")).astype(f"M8[{unit}]")
        if number == 3:
            times[4] = np.datetime64("NaT")  # has no time, and is rejected
        copied = batch.set_column(0, "t", pa.array(times))
        assert aggregator.push(as_arrays(batch, t=times)).equals(other.push(copied))
        assert aggregator.stats == other.stats
    assert aggregator.stats.rejected == 1
    assert aggregator.flush().equals(other.flush())


@pytest.mark.parametrize("first", [np.iinfo(np.int64).min + 1, -40, 1_700_000_000_000_000_000])
@pytest.mark.parametrize("lateness", [None, "0ns", "20ns", "200ns"])
@pytest.mark.parametrize(
    "window",
    [
        tg.Tumbling("10ns"),
        tg.Sliding("30ns", "10ns"),
        tg.Sliding("3ns", "10ns"),
        tg.Tumbling("10ns", offset="2ns"),  # one begins at the lowest time
    ],
)
def test_rows_without_a_time_are_rejected_wherever_they_stand(first, lateness, window):
    options = {"on": "t", "lateness": lateness, "schema": SCHEMA.set(0, TIME)}
    aggregator, other = (tg.Aggregator(window, *AGGREGATIONS, **options) for _ in "ab")
    random = np.random.default_rng(3)
    for number in range(40):
        n = int(random.integers(0, 30))
        times = first + 5 * max(number - 9, 0) + np.cumsum(random.integers(0, 3, n))
        times[random.random(n) < 0.1] += 7
        times = times.view("M8[ns]")
        times[random.random(n) < random.choice([0, 0.1, 0.9])] = np.datetime64("NaT")
        batch = rows(0, n)
        copied = batch.set_column(0, "t", pa.array(times))
        assert aggregator.push(as_arrays(batch, t=times)).equals(other.push(copied))
        assert aggregator.stats == other.stats
        if number % 7 == 2:  # the lowest time is one where it does not come as an array
            lowest = pa.array([np.iinfo(np.int64).min] * 2, pa.int64()).cast(TIME.type)
            low = rows(0, 2).set_column(0, TIME, lowest)
            assert aggregator.push(low).equals(other.push(low))
            assert aggregator.stats == other.stats
    assert aggregator.stats.rejected > 30
    assert aggregator.take_late().equals(other.take_late())
    assert aggregator.flush().equals(other.flush())


@pytest.mark.parametrize("unit", ["s", "us", "generic"])
@pytest.mark.parametrize("n_before", [0, 2])
def test_arrays_of_times_in_another_unit_are_refused(unit, n_before):
    schema = pa.schema([("t", pa.timestamp("ms")), ("x", pa.float64()), ("n", pa.int64())])
    aggregator = tg.Aggregator(tg.Tumbling("10ms"), *AGGREGATIONS, on="t", schema=schema)
    for number in range(n_before):
        batch = rows(25 * number)
        aggregator.push(as_arrays(batch, t=batch["t"].to_numpy().astype("M8[ms]")))
    before = aggregator.stats
    times = rows(50)["t"].to_numpy()
    wrong = times.astype("M8") if unit == "generic" else times.astype(f"M8[{unit}]")
    with pytest.raises(tg.errors.ColumnTypeError, match="'t'"):
        aggregator.push(as_arrays(rows(50), t=wrong))
    assert aggregator.stats == before


def test_a_dict_of_arrays_is_refused_with_its_late_rows():
    aggregator = live(late="raise")
    for number in range(3):
        aggregator.push(as_arrays(rows(25 * number)))
    before = aggregator.stats
    with pytest.raises(tg.errors.LateRowError):
        aggregator.push(as_arrays(rows(5)))
    assert aggregator.stats == before


@pytest.mark.parametrize("given_as", [plain, as_arrays])
def test_push_takes_one_batch_and_the_choice_to_take(given_as):
    aggregator = live()
    for number in range(3):
        aggregator.push(given_as(rows(25 * number)))
    before = aggregator.stats
    wrong_calls = [
        ((), {}),
        ((rows(75), True), {}),
        ((rows(75),), {"taken": True}),
        ((rows(75),), {"take": True, "more": 1}),
        ((), {"batch": rows(75)}),
    ]
    for arguments, options in wrong_calls:
        with pytest.raises(TypeError):
            aggregator.push(*arguments, **options)
    assert aggregator.stats == before
    assert tg.Aggregator.push.__name__ == "push"
    assert str(inspect.signature(tg.Aggregator.push)) == "(self, batch, /, *, take=True)"


def test_nothing_left_before_the_types_are_known_is_an_empty_table():
    table = live().push([], take=False)
    assert table.equals(live().push([]))


def test_rows_and_batches_in_turn_are_one_stream():
    aggregator, other = live(), live()
    taken, expected = [], []
    for number in range(12):
        batch = rows(25 * number)
        expected.append(other.push(batch))
        if number % 3 == 1:
            for row in batch.to_pylist():
                aggregator.push_row(*row.values())
        else:
            taken.append(aggregator.push(batch))
        assert aggregator.stats == other.stats
    taken.append(aggregator.take())
    assert pa.concat_tables(taken).equals(pa.concat_tables(expected))
    assert aggregator.flush().equals(other.flush())


def test_a_snapshot_goes_on_after_any_push():
    aggregator, other = live(), live()
    for number in range(8):
        batch = rows(25 * number)
        aggregator.snapshot()  # results that wait are set aside
        aggregator = tg.Aggregator.restore(aggregator.snapshot())
        assert aggregator.push(batch).equals(other.push(batch))
        assert aggregator.stats == other.stats


def test_the_end_is_the_end():
    aggregator = live()
    for number in range(3):
        aggregator.push(rows(25 * number))
    aggregator.flush()
    with pytest.raises(tg.errors.InputError, match="ended"):
        aggregator.push(rows(75))


def test_after_an_overflow_nothing_is_taken():
    aggregator = tg.Aggregator(tg.Tumbling(10), tg.agg.sum("n"), on="t")
    most = pa.record_batch({"t": [21, 22], "n": [2**63 - 1, 1]})
    aggregator.push(pa.record_batch({"t": [1], "n": [1]}))
    aggregator.push(pa.record_batch({"t": [2], "n": [1]}))
    aggregator.push(most)
    for _ in range(2):
        with pytest.raises(tg.errors.AggregateOverflowError):
            aggregator.push(pa.record_batch({"t": [31], "n": [1]}))


@pytest.mark.parametrize("n_before", [0, 1, 2])
def test_too_many_windows_are_refused_whole_and_the_stream_goes_on(n_before):
    options = {"lateness": 100, "limits": tg.Limits(max_open=8)}
    aggregator, other = live(**options), live(**options)
    for number in range(n_before):
        assert aggregator.push(rows(2 * number, 2)).equals(other.push(rows(2 * number, 2)))
    before = aggregator.stats
    with pytest.raises(tg.errors.LimitError, match="nothing of the batch was taken"):
        aggregator.push(rows(0, 95))
    assert aggregator.stats == before
    for batch in (rows(4, 2), rows(6, 3), rows(300, 4), rows(304, 1)):
        assert aggregator.push(batch).equals(other.push(batch))
    assert aggregator.flush().equals(other.flush())


def test_results_of_a_push_that_failed_come_first():
    aggregator = live(lateness=100, limits=tg.Limits(max_open=8))
    for time in range(0, 50, 10):
        aggregator.push_row(time, 1.0, 1)
    aggregator.push_row(150, 1.0, 1)
    assert aggregator.stats.windows == 5
    with pytest.raises(tg.errors.LimitError):
        aggregator.push(rows(150, 95))
    assert aggregator.push(rows(250, 1))["window_start"].to_pylist() == [0, 10, 20, 30, 40]


def test_after_a_merge_both_states_are_one():
    mine, theirs = live(), live()
    for number in range(2):
        mine.push(rows(5 * number, 5))
    for number in range(2):
        theirs.push(rows(20 + 2 * number, 2))
    mine.merge(theirs)
    assert mine.push(rows(24, 10))["rows"].to_pylist() == [10, 4 + 6]
    with pytest.raises(tg.errors.InputError):
        theirs.push(rows(40))


def test_first_row_lays_the_grid():
    aggregator = tg.Aggregator(tg.Tumbling(10, origin="first"), tg.agg.sum("n"), on="t")
    taken = [aggregator.push(rows(first, 5)) for first in (3, 8, 40)]
    starts = pa.concat_tables([*taken, aggregator.flush()])["window_start"]
    assert starts.to_pylist() == [3, 33, 43]


def test_no_memory_of_a_batch_is_kept():
    aggregator = live()
    values = np.arange(25.0)
    t = np.arange(25)
    before = sys.getrefcount(values), sys.getrefcount(t)
    for n_more in range(5):
        batch = pa.record_batch({"t": t + 25 * n_more, "x": pa.array(values), "n": pa.array(t)})
        aggregator.push(batch)
        aggregator.push(misaligned(batch, "t"))  # looked at, and left to others
        aggregator.push({"t": t, "x": values, "n": t})
    del batch
    assert (sys.getrefcount(values), sys.getrefcount(t)) == before
