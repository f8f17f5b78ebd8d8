"""Several sources of one stream: the watermark is that of the slowest that is awake."""

from libc.stdint cimport INT64_MIN, int32_t, int64_t

from tidegate._kernels.clock cimport Clock, behind
from tidegate._kernels.gate cimport is_far


cdef struct Origins:
    bint on
    int64_t* largest          # by code of the source; INT64_MIN: no row yet
    Py_ssize_t n
    Py_ssize_t capacity
    const int32_t* of_row     # the code of the source of each row of the batch
    bint idles                # a source may fall asleep
    int64_t idle              # where others are further ahead than this
    double idle_f
    Py_ssize_t slowest        # of those that are awake; -1: none


cdef inline bint sleeps(const Origins* origins, const Clock* clock, Py_ssize_t k) noexcept nogil:
    """Whether the largest time of the others has passed that of a source by too much."""
    return origins.idles and is_far(
        clock.is_float, clock.largest, origins.largest[k], origins.idle, origins.idle_f)


cdef inline void find_slowest(Origins* origins, const Clock* clock) noexcept nogil:
    """Find the slowest source that is awake: the one with the largest time always is."""
    cdef Py_ssize_t k
    origins.slowest = -1
    for k in range(origins.n):
        if origins.largest[k] == INT64_MIN or sleeps(origins, clock, k):
            continue
        if origins.slowest < 0 or origins.largest[k] < origins.largest[origins.slowest]:
            origins.slowest = k


cdef inline void see_from(
    Clock* clock, Origins* origins, int32_t code, int64_t time
) noexcept nogil:
    """Take note of a time of a source; the watermark never goes back."""
    cdef int64_t before = origins.largest[code], reached
    cdef bint was_awake
    if time <= before:
        return
    was_awake = before != INT64_MIN and not sleeps(origins, clock, code)
    origins.largest[code] = time
    clock.largest = max(clock.largest, time)
    if was_awake and code != origins.slowest and not sleeps(origins, clock, origins.slowest):
        return
    find_slowest(origins, clock)
    reached = behind(clock, origins.largest[origins.slowest])
    if reached > clock.watermark:
        clock.watermark = reached


cdef void origins_free(Origins* origins) noexcept nogil
cdef int origins_codes(Origins* origins, Py_ssize_t n) noexcept nogil
cdef int origins_load(
    Origins* origins, const Clock* clock, const int64_t[::1] largest
) except -1
