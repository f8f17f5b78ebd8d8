"""The open panes and their records: memory, look-up, order.

Records stand in one array, by slot. Without keys a pane has one slot; with keys it has one for
each key that was seen in it, chained from `OpenPane.head`. Everything that is closed is used
again, so that memory follows what is open, not what has passed.
"""

from libc.stdint cimport INT64_MAX, int32_t, int64_t
from libc.stdlib cimport free, malloc, qsort, realloc
from libc.string cimport memcpy, memmove, memset

from tidegate._kernels.kept cimport kept_drop
from tidegate._kernels.memory cimport grow
from tidegate._kernels.places cimport Entry, map_clear, map_find, map_put, map_remove
from tidegate._kernels.records cimport DONE, NO_MEMORY, TOO_MANY_OPEN, Plan, Word

cdef extern from "<stdlib.h>" nogil:
    void* aligned_alloc(size_t alignment, size_t size)

cdef enum:
    MOST_MOVED = 256  # panes that a new one may push aside before a table is worth its cost
    MOST_STEPS = 64   # from a key's newest record to the one looked for, likewise


cdef void store_init(Store* store, const Plan* plan, int64_t max_slots) noexcept nogil:
    """An empty store; it takes memory when it needs it."""
    memset(store, 0, sizeof(Store))
    store.plan = plan
    store.arena.wide = plan.wide
    store.arena.cold = plan.cold
    store.max_slots = max_slots
    store.panes.mask = -1
    store.slots.mask = -1
    store.sorted = True
    store.least = INT64_MAX


cdef void store_free(Store* store) noexcept nogil:
    """Give all memory back."""
    cdef int32_t slot
    if store.plan != NULL and store.plan.keeps:
        for slot in range(store.n_slots):
            kept_drop(store.plan, store.arena.records + slot * store.arena.wide)
    map_clear(&store.panes)
    map_clear(&store.slots)
    free(store.pool)
    free(store.spare_panes)
    free(store.open)
    free(store.arena.records)
    free(store.arena.colds)
    free(store.code_of)
    free(store.next_of)
    free(store.older_of)
    free(store.pane_of)
    free(store.spare_slots)
    free(store.recent)
    free(store.by_code)


cdef void store_clear(Store* store) noexcept nogil:
    """Forget everything."""
    cdef const Plan* plan = store.plan
    cdef int64_t max_slots = store.max_slots
    store_free(store)
    store_init(store, plan, max_slots)


cdef int store_keys(Store* store, Py_ssize_t n_keys) noexcept nogil:
    """Make room for the codes below n_keys."""
    cdef Py_ssize_t i, capacity
    cdef Recent* grown
    if n_keys <= store.n_recent:
        return DONE
    capacity = max(n_keys, 2 * <Py_ssize_t>store.n_recent)
    grown = <Recent*>realloc(store.recent, capacity * sizeof(Recent))
    if grown == NULL:
        return NO_MEMORY
    store.recent = grown
    if not grow(<void**>&store.by_code, capacity * sizeof(int32_t)):
        return NO_MEMORY
    for i in range(store.n_recent, capacity):
        store.by_code[i] = -1
        grown[i].pane = INT64_MAX
        grown[i].slot = -1
    store.n_recent = <int32_t>capacity
    return DONE


cdef bint grow_records(Store* store, Py_ssize_t capacity) noexcept nogil:
    """Move the records to a larger place that begins with a cache line."""
    cdef Py_ssize_t size = store.plan.wide * sizeof(Word)
    cdef Word* grown = <Word*>aligned_alloc(64, capacity * size)
    if grown == NULL:
        return False
    if store.n_slots:
        memcpy(grown, store.arena.records, store.n_slots * size)
    free(store.arena.records)
    store.arena.records = grown
    return True


cdef bint grow_slots(Store* store, Py_ssize_t capacity) noexcept nogil:
    """Make room for more records."""
    if not (grow_records(store, capacity)
            and grow(<void**>&store.arena.colds,
                     capacity * (store.plan.cold + 1) * sizeof(Word))
            and grow(<void**>&store.code_of, capacity * 4)
            and grow(<void**>&store.next_of, capacity * 4)
            and grow(<void**>&store.older_of, capacity * 4)
            and grow(<void**>&store.pane_of, capacity * 8)
            and grow(<void**>&store.spare_slots, capacity * 4)):
        return False
    store.cap_slots = <int32_t>capacity
    return True


