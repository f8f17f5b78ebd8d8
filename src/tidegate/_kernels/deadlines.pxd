"""Which of many things are due, where nothing is asked about the past again."""

from libc.stdint cimport int32_t, int64_t, uint64_t


cdef enum:
    N_DIGITS = 256


cdef struct Deadlines:
    uint64_t passed    # all that are due up to this time were found; times as unsigned numbers
    int32_t* after     # by number: the next one in its place
    Py_ssize_t n_after
    uint64_t taken[8][4]     # by byte of a time and its value, a bit each: whether any are there
    int32_t heads[8][256]    # the first of each place
    int32_t found[8 * 256]   # the first ones of the places that were passed last


cdef void deadlines_begin(Deadlines* self, int64_t passed) noexcept nogil
cdef void deadlines_free(Deadlines* self) noexcept nogil
cdef int deadlines_put(Deadlines* self, int32_t number, int64_t time) noexcept nogil
cdef Py_ssize_t deadlines_pass(Deadlines* self, int64_t time) noexcept nogil
