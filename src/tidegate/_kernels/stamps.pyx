"""Which revision of its window a result is: 0 for the first, and then one more each time."""

from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport free, malloc

from tidegate._kernels.buffer cimport buffer_of
from tidegate._kernels.memory cimport grow
from tidegate._kernels.output cimport Results
from tidegate._kernels.places cimport Entry, Map, map_clear, map_find, map_put
from tidegate._kernels.records cimport DONE, NO_MEMORY

cdef enum:
    MOST_REVISIONS = 1 << 30


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


cdef tuple stamps_dump(const Stamps* stamps):
    """The windows and key codes that have come out, and how often."""
    cdef const Map* last = &stamps.last
    cdef Py_ssize_t i, k, n = 0
    cdef int64_t* columns[3]
    for k in range(3):
        columns[k] = <int64_t*>malloc((last.used + 1) * sizeof(int64_t))
    buffers = [buffer_of(columns[k], last.used * sizeof(int64_t)) for k in range(3)]
    if columns[0] == NULL or columns[1] == NULL or columns[2] == NULL:
        raise MemoryError
    for i in range(last.mask + 1):
        if last.entries[i].value >= 0:
            columns[0][n] = last.entries[i].pane
            columns[1][n] = last.entries[i].code
            columns[2][n] = last.entries[i].value
            n += 1
    return tuple(buffers)


cdef bint stamps_load(
    Stamps* stamps, const int64_t[::1] windows, const int64_t[::1] codes,
    const int64_t[::1] counts, Py_ssize_t n_keys
) except -1:
    """Add revisions; False where one is of no key, there already, or no number."""
    cdef Map* last = &stamps.last
    cdef Entry* entry
    cdef Py_ssize_t i, n = windows.shape[0]
    if codes.shape[0] != n or counts.shape[0] != n:
        return False
    for i in range(n):
        if not 0 <= codes[i] < max(n_keys, 1) or not 0 <= counts[i] < MOST_REVISIONS:
            return False
        entry = map_find(last, windows[i], <int32_t>codes[i])
        if entry != NULL and entry.value >= 0:
            return False
        if map_put(last, windows[i], <int32_t>codes[i], <int32_t>counts[i]) != DONE:
            raise MemoryError
    return True
