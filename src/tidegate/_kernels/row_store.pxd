"""Open sessions and bars: their records, and where those of a key stand in time."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t

from tidegate._kernels.deadlines cimport Deadlines
from tidegate._kernels.records cimport Arena, Plan, Word


cdef enum:
    NEAR = 4096        # keys whose windows are in the cache
    SOON = 12          # rows from which they are asked for, and twice as many for where they are


cdef enum Standing:
    IS_SPARE
    IS_OPEN
    IS_CLOSED      # its rows may not be in its record yet
    IS_ABSORBED    # by another session; still waits in the line of those that are due


cdef struct Seat:      # what is known of a window beside its record
    int64_t first      # the smallest time of its rows
    int64_t last       # the largest
    int64_t end        # of a session; of a bar, how many rows came before that which closed it
    int64_t rows       # of a bar; of a session the place of its key in the order of results
    Word* base         # the folded record of the sessions that were merged; NULL: none
    int32_t code
    int32_t left       # sessions of a key are a treap by time
    int32_t right
    uint32_t rank
    uint8_t standing
    uint8_t is_out     # a session has come out as it is, and is held for rows that correct it
    int32_t revision   # of its last result; -1: none came out


cdef struct Due:
    int64_t end
    int64_t place      # of the key
    int32_t slot


cdef struct RowStore:
    const Plan* plan
    Arena arena        # the records, by slot
    Seat* seats        # by slot
    int32_t* spare
    Py_ssize_t n_spare, n_slots, cap_slots
    Py_ssize_t n_open
    int64_t max_open
    int32_t* roots     # by key code: the treap of its open sessions; -1: none
    Py_ssize_t n_roots
    bint lined         # there are so many that those that are due are found in a line
    Deadlines line     # of open sessions, by slot, with the ends that they had when they came there
    uint32_t seed


cdef void rows_init(RowStore* store, const Plan* plan, int64_t max_open) noexcept nogil
cdef void rows_free(RowStore* store) noexcept nogil
cdef int rows_keys(RowStore* store, Py_ssize_t n) noexcept nogil
cdef int rows_open(RowStore* store, int32_t code, int64_t time, int32_t* slot) noexcept nogil
cdef void rows_spare(RowStore* store, int32_t slot) noexcept nogil
cdef void rows_blank(RowStore* store, int32_t slot) noexcept nogil
cdef void treap_near(
    const RowStore* store, int32_t code, int64_t time, int32_t* before, int32_t* after
) noexcept nogil
cdef void treap_put(RowStore* store, int32_t slot) noexcept nogil
cdef void treap_remove(RowStore* store, int32_t slot) noexcept nogil
cdef void seat_closes(RowStore* store, int32_t slot) noexcept nogil
cdef int32_t treap_first(const RowStore* store, int32_t code) noexcept nogil
cdef int32_t treap_open(const RowStore* store, int32_t code, int64_t end) noexcept nogil
cdef int sort_due(const RowStore* store, int32_t* slots, Py_ssize_t n) noexcept nogil
