"""A watermark for each key: its windows close, and its rows are late, by its own rows alone.

A key has its records in order of time in a row of seats of its own. A row that lets its key's
watermark pass the end of a window stops the loop, and the windows of that key come out at once: in
the order of the rows that close them, which no cut into batches can change.
"""

from libc.stdint cimport INT64_MAX, INT64_MIN, int32_t, int64_t, uint8_t
from libc.stdlib cimport free, malloc
from libc.string cimport memmove

from tidegate._kernels.buffer cimport buffer_of
from tidegate._kernels.clock cimport behind
from tidegate._kernels.gate cimport is_far
from tidegate._kernels.grid cimport (
    Grid, Pane, first_window, has_to_grow, last_window, locate_near, window_end,
)
from tidegate._kernels.memory cimport grow
from tidegate._kernels.output cimport Results, results_sort
from tidegate._kernels.places cimport map_remove
from tidegate._kernels.records cimport CORRECTS, DONE, MUST_CLOSE, NEEDS_EDGES, NO_MEMORY
from tidegate._kernels.route cimport (
    FAR_AHEAD, IS_LATE, NO_PLACE, LeftRows, Router, corrects_after, held_to, leave, reason_of,
)
from tidegate._kernels.slide cimport Leaf, slide_leaves
from tidegate._kernels.stamps cimport stamp
from tidegate._kernels.store cimport Store, store_drop, store_new


cdef void clocks_free(KeyClocks* clocks) noexcept nogil:
    """Give all memory back."""
    cdef Py_ssize_t k
    for k in range(clocks.n):
        free(clocks.lines[k].seats)
    free(clocks.lines)


cdef int clocks_keys(KeyClocks* clocks, Py_ssize_t n_keys) noexcept nogil:
    """Make room for the codes below n_keys."""
    cdef Py_ssize_t k, capacity
    cdef Line* line
    if n_keys > clocks.capacity:
        capacity = max(n_keys, 2 * clocks.capacity)
        if not grow(<void**>&clocks.lines, capacity * sizeof(Line)):
            return NO_MEMORY
        clocks.capacity = capacity
    for k in range(clocks.n, n_keys):
        line = &clocks.lines[k]
        line.largest = INT64_MIN
        line.watermark = clocks.floor
        line.due = INT64_MAX
        line.seats = NULL
        line.begin = line.end = line.capacity = 0
    clocks.n = max(clocks.n, n_keys)
    return DONE


cdef inline int32_t position(const Line* line, int64_t pane) noexcept nogil:
    """Where a pane has its seat, or belongs."""
    cdef int32_t low = line.begin, high = line.end, middle
    if low < high and line.seats[high - 1].pane <= pane:
        return high - (line.seats[high - 1].pane == pane)
    while low < high:
        middle = (low + high) // 2
        if line.seats[middle].pane < pane:
            low = middle + 1
        else:
            high = middle
    return low


cdef bint clocks_have(const KeyClocks* clocks, int64_t pane, int32_t code) noexcept nogil:
    """Whether a key has a record in a pane."""
    cdef const Line* line = &clocks.lines[code]
    cdef int32_t at = position(line, pane)
    return at < line.end and line.seats[at].pane == pane


cdef int clocks_seat(
    const Router* router, Store* store, Line* line, int64_t pane, int32_t code, int32_t* slot
) noexcept nogil:
    """Find the record of a key in a pane, making it where there is none."""
    cdef int32_t at = position(line, pane), capacity
    cdef int status
    if at < line.end and line.seats[at].pane == pane:
        slot[0] = line.seats[at].slot
        return DONE
    if line.end == line.capacity:
        if 2 * line.begin > line.capacity:
            memmove(line.seats, line.seats + line.begin, (line.end - line.begin) * sizeof(Seat))
            at -= line.begin
            line.end -= line.begin
            line.begin = 0
        else:
            capacity = max(2, 2 * line.capacity)
            if not grow(<void**>&line.seats, capacity * sizeof(Seat)):
                return NO_MEMORY
            line.capacity = capacity
    status = store_new(store, code, slot)
    if status != DONE:
        return status
    memmove(line.seats + at + 1, line.seats + at, (line.end - at) * sizeof(Seat))
    line.seats[at].pane = pane
    line.seats[at].slot = slot[0]
    line.end += 1
    return DONE


cdef inline int64_t last_end(const Grid* grid, const Line* line, int32_t seat) noexcept nogil:
    """Where the last window of a seat ends."""
    return window_end(grid, last_window(grid, line.seats[seat].pane))


cdef int32_t first_open(const Grid* grid, const Line* line) noexcept nogil:
    """The first seat with a window that is not closed."""
    cdef int32_t low = line.begin, high = line.end, middle
    while low < high:
        middle = (low + high) // 2
        if last_end(grid, line, middle) <= line.watermark:
            low = middle + 1
        else:
            high = middle
    return low