cdef int store_reserve(Store* store, Py_ssize_t n) noexcept nogil:
    """See to it that n more records can be made; where the limit is in the way, none is."""
    cdef Py_ssize_t needed = store.n_slots + n - store.n_spare_slots
    if needed > store.max_slots:
        return TOO_MANY_OPEN
    if needed > store.cap_slots and not grow_slots(
            store, max(needed, 2 * <Py_ssize_t>store.cap_slots)):
        return NO_MEMORY
    return DONE


cdef int new_slot(Store* store, int32_t code, int32_t* slot) noexcept nogil:
    """Take an empty record."""
    cdef const Plan* plan = store.plan
    if store.n_spare_slots:
        store.n_spare_slots -= 1
        slot[0] = store.spare_slots[store.n_spare_slots]
    else:
        if store.n_slots >= store.max_slots:
            return TOO_MANY_OPEN
        if store.n_slots == store.cap_slots and not grow_slots(
                store, max(64, 2 * <Py_ssize_t>store.cap_slots)):
            return NO_MEMORY
        slot[0] = store.n_slots
        store.n_slots += 1
    memcpy(store.arena.records + slot[0] * store.arena.wide, plan.blank, plan.wide * sizeof(Word))
    memcpy(store.arena.colds + slot[0] * store.arena.cold, plan.blank_cold,
           plan.cold * sizeof(Word))
    store.code_of[slot[0]] = code
    store.next_of[slot[0]] = -1
    return DONE


cdef int store_new(Store* store, int32_t code, int32_t* slot) noexcept nogil:
    """Take an empty record that is in no pane of the store: somebody else keeps it."""
    return new_slot(store, code, slot)


cdef void store_drop(Store* store, int32_t slot) noexcept nogil:
    """Give back a record of `store_new`."""
    if store.plan.keeps:
        kept_drop(store.plan, store.arena.records + slot * store.arena.wide)
    store.spare_slots[store.n_spare_slots] = slot
    store.n_spare_slots += 1


cdef inline int32_t position_of(const Store* store, int64_t pane) noexcept nogil:
    """Where a pane stands, or belongs, in `open`, which must be sorted."""
    cdef int32_t low = 0, high = store.n_open, middle
    if high and store.pool[store.open[high - 1]].index < pane:
        return high
    while low < high:
        middle = (low + high) // 2
        if store.pool[store.open[middle]].index < pane:
            low = middle + 1
        else:
            high = middle
    return low


cdef inline int32_t find_pane(const Store* store, int64_t pane) noexcept nogil:
    """The place of a pane in the pool, -1 where it is not open."""
    cdef Entry* entry
    cdef int32_t at
    if store.indexed:
        entry = map_find(&store.panes, pane, -1)
        return -1 if entry == NULL else entry.value
    at = position_of(store, pane)
    if at < store.n_open and store.pool[store.open[at]].index == pane:
        return store.open[at]
    return -1


cdef int index_panes(Store* store) noexcept nogil:
    """Begin to look panes up in a table."""
    cdef int32_t i
    for i in range(store.n_open):
        if map_put(&store.panes, store.pool[store.open[i]].index, -1, store.open[i]) != DONE:
            map_clear(&store.panes)
            return NO_MEMORY
    store.indexed = True
    return DONE


cdef int enlist(Store* store, int64_t pane, int32_t place) noexcept nogil:
    """Put a new pane into `open`: in its place where few are moved, else at the end."""
    cdef int32_t at = store.n_open
    if not store.indexed:
        at = position_of(store, pane)
        if store.n_open - at > MOST_MOVED and index_panes(store) != DONE:
            return NO_MEMORY
    if store.indexed:
        at = store.n_open
        if map_put(&store.panes, pane, -1, place) != DONE:
            return NO_MEMORY
        if at and store.pool[store.open[at - 1]].index > pane:
            store.sorted = False
    memmove(store.open + at + 1, store.open + at, (store.n_open - at) * sizeof(int32_t))
    store.open[at] = place
    store.n_open += 1
    return DONE


