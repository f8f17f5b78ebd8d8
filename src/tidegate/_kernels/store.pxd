"""The open panes and their records: memory, look-up, order."""

from libc.stdint cimport int32_t, int64_t

from tidegate._kernels.places cimport Map
from tidegate._kernels.records cimport Arena, Plan


cdef struct OpenPane:
    int64_t index
    int32_t head      # its first record; without keys, its only one
    int32_t tail


cdef struct Recent:
    int64_t pane      # the newest pane that a key has a record in; where `hashed`, any of them
    int32_t slot


cdef struct Store:
    const Plan* plan
    Map panes             # pane index -> its place in the pool; only where `indexed`
    Map slots             # (pane index, key code) -> slot; only where `hashed`
    OpenPane* pool
    int32_t* spare_panes  # places in the pool that are free
    int32_t n_pool, cap_pool, n_spare_panes
    int32_t* open         # places of the open panes, in order of opening
    int32_t n_open
    bint sorted           # `open` is in order of time; always, where not `indexed`
    bint indexed          # panes came so far out of order that `panes` is needed
    int64_t least         # smallest open pane index
    Arena arena           # the records, by slot
    int32_t* code_of
    int32_t* next_of      # the next record of the same pane, -1 at the end
    int32_t* older_of     # the record of the same key in the pane before; may be out of date
    int64_t* pane_of      # pane index, INT64_MAX: not in use; both with keys and not `hashed` only
    bint hashed           # keys have so many open panes that `slots` is needed
    int32_t* spare_slots
    int32_t n_slots, cap_slots, n_spare_slots
    int64_t max_slots
    Recent* recent        # by key code
    int32_t* by_code      # by key code, all -1: room to order the records of a pane
    int32_t n_recent


cdef void store_init(Store* store, const Plan* plan, int64_t max_slots) noexcept nogil
cdef void store_free(Store* store) noexcept nogil
cdef void store_clear(Store* store) noexcept nogil
cdef int store_keys(Store* store, Py_ssize_t n_keys) noexcept nogil
cdef bint store_has(const Store* store, int64_t pane, int32_t code) noexcept nogil
cdef int32_t store_find(const Store* store, int64_t pane, int32_t code) noexcept nogil
cdef int store_pane(Store* store, int64_t pane, int32_t* place) noexcept nogil
cdef int store_slot(Store* store, int32_t place, int32_t code, int32_t* slot) noexcept nogil
cdef int store_new(Store* store, int32_t code, int32_t* slot) noexcept nogil
cdef void store_drop(Store* store, int32_t slot) noexcept nogil
cdef int store_reserve(Store* store, Py_ssize_t n) noexcept nogil
cdef int store_sort(Store* store) noexcept nogil
cdef void store_close(Store* store, int32_t n) noexcept nogil
cdef int32_t live_slots(const Store* store) noexcept nogil
cdef Py_ssize_t store_bytes(const Store* store) noexcept nogil
