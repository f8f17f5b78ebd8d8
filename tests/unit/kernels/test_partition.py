"""Rows of a part of the keys, against NumPy; the checked build goes without AVX-512."""

import numpy as np
import pytest

from tidegate._kernels.partition import Picker

SPARE = 16
BINS = 256


def picker(number, n, codes, given, size):
    """Make a picker, and what it writes to."""
    rows, own = np.full((2, size + SPARE), -1, np.int32)
    out = [None if part is None else np.empty(size + SPARE, part.dtype) for part in given]
    return Picker(number, n, codes, given, rows, own, out), rows, own, out


@pytest.mark.parametrize("n_rows", [1, 7, 8, 15, 16, 63, 64, 65, 1000])
@pytest.mark.parametrize("n", [1, 2, 3, 100, 256])
def test_rows_of_a_part_are_those_whose_code_is_of_its_bins(n, n_rows):
    random = np.random.default_rng(n_rows)
    codes = random.integers(0, 1500, n_rows).astype(np.int32)
    words = random.integers(-(2**63), 2**63 - 1, n_rows)
    flags = random.integers(0, 4, n_rows).astype(np.uint8)
    size, seen = 128, 0
    for number in {0, n // 2, n - 1}:
        bins = np.arange(number, BINS, n)
        take, rows, own, out = picker(number, n, codes, [words, None, flags], size)
        for begin in range(0, n_rows, size):
            is_own = codes[begin : begin + size] % BINS % n == number
            at = np.flatnonzero(is_own)
            n_own = take.take(begin, min(begin + size, n_rows))
            assert n_own == len(at)
            assert rows[:n_own].tolist() == at.tolist()
            mine = codes[begin + at]
            expected = mine // BINS * len(bins) + np.searchsorted(bins, mine % BINS)
            assert own[:n_own].tolist() == expected.tolist()
            assert out[0][:n_own].tolist() == words[begin + at].tolist()
            assert out[2][:n_own].tolist() == flags[begin + at].tolist()
            seen += n_own
    assert seen == n_rows or n > 2


def test_some_rows_are_copied_by_their_numbers():
    codes, words = np.zeros(100, np.int32), np.arange(100)
    take, _, _, out = picker(0, 2, codes, [words], 64)
    take.take_rows(np.array([99, 0, 7, 7], np.int32))
    assert out[0][:4].tolist() == [99, 0, 7, 7]
    for wrong in ([100], [-1]):
        with pytest.raises(ValueError, match="no such row"):
            take.take_rows(np.array(wrong, np.int32))


def test_what_does_not_fit_is_refused():
    codes, words = np.zeros(10, np.int32), np.arange(10)
    for number, n in ((2, 2), (-1, 2), (0, 257), (0, 0)):
        with pytest.raises(ValueError, match="no such part"):
            picker(number, n, codes, [words], 64)
    with pytest.raises(ValueError, match="no such part, or no room"):
        picker(0, 2, codes, [words], 63)
    with pytest.raises(ValueError, match="differ in length"):
        picker(0, 2, codes, [words[1:]], 64)
    take, *_ = picker(0, 2, codes, [words], 64)
    for begin, end in ((-1, 5), (10, 11), (5, 11), (5, 5), (5, 4)):
        with pytest.raises(ValueError, match="no such rows"):
            take.take(begin, end)
    take, *_ = picker(0, 2, np.zeros(100, np.int32), [np.arange(100)], 64)
    with pytest.raises(ValueError, match="no room for them"):
        take.take(0, 65)
