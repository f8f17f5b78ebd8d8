"""The right rows of the left rows' keys: a table has the last row of each key that was passed."""

from libc.stdint cimport int32_t, int64_t
from libc.string cimport memset

from tidegate._kernels.asof_places cimport Times
from tidegate._kernels.lanes cimport prefetch_here

cdef enum:
    AHEAD = 16        # rows between asking for a place of the table and reading it
    LARGE = 1 << 15   # places of a table that the second cache does not hold for sure


cdef void pass_up(
    const Times* right, const int32_t* left, Py_ssize_t n, Py_ssize_t begin, int64_t* table,
    Py_ssize_t trash, int64_t* rows
) noexcept nogil:
    """Places, in rising order, into the last rows of the left rows' keys before them.

    Between two left rows lie none, one or two right rows most of the time: these go into the
    table without a branch, the missing ones into a place that nobody reads.
    """
    cdef Py_ssize_t i, place, there = begin, end = right.n - 1
    cdef const int32_t* codes = right.codes
    cdef Py_ssize_t first, second
    cdef bint is_large = trash > LARGE
    for i in range(n):
        place = rows[i]
        if is_large:
            if i + AHEAD < n:
                prefetch_here(table + left[i + AHEAD])
            prefetch_here(table + codes[min(place + AHEAD, end)])
        first = codes[min(there, end)]
        second = codes[min(there + 1, end)]
        first = first if there < place else trash
        second = second if there + 1 < place else trash
        table[first] = there
        table[second] = there + 1
        there += 2
        while there < place:
            table[codes[there]] = there
            there += 1
        there = place
        rows[i] = table[left[i]]


cdef void pass_down(
    const Times* right, const int32_t* left, Py_ssize_t n, Py_ssize_t end, int64_t* table,
    Py_ssize_t trash, int64_t* rows
) noexcept nogil:
    """Places, from the last one down, into the first rows of the left rows' keys from them on."""
    cdef Py_ssize_t i, place, there = end - 1
    cdef const int32_t* codes = right.codes
    cdef Py_ssize_t first, second
    cdef bint is_large = trash > LARGE
    for i in range(n - 1, -1, -1):
        place = rows[i]
        if is_large:
            if i >= AHEAD:
                prefetch_here(table + left[i - AHEAD])
            prefetch_here(table + codes[max(place - AHEAD, 0)])
        first = codes[max(there, 0)]
        second = codes[max(there - 1, 0)]
        first = first if there >= place else trash
        second = second if there - 1 >= place else trash
        table[first] = there
        table[second] = there - 1
        there -= 2
        while there >= place:
            table[codes[there]] = there
            there -= 1
        there = place - 1
        rows[i] = table[left[i]]


cdef void fill(
    const Times* right, Py_ssize_t place, Py_ssize_t step, Py_ssize_t n_keys, int64_t* table
) noexcept nogil:
    """Put the row of each key into the table that is nearest to a place, in one direction."""
    cdef int32_t code
    memset(table, 0xFF, n_keys * sizeof(int64_t))
    while n_keys and 0 <= place < right.n:
        code = right.codes[place]
        if table[code] < 0:
            table[code] = place
            n_keys -= 1
        place += step
