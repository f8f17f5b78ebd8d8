"""Which revision of its window a result is."""

from libc.stdint cimport int32_t, int64_t

from tidegate._kernels.output cimport Results
from tidegate._kernels.places cimport Map


cdef struct Stamps:
    Map last        # (window, key code) -> revision of its last result
    int64_t* at     # (n,) revisions of the results that wait
    Py_ssize_t n
    Py_ssize_t capacity


cdef void stamps_init(Stamps* stamps) noexcept nogil
cdef void stamps_free(Stamps* stamps) noexcept nogil
cdef int stamp(Stamps* stamps, const Results* results) noexcept nogil
cdef tuple stamps_dump(const Stamps* stamps)
cdef bint stamps_load(
    Stamps* stamps, const int64_t[::1] windows, const int64_t[::1] codes,
    const int64_t[::1] counts, Py_ssize_t n_keys
) except -1