cdef int open_pane(Store* store, int64_t pane, int32_t* place) noexcept nogil:
    """Open a pane that is not open."""
    cdef Py_ssize_t capacity
    cdef int32_t slot = -1
    cdef int status
    if not store.n_spare_panes and store.n_pool == store.cap_pool:
        capacity = max(64, 2 * <Py_ssize_t>store.cap_pool)
        if not (grow(<void**>&store.pool, capacity * sizeof(OpenPane))
                and grow(<void**>&store.open, capacity * 4)
                and grow(<void**>&store.spare_panes, capacity * 4)):
            return NO_MEMORY
        store.cap_pool = <int32_t>capacity
    if store.plan.lanes > 1:
        status = new_slot(store, 0, &slot)
        if status != DONE:
            return status
    if store.n_spare_panes:
        place[0] = store.spare_panes[store.n_spare_panes - 1]
    else:
        place[0] = store.n_pool
    if enlist(store, pane, place[0]) != DONE:
        if slot >= 0:
            store.spare_slots[store.n_spare_slots] = slot
            store.n_spare_slots += 1
        return NO_MEMORY
    if store.n_spare_panes:
        store.n_spare_panes -= 1
    else:
        store.n_pool += 1
    store.pool[place[0]].index = pane
    store.pool[place[0]].head = slot
    store.pool[place[0]].tail = slot
    store.least = min(store.least, pane)
    return DONE


cdef inline int32_t older(const Store* store, int32_t slot) noexcept nogil:
    """The record of the same key in an older pane, -1 where there is none.

    Panes are closed from the oldest on, so that only the last record of a key can point to one that
    is closed, and maybe in use again.
    """
    cdef int32_t other = store.older_of[slot]
    if other < 0 or store.code_of[other] != store.code_of[slot] or (
            store.pane_of[other] >= store.pane_of[slot]):
        return -1
    return other


cdef int32_t find_slot(
    const Store* store, int64_t pane, int32_t code, int32_t* newer, int* n_steps
) noexcept nogil:
    """The record of a key in a pane, -1 where there is none; and the one in the pane after."""
    cdef int32_t slot = store.recent[code].slot
    cdef Entry* entry
    n_steps[0] = 0
    newer[0] = -1
    if store.hashed:
        entry = map_find(&store.slots, pane, code)
        return -1 if entry == NULL else entry.value
    while slot >= 0 and store.pane_of[slot] > pane:
        newer[0] = slot
        slot = older(store, slot)
        n_steps[0] += 1
    return slot if slot >= 0 and store.pane_of[slot] == pane else -1


cdef int32_t store_find(const Store* store, int64_t pane, int32_t code) noexcept nogil:
    """The record of a key in a pane, -1 where there is none; for plans with keys."""
    cdef int32_t newer
    cdef int n_steps
    return find_slot(store, pane, code, &newer, &n_steps)


cdef bint store_has(const Store* store, int64_t pane, int32_t code) noexcept nogil:
    """Whether a pane has a record (of a key, where the plan has keys)."""
    cdef int32_t newer
    cdef int n_steps
    if store.plan.lanes > 1:
        return find_pane(store, pane) >= 0
    return find_slot(store, pane, code, &newer, &n_steps) >= 0


cdef int hash_slots(Store* store) noexcept nogil:
    """Begin to look records up in a table."""
    cdef int32_t i, slot
    for i in range(store.n_open):
        slot = store.pool[store.open[i]].head
        while slot >= 0:
            if map_put(&store.slots, store.pool[store.open[i]].index, store.code_of[slot],
                       slot) != DONE:
                map_clear(&store.slots)
                return NO_MEMORY
            slot = store.next_of[slot]
    store.hashed = True
    return DONE


cdef int store_pane(Store* store, int64_t pane, int32_t* place) noexcept nogil:
    """Find the place of a pane, opening it where it is not open."""
    place[0] = find_pane(store, pane)
    if place[0] >= 0:
        return DONE
    return open_pane(store, pane, place)


