"""Windows of many keys that begin and end within a block of rows."""

from libc.stdint cimport int32_t, int64_t

from tidegate._kernels.deal cimport Dealer
from tidegate._kernels.output cimport Results
from tidegate._kernels.records cimport Column, Plan
from tidegate._kernels.store cimport Store


cdef struct Whole:        # the rows of a window
    const int64_t* times  # of the batch, as are the codes
    const int32_t* codes
    Py_ssize_t base       # the first of them
    Py_ssize_t n
    int64_t window


cdef bint try_wholes(Dealer* dealer, const Store* store, Py_ssize_t n_rows) noexcept nogil
cdef int read_whole_keys(
    const Plan* plan, const Column* columns, int n_columns, const Whole* rows, Py_ssize_t n_keys,
    Dealer* dealer, Results* results, bint* is_read,
) noexcept nogil
