"""How long keys are remembered."""

from libc.stdint cimport int64_t


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


cdef inline bint is_dead(const Lives* lives, Py_ssize_t code, int64_t watermark) noexcept nogil:
    """Whether a key is to be forgotten, or has no row yet."""
    return lives.dies_at[code] <= watermark
