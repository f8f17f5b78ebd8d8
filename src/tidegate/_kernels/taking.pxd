"""What rows of a side hold, column after column; see taking.pyx."""

cimport cython
from libc.stdint cimport int64_t, uint8_t

cdef enum:
    BLOCK = 2048           # rows of a step: their places are 16 kB


cdef struct Taken:
    const uint8_t* values  # (n_right, width) bytes
    const uint8_t* valid   # (n_right,), 1 = valid; NULL: all are
    uint8_t* out           # (n_left, width) bytes
    uint8_t* bits          # (n_left,) bits; NULL where valid is
    int width


cdef struct Place:
    int64_t* index         # OUT; NULL: not wanted
    uint8_t* matched       # bits OUT
    Taken* taken
    int n_taken
    Py_ssize_t at          # the row of the output


@cython.final
cdef class Columns:
    cdef Taken* taken
    cdef Py_ssize_t n
    cdef Py_ssize_t n_right
    cdef Py_ssize_t n_left
    cdef list kept


cdef Py_ssize_t put_rows(const Place* out, Py_ssize_t n, const int64_t* rows) noexcept nogil
cdef void ask_for_rows(
    const Place* out, Py_ssize_t begin, Py_ssize_t end
) noexcept nogil
cdef int place_in(
    Place* out, Py_ssize_t n, int64_t[::1] index, uint8_t[::1] matched, Columns columns
) except -1
