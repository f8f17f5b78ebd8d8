"""Several sources of one stream: the watermark is that of the slowest that is awake.

Whether a source sleeps is told by the rows of the others alone: no wall clock has a part in it.
"""

from libc.stdint cimport INT64_MIN, int64_t
from libc.stdlib cimport free

from tidegate._kernels.clock cimport Clock
from tidegate._kernels.memory cimport grow
from tidegate._kernels.records cimport DONE, NO_MEMORY


cdef void origins_free(Origins* origins) noexcept nogil:
    """Give all memory back."""
    free(origins.largest)


cdef int origins_codes(Origins* origins, Py_ssize_t n) noexcept nogil:
    """Make room for the codes below n."""
    cdef Py_ssize_t k, capacity
    if n > origins.capacity:
        capacity = max(n, 2 * origins.capacity, 16)
        if not grow(<void**>&origins.largest, capacity * sizeof(int64_t)):
            return NO_MEMORY
        origins.capacity = capacity
    for k in range(origins.n, n):
        origins.largest[k] = INT64_MIN
    origins.n = max(origins.n, n)
    return DONE


cdef int origins_load(
    Origins* origins, const Clock* clock, const int64_t[::1] largest
) except -1:
    """Move the clocks of the sources up."""
    cdef Py_ssize_t k
    if origins_codes(origins, largest.shape[0]) != DONE:
        raise MemoryError
    for k in range(largest.shape[0]):
        origins.largest[k] = max(origins.largest[k], largest[k])
    find_slowest(origins, clock)
    return 0
