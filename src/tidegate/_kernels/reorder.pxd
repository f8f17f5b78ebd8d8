"""Rows that wait for the watermark, in order of time; of one time, in order of arrival."""

from libc.stdint cimport int32_t, int64_t, uint8_t

from tidegate._kernels.records cimport Column


cdef class ReorderBuffer:
    cdef int n_columns
    cdef int64_t* times
    cdef int32_t* codes
    cdef int64_t** values
    cdef uint8_t** valid       # of a column in which a value is missing
    cdef uint8_t* has_null
    cdef Py_ssize_t begin      # rows [begin, end) wait
    cdef Py_ssize_t end
    cdef Py_ssize_t room

    cdef int merge_rows(
        self, const int64_t* times, const int32_t* codes, const Column* columns,
        const int64_t* rows, Py_ssize_t n
    ) noexcept nogil
    cdef bint make_room(self, Py_ssize_t n) noexcept nogil
    cdef void move_down(self) noexcept nogil
    cdef void merge(
        self, const int64_t* times, const int64_t* rows, Py_ssize_t n, Py_ssize_t first,
        int64_t* sources
    ) noexcept nogil
    cdef Py_ssize_t places_up_to(self, int64_t time) noexcept nogil
    cdef Py_ssize_t n_before(self, int64_t watermark, bint is_end) noexcept nogil
    cdef void lay(self, Column* columns) noexcept nogil
    cdef void drop(self, Py_ssize_t n) noexcept nogil
    cdef tuple copy(self, Py_ssize_t n)