cdef void settle(const Router* router, Line* line) noexcept nogil:
    """Find out again when the next window is due."""
    cdef const Grid* grid = &router.grid
    cdef int32_t seat = first_open(grid, line)
    cdef int64_t window
    line.due = INT64_MAX
    if seat < line.end:
        window = first_window(grid, line.seats[seat].pane)
        while window_end(grid, window) <= line.watermark:
            window += 1
        line.due = window_end(grid, window)


cdef void clocks_settle(const Router* router, KeyClocks* clocks) noexcept nogil:
    """Find out again when the windows of all keys are due."""
    cdef Py_ssize_t k
    for k in range(clocks.n):
        settle(router, &clocks.lines[k])


cdef inline int find_pane(Router* router, int64_t time) noexcept nogil:
    """Bring the router to the pane of a time; NO_MEMORY stands for: it has none."""
    cdef Pane pane
    if router.has_pane and router.pane.first <= time <= router.pane.last:
        return DONE
    if not locate_near(&router.grid, &router.pane if router.has_pane else NULL, time, &pane):
        return NEEDS_EDGES if has_to_grow(&router.grid, time) else NO_MEMORY
    router.pane = pane
    router.has_pane = True
    return DONE


cdef inline int seat_row(
    Router* router, Store* store, KeyClocks* clocks, LeftRows* left, int64_t time, int32_t code,
    Py_ssize_t row, int32_t* slot
) noexcept nogil:
    """Find the record of a row, -1 where it has none, and move the watermark of its key.

    MUST_CLOSE and CORRECTS tell what is to be done once the row is in its record.
    """
    cdef Line* line = &clocks.lines[code]
    cdef int64_t reached
    cdef bint is_correction = False
    cdef int status
    slot[0] = -1
    if clocks.jumps and is_far(
            router.grid.is_float, time, line.largest, clocks.jump, clocks.jump_f):
        return leave(left, row, FAR_AHEAD, 0, 0)
    status = find_pane(router, time)
    if status == NO_MEMORY:
        return leave(left, row, NO_PLACE, 0, 0)
    if status != DONE:
        return status
    if router.pane.covered:
        if line.watermark != INT64_MIN and held_to(router, router.pane.closes_at) <= (
                line.watermark):
            return leave(left, row, IS_LATE, router.pane.index, line.watermark)
        status = clocks_seat(router, store, line, router.pane.index, code, slot)
        if status != DONE:
            return status
        is_correction = corrects_after(router, line.watermark)
        if router.pane.opens_at > line.watermark:
            line.due = min(line.due, router.pane.opens_at)
        elif router.pane.closes_at > line.watermark:
            settle(router, line)
    router.used += 1
    router.clock.largest = max(router.clock.largest, time)
    if time > line.largest:
        line.largest = time
        reached = behind(&router.clock, time)
        if reached > line.watermark:
            clocks.closing = line.watermark
            line.watermark = reached
            if reached >= line.due:
                return MUST_CLOSE
    return CORRECTS if is_correction else DONE


cdef int route_by_key(
    Router* router, Store* store, KeyClocks* clocks, LeftRows* left, const int64_t* times,
    const uint8_t* valid, const int32_t* codes, Py_ssize_t base, Py_ssize_t n_rows,
    int32_t* slots, Py_ssize_t* n_taken,
) noexcept nogil:
    """Find the record of each row [base, base + n_rows); -1 for rows without one.

    Stops early, with `n_taken` rows done, behind a row whose key has windows to be closed or
    corrected, and where something fails.
    """
    cdef Py_ssize_t i
    cdef int status = DONE
    for i in range(base, base + n_rows):
        if valid != NULL and valid[i] != 1:
            slots[i - base] = -1
            status = leave(left, i, reason_of(valid[i]), 0, 0)
        else:
            status = seat_row(router, store, clocks, left, times[i], codes[i], i,
                              &slots[i - base])
        if status == MUST_CLOSE or status == CORRECTS:
            n_taken[0] = i + 1 - base
            return status
        if status != DONE:
            n_taken[0] = i - base
            return status
    n_taken[0] = n_rows
    return DONE


cdef int emit_key(
    const Router* router, const Store* store, const Line* line, Results* results, int32_t code,
    int64_t after, int64_t upto,
) noexcept nogil:
    """Results of the windows of a key that end in (after, upto]."""
    cdef const Grid* grid = &router.grid
    cdef Py_ssize_t n = 0
    cdef int32_t seat = line.begin
    cdef Leaf* leaves = <Leaf*>malloc((line.end - line.begin + 1) * sizeof(Leaf))
    cdef int status
    if leaves == NULL:
        return NO_MEMORY
    while seat < line.end and (
            window_end(grid, first_window(grid, line.seats[seat].pane)) <= upto):
        if last_end(grid, line, seat) > after:
            leaves[n].pane = line.seats[seat].pane
            leaves[n].code = code
            leaves[n].slot = line.seats[seat].slot
            n += 1
        seat += 1
    status = slide_leaves(grid, store, results, leaves, n, after, upto) if n else DONE
    free(leaves)
    return status


