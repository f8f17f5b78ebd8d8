"""Open sessions and bars: their records, and where those of a key stand in time.

Records stand in one array, by slot, and everything that is closed is used again. The open sessions
of a key do not overlap, so that a treap by their first times finds the neighbours of a row, in
O(log n) however disordered the rows are; nearly always it has one node. Where there are many keys
for few rows, all open sessions are `lined`: among the deadlines with the end that they had when
they came there. One that has grown since goes back to its new place when its turn comes, and so a
row that makes a session longer does not touch it. One that has come out, and is held, is not there.

References
----------
R. Seidel, C. R. Aragon, Randomized search trees, Algorithmica 16, 1996.
"""

from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.stdlib cimport free, malloc, qsort
from libc.string cimport memcpy, memset

from tidegate._kernels.deadlines cimport deadlines_free
from tidegate._kernels.kept cimport kept_drop
from tidegate._kernels.memory cimport grow
from tidegate._kernels.records cimport DONE, NO_MEMORY, TOO_MANY_OPEN, Plan, Word

cdef extern from "<stdlib.h>" nogil:
    void* aligned_alloc(size_t alignment, size_t size)

cdef enum:
    FIRST_ROOM = 64
    CROWD = 16  # that end in one stretch of time, up to which insertion is quick


cdef void rows_init(RowStore* store, const Plan* plan, int64_t max_open) noexcept nogil:
    """An empty store; it takes memory when it needs it."""
    memset(store, 0, sizeof(RowStore))
    store.plan = plan
    store.arena.wide = plan.wide
    store.arena.cold = plan.cold
    store.max_open = max_open
    store.seed = 2463534242


cdef void rows_free(RowStore* store) noexcept nogil:
    """Give all memory back."""
    cdef Py_ssize_t slot
    for slot in range(store.n_slots):
        free(store.seats[slot].base)
        if store.plan.keeps:
            kept_drop(store.plan, store.arena.records + slot * store.arena.wide)
    free(store.arena.records)
    free(store.arena.colds)
    free(store.seats)
    free(store.spare)
    free(store.roots)
    if store.lined:
        deadlines_free(&store.line)


cdef int rows_keys(RowStore* store, Py_ssize_t n) noexcept nogil:
    """Make room for the key codes below n."""
    cdef Py_ssize_t room = max(n, 2 * store.n_roots)
    if n <= store.n_roots:
        return DONE
    if not grow(<void**>&store.roots, room * sizeof(int32_t)):
        return NO_MEMORY
    memset(store.roots + store.n_roots, 0xFF, (room - store.n_roots) * sizeof(int32_t))
    store.n_roots = room
    return DONE


cdef bint grow_slots(RowStore* store, Py_ssize_t room) noexcept nogil:
    """Make room for more records, each at the beginning of a cache line."""
    cdef Py_ssize_t size = store.plan.wide * sizeof(Word)
    cdef Word* records = <Word*>aligned_alloc(64, room * size)
    if records == NULL:
        return False
    if store.n_slots:
        memcpy(records, store.arena.records, store.n_slots * size)
    free(store.arena.records)
    store.arena.records = records
    if not (grow(<void**>&store.arena.colds, room * (store.plan.cold + 1) * sizeof(Word))
            and grow(<void**>&store.seats, room * sizeof(Seat))
            and grow(<void**>&store.spare, room * sizeof(int32_t))):
        return False
    store.cap_slots = room
    return True


cdef void rows_blank(RowStore* store, int32_t slot) noexcept nogil:
    """Empty a record, which must not keep values."""
    cdef const Plan* plan = store.plan
    memcpy(store.arena.records + slot * store.arena.wide, plan.blank, plan.wide * sizeof(Word))
    memcpy(store.arena.colds + slot * store.arena.cold, plan.blank_cold, plan.cold * sizeof(Word))


cdef int rows_open(RowStore* store, int32_t code, int64_t time, int32_t* slot) noexcept nogil:
    """Open a window of a key with its first time."""
    cdef Seat* seat
    if store.n_open >= store.max_open:
        return TOO_MANY_OPEN
    if store.n_spare:
        store.n_spare -= 1
        slot[0] = store.spare[store.n_spare]
    else:
        if store.n_slots == store.cap_slots and not grow_slots(
                store, max(<Py_ssize_t>FIRST_ROOM, 2 * store.cap_slots)):
            return NO_MEMORY
        slot[0] = <int32_t>store.n_slots
        store.n_slots += 1
    rows_blank(store, slot[0])
    store.n_open += 1
    store.seed ^= store.seed << 13
    store.seed ^= store.seed >> 17
    store.seed ^= store.seed << 5
    seat = &store.seats[slot[0]]
    seat.first = time
    seat.last = time
    seat.end = time
    seat.rows = 0
    seat.base = NULL
    seat.code = code
    seat.left = -1
    seat.right = -1
    seat.rank = store.seed
    seat.standing = IS_OPEN
    seat.is_out = False
    seat.revision = -1
    return DONE


cdef void rows_spare(RowStore* store, int32_t slot) noexcept nogil:
    """Give a record back."""
    if store.plan.keeps:
        kept_drop(store.plan, store.arena.records + slot * store.arena.wide)
    free(store.seats[slot].base)
    store.seats[slot].base = NULL
    store.seats[slot].standing = IS_SPARE
    store.spare[store.n_spare] = slot
    store.n_spare += 1


# ------------------------------------------------------------------------------- sessions of a key

