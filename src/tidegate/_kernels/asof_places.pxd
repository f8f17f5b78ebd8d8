"""How many right times lie before left ones; see asof_places.pyx."""

from libc.stdint cimport int32_t, int64_t


cdef struct Times:
    const int64_t* at      # (n,) rising, or so they say
    const int32_t* codes   # (n,) of the keys; NULL: no keys
    Py_ssize_t n


cdef Py_ssize_t search(
    const int64_t* at, Py_ssize_t low, Py_ssize_t high, int64_t time, bint strict
) noexcept nogil
cdef Py_ssize_t search_up(
    const int64_t* at, Py_ssize_t low, Py_ssize_t n, int64_t time, bint strict
) noexcept nogil
cdef Py_ssize_t search_down(
    const int64_t* at, Py_ssize_t high, int64_t time, bint strict
) noexcept nogil
cdef Py_ssize_t stride_of(Py_ssize_t n, Py_ssize_t span) noexcept nogil
cdef void find_block(
    const Times* right, const int64_t* left, Py_ssize_t n, Py_ssize_t low, Py_ssize_t high,
    bint strict, int64_t* places
) noexcept nogil
cdef bint rise(const int64_t* at, Py_ssize_t begin, Py_ssize_t end) noexcept nogil
