"""How many different values there are, and which is there most often; see census.pyx."""

from libc.stdint cimport int64_t

from tidegate._kernels.records cimport Texts


cdef struct Tally:
    int64_t key
    int64_t n


cdef struct Census:
    int64_t n_distinct
    int64_t most           # how often the most frequent key is there
    int64_t mode
    const Texts* texts     # what the keys are codes of; NULL: nothing, they are what they are


cdef int bits_for(Py_ssize_t n) noexcept nogil
cdef void count_keys(int64_t* keys, Py_ssize_t n, Tally* table, Census* census) noexcept nogil