cdef void treap_near(
    const RowStore* store, int32_t code, int64_t time, int32_t* before, int32_t* after
) noexcept nogil:
    """The last session that begins at a time or before it, and the first after it; -1: none."""
    cdef int32_t at = store.roots[code]
    before[0] = after[0] = -1
    while at >= 0:
        if store.seats[at].first <= time:
            before[0] = at
            at = store.seats[at].right
        else:
            after[0] = at
            at = store.seats[at].left


cdef int32_t treap_first(const RowStore* store, int32_t code) noexcept nogil:
    """The first session of a key; -1: none."""
    cdef int32_t at = store.roots[code]
    while at >= 0 and store.seats[at].left >= 0:
        at = store.seats[at].left
    return at


cdef int32_t treap_open(const RowStore* store, int32_t code, int64_t end) noexcept nogil:
    """The first session of a key that does not end before a time; -1: none."""
    cdef int32_t at = store.roots[code], found = -1
    while at >= 0:
        if store.seats[at].end >= end:
            found = at
            at = store.seats[at].left
        else:
            at = store.seats[at].right
    return found


cdef void treap_put(RowStore* store, int32_t slot) noexcept nogil:
    """Add a session to those of its key."""
    cdef Seat* seats = store.seats
    cdef int64_t first = seats[slot].first
    cdef int32_t* at = &store.roots[seats[slot].code]
    cdef int32_t* low = &seats[slot].left
    cdef int32_t* high = &seats[slot].right
    cdef int32_t rest
    while at[0] >= 0 and seats[at[0]].rank >= seats[slot].rank:
        at = &seats[at[0]].left if first < seats[at[0]].first else &seats[at[0]].right
    rest = at[0]
    at[0] = slot
    while rest >= 0:  # what was here is split around the new node
        if seats[rest].first < first:
            low[0] = rest
            low = &seats[rest].right
            rest = low[0]
        else:
            high[0] = rest
            high = &seats[rest].left
            rest = high[0]
    low[0] = -1
    high[0] = -1


cdef void treap_remove(RowStore* store, int32_t slot) noexcept nogil:
    """Take a session out of those of its key."""
    cdef Seat* seats = store.seats
    cdef int64_t first = seats[slot].first
    cdef int32_t* at = &store.roots[seats[slot].code]
    cdef int32_t low = seats[slot].left, high = seats[slot].right
    while at[0] != slot:
        at = &seats[at[0]].left if first < seats[at[0]].first else &seats[at[0]].right
    while low >= 0 and high >= 0:  # what hung below it is joined
        if seats[low].rank >= seats[high].rank:
            at[0] = low
            at = &seats[low].right
            low = at[0]
        else:
            at[0] = high
            at = &seats[high].left
            high = at[0]
    at[0] = low if low >= 0 else high


# ---------------------------------------------------------------------------------- what is due

cdef void seat_closes(RowStore* store, int32_t slot) noexcept nogil:
    """Take a session out of those of its key, for good."""
    treap_remove(store, slot)
    store.seats[slot].standing = IS_CLOSED
    store.n_open -= 1


cdef int by_due(const void* a, const void* b) noexcept nogil:
    """Order of two sessions: by end, then by key."""
    cdef const Due* x = <const Due*>a
    cdef const Due* y = <const Due*>b
    if x.end != y.end:
        return 1 if x.end > y.end else -1
    return (x.place > y.place) - (x.place < y.place)


cdef inline bint is_sooner(const Due* a, const Due* b) noexcept nogil:
    """Order of results: by end, then by key."""
    return a.end < b.end or (a.end == b.end and a.place < b.place)


cdef bint spread_due(const Due* due, Py_ssize_t n, Due* out, int32_t* counts) noexcept nogil:
    """Sort by counting who is in which stretch of time, where ends are spread out; else False."""
    cdef int64_t low = due[0].end, high = due[0].end
    cdef Py_ssize_t i, k
    cdef int shift = 0
    cdef Due one
    for i in range(n):
        low = min(low, due[i].end)
        high = max(high, due[i].end)
    while ((<uint64_t>high - <uint64_t>low) >> shift) >= <uint64_t>n:
        shift += 1
    memset(counts, 0, (n + 1) * sizeof(int32_t))
    for i in range(n):
        k = <Py_ssize_t>((<uint64_t>due[i].end - <uint64_t>low) >> shift)
        counts[k + 1] += 1
    for k in range(n):
        if counts[k + 1] > CROWD:
            return False
        counts[k + 1] += counts[k]
    for i in range(n):
        k = <Py_ssize_t>((<uint64_t>due[i].end - <uint64_t>low) >> shift)
        out[counts[k]] = due[i]
        counts[k] += 1
    for i in range(1, n):
        one = out[i]
        k = i
        while k and is_sooner(&one, &out[k - 1]):
            out[k] = out[k - 1]
            k -= 1
        out[k] = one
    return True


cdef int sort_due(const RowStore* store, int32_t* slots, Py_ssize_t n) noexcept nogil:
    """Bring sessions into the order of the result."""
    cdef Due* due
    cdef Due* found
    cdef int32_t* counts
    cdef Py_ssize_t i
    if n < 2:
        return DONE
    due = <Due*>malloc(2 * n * sizeof(Due))
    counts = <int32_t*>malloc((n + 1) * sizeof(int32_t))
    if due == NULL or counts == NULL:
        free(due)
        free(counts)
        return NO_MEMORY
    found = due + n
    for i in range(n):
        due[i].end = store.seats[slots[i]].end
        due[i].place = store.seats[slots[i]].rows
        due[i].slot = slots[i]
    if not spread_due(due, n, found, counts):
        found = due
        qsort(due, n, sizeof(Due), by_due)
    for i in range(n):
        slots[i] = found[i].slot
    free(due)
    free(counts)
    return DONE
