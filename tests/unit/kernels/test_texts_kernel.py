"""Codes in open records: what they stand for, which there are, and their replacement."""

import numpy as np
import pytest

from tidegate._kernels.texts import lay_texts, mark_codes, replace_codes
from tidegate._kernels.window_state import WindowState
from tidegate.core.program import (
    GREATEST_TEXT,
    KEPT,
    LEAST_TEXT,
    NULLS,
    OF_EXTREME,
    OF_LIST,
    SIGNED,
    Output,
)

KEPT_TIMES, OF_MODE = KEPT + 1, 21
ACCS = [
    (0, -1, -1, -1, -1, 0),
    (NULLS, 0, -1, -1, -1, SIGNED),
    (LEAST_TEXT, 0, -1, 1, -1, SIGNED),
    (GREATEST_TEXT, 0, -1, 1, -1, SIGNED),
    (KEPT, 0, -1, 1, -1, SIGNED),
    (KEPT_TIMES, 0, -1, 1, -1, SIGNED),
]
OUTPUTS = [
    Output(OF_EXTREME, 2, SIGNED),
    Output(OF_EXTREME, 3, SIGNED),
    Output(OF_MODE, 4, SIGNED),
    Output(OF_LIST, 4, SIGNED, other=5),
]


def state_of(keyed=False):
    grid = (False, 0, 10, 1, 1, 0.0, 0.0)
    return WindowState(
        ACCS, OUTPUTS, [(SIGNED, False)], keyed, grid, (False, False, 0, 0.0), 1000, 10**9
    )


def lay(state, values, *, is_number=False):
    """Show a state its values; the arrays go at once: it has to hold on to them."""
    offsets = np.cumsum([0, *map(len, values)])
    content = np.frombuffer(b"".join(values) + b"?", np.uint8).copy()
    lay_texts(state, 0, offsets, content, is_number)


def push(state, times, codes, valid=None, keys=None):
    flags = None if valid is None else np.array(valid, np.uint8)
    key_codes = None if keys is None else np.array(keys, np.int32)
    columns = [(np.array(codes, np.int64), flags)]
    assert state.push(np.array(times, np.int64), None, key_codes, 5, columns)[0] == 0


def results(state):
    state.close(2**63 - 1)
    _, _, _, _, outputs = state.take_results()
    return [np.frombuffer(values, np.int64).tolist() for values, _ in outputs[:3]]


@pytest.mark.parametrize("keyed", [False, True])
@pytest.mark.parametrize("n_rows", [5, 30_000])
def test_extremes_and_modes_go_by_the_bytes_behind_the_codes(rng, keyed, n_rows):
    values = [b"b", b"", b"a\0", b"a", b"\xff", b"ab"]
    order = sorted(range(6), key=values.__getitem__)
    codes = rng.integers(0, 6, n_rows)
    state = state_of(keyed)
    lay(state, values)
    push(state, [3] * n_rows, codes, keys=[2] * n_rows if keyed else None)
    low, high, mode = results(state)
    assert low == [min(codes, key=order.index)]
    assert high == [max(codes, key=order.index)]
    counts = np.bincount(codes, minlength=6)
    assert mode == [min(np.flatnonzero(counts == counts.max()), key=order.index)]


def test_numbers_go_by_their_words():
    numbers = [5, -1, 2**64, -(2**100), 2**127 - 1, 0, -(2**127), 2**64 - 1]
    state = state_of()
    lay(state, [n.to_bytes(16, "little", signed=True) for n in numbers], is_number=True)
    for skipped in range(8):
        push(state, [10 * skipped] * 7, [code for code in range(8) if code != skipped])
    low, high, _ = results(state)
    for skipped, (least, greatest) in enumerate(zip(low, high, strict=True)):
        rest = [n for n in numbers if n != numbers[skipped]]
        assert (numbers[least], numbers[greatest]) == (min(rest), max(rest))


def test_codes_that_are_referred_to_are_marked_and_replaced():
    state = state_of()
    lay(state, [b"a", b"b", b"c", b"d", b"e"])
    push(state, [1, 2, 11], [3, 1, 4], valid=[1, 1, 0])
    used = np.zeros(6, np.uint8)
    assert mark_codes(state, 0, used) == -1
    assert used.tolist() == [0, 1, 0, 1, 0, 0]
    replace_codes(state, 0, np.array([9, 0, 9, 1, 9, 9], np.int32))
    lay(state, [b"b", b"d"])
    push(state, [3], [0])
    low, high, mode = results(state)
    assert (low[0], high[0], mode[0]) == (0, 1, 0)


def test_a_code_of_nothing_is_found():
    state = state_of()
    lay(state, [b"a", b"b"])
    push(state, [1, 11, 21], [0, 1, 0])
    assert mark_codes(state, 0, np.zeros(2, np.uint8)) == 1
    assert mark_codes(state, 0, np.zeros(1, np.uint8)) == 0


def test_a_column_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="no such column"):
        lay_texts(state_of(), 1, np.zeros(1, np.int64), np.zeros(0, np.uint8), False)