cdef inline int add_slot(
    Store* store, OpenPane* pane, int32_t code, int32_t newer, int32_t* slot
) noexcept nogil:
    """Make a record of a key behind the others of a pane."""
    cdef Recent* recent = &store.recent[code]
    cdef int status = new_slot(store, code, slot)
    if status != DONE:
        return status
    if store.hashed and map_put(&store.slots, pane.index, code, slot[0]) != DONE:
        store.spare_slots[store.n_spare_slots] = slot[0]
        store.n_spare_slots += 1
        return NO_MEMORY
    store.pane_of[slot[0]] = pane.index
    if newer >= 0:
        store.older_of[slot[0]] = older(store, newer)
        store.older_of[newer] = slot[0]
    else:
        store.older_of[slot[0]] = recent.slot
    if pane.head < 0:
        pane.head = slot[0]
    else:
        store.next_of[pane.tail] = slot[0]
    pane.tail = slot[0]
    return DONE


cdef int store_slot(Store* store, int32_t place, int32_t code, int32_t* slot) noexcept nogil:
    """Find the record of a key in an open pane, making it where there is none."""
    cdef OpenPane* pane = &store.pool[place]
    cdef Recent* recent = &store.recent[code]
    cdef int32_t newer
    cdef int n_steps, status
    slot[0] = find_slot(store, pane.index, code, &newer, &n_steps)
    if n_steps > MOST_STEPS and hash_slots(store) != DONE:
        return NO_MEMORY
    if slot[0] < 0:
        status = add_slot(store, pane, code, newer, slot)
        if status != DONE:
            return status
    if store.hashed or newer < 0:
        recent.pane = pane.index
        recent.slot = slot[0]
    return DONE


cdef struct Keyed:
    int64_t index
    int32_t place


cdef int by_index(const void* a, const void* b) noexcept nogil:
    """Order of two panes for qsort."""
    cdef int64_t x = (<const Keyed*>a).index, y = (<const Keyed*>b).index
    return (x > y) - (x < y)


cdef int store_sort(Store* store) noexcept nogil:
    """Bring the open panes into order of time."""
    cdef int32_t i
    cdef Keyed* keyed
    if store.sorted:
        return DONE
    keyed = <Keyed*>malloc(store.n_open * sizeof(Keyed))
    if keyed == NULL:
        return NO_MEMORY
    for i in range(store.n_open):
        keyed[i].index = store.pool[store.open[i]].index
        keyed[i].place = store.open[i]
    qsort(keyed, store.n_open, sizeof(Keyed), by_index)
    for i in range(store.n_open):
        store.open[i] = keyed[i].place
    free(keyed)
    store.sorted = True
    return DONE


cdef void store_close(Store* store, int32_t n) noexcept nogil:
    """Forget the first n open panes, which must be sorted."""
    cdef int32_t i, slot
    cdef OpenPane* pane
    for i in range(n):
        pane = &store.pool[store.open[i]]
        if store.indexed:
            map_remove(&store.panes, pane.index, -1)
        slot = pane.head
        while slot >= 0:
            if store.plan.keeps:
                kept_drop(store.plan, store.arena.records + slot * store.arena.wide)
            if store.plan.lanes == 1:
                if store.hashed:
                    map_remove(&store.slots, pane.index, store.code_of[slot])
                store.pane_of[slot] = INT64_MAX
                if store.recent[store.code_of[slot]].pane == pane.index:
                    store.recent[store.code_of[slot]].slot = -1
                    store.recent[store.code_of[slot]].pane = INT64_MAX
            store.spare_slots[store.n_spare_slots] = slot
            store.n_spare_slots += 1
            slot = store.next_of[slot]
        store.spare_panes[store.n_spare_panes] = store.open[i]
        store.n_spare_panes += 1
    memmove(store.open, store.open + n, (store.n_open - n) * sizeof(int32_t))
    store.n_open -= n
    if not store.n_open:
        map_clear(&store.panes)
        map_clear(&store.slots)
        store.indexed = False
        store.hashed = False
    store.least = store.pool[store.open[0]].index if store.n_open else INT64_MAX


cdef int32_t live_slots(const Store* store) noexcept nogil:
    """How many records are in use."""
    return store.n_slots - store.n_spare_slots


cdef Py_ssize_t store_bytes(const Store* store) noexcept nogil:
    """How much memory the records in use take."""
    return <Py_ssize_t>live_slots(store) * (store.plan.wide + store.plan.cold) * sizeof(Word)
