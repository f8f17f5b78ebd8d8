"""Times too far ahead."""

from libc.stdint cimport INT64_MIN, int64_t

from tidegate._kernels.grid cimport float_of_order
from tidegate._kernels.lanes cimport add_overflows


cdef inline bint is_far(
    bint is_float, int64_t time, int64_t largest, int64_t jump, double jump_f
) noexcept nogil:
    """Whether a time is further ahead of the largest one than a jump; nothing is of none."""
    cdef int64_t most
    if largest == INT64_MIN or time <= largest:
        return False
    if is_float:
        return float_of_order(time) > float_of_order(largest) + jump_f
    return not add_overflows(largest, jump, &most) and time > most
