"""The key codes of all rows: those that one thread gives, whatever the shares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import tidegate as tg
from tidegate import agg
from tidegate.core import allkeys
from tidegate.core.allkeys import encode_all
from tidegate.core.errors import LimitError
from tidegate.core.keys import Keys

FIRST, PART = 1 << 8, 1 << 10
N_ROWS = 40 * FIRST
THREADS = (1, 2, 3, 7)


@pytest.fixture(autouse=True)
def short_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make shares of few rows."""
    monkeypatch.setattr(allkeys, "_FIRST", FIRST)
    monkeypatch.setattr(allkeys, "_PART", PART)


def numbers(n_keys: int, seed: int = 1) -> np.ndarray[Any, Any]:
    """Draw keys."""
    return np.random.default_rng(seed).integers(0, n_keys, N_ROWS)


def with_late_ones(n_late: int) -> np.ndarray[Any, Any]:
    """Draw few keys, among them new ones that come late, each in several shares."""
    keys = numbers(20)
    rng = np.random.default_rng(2)
    at = rng.integers(N_ROWS // 4, N_ROWS, 4 * n_late)
    keys[at] = 1000 + rng.integers(0, n_late, 4 * n_late) * 10**12
    return keys


def with_nulls(keys: np.ndarray[Any, Any]) -> pa.Array[Any]:
    """Leave every 17th key out, but not the first ones."""
    rows = np.arange(len(keys))
    return pa.array(keys, mask=(rows % 17 == 0) & (rows > N_ROWS // 3))


def floats() -> pa.Array[Any]:
    """Draw floats, with NaN and both zeros."""
    keys = numbers(9).astype(float)
    return pa.array(np.where(keys == 3, np.nan, np.where(keys == 4, -0.0, keys)))


COLUMNS: dict[str, Callable[[], list[pa.Array[Any]]]] = {
    "few": lambda: [pa.array(numbers(20))],
    "one": lambda: [pa.array(numbers(1))],
    "many": lambda: [pa.array(numbers(5000))],
    "all": lambda: [pa.array(np.arange(N_ROWS))],
    "late": lambda: [pa.array(with_late_ones(50))],
    "nulls": lambda: [with_nulls(with_late_ones(9))],
    "floats": lambda: [floats()],
    "texts": lambda: [with_nulls(with_late_ones(30)).cast(pa.string())],
    "dictionary": lambda: [with_nulls(with_late_ones(30)).cast(pa.string()).dictionary_encode()],
    "pairs": lambda: [pa.array(with_late_ones(5)), pa.array(numbers(7)).cast(pa.string())],
    "three": lambda: [pa.array(numbers(3, seed)) for seed in (4, 5, 6)],
}


def batch_of(columns: list[pa.Array[Any]]) -> pa.RecordBatch:
    """Name key columns."""
    return pa.record_batch(columns, names=[f"k{k}" for k in range(len(columns))])


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("what", list(COLUMNS))
def test_codes_are_those_of_one_thread(what: str, threads: int) -> None:
    batch = batch_of(COLUMNS[what]())
    plain, keys = (Keys(batch.schema.names, max_keys=10**6) for _ in range(2))
    expected = plain.encode(batch)
    codes = encode_all(keys, batch, threads)
    assert codes.dtype == np.int32
    assert np.array_equal(codes, expected)
    assert repr(keys.dump().to_pylist()) == repr(plain.dump().to_pylist())


@pytest.mark.parametrize("threads", THREADS)
def test_keys_known_before_keep_their_codes(threads: int) -> None:
    batch = batch_of(COLUMNS["late"]())
    plain, keys = (Keys(["k0"], max_keys=10**6) for _ in range(2))
    for some in (plain, keys):
        some.encode(batch_of([pa.array([-5, 1000 + 10**12, 3])]))
    assert np.array_equal(encode_all(keys, batch, threads), plain.encode(batch))
    assert repr(keys.dump().to_pylist()) == repr(plain.dump().to_pylist())


def test_all_codes_are_kept_at_once_where_codes_are_kept() -> None:
    keys = Keys(["k0"], max_keys=100)
    keys.kept = []
    codes = encode_all(keys, batch_of(COLUMNS["few"]()), 2)
    assert len(keys.kept) == 1
    assert np.array_equal(keys.kept[0], codes)


@pytest.mark.parametrize("threads", THREADS)
def test_a_key_too_many_is_told_with_its_row_and_nothing_is_kept(threads: int) -> None:
    values = numbers(20)
    values[N_ROWS - 3] = 77
    keys = Keys(["k0"], max_keys=20)
    with pytest.raises(LimitError, match=rf"row {N_ROWS - 3} has the key \(77\)"):
        encode_all(keys, batch_of([pa.array(values)]), threads)
    assert keys.n_keys == 0
    assert len(encode_all(keys, batch_of(COLUMNS["few"]()), threads)) == N_ROWS


@pytest.mark.parametrize("n_keys", [5, 3000])
def test_windows_and_joins_by_key_have_the_same_bits_on_any_number_of_threads(n_keys: int) -> None:
    rng = np.random.default_rng(7)
    keys = numbers(n_keys)
    keys[N_ROWS // 2 :] += 2  # some come late
    rows = pa.table(
        {"ts": np.cumsum(rng.integers(0, 3, N_ROWS)), "key": keys, "x": rng.normal(0, 1, N_ROWS)}
    )

    def windows(threads: int) -> pa.Table:
        mean = agg.mean("x")
        return tg.aggregate(rows, tg.Tumbling(500), on="ts", by="key", threads=threads, x=mean)

    def join(threads: int) -> pa.Table:
        return tg.asof_join(rows, rows[::-1], on="ts", by="key", tolerance=9, threads=threads)

    for work in (windows, join):
        expected = work(1)
        assert all(work(threads).equals(expected) for threads in THREADS[1:])