cdef void drop_seats(Router* router, Store* store, Line* line, int32_t code) noexcept nogil:
    """Forget the records of a key that nothing can reach any more."""
    cdef const Grid* grid = &router.grid
    cdef int64_t pane, window
    while line.begin < line.end and (
            held_to(router, last_end(grid, line, line.begin)) <= line.watermark):
        if router.allows:
            pane = line.seats[line.begin].pane
            for window in range(first_window(grid, pane), last_window(grid, pane) + 1):
                map_remove(&router.stamps.last, window, code)
        store_drop(store, line.seats[line.begin].slot)
        line.begin += 1
    if line.begin == line.end:
        line.begin = line.end = 0
        if line.capacity > FEW:
            free(line.seats)
            line.seats = NULL
            line.capacity = 0


cdef enum:
    FEW = 4  # seats that a key keeps when it has no record


cdef int close_key(
    Router* router, Store* store, KeyClocks* clocks, Results* results, int32_t code
) noexcept nogil:
    """Close the windows of a key that its last row has made due."""
    cdef Line* line = &clocks.lines[code]
    cdef Py_ssize_t before = results.n
    cdef int status = emit_key(
        router, store, line, results, code, clocks.closing, line.watermark)
    if status == DONE and router.allows:
        status = stamp(&router.stamps, results)
    if status != DONE:
        results.n = before
        return status
    drop_seats(router, store, line, code)
    settle(router, line)
    return DONE


cdef int correct_key(
    Router* router, Store* store, KeyClocks* clocks, Results* results, int32_t code
) noexcept nogil:
    """Results of the windows of the last row of a key that are closed, but still held."""
    cdef const Grid* grid = &router.grid
    cdef Line* line = &clocks.lines[code]
    cdef int64_t window = first_window(grid, router.pane.index)
    cdef int64_t last = window_end(grid, last_window(grid, router.pane.index))
    cdef Py_ssize_t before = results.n
    cdef int status
    while held_to(router, window_end(grid, window)) <= line.watermark:
        window += 1
    status = emit_key(router, store, line, results, code, window_end(grid, window) - 1,
                      min(line.watermark, last))
    if status == DONE:
        status = stamp(&router.stamps, results)
    if status != DONE:
        results.n = before
    return status


cdef int close_keys(
    Router* router, Store* store, KeyClocks* clocks, Results* results, int64_t watermark
) noexcept nogil:
    """Close the windows of all keys that end up to a time, by window end, then by key code."""
    cdef Py_ssize_t before = results.n, k
    cdef Line* line
    cdef int status = DONE
    for k in range(clocks.n):
        line = &clocks.lines[k]
        if line.due <= watermark and status == DONE:
            status = emit_key(
                router, store, line, results, <int32_t>k, line.watermark, watermark)
    if status == DONE and results.n > before:
        status = results_sort(results, before, NULL)
    if status == DONE and router.allows:
        status = stamp(&router.stamps, results)
    if status != DONE:
        results.n = before
        return status
    clocks.floor = max(clocks.floor, watermark)
    for k in range(clocks.n):
        line = &clocks.lines[k]
        if line.watermark < watermark:
            line.watermark = watermark
            drop_seats(router, store, line, <int32_t>k)
            settle(router, line)
    return DONE


cdef tuple clocks_dump(const KeyClocks* clocks):
    """The largest time and the watermark of each key."""
    cdef Py_ssize_t k, n = clocks.n
    cdef int64_t* largest = <int64_t*>malloc((n + 1) * sizeof(int64_t))
    cdef int64_t* watermarks = <int64_t*>malloc((n + 1) * sizeof(int64_t))
    out = buffer_of(largest, n * 8), buffer_of(watermarks, n * 8)
    if largest == NULL or watermarks == NULL:
        raise MemoryError
    for k in range(n):
        largest[k] = clocks.lines[k].largest
        watermarks[k] = clocks.lines[k].watermark
    return out


cdef bint clocks_load(
    const Router* router, KeyClocks* clocks, const int64_t[::1] largest,
    const int64_t[::1] watermarks, Py_ssize_t n_keys
) except -1:
    """Move the clocks of the keys up; False where there are too many."""
    cdef Py_ssize_t k, n = largest.shape[0]
    cdef Line* line
    if watermarks.shape[0] != n or n > n_keys:
        return False
    clocks.floor = max(clocks.floor, router.clock.watermark)
    for k in range(n):
        line = &clocks.lines[k]
        line.largest = max(line.largest, largest[k])
        line.watermark = max(line.watermark, watermarks[k])
    clocks_settle(router, clocks)
    return True
