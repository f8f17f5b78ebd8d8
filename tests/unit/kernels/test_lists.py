"""Lists lie one behind the other whatever stands between them, and none is read past its end."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate._kernels.lists import lay_offsets, lay_values


def standing(lists, order):
    """Write lists down in some order, with a word between; where each stands."""
    words, places = [], np.zeros(len(lists), np.int64)
    for at in order:
        words.append(-1)
        places[at] = len(words)
        words += [len(lists[at]), *lists[at]]
    return np.array(words, np.int64), places


def laid(words, places, valid=None):
    offsets = np.empty(len(places) + 1, np.int64)
    values = np.empty(lay_offsets(words, places, valid, offsets), np.int64)
    lay_values(words, places, offsets, values)
    return [values[begin:end].tolist() for begin, end in pairwise(offsets)]


@given(st.data())
def test_lists_come_in_the_order_of_their_results(data):
    values = st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20)
    lists = data.draw(st.lists(values, max_size=12))
    words, places = standing(lists, data.draw(st.permutations(range(len(lists)))))
    there = data.draw(st.lists(st.booleans(), min_size=len(lists), max_size=len(lists)))
    assert laid(words, places) == lists
    places[~np.array(there, np.bool_)] = 2**62  # of what is not there nothing is read
    expected = [some if has else [] for some, has in zip(lists, there, strict=True)]
    assert laid(words, places, np.array(there, np.uint8)) == expected


@pytest.mark.parametrize("place", [-1, 2, 3, 2**63 - 1, -(2**63)])
def test_a_list_beyond_the_words_is_refused(place):
    words, offsets = np.array([1, 7, 1], np.int64), np.array([0, 1], np.int64)
    places = np.array([place])
    with pytest.raises(ValueError, match="not where it should be"):
        lay_offsets(words, places, None, np.empty(2, np.int64))
    with pytest.raises(ValueError, match="not where it should be"):
        lay_values(words, places, offsets, np.empty(1, np.int64))


@pytest.mark.parametrize("length", [-1, 2, 2**62, 2**63 - 1])
def test_a_length_beyond_the_words_is_refused(length):
    words = np.array([length, 7], np.int64)
    with pytest.raises(ValueError, match="not where it should be"):
        lay_offsets(words, np.zeros(1, np.int64), None, np.empty(2, np.int64))


@pytest.mark.parametrize("offsets", [[0, 3, 1], [0, -1, 1], [1, 1, 1], [0, 1, 2], [0, 1]])
def test_offsets_of_other_lists_are_refused(offsets):
    words, places = np.array([1, 7, 1, 8], np.int64), np.array([0, 2])
    with pytest.raises(ValueError, match=r"room|should be"):
        lay_values(words, places, np.array(offsets, np.int64), np.empty(1, np.int64))


def test_every_list_has_a_place_a_flag_and_an_offset():
    words, places = np.array([0], np.int64), np.zeros(1, np.int64)
    for flags, n_offsets in ((None, 1), (None, 3), (np.ones(2, np.uint8), 2)):
        with pytest.raises(ValueError, match="each list"):
            lay_offsets(words, places, flags, np.empty(n_offsets, np.int64))


def test_more_values_than_arrow_counts_are_counted():
    words = np.zeros(2**17 + 1, np.int64)
    words[0] = 2**17
    places, offsets = np.zeros(2**14, np.int64), np.empty(2**14 + 1, np.int64)
    assert lay_offsets(words, places, None, offsets) == offsets[-1] == 2**31
