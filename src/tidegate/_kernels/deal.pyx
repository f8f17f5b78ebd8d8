"""Rows of many keys into records, eight keys at a time, where a run has several rows of most keys.

The values of a run are dealt out first: line k of a table takes value k of every key. Then the
records of eight keys are brought up to date together, line by line: the same steps in the same
order as row by row, and so the same bits.
"""

from libc.math cimport isnan
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport calloc, free

from tidegate._kernels.fused cimport Places, is_fused, places_of
from tidegate._kernels.lanes cimport (
    add8, add_square8, collect8, greatest, least, load, spread8, splat, v8, where_above,
)
from tidegate._kernels.records cimport (
    DONE, FLOAT, LANES, NO_MEMORY, NULLS, ROWS, Column, Plan, Word,
)
from tidegate._kernels.store cimport Store, store_reserve, store_slot

cdef extern from *:
    """
    #include "lanes.h"
    #include "records.h"
    #undef CYTHON_INLINE
    #define CYTHON_INLINE TG_ALWAYS_INLINE

    TG_CLONES static void tg_advance(
        const tg_places *, const double *, Py_ssize_t, const int64_t *, Py_ssize_t, double **);
    """

cdef enum:
    DEPTH = 64       # lines
    WORTH = 2        # rows of a run for every key, from which dealing pays
    MOST = 1 << 14   # keys
    PAUSE = 16       # runs that are not dealt after one that had too many rows of few keys
    PAGE = 512       # values; columns this far apart would share a few sets of the cache


cdef bint can_deal(const Plan* plan, const Column* columns, int n_columns) noexcept nogil:
    """Whether all that a plan keeps is what is dealt: of float columns, and of each something."""
    cdef Places places
    for a in range(plan.n_accs):
        if not (plan.accs[a].kind == ROWS or plan.accs[a].kind == NULLS
                or is_fused(&plan.accs[a], columns)):
            return False
    for c in range(n_columns):
        if columns[c].numeric != FLOAT or not places_of(plan, c, &places):
            return False
    return n_columns > 0 and plan.lanes == 1


cdef void dealer_free(Dealer* dealer) noexcept nogil:
    """Give the memory back."""
    free(dealer.lines)
    free(dealer.next)


cdef bint is_worth(Dealer* dealer, const Store* store, Py_ssize_t n_rows) noexcept nogil:
    """Whether a run of so many rows is dealt."""
    if n_rows < WORTH * <Py_ssize_t>store.n_recent or store.n_recent > MOST or store.hashed:
        return False
    if dealer.pause:
        dealer.pause -= 1
        return False
    return True


cdef int make_room(Dealer* dealer, Py_ssize_t n_keys) noexcept nogil:
    """Make room for so many keys."""
    cdef Py_ssize_t stride = (n_keys + LANES - 1) // LANES * LANES
    if n_keys <= dealer.n_keys:
        return DONE
    if stride % PAGE == 0:
        stride += LANES
    dealer_free(dealer)
    dealer.n_keys = 0
    dealer.lines = <double*>calloc(DEPTH * stride, sizeof(double))
    dealer.next = <int32_t*>calloc(n_keys, sizeof(int32_t))
    if dealer.lines == NULL or dealer.next == NULL:
        return NO_MEMORY
    for code in range(n_keys):
        dealer.next[code] = <int32_t>code
    dealer.stride = stride
    dealer.n_keys = n_keys
    return DONE


cdef Py_ssize_t deal(
    Dealer* dealer, const double* x, const int32_t* codes, Py_ssize_t n
) noexcept nogil:
    """Deal out values until a key has DEPTH of them; how many were dealt."""
    cdef double* lines = dealer.lines
    cdef int32_t* next = dealer.next
    cdef int32_t at, stride = <int32_t>dealer.stride, full = <int32_t>(DEPTH * dealer.stride)
    cdef Py_ssize_t i
    for i in range(n):
        at = next[codes[i]]
        if at >= full:
            return i
        lines[at] = x[i]
        next[codes[i]] = at + stride
    return n


cdef Py_ssize_t deal_some(
    Dealer* dealer, const double* x, const int32_t* codes, const int32_t* rows, Py_ssize_t n
) noexcept nogil:
    """Do what `deal` does, with the values and codes of some rows."""
    cdef double* lines = dealer.lines
    cdef int32_t* next = dealer.next
    cdef int32_t at, stride = <int32_t>dealer.stride, full = <int32_t>(DEPTH * dealer.stride)
    cdef Py_ssize_t i
    for i in range(n):
        at = next[codes[rows[i]]]
        if at >= full:
            return i
        lines[at] = x[rows[i]]
        next[codes[rows[i]]] = at + stride
    return n


