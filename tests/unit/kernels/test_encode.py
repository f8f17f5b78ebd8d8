"""Tables of codes stop where there is no room, and dictionaries are translated."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate._kernels.byte_codes import BytesTable, encode_bytes
from tidegate._kernels.int_codes import IntTable, encode_ints
from tidegate._kernels.remap import remap

INT64_MAX = 2**63 - 1
INT64_MIN = -(2**63)
SEEDS = (0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93)


def int_table(width: int = 0, base: int = 0, hash_room: int = 8) -> IntTable:
    table = IntTable(*SEEDS)
    slots = np.full(2 << hash_room.bit_length(), -1, np.int64)
    values = np.zeros(width + hash_room + 1, np.int64)
    table.rebuild(values, 0, -1, np.full(width, -1, np.int32), base, slots)
    return table


def bytes_table(room: int = 8, capacity: int = 64, null_size: int = 0) -> BytesTable:
    table = BytesTable(*SEEDS, null_size)
    slots = np.full(1 << room.bit_length(), 2**64 - 1, np.uint64)
    table.rebuild(np.zeros(room + 1, np.int64), np.zeros(capacity, np.uint8), 0, -1, slots)
    return table


def flags(valid: list[int] | None) -> npt.NDArray[np.uint8] | None:
    return None if valid is None else np.array(valid, np.uint8)


def ints(table: IntTable, values: Any, valid: list[int] | None = None) -> list[int]:
    """Codes up to the row at which the table has no room."""
    values = np.asarray(values, getattr(values, "dtype", np.int64))
    codes = np.full(len(values), -9, np.int32)
    stopped = encode_ints(table, values, flags(valid), codes, 0)
    assert set(codes[stopped:].tolist()) <= {-9}
    return codes[:stopped].tolist()


def texts(table: BytesTable, values: list[bytes], valid: list[int] | None = None) -> list[int]:
    """Codes up to the row at which the table has no room."""
    offsets = np.cumsum([0, *map(len, values)], dtype=np.int64)
    content = np.frombuffer(b"".join(values), np.uint8)
    codes = np.full(len(values), -9, np.int32)
    stopped = encode_bytes(table, offsets, content, flags(valid), codes, 0)
    assert set(codes[stopped:].tolist()) <= {-9}
    return codes[:stopped].tolist()


TABLES = {
    "hash": {"hash_room": 64},
    "window": {"width": 64, "base": -32, "hash_room": 0},
    "both": {"width": 4, "base": -1, "hash_room": 64},
}


@pytest.mark.parametrize("kind", TABLES)
def test_codes_are_in_order_of_first_appearance(kind: str) -> None:
    table = int_table(**TABLES[kind])
    assert ints(table, []) == []
    assert ints(table, [7]) == [0]
    assert ints(table, [3, 7, -5, 3]) == [1, 0, 2, 1]
    assert table.n_codes == 3


@pytest.mark.parametrize("kind", TABLES)
def test_null_is_a_value_of_its_own(kind: str) -> None:
    table = int_table(**TABLES[kind])
    assert table.null_code == -1
    assert ints(table, [0, 0, 9, 0], [1, 0, 0, 1]) == [0, 1, 1, 0]
    assert table.null_code == 1
    assert ints(table, [5, 5], [0, 0]) == [1, 1]
    assert table.n_codes == 2


def test_the_ends_of_int64_are_values_like_others() -> None:
    values = [INT64_MIN, INT64_MAX, -1, 0, INT64_MIN]
    assert ints(int_table(), values) == [0, 1, 2, 3, 0]
    assert ints(int_table(4, INT64_MAX - 1), values) == [0, 1, 2, 3, 0]  # over both ends
    assert ints(int_table(4, INT64_MAX - 1, hash_room=0), values) == [0, 1]


def test_int32_and_read_only_values_are_taken() -> None:
    values = np.array([5, -5, 5], np.int32)
    values.flags.writeable = False
    assert ints(int_table(), values) == [0, 1, 0]


def test_a_full_hash_table_stops_at_the_first_new_value_and_keeps_nothing_of_it() -> None:
    table = int_table(hash_room=2)
    assert ints(table, [1, 2, 1, 3, 1]) == [0, 1, 0]
    assert table.n_codes == 2
    assert ints(table, [0, 2], [0, 1]) == [2, 1]  # null needs no room
    assert ints(table, [4]) == []


def test_rebuild_goes_on_with_the_same_codes() -> None:
    table = int_table(hash_room=2)
    assert ints(table, [10, 0, 20], [1, 0, 1]) == [0, 1, 2]
    for width, base, hash_room in ((32, 0, 0), (0, 0, 8), (12, 9, 8)):
        values = np.zeros(width + hash_room + 1, np.int64)
        values[:3] = [10, 0, 20]
        slots = np.full(2 << hash_room.bit_length(), -1, np.int64)
        table.rebuild(values, 3, 1, np.full(width, -1, np.int32), base, slots)
        assert ints(table, [20, 10, 11, 0], [1, 1, 1, 0]) == [2, 0, 3, 1]


def test_arrays_that_do_not_fit_each_other_are_refused() -> None:
    table = int_table()
    window, slots = np.full(4, -1, np.int32), np.full(8, -1, np.int64)
    for values, n_codes, other in (
        (np.zeros(4, np.int64), 0, slots),  # no place for null
        (np.zeros(9, np.int64), 0, slots),  # more room than slots
        (np.zeros(6, np.int64), 0, slots[:6]),  # not a power of two
        (np.zeros(6, np.int64), 7, slots),
        (np.zeros(6, np.int64), 2, slots),  # the same value twice
    ):
        with pytest.raises(ValueError, match="IntTable"):
            table.rebuild(values, n_codes, -1, window, 0, other)
    texts_table = bytes_table()
    many = np.full(8, 2**64 - 1, np.uint64)
    for offsets, content, n_codes, free in (
        (np.zeros(9, np.int64), np.zeros(4, np.uint8), 0, many),
        (np.zeros(4, np.int64), np.zeros(4, np.uint8), 4, many),
        (np.zeros(4, np.int64), np.zeros(4, np.uint8), -1, many),
        (np.zeros(4, np.int64), np.zeros(0, np.uint8), 0, many),
        (np.full(4, 5, np.int64), np.zeros(4, np.uint8), 1, many),
        (np.zeros(4, np.int64), np.zeros(4, np.uint8), 0, many[:6]),
    ):
        with pytest.raises(ValueError, match="BytesTable"):
            texts_table.rebuild(offsets, content, n_codes, -1, free)


def test_a_table_without_arrays_and_columns_of_other_lengths_are_refused() -> None:
    codes = np.zeros(2, np.int32)
    values, valid = np.zeros(2, np.int64), np.ones(3, np.uint8)
    content = np.zeros(1, np.uint8)
    with pytest.raises(ValueError, match="rebuild"):
        encode_ints(IntTable(1, 2), values, None, codes, 0)
    with pytest.raises(ValueError, match="rebuild"):
        encode_bytes(BytesTable(1, 2, 0), np.zeros(3, np.int64), content, None, codes, 0)
    for bad_codes, bad_valid in ((codes[:1], None), (codes, valid)):
        with pytest.raises(ValueError, match="length"):
            encode_ints(int_table(), values, bad_valid, bad_codes, 0)
        with pytest.raises(ValueError, match="length"):
            encode_bytes(bytes_table(), np.zeros(3, np.int64), content, bad_valid, bad_codes, 0)
    for start in (-1, 2, 5):
        assert encode_ints(int_table(), values, None, codes, start) == 2


def test_texts_of_every_length_are_told_apart_by_every_byte() -> None:
    keys = [b""]
    for size in range(1, 40):
        word = bytes(range(size))
        keys.append(word)
        keys.extend(word[:at] + b"\xff" + word[at + 1 :] for at in range(size))
    table = bytes_table(len(keys), sum(map(len, keys)))
    expected = list(range(len(keys)))
    assert texts(table, keys) == expected
    assert texts(table, keys[::-1]) == expected[::-1]


def test_text_stops_where_there_is_no_room_for_a_key_or_its_bytes() -> None:
    table = bytes_table(room=2)
    assert texts(table, [b"a", b"", b"a", b"b"]) == [0, 1, 0]
    assert texts(table, [b""], [0]) == []  # null takes room, too
    small = bytes_table(capacity=4)
    assert texts(small, [b"abc", b"abc", b"de"]) == [0, 0]
    assert texts(small, [b"d", b"", b"e"]) == [1, 2]
    assert small.n_codes == 3


def test_null_is_not_the_empty_text() -> None:
    table = bytes_table()
    assert texts(table, [b"", b"x", b""], [1, 0, 0]) == [0, 1, 1]
    assert table.null_code == 1


def test_null_takes_the_width_of_a_fixed_size_type() -> None:
    table = bytes_table(null_size=4, capacity=8)
    assert texts(table, [b"\0\0\0\0", b"", b"abcd"], [1, 0, 1]) == [0, 1]


@pytest.mark.parametrize("offsets", [[0, 5], [-1, 1], [2, 1], [5, 6], [0, 2**62]])
def test_offsets_that_are_not_within_the_content_stop(offsets: list[int]) -> None:
    codes = np.zeros(1, np.int32)
    content = np.zeros(4, np.uint8)
    assert encode_bytes(bytes_table(), np.array(offsets), content, None, codes, 0) == 0
    valid = np.zeros(1, np.uint8)  # where a row is null its offsets do not matter
    assert encode_bytes(bytes_table(), np.array(offsets), content, valid, codes, 0) == 1


def test_offsets_may_be_32_bits_wide_and_content_empty() -> None:
    codes = np.zeros(2, np.int32)
    nothing = np.zeros(0, np.uint8)
    assert encode_bytes(bytes_table(), np.zeros(3, np.int32), nothing, None, codes, 0) == 2
    assert codes.tolist() == [0, 0]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.uint64])
def test_indices_are_translated_in_two_rounds(dtype: Any) -> None:
    indices = np.array([2, 0, 2, 3, 1], dtype)
    code_of = np.full(5, -1, np.int32)
    code_of[0] = 7
    codes, fresh = np.empty(5, np.int32), np.empty(5, np.int32)
    valid = np.array([1, 1, 1, 0, 1], np.uint8)
    assert remap(indices, valid, code_of, codes, fresh) == 3
    assert fresh[:3].tolist() == [2, 4, 1]  # 4: null
    code_of[fresh[:3]] = [10, 11, 12]
    assert remap(indices, valid, code_of, codes, fresh) == 0
    assert codes.tolist() == [10, 7, 10, 11, 12]
    assert remap(indices[:0], None, code_of, codes[:0], fresh) == 0


def test_an_index_that_is_not_in_the_dictionary_says_its_row() -> None:
    code_of = np.zeros(3, np.int32)
    codes, fresh = np.empty(2, np.int32), np.empty(3, np.int32)
    for bad in (2, 255):
        indices = np.array([1, bad], np.uint8)
        assert remap(indices, None, code_of, codes, fresh) == -2
    assert remap(indices, np.array([1, 0], np.uint8), code_of, codes, fresh) == 0
    with pytest.raises(ValueError, match="fit"):
        remap(indices, None, code_of, codes, fresh[:2])
    with pytest.raises(ValueError, match="fit"):
        remap(indices, None, code_of[:0], codes, fresh)
    with pytest.raises(ValueError, match="length"):
        remap(indices, np.ones(3, np.uint8), code_of, codes, fresh)


@given(
    values=st.lists(st.none() | st.integers(-9, 9) | st.sampled_from([INT64_MIN, INT64_MAX])),
    width=st.integers(0, 16),
    base=st.integers(-12, 12),
)
def test_any_window_gives_the_codes_of_a_dict(
    values: list[int | None], width: int, base: int
) -> None:
    seen: dict[int | None, int] = {}
    expected = [seen.setdefault(value, len(seen)) for value in values]
    table = int_table(width, base, hash_room=32)
    valid = [int(value is not None) for value in values]
    assert ints(table, [value or 0 for value in values], valid) == expected


@given(st.lists(st.none() | st.binary(max_size=20) | st.sampled_from([b"a", b"ab", b""])))
def test_any_texts_get_the_codes_of_a_dict(values: list[bytes | None]) -> None:
    seen: dict[bytes | None, int] = {}
    expected = [seen.setdefault(value, len(seen)) for value in values]
    table = bytes_table(room=len(values) + 1, capacity=1 + sum(map(len, filter(None, values))))
    valid = [int(value is not None) for value in values]
    assert texts(table, [value or b"" for value in values], valid) == expected
