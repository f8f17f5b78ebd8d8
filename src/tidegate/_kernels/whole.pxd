"""Windows that begin and end within a block of rows."""

from libc.stdint cimport int64_t

from tidegate._kernels.output cimport Results
from tidegate._kernels.records cimport Arena, Column, Plan, Run, Word


cdef struct Scratch:
    Arena arena       # one record, for what the short road can't do
    Word* folded      # WHOLES folded records


cdef int scratch_init(Scratch* scratch, const Plan* plan) noexcept nogil
cdef void scratch_free(Scratch* scratch) noexcept nogil
cdef bint all_plain(const Plan* plan, const Column* columns, int n_columns) noexcept nogil
cdef int read_wholes(
    const Plan* plan, const Column* columns, const int64_t* times, const Run* runs,
    const int64_t* windows, Py_ssize_t n, Py_ssize_t base, Py_ssize_t n_rows, Scratch* scratch,
    Results* results,
) noexcept nogil
