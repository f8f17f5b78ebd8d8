"""The right rows of the left rows' keys; see asof_keys.pyx."""

from libc.stdint cimport int32_t, int64_t

from tidegate._kernels.asof_places cimport Times


cdef void pass_up(
    const Times* right, const int32_t* left, Py_ssize_t n, Py_ssize_t begin, int64_t* table,
    Py_ssize_t trash, int64_t* rows
) noexcept nogil
cdef void pass_down(
    const Times* right, const int32_t* left, Py_ssize_t n, Py_ssize_t end, int64_t* table,
    Py_ssize_t trash, int64_t* rows
) noexcept nogil
cdef void fill(
    const Times* right, Py_ssize_t place, Py_ssize_t step, Py_ssize_t n_keys, int64_t* table
) noexcept nogil
