"""Windows that begin and end within a block of rows."""

from libc.stdint cimport int64_t, uint8_t

from tidegate._kernels.output cimport Results
from tidegate._kernels.records cimport Column, Plan, Run, Word


cdef struct Scratch:
    Word* record      # one accumulator, for what needs care
    Word* folded      # WHOLES folded records
    uint8_t* calm     # of each column: no value of the block needs care; or TRUSTED
    uint8_t* wanted   # of each accumulator: a result is read from it


cdef int scratch_init(Scratch* scratch, const Plan* plan, int n_columns) noexcept nogil
cdef void scratch_free(Scratch* scratch) noexcept nogil
cdef bint all_plain(const Plan* plan, const Column* columns, int n_columns) noexcept nogil
cdef int read_wholes(
    const Plan* plan, const Column* columns, int n_columns, const int64_t* times,
    const Run* runs, const int64_t* windows, Py_ssize_t n, Py_ssize_t base, Py_ssize_t n_rows,
    Scratch* scratch, Results* results,
) noexcept nogil
