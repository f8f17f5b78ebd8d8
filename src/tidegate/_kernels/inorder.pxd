"""Rows in order of time."""

from libc.stdint cimport int64_t

cdef bint never_falls(const int64_t* times, Py_ssize_t n) noexcept nogil
cdef int in_order(const int64_t* times, int64_t* rows, Py_ssize_t n) noexcept nogil
