"""Sliding windows out of panes.

A sliding window is a sum of panes, and the order in which they are added depends on their position
alone: with blocks of `per_size` panes at fixed places, a window is the end of one block, added up
from the right, and the beginning of the next, added up from the left. So each pane is added about
three times however much the windows overlap, and any window has the same bits whenever and beside
whatever others it is closed.
"""

from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy

from tidegate._kernels.grid cimport (
    Grid, first_window, floor_div, last_window, window_end, wrapped,
)
from tidegate._kernels.output cimport Results, results_read, results_room, results_sort
from tidegate._kernels.records cimport DONE, NO_MEMORY, Plan, Word
from tidegate._kernels.folds cimport fold_records, merge_record
from tidegate._kernels.route cimport Router
from tidegate._kernels.store cimport Store

cdef enum:
    CHUNK = 512  # records folded and read at a time: they stay in the cache
    FEW = 16     # likewise, where few windows are to be expected


cdef struct Slider:
    const Plan* plan
    const Grid* grid
    Results* results
    int64_t after         # windows that end up to here are closed already
    int64_t upto          # windows that end up to here are to be closed
    const Leaf* leaves    # of one key, by pane
    const Word* folded    # their records
    Py_ssize_t n
    Word* ends            # ends[i]: leaves i, i+1, ... of its block, added from the right
    Word* beginning       # of the block after, added from the left
    Word* ready           # windows waiting to be read
    Py_ssize_t n_ready
    Py_ssize_t room       # for so many


cdef int slider_flush(Slider* s) noexcept nogil:
    """Turn the waiting windows into results."""
    cdef Py_ssize_t n = s.n_ready
    s.n_ready = 0
    return results_read(s.results, s.plan, s.ready, n)


cdef inline Word* slider_next(Slider* s, int64_t window, int32_t code) noexcept nogil:
    """The record for one more window; NULL where `results` has no memory."""
    cdef Py_ssize_t at
    if s.n_ready == 0 and results_room(s.results, s.room) != DONE:
        return NULL
    at = s.results.n + s.n_ready
    s.results.windows[at] = window
    if s.results.keyed:
        s.results.codes[at] = code
    s.n_ready += 1
    return s.ready + (s.n_ready - 1) * s.plan.narrow


cdef inline void add_ends(Slider* s, Py_ssize_t first, Py_ssize_t stop) noexcept nogil:
    """Add up leaves [first, stop) from the right."""
    cdef Py_ssize_t i, width = s.plan.narrow
    for i in range(stop - 1, first - 1, -1):
        memcpy(s.ends + i * width, s.folded + i * width, width * sizeof(Word))
        if i + 1 < stop:
            merge_record(s.plan, s.ends + i * width, s.ends + (i + 1) * width)


cdef inline bint within(int64_t pane, int64_t start, int64_t n) noexcept nogil:
    """Whether a pane that is not before `start` is one of n from there on, next to any end."""
    return <uint64_t>pane - <uint64_t>start < <uint64_t>n


cdef int slide(Slider* s) noexcept nogil:
    """Close the windows of one key."""
    cdef Py_ssize_t width = s.plan.narrow, a = 0, b = 0, split = 0
    cdef int64_t m = s.grid.per_size, window, last, start, block, in_block = 0
    cdef bint has_block = False, has_beginning = False
    cdef Word* record
    cdef int status
    if s.n == 0:
        return DONE
    window = first_window(s.grid, s.leaves[0].pane)
    last = last_window(s.grid, s.leaves[s.n - 1].pane)  # one more may be beyond all numbers
    while window <= last:
        start = wrapped(window, s.grid.per_step, 0)
        while s.leaves[a].pane < start:
            a += 1
        if not within(s.leaves[a].pane, start, m):
            window = first_window(s.grid, s.leaves[a].pane)
            continue
        if window_end(s.grid, window) > s.upto:
            return DONE
        if window_end(s.grid, window) <= s.after:
            window += 1
            continue
        block = floor_div(start, m)
        if not has_block or block != in_block:
            has_block = True
            in_block = block
            split = a
            while split < s.n and within(s.leaves[split].pane, wrapped(block, m, 0), m):
                split += 1
            add_ends(s, a, split)
            b = split
            has_beginning = False
        while b < s.n and within(s.leaves[b].pane, start, m):
            if has_beginning:
                merge_record(s.plan, s.beginning, s.folded + b * width)
            else:
                memcpy(s.beginning, s.folded + b * width, width * sizeof(Word))
            has_beginning = True
            b += 1
        record = slider_next(s, window, s.leaves[0].code)
        if record == NULL:
            return NO_MEMORY
        if a < split:
            memcpy(record, s.ends + a * width, width * sizeof(Word))
            if has_beginning:
                merge_record(s.plan, record, s.beginning)
        else:
            memcpy(record, s.beginning, width * sizeof(Word))
        if s.n_ready == s.room:
            status = slider_flush(s)
            if status != DONE:
                return status
        window += 1
    return DONE


