"""Columns of results that fill bit by bit."""

from libc.stdint cimport uint8_t

from tidegate._kernels.records cimport Word


cdef class Slab:
    cdef int n_outputs
    cdef Py_ssize_t n
    cdef Py_ssize_t capacity
    cdef readonly Py_ssize_t most  # results at a time that are worth moving here
    cdef Word* starts      # (capacity,) int64, or float64 for float times
    cdef Word* ends
    cdef Word** values     # of each output, (capacity,)
    cdef uint8_t** bits    # its bitmap, (capacity,) bits: 1 = valid
    cdef int runs          # the output that is runs of rows, -1: none; its values are offsets
    cdef Word* run_starts  # (run_capacity,) int64
    cdef Word* run_stops
    cdef Py_ssize_t n_runs
    cdef Py_ssize_t run_capacity
    cdef list memory       # owns all but the runs
    cdef list run_memory   # owns these

    cdef void* hold(self, list memory, Py_ssize_t size, int fill) except NULL
    cdef bint put_runs(self, const Word* places, const Word* lists, Py_ssize_t n) noexcept

    cdef inline void put_bit(self, int output, Py_ssize_t at, bint valid) noexcept nogil:
        """Write whether a result is there."""
        cdef uint8_t* byte = self.bits[output] + at // 8
        byte[0] = (byte[0] & ~(1 << at % 8)) | (valid << at % 8)
