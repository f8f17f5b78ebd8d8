"""Parts of the keys, and the codes that a part has for its own."""

from libc.stdint cimport int32_t

cdef extern from "pick.h" nogil:
    enum:
        BINS "TG_BINS"   # of codes, which go round the parts


cdef inline int32_t own_bins(int32_t number, int32_t n) noexcept nogil:
    """How many bins are of a part."""
    return (BINS - number + n - 1) // n


cdef inline int32_t code_of_all(
    int32_t own, int32_t size, int32_t number, int32_t n
) noexcept nogil:
    """The code that all know a key by; `size` is how many bins are of the part."""
    cdef int32_t turn = own // size
    return turn * BINS + (own - turn * size) * n + number
