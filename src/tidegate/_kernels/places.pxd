"""A table from (pane, key code) to a place: open addressing, closed up again on removal.

Everything is spread by the hash: neighbouring panes side by side would make removals quadratic.
"""

from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from tidegate._kernels.lanes cimport slot_hash
from tidegate._kernels.records cimport DONE, NO_MEMORY


cdef struct Entry:
    int64_t pane
    int32_t code
    int32_t value   # -1: empty


cdef struct Map:
    Entry* entries
    Py_ssize_t mask   # capacity - 1, a power of two; -1 before the first entry
    Py_ssize_t used


cdef inline Entry* map_find(const Map* table, int64_t pane, int32_t code) noexcept nogil:
    """The entry of a key, or the empty one where it belongs; NULL in a table without memory."""
    cdef Py_ssize_t at
    cdef Entry* entry
    if table.mask < 0:
        return NULL
    at = <Py_ssize_t>(slot_hash(pane, code) & <uint64_t>table.mask)
    while True:
        entry = &table.entries[at]
        if entry.value < 0 or (entry.pane == pane and entry.code == code):
            return entry
        at = (at + 1) & table.mask


cdef inline int map_grow(Map* table) noexcept nogil:
    """Double the table."""
    cdef Map bigger
    cdef Py_ssize_t i, capacity = 2 * (table.mask + 1) if table.mask >= 0 else 64
    bigger.entries = <Entry*>malloc(capacity * sizeof(Entry))
    if bigger.entries == NULL:
        return NO_MEMORY
    memset(bigger.entries, 0xFF, capacity * sizeof(Entry))
    bigger.mask = capacity - 1
    bigger.used = table.used
    for i in range(table.mask + 1):
        if table.entries[i].value >= 0:
            map_find(&bigger, table.entries[i].pane, table.entries[i].code)[0] = table.entries[i]
    free(table.entries)
    table[0] = bigger
    return DONE


cdef inline int map_put(Map* table, int64_t pane, int32_t code, int32_t value) noexcept nogil:
    """Add a key that is not there."""
    cdef Entry* entry
    if 2 * (table.used + 1) > table.mask + 1 and map_grow(table) != DONE:
        return NO_MEMORY
    entry = map_find(table, pane, code)
    entry.pane = pane
    entry.code = code
    entry.value = value
    table.used += 1
    return DONE


cdef inline void map_remove(Map* table, int64_t pane, int32_t code) noexcept nogil:
    """Take a key out and close the gap, so that no look-up stops too early."""
    cdef Entry* entry = map_find(table, pane, code)
    cdef Py_ssize_t hole, at, home
    if entry == NULL or entry.value < 0:
        return
    hole = entry - table.entries
    at = hole
    table.used -= 1
    while True:
        table.entries[hole].value = -1
        while True:
            at = (at + 1) & table.mask
            entry = &table.entries[at]
            if entry.value < 0:
                return
            home = <Py_ssize_t>(slot_hash(entry.pane, entry.code) & <uint64_t>table.mask)
            if ((at - home) & table.mask) >= ((at - hole) & table.mask):
                break
        table.entries[hole] = entry[0]
        hole = at


cdef inline void map_clear(Map* table) noexcept nogil:
    """Forget all keys and give the memory back."""
    free(table.entries)
    table.entries = NULL
    table.mask = -1
    table.used = 0
