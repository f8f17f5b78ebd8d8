"""What a run counts; see counts.pyx."""

from libc.stdint cimport int64_t


cdef class Counts:
    cdef public int64_t rows_in, late, rejected, windows
