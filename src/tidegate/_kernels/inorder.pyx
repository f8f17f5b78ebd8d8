"""Rows in order of time; those of one time stay as they were.

Rows that are nearly in order are merged, as they lie, out of short sorted pieces; others are spread
over stretches of time before, so that each is near its place.
"""

from libc.stdint cimport INT64_MAX, INT64_MIN, int32_t, int64_t, uint8_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from tidegate._kernels.lanes cimport all_rise
from tidegate._kernels.pool cimport large_malloc
from tidegate._kernels.records cimport DONE, NO_MEMORY

cdef extern from *:
    """
    #include "lanes.h"
    TG_CLONES static int tg_never_falls(const int64_t *, Py_ssize_t);
    """

cdef enum:
    SHORT = 16   # rows that are sorted by insertion
    MOST_SPREAD = 1 << 30
    MOST_KEPT = 1 << 20  # rows whose memory a sorter keeps


cdef bint never_falls "tg_never_falls"(const int64_t* times, Py_ssize_t n) noexcept nogil:
    """Whether n > 0 times never fall."""
    return all_rise(times + 1, n - 1)


def rises(const int64_t[::1] times not None):
    """Tell whether times never fall; O(n_rows), vectors."""
    cdef bint yes = True
    if times.shape[0] > 1:
        with nogil:
            yes = never_falls(&times[0], times.shape[0])
    return yes


def furthest_behind(
    const int64_t[::1] times not None, const uint8_t[::1] valid, int64_t largest
):
    """Tell how far a time lies behind the largest one before it, at most.

    Parameters
    ----------
    times : (n_rows,) int64
    valid : (n_rows,) uint8 or None
        Only rows with a 1 count; None: all.
    largest : int
        Of the times before these; -2**63: there are none.

    Returns
    -------
    tuple (furthest, largest)
        The distance, 0 where times never fall, less than 2**64; and the largest time, these
        included.

    Notes
    -----
    O(n_rows); releases the GIL.
    """
    cdef uint64_t furthest = 0
    cdef Py_ssize_t i
    if valid is not None and valid.shape[0] != times.shape[0]:
        raise ValueError("the columns of a batch differ in length")
    with nogil:
        for i in range(times.shape[0]):
            if valid is None or valid[i] == 1:
                largest = max(largest, times[i])
                furthest = max(furthest, <uint64_t>largest - <uint64_t>times[i])
    return furthest, largest


cdef void sort_short(Sorted* rows, Py_ssize_t n) noexcept nogil:
    """Sort a few rows by time, or many near their places; rows of one time stay in order."""
    cdef Py_ssize_t i, at
    cdef Sorted row
    for i in range(1, n):
        if rows[i - 1].time > rows[i].time:
            row = rows[i]
            at = i
            while at and rows[at - 1].time > row.time:
                rows[at] = rows[at - 1]
                at -= 1
            rows[at] = row


cdef void merge_halves(
    Sorted* rows, Py_ssize_t middle, Py_ssize_t n, Sorted* spare
) noexcept nogil:
    """Merge two sorted halves; what lies right already, before and behind, is not touched."""
    cdef Py_ssize_t first = 0, high = middle, at, i = 0, k = middle, half
    cdef int64_t time = rows[middle].time
    if rows[middle - 1].time <= time:
        return
    while first < high:
        half = (first + high) // 2
        if rows[half].time <= time:
            first = half + 1
        else:
            high = half
    memcpy(spare, rows + first, (middle - first) * sizeof(Sorted))
    high = middle - first
    at = first
    while i < high:
        if k < n and rows[k].time < spare[i].time:
            rows[at] = rows[k]
            k += 1
        else:
            rows[at] = spare[i]
            i += 1
        at += 1


cdef void sort_rows(Sorted* rows, Py_ssize_t n, Sorted* spare) noexcept nogil:
    """Sort rows by time; rows of one time stay in order. O(n) for rows that are nearly in order."""
    cdef Py_ssize_t begin = 0, size = SHORT
    while begin < n:
        sort_short(rows + begin, min(size, n - begin))
        begin += size
    while size < n:
        begin = 0
        while begin < n - size:
            merge_halves(rows + begin, size, min(2 * size, n - begin), spare)
            begin += 2 * size
        size *= 2


cdef Py_ssize_t spread_rows(
    const Sorted* rows, Py_ssize_t n, int64_t low, int64_t high, Sorted* out
) noexcept nogil:
    """Copy rows by stretches of time, as many as there are rows.

    How many rows there are in one stretch at most, 0 where there is no memory. Rows whose times are
    spread evenly are in order then, but for a few.
    """
    cdef int32_t* begins = <int32_t*>calloc(n + 1, sizeof(int32_t))
    cdef Py_ssize_t i, k
    cdef int32_t begin = 0, size, most = 0
    cdef int shift = 0
    if begins == NULL:
        return 0
    while ((<uint64_t>high - <uint64_t>low) >> shift) >= <uint64_t>n:
        shift += 1
    for i in range(n):
        begins[(<uint64_t>rows[i].time - <uint64_t>low) >> shift] += 1
    for k in range(n):
        size = begins[k]
        begins[k] = begin
        begin += size
        most = max(most, size)
    for i in range(n):
        k = <Py_ssize_t>((<uint64_t>rows[i].time - <uint64_t>low) >> shift)
        out[begins[k]] = rows[i]
        begins[k] += 1
    free(begins)
    return most


cdef bint sorter_room(Sorter* sorter, Py_ssize_t n) noexcept nogil:
    """Have room for n rows; what was there is gone. False where there is no memory."""
    if n <= sorter.room:
        return True
    sorter_free(sorter)
    sorter.rows = <Sorted*>large_malloc(2 * n * sizeof(Sorted))
    sorter.room = n if sorter.rows != NULL else 0
    return sorter.rows != NULL


cdef void sorter_free(Sorter* sorter) noexcept nogil:
    """Give the memory back."""
    free(sorter.rows)
    sorter.rows = NULL
    sorter.room = 0


cdef int in_order(
    Sorter* sorter, const int64_t* times, int64_t* rows, Py_ssize_t n
) noexcept nogil:
    """Bring the numbers of n > 0 rows into order of their times; rows of one time stay in order."""
    cdef Sorted* given
    cdef Sorted* ordered
    cdef int64_t low = INT64_MAX, high = INT64_MIN, before = INT64_MIN, time
    cdef Py_ssize_t n_falls = 0, most = 0, i
    if not sorter_room(sorter, n):
        return NO_MEMORY
    given = ordered = sorter.rows
    for i in range(n):
        time = times[rows[i]]
        given[i].time = time
        given[i].row = rows[i]
        low = min(low, time)
        high = max(high, time)
        n_falls += time < before
        before = time
    if n_falls * SHORT > n and n <= MOST_SPREAD:
        most = spread_rows(given, n, low, high, given + n)
    if most:
        ordered = given + n
    if 0 < most <= SHORT:
        sort_short(ordered, n)
    else:
        sort_rows(ordered, n, given if most else given + n)
    for i in range(n):
        rows[i] = ordered[i].row
    if sorter.room > MOST_KEPT:
        sorter_free(sorter)
    return DONE
