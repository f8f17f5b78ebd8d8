"""CRC-32C by the instruction and by the table is one answer, and the one of the standard."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate._kernels.checksum import crc32c

WAYS = pytest.mark.parametrize("by_table", [False, True])


@WAYS
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", 0),
        (b"123456789", 0xE3069283),
        (bytes(32), 0x8A9136AA),  # this one and the next three: RFC 3720, appendix B.4
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
    ],
)
def test_the_values_of_the_standard(content, expected, by_table):
    assert crc32c(content, 0, by_table) == expected


@given(st.binary(max_size=200), st.integers(0, 200), st.integers(0, 2**32 - 1))
def test_a_checksum_goes_on_where_it_was(content, cut, before):
    for by_table in (False, True):
        whole = crc32c(content, before, by_table)
        assert whole == crc32c(content[cut:], crc32c(content[:cut], before), by_table)


def test_long_and_misaligned_contents_are_the_same_both_ways(rng):
    content = rng.integers(0, 256, 50_000, np.uint8)
    for start in range(9):
        for end in range(49_990, 50_001):
            part = content[start:end]
            assert crc32c(part) == crc32c(part, 0, True)


@WAYS
def test_every_single_changed_bit_is_found(by_table):
    content = bytearray(b"one answer, to the last bit")
    right = crc32c(content, 0, by_table)
    for place in range(len(content) * 8):
        content[place // 8] ^= 1 << place % 8
        assert crc32c(content, 0, by_table) != right
        content[place // 8] ^= 1 << place % 8
