"""How long keys are remembered."""

from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t

from tidegate._kernels.grid cimport float_of_order, order_of_float
from tidegate._kernels.lanes cimport add_overflows


cdef struct Lives:
    bint on
    int64_t ttl
    double ttl_f
    int64_t* dies_at     # by key code: the watermark that forgets it; INT64_MIN: no row
    int64_t* rank        # by key code: its place in the order of results
    Py_ssize_t n
    Py_ssize_t capacity
    int64_t next_rank
    bint disordered      # some rank is not the code: they may be in another order


cdef void lives_free(Lives* lives) noexcept nogil
cdef int lives_codes(Lives* lives, Py_ssize_t n) noexcept nogil
cdef bint lives_load(
    Lives* lives, const int64_t[::1] dies_at, const int64_t[::1] ranks, Py_ssize_t n_keys
) except -1


cdef inline bint is_dead(const Lives* lives, Py_ssize_t code, int64_t watermark) noexcept nogil:
    """Whether a key is to be forgotten, or has no row yet."""
    return lives.dies_at[code] <= watermark


cdef inline int64_t dies_after(const Lives* lives, bint is_float, int64_t time) noexcept nogil:
    """The watermark that forgets a key whose last row has a time."""
    cdef int64_t out
    if is_float:
        out = order_of_float(float_of_order(time) + lives.ttl_f)
    elif add_overflows(time, lives.ttl, &out):
        out = INT64_MAX
    return out + (out < INT64_MAX)


cdef inline void begin_life(Lives* lives, Py_ssize_t code) noexcept nogil:
    """Give a key that was forgotten, or is new, the next place in the order."""
    lives.disordered = lives.disordered or lives.next_rank != code
    lives.rank[code] = lives.next_rank
    lives.next_rank = lives.next_rank + 1
    lives.dies_at[code] = INT64_MIN
