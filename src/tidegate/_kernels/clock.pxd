"""The watermark: how far event time has come, and what is late.

All times are int64 or the ordered image of a float (see grid.pxd).
"""

from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t, uint8_t

from tidegate._kernels.grid cimport float_of_order, order_of_float
from tidegate._kernels.lanes cimport sub_overflows


cdef struct Clock:
    bint moves          # False: the watermark waits for the end of input
    bint is_float
    int64_t lateness
    double lateness_f
    int64_t largest     # largest time seen, INT64_MIN before the first row
    int64_t watermark   # INT64_MIN: nowhere yet


cdef inline int64_t behind(const Clock* clock, int64_t time) noexcept nogil:
    """time - lateness, held at the smallest time."""
    cdef int64_t out
    if clock.is_float:
        return order_of_float(float_of_order(time) - clock.lateness_f)
    return INT64_MIN if sub_overflows(time, clock.lateness, &out) else out


cdef inline void see(Clock* clock, int64_t time) noexcept nogil:
    """Take note of a time; the watermark never goes back."""
    cdef int64_t reached
    if time > clock.largest:
        clock.largest = time
        if clock.moves:
            reached = behind(clock, time)
            if reached > clock.watermark:
                clock.watermark = reached


cdef inline int64_t largest_of(
    const int64_t* times, const uint8_t* valid, Py_ssize_t n
) noexcept nogil:
    """The largest time of rows; INT64_MIN where none counts."""
    cdef int64_t largest = INT64_MIN
    cdef Py_ssize_t i
    if valid == NULL:
        for i in range(n):
            largest = max(largest, times[i])
    else:
        for i in range(n):
            if valid[i] == 1:
                largest = max(largest, times[i])
    return largest


cdef inline void see_all(
    Clock* clock, const int64_t* times, const uint8_t* valid, Py_ssize_t n, int64_t* marks
) noexcept nogil:
    """Take note of the integer times of rows, and write down the watermark before each."""
    cdef int64_t largest = clock.largest, watermark = clock.watermark, least = watermark
    cdef int64_t lateness = clock.lateness, lowest = INT64_MIN + clock.lateness
    cdef Py_ssize_t i
    for i in range(n):
        marks[i] = watermark
        if valid == NULL or valid[i] == 1:
            largest = max(largest, times[i])
            if clock.moves:
                watermark = max(least, max(largest, lowest) - lateness)
    clock.largest, clock.watermark = largest, watermark
