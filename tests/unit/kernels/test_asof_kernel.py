"""The kernel of joins in time: what it refuses, and that it finds out what does not rise."""

import numpy as np
import pytest

from tidegate._kernels.asof import Matcher, Walk
from tidegate._kernels.asof_near import choose
from tidegate._kernels.asof_places import rises
from tidegate._kernels.taking import Columns, take

NONE = Columns([], 0, 0)


def matcher(times, codes=None, n_keys=1, direction=0, exact=True, tolerance=None):
    codes = None if codes is None else np.array(codes, np.int32)
    return Matcher(np.array(times, np.int64), codes, n_keys, direction, exact, tolerance, False)


def walk(left, right, *, codes=(None, None), direction=0, share=None, size=None):
    """Walk through all rows in steps; give the index, or None where a side falls."""
    left = np.asarray(left, np.int64)
    n = len(left)
    mine = None if codes[0] is None else np.asarray(codes[0], np.int32)
    one = Walk(
        matcher(right, codes[1], 100, direction),
        left,
        mine,
        share or (0, n, 0, len(right)),
    )
    parts = []
    size = size or n
    for begin in range(0, n, size):
        goes_down = direction == 1 and mine is not None
        rows = min(size, n - begin)
        if goes_down:
            rows = (n - begin - 1) % size + 1 if not parts else size
        index, bits = np.empty(rows, np.int64), np.empty((rows + 7) // 8, np.uint8)
        if one.step(rows, index, bits, NONE) < 0:
            return None
        flags = np.unpackbits(bits, count=rows, bitorder="little")
        assert (flags == (index >= 0)).all()
        parts.append(index)
    return np.concatenate(parts[::-1] if goes_down else parts).tolist()


WAYS = [(0, False), (0, True), (1, False), (1, True), (2, False)]


@pytest.mark.parametrize(("direction", "keyed"), WAYS)
def test_a_fall_anywhere_is_found_out(direction, keyed, rng):
    n = 5000
    for n_left, n_right in ((n, n), (7, n), (n, 7), (2, 2)):
        for side in (0, 1):
            for at in rng.integers(1, (n_left, n_right)[side], 8).tolist():
                sides = [np.arange(n_left) * 3, np.arange(n_right) * 3]
                codes = (None, None)
                if keyed:
                    codes = [rng.integers(0, 100, m) for m in (n_left, n_right)]
                assert walk(*sides, codes=codes, direction=direction) is not None
                sides[side][at] = sides[side][at - 1] - 1
                assert walk(*sides, codes=codes, direction=direction) is None, (side, at)
                for size in (1000, 8):
                    assert walk(*sides, codes=codes, direction=direction, size=size) is None


@pytest.mark.parametrize(("direction", "keyed"), WAYS)
def test_garbage_is_walked_through_safely(direction, keyed, rng):
    for _ in range(200):
        n_left, n_right = rng.integers(1, 6000, 2)
        sides = [rng.integers(-50, 50, m) for m in (n_left, n_right)]
        if rng.random() < 0.7:
            sides[0].sort()
        if rng.random() < 0.7:
            sides[1].sort()
            sides[1][-rng.integers(1, 9) :] = rng.integers(-50, 50)
        codes = [rng.integers(0, 100, m) for m in (n_left, n_right)] if keyed else (None, None)
        found = walk(*sides, codes=codes, direction=direction)
        assert (found is None) != all(rises(side) for side in sides)


def test_rises():
    assert rises(np.array([], np.int64))
    assert rises(np.array([5]))
    assert rises(np.array([5, 5, 6]))
    assert not rises(np.array([5, 4]))
    assert not rises(np.append(np.arange(1000), 998))


def test_choose_takes_the_one_before_of_two_as_near():
    left, right = np.array([5, 5, 5, 5]), np.array([3, 6, 7])
    before, after = np.array([0, 0, -1, -1]), np.array([2, 1, 2, -1])
    choose(left, right, False, before, after)
    assert before.tolist() == [0, 1, 2, -1]


def test_rows_that_are_not_there_are_refused():
    values, out, bits = np.zeros(24, np.uint8), np.zeros(16, np.uint8), np.zeros(1, np.uint8)
    columns = Columns([(8, values, None, out, None)], 3, 2)
    assert take(np.array([2, -1]), bits, columns) == 1
    for bad in (3, -2):
        with pytest.raises(ValueError, match="not there"):
            take(np.array([0, bad]), bits, columns)
    with pytest.raises(ValueError, match="length"):
        take(np.array([0, 1, 2]), bits, columns)


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ((3, 24, None, 16, None), "width"),
        ((8, 23, None, 16, None), "length"),
        ((8, 24, None, 15, None), "length"),
        ((8, 24, 3, 16, None), "flags"),
        ((8, 24, 2, 16, 1), "flags"),
        ((8, 24, 3, 16, 2), "flags"),
    ],
)
def test_columns_of_other_lengths_are_refused(column, words):
    width, *sizes = column
    arrays = [None if size is None else np.zeros(size, np.uint8) for size in sizes]
    with pytest.raises(ValueError, match=words):
        Columns([(width, *arrays)], 3, 2)


def test_a_step_over_rows_that_are_not_there_is_refused():
    times = np.arange(4)
    bits = np.zeros(1, np.uint8)
    one = Walk(matcher([1]), times, None, (0, 4, 0, 1))
    for n in (0, 5, -1):
        with pytest.raises(ValueError, match="not there"):
            one.step(n, None, bits, NONE)
    with pytest.raises(ValueError, match="length"):
        one.step(4, np.zeros(3, np.int64), bits, NONE)
    assert one.step(4, None, bits, NONE) == 3
    with pytest.raises(ValueError, match="not there"):
        one.step(1, None, bits, NONE)
    for share in ((0, 5, 0, 1), (2, 1, 0, 1), (0, 4, 1, 0), (0, 4, 0, 2), (-1, 4, 0, 1)):
        with pytest.raises(ValueError, match="share"):
            Walk(matcher([1]), times, None, share)
    with pytest.raises(ValueError, match="keys"):
        Walk(matcher([1]), times, np.zeros(4, np.int32), (0, 4, 0, 1))
    with pytest.raises(ValueError, match="no right rows"):
        matcher([])
    for codes, direction in (([0], 2), (None, 3), (None, -1)):
        with pytest.raises(ValueError, match="direction"):
            matcher([1], codes, direction=direction)


@pytest.mark.parametrize(("direction", "keyed"), WAYS)
def test_any_steps_give_the_same_rows(direction, keyed, rng):
    left, right = (np.sort(rng.integers(0, 3000, 5000)) for _ in range(2))
    codes = [rng.integers(0, 100, 5000) for _ in range(2)] if keyed else (None, None)
    whole = walk(left, right, codes=codes, direction=direction)
    for size in (1, 333, 2048, 4999):
        assert walk(left, right, codes=codes, direction=direction, size=size) == whole
