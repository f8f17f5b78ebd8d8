"""Closing windows: records leave the store, results come out by window end, then by key code."""

from libc.stdint cimport INT64_MIN, int32_t, int64_t
from libc.stdlib cimport free, malloc, qsort
from libc.string cimport memcpy, memset

from tidegate._kernels.grid cimport Grid, first_window, last_window, pane_index, window_end
from tidegate._kernels.memory cimport grow
from tidegate._kernels.output cimport Results, results_read, results_room, results_sort
from tidegate._kernels.places cimport map_remove
from tidegate._kernels.records cimport DONE, NO_MEMORY, Arena, Plan, Word
from tidegate._kernels.folds cimport fold_records
from tidegate._kernels.route cimport Router, held_to
from tidegate._kernels.slide cimport close_sliding
from tidegate._kernels.stamps cimport stamp
from tidegate._kernels.store cimport Store, store_close, store_sort

cdef enum:
    CHUNK = 256  # records folded and read at a time: they stay in the cache
    FEW = 64     # members that are sorted by comparing them
    BITS = 8     # of a digit
    DIGITS = 1 << 8
    SPARSE = 32  # codes to a member from which sorting costs less than looking at all codes


cdef struct Chunk:
    const Plan* plan
    const Arena* arena
    Word* folded
    int32_t slots[CHUNK]
    Py_ssize_t n


cdef int chunk_flush(Chunk* chunk, Results* results) noexcept nogil:
    """Turn the gathered slots into results."""
    cdef Py_ssize_t n = chunk.n
    chunk.n = 0
    fold_records(chunk.plan, chunk.arena, chunk.slots, n, chunk.folded)
    return results_read(results, chunk.plan, chunk.folded, n)


cdef inline int chunk_add(
    Chunk* chunk, Results* results, int64_t window, int32_t code, int32_t slot
) noexcept nogil:
    """Gather one slot."""
    cdef int status
    if chunk.n == CHUNK:
        status = chunk_flush(chunk, results)
        if status != DONE:
            return status
    if chunk.n == 0:
        status = results_room(results, CHUNK)
        if status != DONE:
            return status
    results.windows[results.n + chunk.n] = window
    if results.keyed:
        results.codes[results.n + chunk.n] = code
    chunk.slots[chunk.n] = slot
    chunk.n += 1
    return DONE


cdef int by_code(const void* a, const void* b) noexcept nogil:
    """Order of two members for qsort."""
    return (<const Member*>a).code - (<const Member*>b).code


cdef bint sort_digits(Member* members, Py_ssize_t n, int32_t n_codes) noexcept nogil:
    """Bring members into order, digit by digit of their codes; False where there is no memory.

    Of a thousand members among a million keys each costs 60 ns less than in a sort that compares.
    """
    cdef Member* other = <Member*>malloc(n * sizeof(Member))
    cdef Member* begin = other
    cdef Member* swapped
    cdef Py_ssize_t[DIGITS] places
    cdef Py_ssize_t i, at, count
    cdef int shift = 0, digit
    if other == NULL:
        return False
    while shift < 32 and (n_codes - 1) >> shift:
        memset(places, 0, sizeof(places))
        for i in range(n):
            places[members[i].code >> shift & (DIGITS - 1)] += 1
        at = 0
        for digit in range(DIGITS):
            count = places[digit]
            places[digit] = at
            at += count
        for i in range(n):
            digit = members[i].code >> shift & (DIGITS - 1)
            other[places[digit]] = members[i]
            places[digit] += 1
        swapped = members
        members = other
        other = swapped
        shift += BITS
    if members == begin:
        memcpy(other, members, n * sizeof(Member))
    free(begin)
    return True


cdef bint spread(const Store* store, Member* members, Py_ssize_t n) noexcept nogil:
    """Bring members into order by a table of all codes; False where they are too few for it."""
    cdef int32_t code, k = 0
    cdef Py_ssize_t i
    if n < store.n_recent // SPARSE:
        return False
    for i in range(n):
        store.by_code[members[i].code] = members[i].slot
    for code in range(store.n_recent):
        if store.by_code[code] >= 0:
            members[k].code = code
            members[k].slot = store.by_code[code]
            store.by_code[code] = -1
            k += 1
    return True


cdef Py_ssize_t members_of(
    const Store* store, int32_t place, Member** members, Py_ssize_t* capacity
) noexcept nogil:
    """The records of a pane by key code; -1 where there is no memory."""
    cdef int32_t slot = store.pool[place].head
    cdef Py_ssize_t n = 0
    cdef bint in_order = True
    while slot >= 0:
        if n == capacity[0]:
            capacity[0] = max(64, 2 * capacity[0])
            if not grow(<void**>members, capacity[0] * sizeof(Member)):
                return -1
        members[0][n].code = store.code_of[slot]
        members[0][n].slot = slot
        in_order = in_order and (n == 0 or members[0][n - 1].code < members[0][n].code)
        n += 1
        slot = store.next_of[slot]
    if in_order or spread(store, members[0], n):
        return n
    if n < FEW or not sort_digits(members[0], n, store.n_recent):
        qsort(members[0], n, sizeof(Member), by_code)
    return n


