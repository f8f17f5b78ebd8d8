"""Windows that begin and end within a block of rows.

In a one-shot run whose rows are in order, most short windows are a slice of one block: all of
their rows are there, and none will come. Such a window needs no record in the store: it is read
straight off its rows, with the same lanes and the same tree, and so with the same bits.
"""

from libc.math cimport isnan
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

from tidegate._kernels.output cimport Results, results_read, results_room
from tidegate._kernels.lanes cimport (
    add8, add_square8, fold_lanes, greatest, greatest_of, least, least_of, load, load_part,
    prefetch, see_odd, see_wild, seen, splat, store8, v8,
)
from tidegate._kernels.records cimport (
    DONE, FIRST, GREATEST, LANES, LAST, LEAST, NO_MEMORY, NULLS, ROWS, SQUARES, SUM, Acc,
    Arena, Column, Plan, Run, Word,
)
from tidegate._kernels.results cimport fold_records
from tidegate._kernels.runs cimport reduce_runs

cdef extern from *:
    """
    #include "lanes.h"
    #include "records.h"
    #undef CYTHON_INLINE
    #define CYTHON_INLINE TG_ALWAYS_INLINE

    TG_CLONES static Py_ssize_t tg_short_road(
        const tg_plan *, const tg_column *, const int64_t *, const tg_run *, Py_ssize_t,
        Py_ssize_t, Py_ssize_t, Py_ssize_t, tg_word *);
    """

cdef enum:
    WHOLES = 256  # windows read at a time: they stay in the nearest cache


cdef int scratch_init(Scratch* scratch, const Plan* plan) noexcept nogil:
    """Take the memory that `read_wholes` needs."""
    scratch.arena.wide = plan.wide
    scratch.arena.cold = plan.cold
    scratch.arena.records = <Word*>calloc(plan.wide + 1, sizeof(Word))
    scratch.arena.colds = <Word*>calloc(plan.cold + 1, sizeof(Word))
    scratch.folded = <Word*>malloc(WHOLES * plan.narrow * sizeof(Word))
    if (scratch.arena.records == NULL or scratch.arena.colds == NULL or scratch.folded == NULL):
        return NO_MEMORY
    return DONE


cdef void scratch_free(Scratch* scratch) noexcept nogil:
    """Give it back."""
    free(scratch.arena.records)
    free(scratch.arena.colds)
    free(scratch.folded)


cdef bint all_plain(const Plan* plan, const Column* columns, int n_columns) noexcept nogil:
    """Whether every row of every column has a value that counts."""
    for c in range(n_columns):
        if columns[c].valid != NULL or columns[c].skip_nan:
            return False
    return True


cdef inline bint sum_whole(
    const double* x, Py_ssize_t n, Py_ssize_t room, Word* out
) noexcept nogil:
    """SUM of n values; False where one is wild."""
    cdef double hi_lanes[LANES]
    cdef double lo_lanes[LANES]
    cdef v8 hi = splat(0.0), lo = splat(0.0), wild = splat(0.0), v
    cdef Py_ssize_t i = 0
    while i + LANES <= n:
        v = load(x + i)
        prefetch(x + i)
        wild = see_wild(wild, v)
        add8(&hi, &lo, v)
        i += LANES
    if i < n:
        v = load_part(x + i, n - i, room - i, -0.0)
        wild = see_wild(wild, v)
        add8(&hi, &lo, v)
    store8(hi_lanes, hi)
    store8(lo_lanes, lo)
    fold_lanes(hi_lanes, lo_lanes, &out[0].f, &out[1].f)
    memset(out + 2, 0, 3 * sizeof(Word))
    return not seen(wild)


cdef inline bint squares_whole(
    const double* x, Py_ssize_t n, Py_ssize_t room, Word* out
) noexcept nogil:
    """SQUARES of n values around the first; False where one is wild."""
    cdef double hi_lanes[LANES]
    cdef double lo_lanes[LANES]
    cdef v8 hi = splat(0.0), lo = splat(0.0), wild = splat(0.0), shift = splat(x[0]), v
    cdef Py_ssize_t i = 0
    while i + LANES <= n:
        v = load(x + i)
        wild = see_wild(wild, v)
        add_square8(&hi, &lo, v, shift)
        i += LANES
    if i < n:
        v = load_part(x + i, n - i, room - i, x[0])
        wild = see_wild(wild, v)
        add_square8(&hi, &lo, v, shift)
    store8(hi_lanes, hi)
    store8(lo_lanes, lo)
    fold_lanes(hi_lanes, lo_lanes, &out[0].f, &out[1].f)
    out[2].f = x[0]
    memset(out + 3, 0, 4 * sizeof(Word))
    return not seen(wild)


cdef inline bint extreme_few(const double* x, Py_ssize_t n, bint low, Word* out) noexcept nogil:
    """LEAST or GREATEST of a few values; False where one is NaN."""
    cdef double kept = x[0]
    cdef Py_ssize_t i
    cdef bint odd = isnan(x[0])
    if low:
        for i in range(1, n):
            kept = x[i] if x[i] < kept else kept
            odd |= x[i] != x[i]
    else:
        for i in range(1, n):
            kept = x[i] if x[i] > kept else kept
            odd |= x[i] != x[i]
    out[0].f = kept + 0.0
    out[1].i = 0
    return not odd


