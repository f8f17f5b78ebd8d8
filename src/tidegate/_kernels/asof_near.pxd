"""How far right rows are from left ones; see asof_near.pyx."""

from libc.stdint cimport int64_t, uint64_t

from tidegate._kernels.asof_places cimport Times

cdef enum:
    BACKWARD = 0
    FORWARD = 1
    NEAREST = 2


cdef struct Rule:
    int direction
    bint exact             # rows at one time match
    bint bounded
    bint is_float          # times are images of floats: distances are those of the floats
    uint64_t tolerance
    double tolerance_f


cdef void drop_far(
    const Rule* rule, const int64_t* right, const int64_t* left, Py_ssize_t n, int64_t* rows
) noexcept nogil
cdef void nearest(
    const Rule* rule, const Times* right, const int64_t* left, Py_ssize_t n, const int64_t* after,
    int64_t* rows
) noexcept nogil
cdef int set_rule(Rule* rule, int direction, bint exact, tolerance, bint is_float) except -1