cdef int close_tumbling(
    Router* router, Store* store, Results* results, int32_t first, int32_t n_panes
) noexcept nogil:
    """Results of the open panes [first, n_panes)."""
    cdef int32_t i
    cdef Py_ssize_t k, n, capacity = 0
    cdef Member* members = NULL
    cdef Chunk chunk
    cdef int status = DONE
    cdef int64_t window
    chunk.plan = store.plan
    chunk.arena = &store.arena
    chunk.n = 0
    chunk.folded = <Word*>malloc(CHUNK * store.plan.narrow * sizeof(Word))
    if chunk.folded == NULL:
        return NO_MEMORY
    for i in range(first, n_panes):
        window = last_window(&router.grid, store.pool[store.open[i]].index)
        if store.plan.lanes > 1:
            status = chunk_add(&chunk, results, window, 0, store.pool[store.open[i]].head)
        else:
            n = members_of(store, store.open[i], &members, &capacity)
            status = DONE if n >= 0 else NO_MEMORY
            for k in range(n):
                if status == DONE:
                    status = chunk_add(&chunk, results, window, members[k].code, members[k].slot)
        if status != DONE:
            break
    if status == DONE and chunk.n:
        status = chunk_flush(&chunk, results)
    free(members)
    free(chunk.folded)
    return status


cdef int64_t first_due(const Router* router, const Store* store) noexcept nogil:
    """The first window that is open and may have rows."""
    cdef int64_t pane, window = first_window(&router.grid, store.least)
    if router.closed_to != INT64_MIN and pane_index(&router.grid, router.closed_to, &pane):
        window = max(window, first_window(&router.grid, pane))
    return window


cdef int32_t first_closing(const Router* router, const Store* store) noexcept nogil:
    """The first of the open panes, which are sorted, that has a window that is not closed."""
    cdef const Grid* grid = &router.grid
    cdef int32_t low = 0, high = store.n_open, middle
    while low < high:
        middle = (low + high) // 2
        if window_end(grid, last_window(grid, store.pool[store.open[middle]].index)) <= (
                router.closed_to):
            low = middle + 1
        else:
            high = middle
    return low


cdef int32_t forget(Router* router, Store* store, int32_t n, int64_t watermark) noexcept nogil:
    """Count those of the first n open panes that no correction can reach; forget their results."""
    cdef const Grid* grid = &router.grid
    cdef int32_t i, slot
    cdef int64_t index, window
    for i in range(n):
        index = store.pool[store.open[i]].index
        if held_to(router, window_end(grid, last_window(grid, index))) > watermark:
            return i
        slot = store.pool[store.open[i]].head
        while slot >= 0:
            for window in range(first_window(grid, index), last_window(grid, index) + 1):
                map_remove(&router.stamps.last, window, store.code_of[slot])
            slot = store.next_of[slot]
    return n


cdef int close_windows(
    Router* router, Store* store, Results* results, int64_t watermark
) noexcept nogil:
    """Close every window that ends up to the watermark; on failure nothing is closed.

    Where corrections are allowed, panes stay in the store until none can come.
    """
    cdef const Grid* grid = &router.grid
    cdef Py_ssize_t before = results.n
    cdef int32_t first = 0, touched, done
    cdef int64_t index
    cdef int status
    if watermark <= router.closed_to:
        return DONE
    if not store.n_open or (not router.allows
                            and window_end(grid, first_due(router, store)) > watermark):
        router.closed_to = watermark
        return DONE
    status = store_sort(store)
    if status != DONE:
        return status
    if router.allows:
        first = first_closing(router, store)
    touched = done = first
    while touched < store.n_open:
        index = store.pool[store.open[touched]].index
        if window_end(grid, first_window(grid, index)) > watermark:
            break
        touched += 1
        if window_end(grid, last_window(grid, index)) <= watermark:
            done = touched
    if grid.per_size == 1 and grid.per_step == 1:
        status = close_tumbling(router, store, results, first, done)
    elif touched > first:
        status = close_sliding(router, store, results, first, touched, watermark)
    if status == DONE and router.lives.disordered and results.n > before:
        status = results_sort(results, before, router.lives.rank)
    if status == DONE and router.allows:
        status = stamp(&router.stamps, results)
    if status != DONE:
        results.n = before
        return status
    if router.allows:
        done = forget(router, store, done, watermark)
    store_close(store, done)
    router.has_pane = False
    router.closed_to = watermark
    return DONE
