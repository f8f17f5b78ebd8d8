"""Windows that come out again, corrected by rows that came after they were closed.

A row of a window that has come out lets it come out again at once, in the order of the rows: what
is told depends on the rows alone. All windows that the watermark has passed before that row are
told before, for `route` stops there until they are closed.
"""

from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport free, malloc

from tidegate._kernels.grid cimport Grid, first_window, last_window, window_end
from tidegate._kernels.output cimport Results
from tidegate._kernels.records cimport DONE, NO_MEMORY
from tidegate._kernels.route cimport Router, held_to
from tidegate._kernels.slide cimport Leaf, slide_leaves
from tidegate._kernels.stamps cimport stamp
from tidegate._kernels.store cimport Store, store_find, store_sort


cdef int32_t first_from(const Store* store, int64_t pane) noexcept nogil:
    """The first of the open panes, which are sorted, that is not before one."""
    cdef int32_t low = 0, high = store.n_open, middle
    while low < high:
        middle = (low + high) // 2
        if store.pool[store.open[middle]].index < pane:
            low = middle + 1
        else:
            high = middle
    return low


cdef Py_ssize_t leaves_of(
    const Store* store, int32_t first, int64_t stop, int32_t code, Leaf* leaves
) noexcept nogil:
    """The records of a key in the open panes from `first` up to a pane; NULL: only count panes."""
    cdef Py_ssize_t n = 0
    cdef int32_t slot
    while first < store.n_open and store.pool[store.open[first]].index < stop:
        if leaves == NULL:
            n += 1
        else:
            slot = store.pool[store.open[first]].head
            if store.plan.lanes == 1:
                slot = store_find(store, store.pool[store.open[first]].index, code)
            if slot >= 0:
                leaves[n].pane = store.pool[store.open[first]].index
                leaves[n].code = code
                leaves[n].slot = slot
                n += 1
        first += 1
    return n


cdef int correct(Router* router, Store* store, Results* results, int32_t code) noexcept nogil:
    """Results of the windows of the pane where the router is that are closed, but still held."""
    cdef const Grid* grid = &router.grid
    cdef int64_t watermark = router.clock.watermark
    cdef int64_t window = first_window(grid, router.pane.index)
    cdef int64_t last = last_window(grid, router.pane.index)
    cdef Py_ssize_t before = results.n, n
    cdef int32_t first
    cdef Leaf* leaves
    cdef int status = store_sort(store)
    if status != DONE:
        return status
    while held_to(router, window_end(grid, window)) <= watermark:
        window += 1
    first = first_from(store, window * grid.per_step)
    n = leaves_of(store, first, last * grid.per_step + grid.per_size, code, NULL)
    leaves = <Leaf*>malloc((n + 1) * sizeof(Leaf))
    if leaves == NULL:
        return NO_MEMORY
    n = leaves_of(store, first, last * grid.per_step + grid.per_size, code, leaves)
    status = slide_leaves(grid, store, results, leaves, n, window_end(grid, window) - 1,
                          min(watermark, window_end(grid, last)))
    free(leaves)
    if status == DONE:
        status = stamp(&router.stamps, results)
    if status != DONE:
        results.n = before
    return status
