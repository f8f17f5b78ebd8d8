"""Which revision of its window a result is: 0 for the first, and then one more each time."""

from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport free

from tidegate._kernels.memory cimport grow
from tidegate._kernels.output cimport Results
from tidegate._kernels.places cimport Entry, map_clear, map_find, map_put
from tidegate._kernels.records cimport DONE, NO_MEMORY


cdef void stamps_init(Stamps* stamps) noexcept nogil:
    """No result yet."""
    stamps.last.entries = NULL
    map_clear(&stamps.last)
    stamps.at = NULL
    stamps.n = 0
    stamps.capacity = 0


cdef void stamps_free(Stamps* stamps) noexcept nogil:
    """Give all memory back."""
    map_clear(&stamps.last)
    free(stamps.at)


cdef int stamp(Stamps* stamps, const Results* results) noexcept nogil:
    """Give the results that have none their revision."""
    cdef Entry* entry
    cdef Py_ssize_t capacity
    cdef int32_t code
    if results.n > stamps.capacity:
        capacity = max(results.n, 2 * stamps.capacity, 64)
        if not grow(<void**>&stamps.at, capacity * sizeof(int64_t)):
            return NO_MEMORY
        stamps.capacity = capacity
    stamps.n = min(stamps.n, results.n)  # some may have been taken back
    while stamps.n < results.n:
        code = results.codes[stamps.n] if results.keyed else 0
        entry = map_find(&stamps.last, results.windows[stamps.n], code)
        if entry != NULL and entry.value >= 0:
            entry.value += 1
            stamps.at[stamps.n] = entry.value
        elif map_put(&stamps.last, results.windows[stamps.n], code, 0) != DONE:
            return NO_MEMORY
        else:
            stamps.at[stamps.n] = 0
        stamps.n += 1
    return DONE