cdef inline bint extreme_whole(
    const double* x, Py_ssize_t n, Py_ssize_t room, bint low, Word* out
) noexcept nogil:
    """LEAST or GREATEST of n values; False where one is not finite."""
    cdef v8 kept = splat(x[0]), odd = splat(0.0), v
    cdef Py_ssize_t i = 0
    if n <= 2 * LANES:
        return extreme_few(x, n, low, out)
    if low:
        while i + LANES <= n:
            v = load(x + i)
            prefetch(x + i)
            odd = see_odd(odd, v)
            kept = least(kept, v)
            i += LANES
    else:
        while i + LANES <= n:
            v = load(x + i)
            prefetch(x + i)
            odd = see_odd(odd, v)
            kept = greatest(kept, v)
            i += LANES
    if i < n:
        v = load_part(x + i, n - i, room - i, x[0])
        odd = see_odd(odd, v)
        kept = least(kept, v) if low else greatest(kept, v)
    out[0].f = (least_of(kept) if low else greatest_of(kept)) + 0.0
    out[1].i = 0
    return not seen(odd)


cdef inline bint one_whole(
    const Acc* acc, const Column* columns, const int64_t* times, Py_ssize_t first, Py_ssize_t n,
    Py_ssize_t room, bint ordered, Word* out
) noexcept nogil:
    """One accumulator of one window; False where only the long road can do it."""
    cdef const Word* values
    cdef Py_ssize_t at
    if acc.kind == ROWS:
        out[0].i = n
        return True
    if acc.kind == NULLS:
        out[0].i = 0
        return True
    values = <const Word*>columns[acc.column].values
    if acc.kind == FIRST or acc.kind == LAST:
        at = first if acc.kind == FIRST else first + n - 1
        out[0].i = times[at]
        out[1] = values[at]
        return ordered
    if acc.kind == SUM:
        return sum_whole(&values[first].f, n, room, out)
    if acc.kind == SQUARES:
        return squares_whole(&values[first].f, n, room, out)
    if acc.kind == LEAST or acc.kind == GREATEST:
        return extreme_whole(&values[first].f, n, room, acc.kind == LEAST, out)
    return False


cdef Py_ssize_t short_road "tg_short_road"(
    const Plan* plan, const Column* columns, const int64_t* times, const Run* runs, Py_ssize_t r,
    Py_ssize_t n, Py_ssize_t base, Py_ssize_t n_rows, Word* folded,
) noexcept nogil:
    """Fold windows from r on; where it stopped."""
    cdef const Run* run
    cdef Py_ssize_t first
    cdef Word* out
    while r < n:
        run = &runs[r]
        first = base + run.begin
        out = folded + r * plan.narrow
        for a in range(plan.n_accs):
            if not one_whole(&plan.accs[a], columns, times, first, run.end - run.begin,
                             n_rows - first, run.ordered, out + plan.accs[a].narrow):
                return r
        r += 1
    return r


cdef void long_road(
    const Plan* plan, const Column* columns, const int64_t* times, const Run* run,
    Py_ssize_t base, Py_ssize_t n_rows, const Arena* arena, Word* out,
) noexcept nogil:
    """Fold a window by way of a record."""
    cdef Run alone = run[0]
    alone.slot = 0
    alone.lane = 0
    memcpy(arena.records, plan.blank, plan.wide * sizeof(Word))
    memcpy(arena.colds, plan.blank_cold, plan.cold * sizeof(Word))
    arena.records[0].i = run.end - run.begin
    reduce_runs(plan, columns, times, &alone, 1, base, n_rows, arena)
    fold_records(plan, arena, &alone.slot, 1, out)


cdef int read_wholes(
    const Plan* plan, const Column* columns, const int64_t* times, const Run* runs,
    const int64_t* windows, Py_ssize_t n, Py_ssize_t base, Py_ssize_t n_rows, Scratch* scratch,
    Results* results,
) noexcept nogil:
    """Turn runs that are whole windows into results.

    Runs count their rows from `base`; `windows` has their numbers. All columns must be plain.
    """
    cdef Py_ssize_t done = 0, r, size, i
    cdef int status
    while done < n:
        size = min(<Py_ssize_t>WHOLES, n - done)
        r = 0
        while True:
            r = short_road(plan, columns, times, runs + done, r, size, base, n_rows,
                           scratch.folded)
            if r == size:
                break
            long_road(plan, columns, times, &runs[done + r], base, n_rows, &scratch.arena,
                      scratch.folded + r * plan.narrow)
            r += 1
        if results_room(results, size) != DONE:
            return NO_MEMORY
        for i in range(size):
            results.windows[results.n + i] = windows[done + i]
            results.codes[results.n + i] = 0
        status = results_read(results, plan, scratch.folded, size)
        if status != DONE:
            return status
        done += size
    return DONE