cdef int gather_leaves(
    const Store* store, int32_t first, int32_t n_panes, Leaf* leaves, Py_ssize_t n
) noexcept nogil:
    """The records of the open panes [first, n_panes), by key code, then by pane."""
    cdef Py_ssize_t* at
    cdef Py_ssize_t k, n_codes = store.n_recent + 1
    cdef int32_t i, slot
    at = <Py_ssize_t*>calloc(n_codes + 1, sizeof(Py_ssize_t))
    if at == NULL:
        return NO_MEMORY
    for i in range(first, n_panes):
        slot = store.pool[store.open[i]].head
        while slot >= 0:
            at[store.code_of[slot] + 1] += 1
            slot = store.next_of[slot]
    for k in range(1, n_codes + 1):
        at[k] += at[k - 1]
    for i in range(first, n_panes):
        slot = store.pool[store.open[i]].head
        while slot >= 0:
            k = at[store.code_of[slot]]
            at[store.code_of[slot]] += 1
            leaves[k].pane = store.pool[store.open[i]].index
            leaves[k].code = store.code_of[slot]
            leaves[k].slot = slot
            slot = store.next_of[slot]
    free(at)
    return DONE


cdef int slide_all(
    Slider* s, const Store* store, int32_t begin, int32_t n_panes, Leaf* leaves,
    int32_t* slots, Word* folded, Py_ssize_t n
) noexcept nogil:
    """Close the windows of every key."""
    cdef Py_ssize_t i = 0, k, first = s.results.n, width = s.plan.narrow
    cdef int status = gather_leaves(store, begin, n_panes, leaves, n)
    if status != DONE:
        return status
    for k in range(n):
        slots[k] = leaves[k].slot
    fold_records(s.plan, &store.arena, slots, n, folded)
    while i < n:
        k = i
        while k < n and leaves[k].code == leaves[i].code:
            k += 1
        s.leaves = leaves + i
        s.folded = folded + i * width
        s.n = k - i
        status = slide(s)
        if status != DONE:
            return status
        i = k
    if s.n_ready:
        status = slider_flush(s)
    if status == DONE and s.plan.lanes == 1 and s.results.n > first:
        status = results_sort(s.results, first, NULL)
    return status


cdef bint slider_init(Slider* s, Py_ssize_t n, Py_ssize_t room) noexcept nogil:
    """Take memory for n leaves and as many windows that wait as there is room for."""
    cdef Py_ssize_t width = s.plan.narrow * sizeof(Word)
    s.n_ready = 0
    s.room = room
    s.ends = <Word*>malloc((n + 1) * width)
    s.beginning = <Word*>malloc(width)
    s.ready = <Word*>malloc(room * width)
    return s.ends != NULL and s.beginning != NULL and s.ready != NULL


cdef void slider_free(Slider* s) noexcept nogil:
    """Give the memory back."""
    free(s.ends)
    free(s.beginning)
    free(s.ready)


cdef int close_sliding(
    Router* router, Store* store, Results* results, int32_t first, int32_t n_panes,
    int64_t watermark,
) noexcept nogil:
    """Results of the windows that end in (closed_to, watermark], of the open panes from `first`."""
    cdef Slider s
    cdef Py_ssize_t n = 0
    cdef int32_t i, slot
    cdef Leaf* leaves
    cdef int32_t* slots
    cdef Word* folded
    cdef int status = NO_MEMORY
    for i in range(first, n_panes):
        slot = store.pool[store.open[i]].head
        while slot >= 0:
            n += 1
            slot = store.next_of[slot]
    s.plan = store.plan
    s.grid = &router.grid
    s.results = results
    s.after = router.closed_to
    s.upto = watermark
    leaves = <Leaf*>malloc((n + 1) * sizeof(Leaf))
    slots = <int32_t*>malloc((n + 1) * sizeof(int32_t))
    folded = <Word*>malloc((n + 1) * store.plan.narrow * sizeof(Word))
    if slider_init(&s, n, CHUNK) and leaves != NULL and slots != NULL and folded != NULL:
        status = slide_all(&s, store, first, n_panes, leaves, slots, folded, n)
    free(leaves)
    free(slots)
    free(folded)
    slider_free(&s)
    return status


cdef int slide_leaves(
    const Grid* grid, const Store* store, Results* results, const Leaf* leaves, Py_ssize_t n,
    int64_t after, int64_t upto,
) noexcept nogil:
    """Results of the windows of one key that end in (after, upto]; leaves are in order of time."""
    cdef Slider s
    cdef Py_ssize_t i
    cdef int32_t* slots = <int32_t*>malloc((n + 1) * sizeof(int32_t))
    cdef Word* folded = <Word*>malloc((n + 1) * store.plan.narrow * sizeof(Word))
    cdef int status = NO_MEMORY
    s.plan = store.plan
    s.grid = grid
    s.results = results
    s.after = after
    s.upto = upto
    s.leaves = leaves
    s.folded = folded
    s.n = n
    if slider_init(&s, n, FEW) and slots != NULL and folded != NULL:
        for i in range(n):
            slots[i] = leaves[i].slot
        fold_records(s.plan, &store.arena, slots, n, folded)
        status = slide(&s)
        if status == DONE and s.n_ready:
            status = slider_flush(&s)
    free(slots)
    free(folded)
    slider_free(&s)
    return status
