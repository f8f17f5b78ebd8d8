"""Results that wait to be taken."""

from libc.stdint cimport int32_t, int64_t, uint8_t

from tidegate._kernels.pool cimport Block
from tidegate._kernels.records cimport Output, Plan, Word


cdef struct Results:
    int n_outputs
    const Output* outputs
    Py_ssize_t n
    Py_ssize_t capacity
    bint keyed
    Block* memory         # of all that follows
    int64_t* windows      # (n,) window numbers
    int32_t* codes        # (n,) key codes; NULL without keys
    Word** values         # of each output, (n,)
    uint8_t** valid       # of each output, (n,); NULL: all are
    int bad_output        # where an integer did not fit
    int64_t bad_window
    int32_t bad_code


cdef int results_init(
    Results* results, const Output* outputs, int n_outputs, bint keyed
) noexcept nogil
cdef void results_free(Results* results) noexcept
cdef int results_expect(Results* results, Py_ssize_t n) noexcept nogil
cdef tuple results_take(Results* results)
cdef int results_room(Results* results, Py_ssize_t n) noexcept nogil
cdef int results_read(
    Results* results, const Plan* plan, const Word* records, Py_ssize_t n
) noexcept nogil
cdef int results_read_one(
    Results* results, const Plan* plan, int output, const Word* records, Py_ssize_t n
) noexcept nogil
cdef int begin_flags(Results* results, int output) noexcept nogil
cdef int results_sort(
    Results* results, Py_ssize_t first, const int64_t* ranks
) noexcept nogil
