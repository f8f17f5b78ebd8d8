"""C functions over slices of values."""

import ctypes

import numpy as np
import pytest

from tidegate._kernels.calling import call_windows

FLOATS = ctypes.POINTER(ctypes.c_double)


@ctypes.CFUNCTYPE(ctypes.c_double, FLOATS, ctypes.c_ssize_t)
def total(values, n):
    return sum(values[:n])


ADDRESS = ctypes.cast(total, ctypes.c_void_p).value


def call(values, begins, lengths, address=ADDRESS):
    out = np.full(len(lengths), -1.0)
    begins, lengths = np.array(begins, np.int64), np.array(lengths, np.int64)
    call_windows(address, np.array(values, np.float64), begins, lengths, out)
    return out.tolist()


def test_each_window_with_values_is_asked_about():
    assert call([1, 2, 3, 4], [0, 1, 3, 9], [2, 3, 1, 0]) == [3.0, 9.0, 4.0, -1.0]
    assert call([], [], []) == []
    assert call(range(30_000), [0, 10_000], [10_000, 20_000])[0] == sum(range(10_000))


@pytest.mark.parametrize(("begins", "lengths"), [([3], [2]), ([-1], [2]), ([0], [-1]), ([9], [1])])
def test_a_window_that_is_not_within_the_values_is_refused(begins, lengths):
    with pytest.raises(ValueError, match="within"):
        call([1, 2, 3, 4], begins, lengths)


def test_no_function_is_refused():
    with pytest.raises(ValueError, match="no function"):
        call([1], [0], [1], address=0)