cdef inline void advance_loop(
    const Places* places, bint sums, bint squares, bint low, bint high, const double* lines,
    Py_ssize_t stride, const int64_t* n, Py_ssize_t most, double** records,
) noexcept nogil:
    """Eight records over their lines; the flags are constants where this is inlined."""
    cdef v8 hi, lo, square_hi, square_lo, shift, down, up, x, no = splat(-0.0)
    cdef Py_ssize_t k
    if sums:
        hi = collect8(records, places.sum)
        lo = collect8(records, places.sum + 1)
    if squares:
        square_hi = collect8(records, places.squares)
        square_lo = collect8(records, places.squares + 1)
        shift = collect8(records, places.squares + 2)
    if low:
        down = collect8(records, places.least)
    if high:
        up = collect8(records, places.greatest)
    for k in range(most):
        x = load(lines + k * stride)
        if sums:
            add8(&hi, &lo, where_above(n, k, x, no))
        if squares:
            add_square8(&square_hi, &square_lo, where_above(n, k, x, shift), shift)
        if low:
            down = least(down, where_above(n, k, x, down))
        if high:
            up = greatest(up, where_above(n, k, x, up))
    if sums:
        spread8(records, places.sum, hi)
        spread8(records, places.sum + 1, lo)
    if squares:
        spread8(records, places.squares, square_hi)
        spread8(records, places.squares + 1, square_lo)
    if low:
        spread8(records, places.least, down + splat(0.0))
    if high:
        spread8(records, places.greatest, up + splat(0.0))


cdef inline void extremes_choice(
    const Places* places, bint sums, bint squares, const double* lines, Py_ssize_t stride,
    const int64_t* n, Py_ssize_t most, double** records,
) noexcept nogil:
    """Choose the loop for the extremes that are kept."""
    if places.least >= 0 and places.greatest >= 0:
        advance_loop(places, sums, squares, True, True, lines, stride, n, most, records)
    elif places.least >= 0:
        advance_loop(places, sums, squares, True, False, lines, stride, n, most, records)
    elif places.greatest >= 0:
        advance_loop(places, sums, squares, False, True, lines, stride, n, most, records)
    else:
        advance_loop(places, sums, squares, False, False, lines, stride, n, most, records)


cdef void advance "tg_advance"(
    const Places* places, const double* lines, Py_ssize_t stride, const int64_t* n,
    Py_ssize_t most, double** records,
) noexcept nogil:
    """Take n[j] lines, `most` at most, into all that record j keeps of the column."""
    if places.sum < 0:
        extremes_choice(places, False, False, lines, stride, n, most, records)
    elif places.squares < 0:
        extremes_choice(places, True, False, lines, stride, n, most, records)
    else:
        extremes_choice(places, True, True, lines, stride, n, most, records)


cdef int take_lines(
    Dealer* dealer, const Places* places, Store* store, int32_t place, Word* nobody
) noexcept nogil:
    """Take all that is dealt into the records of a pane."""
    cdef double* records[LANES]
    cdef int64_t[LANES] n
    cdef int32_t[LANES] slots
    cdef int64_t pane = store.pool[place].index
    cdef int32_t code, first, end
    cdef Py_ssize_t most
    cdef int j
    cdef Word* record
    for first in range(0, <int32_t>dealer.n_keys, 8):
        most = 0
        end = min(first + LANES, <int32_t>dealer.n_keys)
        for j in range(LANES):
            n[j] = 0
            code = first + j
            if code < end and dealer.next[code] != code:
                n[j] = (dealer.next[code] - code) // <int32_t>dealer.stride
                most = max(most, n[j])
                dealer.next[code] = code
                slots[j] = store.recent[code].slot
                if store.recent[code].pane != pane:
                    if store_slot(store, place, code, &slots[j]) != DONE:
                        return NO_MEMORY
        if most == 0:
            continue
        for j in range(LANES):
            records[j] = <double*>nobody
            if n[j]:
                record = store.arena.records + slots[j] * store.arena.wide
                records[j] = <double*>record
                if places.counts:
                    record.i += n[j]
                if places.squares >= 0 and isnan(record[places.squares + 2].f):
                    record[places.squares + 2].f = dealer.lines[first + j]
        advance(places, dealer.lines + first, dealer.stride, n, most, records)
    return DONE


cdef int deal_rows(
    Dealer* dealer, const Plan* plan, const Column* columns, int n_columns, Store* store,
    int32_t place, const int32_t* codes, const int32_t* rows, Py_ssize_t base, Py_ssize_t n_rows,
) noexcept nogil:
    """Take a run of tame rows, all of one open pane, into their records.

    `codes` are those of the rows from `base` on; `rows` lists which of these they are, counted from
    there, or is NULL: one after the other. With TOO_MANY_OPEN nothing was taken;
    without memory the state is of no use any more.
    """
    cdef Py_ssize_t i, n_turns = 0
    cdef const double* x
    cdef Places places
    cdef int status = make_room(dealer, store.n_recent)
    if status == DONE:
        status = store_reserve(store, store.n_recent)
    if status != DONE:
        return status
    for c in range(n_columns):
        x = <const double*>columns[c].values + base
        places_of(plan, c, &places)
        places.counts = c == 0
        i = 0
        while i < n_rows:
            if rows == NULL:
                i += deal(dealer, x + i, codes + i, n_rows - i)
            else:
                i += deal_some(dealer, x, codes, rows + i, n_rows - i)
            if take_lines(dealer, &places, store, place, dealer.nobody) != DONE:
                return NO_MEMORY
            n_turns += 1
    if n_rows * n_columns < WORTH * n_turns * <Py_ssize_t>store.n_recent:
        dealer.pause = PAUSE
    return DONE
