"""Lists one behind the other, as Arrow has them, out of where the lists of results stand."""

from libc.stdint cimport int64_t, uint8_t
from libc.string cimport memcpy

cdef enum:
    SHORT = 8  # values that a loop copies sooner than a call


cdef inline int64_t length_at(const int64_t* words, int64_t n_words, int64_t place) noexcept nogil:
    """The length of the list at a place; -1 where there is none within the words."""
    if not 0 <= place < n_words or not 0 <= words[place] < n_words - place:
        return -1
    return words[place]


def lay_offsets(const int64_t[::1] words not None, const int64_t[::1] places not None,
                const uint8_t[::1] valid, int64_t[::1] offsets not None):
    """Count where each list begins when they lie one behind the other.

    Parameters
    ----------
    words : (n_words,) int64
        The length of a list, its values, and so on.
    places : (n_lists,) int64
        Where each list stands: its length.
    valid : (n_lists,) uint8 or None
        0 where there is no list, which takes no room; None: all are there.
    offsets : (n_lists + 1,) int64
        OUT: where each begins, and the last one ends.

    Returns
    -------
    int
        How many values there are.

    Raises
    ------
    ValueError
        If a list is not within the words.

    Notes
    -----
    O(n_lists).
    """
    cdef Py_ssize_t n = places.shape[0], i
    cdef int64_t total = 0, length = 0
    cdef const int64_t* at = &words[0] if words.shape[0] else NULL
    if offsets.shape[0] != n + 1 or (valid is not None and valid.shape[0] != n):
        raise ValueError("each list has a place, a flag, and an offset")
    offsets[0] = 0
    with nogil:
        for i in range(n):
            if valid is None or valid[i]:
                length = length_at(at, words.shape[0], places[i])
                if length < 0:
                    break
                total += length
            offsets[i + 1] = total
    if length < 0:
        raise ValueError("a list is not where it should be")
    return total


def lay_values(const int64_t[::1] words not None, const int64_t[::1] places not None,
               const int64_t[::1] offsets not None, int64_t[::1] values not None):
    """Copy the values of lists, one list behind the other.

    Parameters
    ----------
    words, places
        As `lay_offsets` has them.
    offsets : (n_lists + 1,) int64
        What it has said.
    values : (n_values,) int64
        OUT.

    Raises
    ------
    ValueError
        If a list is not within the words, or the values are not as many.

    Notes
    -----
    O(n_lists + n_values).
    """
    cdef Py_ssize_t n = places.shape[0], i
    cdef int64_t length = 0, k
    cdef const int64_t* source
    cdef int64_t* target
    if offsets.shape[0] != n + 1 or offsets[0] != 0 or offsets[n] != values.shape[0]:
        raise ValueError("there is no room for the values, or too much")
    with nogil:
        for i in range(n):
            if not 0 <= offsets[i] <= offsets[i + 1] <= offsets[n]:
                length = -1
                break
            length = offsets[i + 1] - offsets[i]
            if length == 0:
                continue
            if not 0 <= places[i] < words.shape[0] - length:
                length = -1
                break
            source, target = &words[places[i] + 1], &values[offsets[i]]
            if length > SHORT:
                memcpy(target, source, length * sizeof(int64_t))
                continue
            for k in range(length):
                target[k] = source[k]
    if length < 0:
        raise ValueError("a list is not where it should be")
