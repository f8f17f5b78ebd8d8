"""The rows of some keys out of a block, close together."""

from libc.stdint cimport int32_t, int64_t, uint8_t

from tidegate._kernels.records cimport Column


cdef struct Excerpt:
    int32_t* rows       # which, counted from the first row of the block
    int64_t* times
    Column* columns     # with values, flags and floats of those rows only
    int64_t** values    # memory of each column
    uint8_t** flags
    int n_columns
    Py_ssize_t room     # rows


cdef int excerpt_init(
    Excerpt* excerpt, const Column* columns, int n_columns, Py_ssize_t room
) noexcept nogil
cdef void excerpt_free(Excerpt* excerpt) noexcept nogil
cdef void excerpt_make(
    Excerpt* excerpt, const Column* columns, const int64_t* times, Py_ssize_t base, Py_ssize_t n
) noexcept nogil
