"""Rows that wait, each for the watermark of its key."""

from libc.stdint cimport int32_t, int64_t, uint8_t

from tidegate._kernels.records cimport Column


cdef class KeyQueues:
    cdef int n_columns
    cdef int64_t* times      # by slot, as all that follows
    cdef int64_t* numbers    # in order of arrival
    cdef int32_t* codes
    cdef int32_t* below      # the heap of a key: the first row below a row,
    cdef int32_t* beside     # and the next one below the same
    cdef uint8_t* waits
    cdef int64_t** values    # of each column
    cdef uint8_t** valid
    cdef uint8_t* has_null   # by column
    cdef int32_t* spare
    cdef int32_t* ready      # rows whose time has come, in the order in which it came
    cdef int32_t* roots      # by key code: its earliest row; -1: none waits
    cdef Py_ssize_t n_slots, room, n_spare, n_ready, n_roots, n
    cdef int64_t next_number

    cdef int make_keys(self, Py_ssize_t n_keys) noexcept nogil
    cdef int put(
        self, int64_t time, int32_t code, const Column* columns, Py_ssize_t row
    ) noexcept nogil
    cdef void release_key(self, int32_t code, int64_t upto, bint is_end) noexcept nogil
    cdef int release_all(self, int64_t upto, bint is_end) noexcept nogil
    cdef tuple take_ready(self)
    cdef bint make_slots(self) noexcept nogil
    cdef int32_t meld(self, int32_t a, int32_t b) noexcept nogil
    cdef int32_t without_root(self, int32_t root) noexcept nogil
    cdef tuple copy(self, const int32_t* slots, Py_ssize_t n)
