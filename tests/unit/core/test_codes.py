"""Tables of codes grow as values come, in whatever pattern, and never change a code."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tidegate.core import codes as codes_module
from tidegate.core.codes import BytesCodes, IntCodes
from tidegate.core.errors import InputError

INT64_MAX = 2**63 - 1
INT64_MIN = -(2**63)


def expected_codes(values: Any) -> list[int]:
    seen: dict[Any, int] = {}
    return [seen.setdefault(value, len(seen)) for value in values]


def texts(values: list[str]) -> tuple[Any, Any]:
    offsets = np.cumsum([0, *map(len, values)], dtype=np.int32)
    return offsets, np.frombuffer("".join(values).encode(), np.uint8)


PATTERNS: dict[str, Any] = {
    "one": np.array([5]),
    "ends": np.array([INT64_MIN, INT64_MAX, 0, INT64_MAX, INT64_MIN + 1]),
    "small range": np.arange(5000) % 1000,
    "upwards": np.arange(20_000),
    "downwards": -np.arange(20_000),
    "both ways": np.arange(20_000) * (1 - 2 * (np.arange(20_000) % 2)),
    "sparse": np.arange(20_000) * 1_000_003 % (2**61 - 1),
    "small and an outlier": np.where(np.arange(5000) % 7 == 6, 2**60, np.arange(5000) % 1000),
    "a table first, then sparse": np.r_[np.arange(3000), np.arange(3000) * 2**40],
    "sparse first, then dense": np.r_[np.arange(3000) * 2**30, np.arange(9000)],
    "int32": np.arange(5000, dtype=np.int32)[::-1] % 77,
}


@pytest.mark.parametrize("name", PATTERNS)
@pytest.mark.parametrize("step", [1, 100, 10**6])
def test_integers_of_any_pattern_in_any_batches_get_the_codes_of_a_dict(
    name: str, step: int
) -> None:
    values = np.ascontiguousarray(PATTERNS[name])
    if step == 1:
        values = values[:500]
    table = IntCodes()
    got = [table.encode(values[at : at + step]) for at in range(0, len(values), step)]
    codes = np.concatenate(got)
    assert codes.dtype == np.int32
    assert codes.tolist() == expected_codes(values.tolist())
    assert table.values[codes].tolist() == values.tolist()


@pytest.mark.parametrize("pattern", ["upwards", "downwards", "both ways", "sparse"])
def test_growth_costs_few_rebuilds(pattern: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rebuilds = []
    rebuild = IntCodes._rebuild
    monkeypatch.setattr(
        IntCodes, "_rebuild", lambda self, *args: rebuilds.append(1) or rebuild(self, *args)
    )
    table = IntCodes()
    for value in PATTERNS[pattern]:
        table.encode(np.array([value]))
    assert len(rebuilds) < 60


def test_dense_values_leave_the_hash_table_for_a_window_that_is_wider_than_the_first_limit() -> (
    None
):
    limit = codes_module._WIDEST_WINDOW
    values = np.arange(0, 3 * limit, 8)
    table = IntCodes()
    table.encode(values)
    codes = table.encode(values[::-1].copy())
    assert codes.tolist() == list(range(len(values)))[::-1]


def test_truncate_forgets_the_newest_codes_and_null() -> None:
    table = IntCodes()
    valid = np.array([1, 0, 1, 1], np.uint8)
    values = np.array([5, 0, 7, 2**60])
    assert table.encode(values, valid).tolist() == [0, 1, 2, 3]
    table.truncate(3)
    assert table.encode(np.array([2**61, 7, 0]), valid[:0:-1].copy()).tolist() == [3, 2, 1]
    table.truncate(1)
    assert table.n_codes == 1
    assert table.encode(values[2:]).tolist() == [1, 2]
    assert table.encode(values, valid).tolist() == [0, 3, 1, 2]
    got, is_valid = table.take(np.array([3, 0], np.int32))
    assert is_valid is not None
    assert is_valid.tolist() == [0, 1]
    assert got[1] == 5


def test_text_grows_in_number_and_in_length() -> None:
    words = [str(i) * (i % 50) for i in range(5000)]
    table = BytesCodes()
    codes = table.encode(*texts(words))
    assert codes.tolist() == expected_codes(words)
    assert table.encode(*texts(words)).tolist() == codes.tolist()
    long = "x" * 10**6
    assert table.encode(*texts([long, "", long])).tolist() == [
        table.n_codes - 1,
        0,
        table.n_codes - 1,
    ]
    assert len(table.content) == table.offsets[-1]


def test_text_can_be_truncated() -> None:
    table = BytesCodes()
    valid = np.array([1, 0, 1], np.uint8)
    assert table.encode(*texts(["a", "b", "c"]), valid).tolist() == [0, 1, 2]
    table.truncate(2)
    assert table.encode(*texts(["d", "x", "a"]), valid).tolist() == [2, 1, 0]
    table.truncate(1)
    assert table.null_code == -1
    assert table.encode(*texts(["c", "a"])).tolist() == [1, 0]


def test_null_of_a_fixed_width_grows_like_any_key() -> None:
    table = BytesCodes(width=codes_module._FIRST_CAPACITY + 1)
    valid = np.zeros(1, np.uint8)
    assert table.encode(np.zeros(2, np.int64), np.zeros(0, np.uint8), valid).tolist() == [0]
    assert table.offsets.tolist() == [0, codes_module._FIRST_CAPACITY + 1]
    assert not table.content.any()


@pytest.mark.parametrize("bad", [[0, 1, 9], [0, -1, 3], [2, 1, 3]])
def test_damaged_offsets_name_the_row(bad: list[int]) -> None:
    row = 0 if bad[1] < bad[0] else 1
    with pytest.raises(InputError, match=f"row {row}: the offsets"):
        BytesCodes().encode(np.array(bad), np.zeros(3, np.uint8))


@pytest.mark.parametrize("code", [3, 2**31 - 1, -1, -(2**31)])
def test_a_code_that_nobody_has_got_is_refused(code):
    table = IntCodes()
    table.encode(np.array([5, 6, 7]))
    with pytest.raises(IndexError, match=f"there are 3 codes, and {code} is none of them"):
        table.take(np.array([0, code], np.int32))
    values, valid = table.take(np.array([2, 0, 2], np.int32))
    assert (values.tolist(), valid) == ([7, 5, 7], None)
