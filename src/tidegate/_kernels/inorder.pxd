"""Rows in order of time."""

from libc.stdint cimport int64_t


cdef struct Sorted:
    int64_t time
    int64_t row


cdef struct Sorter:       # memory that rows are sorted in, which is kept from time to time
    Sorted* rows
    Py_ssize_t room       # rows, each of which takes two

cdef bint never_falls(const int64_t* times, Py_ssize_t n) noexcept nogil
cdef int in_order(
    Sorter* sorter, const int64_t* times, int64_t* rows, Py_ssize_t n) noexcept nogil
cdef void sorter_free(Sorter* sorter) noexcept nogil
