"""Rows into records one by one, for plans with keys, where every row may go to another record.

All that is kept of one float column is brought up to date in one pass, so that a record is fetched
once. Values that need care go the way of `push`, with the same bits.
"""

from libc.math cimport fabs
from libc.stdint cimport int32_t, int64_t, uint64_t

from tidegate._kernels.exact cimport exact_push, exact_push_product
from tidegate._kernels.excerpt cimport Excerpt
from tidegate._kernels.fused cimport (
    Places, count_row, float_row, is_fused, number_from, places_of,
)
from tidegate._kernels.lanes cimport prefetch_here
from tidegate._kernels.push cimport floats_of, has_floats, is_plain, push_end, push_row
from tidegate._kernels.records cimport (
    FIRST, FLOAT, LAST, NULLS, ROW_RUNS, ROW_SPAN, ROW_SPANS, SUM_INT, TAME, UNSIGNED, WEIGHTED,
    Acc, Arena, Column, Plan, Word,
)

cdef extern from *:
    """
    #include "lanes.h"
    #include "records.h"
    #undef CYTHON_INLINE
    #define CYTHON_INLINE TG_ALWAYS_INLINE

    #define TG_ROWS const int32_t *, Py_ssize_t, Py_ssize_t, const tg_arena *

    TG_CLONES static Py_ssize_t tg_float_rows(
        const tg_places *, const double *, TG_ROWS);
    TG_CLONES static Py_ssize_t tg_weighted_rows(
        const Py_ssize_t *, const double *, const double *, TG_ROWS);

    /* Two words as one number of 128 bits: what carries from the first is of the second. */
    TG_INLINE void tg_add_wide(tg_word *at, uint64_t low, uint64_t high)
    {
        unsigned __int128 sum = (unsigned __int128)at[1].u << 64 | at[0].u;
        sum += (unsigned __int128)high << 64 | low;
        at[0].u = (uint64_t)sum;
        at[1].u = (uint64_t)(sum >> 64);
    }
    """

    void add_wide "tg_add_wide"(Word*, uint64_t, uint64_t) noexcept nogil


cdef enum:
    AHEAD = 12  # rows whose records are on their way
    FAR = 256   # rows whose values are: blocks are so short that the CPU foresees them late


cdef inline Py_ssize_t float_loop(
    const Places* places, bint counts, bint numbers, bint sums, bint squares, bint low, bint high,
    const double* x, const int32_t* slots, Py_ssize_t i, Py_ssize_t n_rows, const Arena* arena,
) noexcept nogil:
    """Tame rows from i on; the flags are constants where this is inlined. Stops at a wild value."""
    cdef Word* records = arena.records
    cdef Word* record
    cdef int64_t width = arena.wide
    cdef Py_ssize_t ahead
    while i < n_rows:
        if slots[i] >= 0:
            if not fabs(x[i]) < TAME:
                break
            record = records + slots[i] * width
            ahead = i + AHEAD if i + AHEAD < n_rows else i
            prefetch_here(records + slots[ahead] * width)
            prefetch_here(x + i + FAR)
            if counts:
                count_row(places, numbers, i, record)
            float_row(places, sums, squares, low, high, 1, 0, record, x[i])
        i += 1
    return i


cdef inline Py_ssize_t extremes_choice(
    const Places* places, bint counts, bint numbers, bint sums, bint squares, const double* x,
    const int32_t* slots, Py_ssize_t i, Py_ssize_t n_rows, const Arena* arena,
) noexcept nogil:
    """Choose the loop for the extremes that are kept."""
    if places.least >= 0 and places.greatest >= 0:
        return float_loop(
            places, counts, numbers, sums, squares, True, True, x, slots, i, n_rows, arena)
    if places.least >= 0:
        return float_loop(
            places, counts, numbers, sums, squares, True, False, x, slots, i, n_rows, arena)
    if places.greatest >= 0:
        return float_loop(
            places, counts, numbers, sums, squares, False, True, x, slots, i, n_rows, arena)
    return float_loop(
            places, counts, numbers, sums, squares, False, False, x, slots, i, n_rows, arena)


cdef inline Py_ssize_t float_choice(
    const Places* places, bint counts, bint numbers, const double* x, const int32_t* slots,
    Py_ssize_t i, Py_ssize_t n_rows, const Arena* arena,
) noexcept nogil:
    """Choose the loop for the sums that are kept."""
    if places.sum < 0:
        return extremes_choice(
            places, counts, numbers, False, False, x, slots, i, n_rows, arena)
    if places.squares < 0:
        return extremes_choice(
            places, counts, numbers, True, False, x, slots, i, n_rows, arena)
    return extremes_choice(
            places, counts, numbers, True, True, x, slots, i, n_rows, arena)


cdef Py_ssize_t float_rows "tg_float_rows"(
    const Places* places, const double* x, const int32_t* slots, Py_ssize_t i,
    Py_ssize_t n_rows, const Arena* arena,
) noexcept nogil:
    """Tame rows from i on into the accumulators of one float column; where it stopped."""
    if places.counts:
        if places.span >= 0:
            return float_choice(places, True, True, x, slots, i, n_rows, arena)
        return float_choice(places, True, False, x, slots, i, n_rows, arena)
    return float_choice(places, False, False, x, slots, i, n_rows, arena)


cdef Py_ssize_t weighted_rows "tg_weighted_rows"(
    const Py_ssize_t* offset, const double* x, const double* y, const int32_t* slots,
    Py_ssize_t i, Py_ssize_t n_rows, const Arena* arena,
) noexcept nogil:
    """Tame pairs from i on into WEIGHTED; where it stopped."""
    cdef Word* at
    while i < n_rows:
        if slots[i] >= 0:
            if not (fabs(x[i]) < TAME and fabs(y[i]) < TAME):
                break
            at = arena.records + slots[i] * arena.wide + offset[0]
            exact_push_product(&at[0].f, &at[1].f, x[i], y[i])
            exact_push(&at[2].f, &at[3].f, y[i])
        i += 1
    return i


cdef inline void careful_row(
    const Acc* acc, const Column* columns, const int64_t* times, const int32_t* slots,
    Py_ssize_t base, Py_ssize_t i, const Arena* arena,
) noexcept nogil:
    """One row into one accumulator of its record."""
    if slots[i] >= 0:
        push_row(acc, columns, base + i, times[base + i], 1, 0,
                 arena.records + slots[i] * arena.wide + acc.wide,
                 arena.colds + slots[i] * arena.cold + acc.rare)


cdef void careful_rows(
    const Acc* acc, const Column* columns, const int64_t* times, const int32_t* slots,
    Py_ssize_t base, Py_ssize_t n_rows, const Arena* arena,
) noexcept nogil:
    """Any accumulator row by row, nulls and all."""
    cdef Py_ssize_t i
    for i in range(n_rows):
        careful_row(acc, columns, times, slots, base, i, arena)


cdef void end_rows(
    const Acc* acc, const Column* column, const int64_t* times, const int32_t* slots,
    Py_ssize_t base, Py_ssize_t n_rows, const Arena* arena,
) noexcept nogil:
    """FIRST or LAST of a column without nulls."""
    cdef Py_ssize_t i
    cdef bint first = acc.kind == FIRST
    for i in range(n_rows):
        if slots[i] >= 0:
            push_end(arena.records + slots[i] * arena.wide + acc.wide, column, base + i,
                     times[base + i], first)


cdef void sum_int_rows(
    const Acc* acc, const Column* column, const int32_t* slots, Py_ssize_t base,
    Py_ssize_t n_rows, const Arena* arena,
) noexcept nogil:
    """SUM_INT of a column without nulls."""
    cdef const uint64_t* x = <const uint64_t*>column.values + base
    cdef Word* sums = arena.records + acc.wide
    cdef int64_t width = arena.wide, sign = 0 if column.numeric == UNSIGNED else -1
    cdef Py_ssize_t i
    for i in range(n_rows):
        prefetch_here(x + i + FAR)
        if slots[i] >= 0:
            add_wide(sums + slots[i] * width, x[i], <uint64_t>(<int64_t>x[i] >> 63 & sign))


cdef void count_rows(
    const Places* places, const int32_t* slots, Py_ssize_t first, Py_ssize_t end,
    const Arena* arena
) noexcept nogil:
    """ROWS, the first word of every record, and ROW_SPAN."""
    cdef bint numbers = places.span >= 0
    cdef Py_ssize_t i
    for i in range(first, end):
        if i + AHEAD < end and slots[i + AHEAD] >= 0:
            prefetch_here(arena.records + slots[i + AHEAD] * arena.wide)
        if slots[i] >= 0:
            count_row(places, numbers, i, arena.records + slots[i] * arena.wide)


cdef bint float_column(
    const Plan* plan, int column, const Places* counting, const Column* columns,
    const int64_t* times, const int32_t* slots, Py_ssize_t base, Py_ssize_t n_rows,
    const Arena* arena,
) noexcept nogil:
    """All that is kept of one float column without nulls, in one pass; False where nothing is.

    Counts the rows on the way, where `counting` is not NULL: a record is fetched once.
    """
    cdef Places places
    cdef const double* x = <const double*>columns[column].values + base
    cdef Py_ssize_t i = 0
    if not places_of(plan, column, &places):
        return False
    places.counts = counting != NULL
    if places.counts:
        places.span = counting.span
        places.first_row = counting.first_row
        places.rows = counting.rows
    while True:
        i = float_rows(&places, x, slots, i, n_rows, arena)
        if i == n_rows:
            return True
        if places.counts:
            count_rows(&places, slots, i, i + 1, arena)
        for a in range(plan.n_accs):
            if plan.accs[a].column == column and is_fused(&plan.accs[a], columns):
                careful_row(&plan.accs[a], columns, times, slots, base, i, arena)
        i += 1


cdef void weighted_column(
    const Acc* acc, const Column* columns, const int64_t* times, const int32_t* slots,
    Py_ssize_t base, Py_ssize_t n_rows, const Arena* arena,
) noexcept nogil:
    """WEIGHTED of two columns without nulls."""
    cdef const double* x = floats_of(&columns[acc.column], base)
    cdef const double* y = floats_of(&columns[acc.weight], base)
    cdef Py_ssize_t i = 0, offset = acc.wide
    while True:
        i = weighted_rows(&offset, x, y, slots, i, n_rows, arena)
        if i == n_rows:
            return
        careful_row(acc, columns, times, slots, base, i, arena)
        i += 1


cdef void reduce(
    const Plan* plan, const Places* counting, const Column* columns, int n_columns,
    const int64_t* times, const int32_t* slots, Py_ssize_t base, Py_ssize_t n_rows,
    const Arena* arena,
) noexcept nogil:
    """Do what `reduce_rows` does; `counting` says how rows are counted."""
    cdef const Acc* acc
    cdef const Column* column
    cdef bint plain, counted = False
    cdef int c, a
    for c in range(n_columns):
        if is_plain(&columns[c]) and columns[c].numeric == FLOAT:
            if float_column(plan, c, NULL if counted else counting, columns, times, slots, base,
                            n_rows, arena):
                counted = True
    if not counted:
        count_rows(counting, slots, 0, n_rows, arena)
    for a in range(1, plan.n_accs):
        acc = &plan.accs[a]
        if acc.kind == ROW_SPAN or acc.kind == ROW_SPANS:
            continue  # with the count, or told by `bars`
        if acc.kind == ROW_RUNS:
            careful_rows(acc, columns, times, slots, base, n_rows, arena)
            continue
        column = &columns[acc.column]
        plain = is_plain(column) and (acc.weight < 0 or is_plain(&columns[acc.weight]))
        if plain and (acc.kind == NULLS or is_fused(acc, columns)):
            continue
        if plain and (acc.kind == FIRST or acc.kind == LAST):
            end_rows(acc, column, times, slots, base, n_rows, arena)
        elif plain and acc.kind == SUM_INT:
            sum_int_rows(acc, column, slots, base, n_rows, arena)
        elif plain and acc.kind == WEIGHTED and has_floats(column) and (
                has_floats(&columns[acc.weight])):
            weighted_column(acc, columns, times, slots, base, n_rows, arena)
        else:
            careful_rows(acc, columns, times, slots, base, n_rows, arena)


cdef void reduce_rows(
    const Plan* plan, const Column* columns, int n_columns, const int64_t* times,
    const int32_t* slots, Py_ssize_t base, Py_ssize_t n_rows, const Arena* arena,
) noexcept nogil:
    """Take `n_rows` rows from `base` on into the records `slots` (-1: none) of a keyed plan."""
    cdef Places counting
    if plan.rows == NULL:
        number_from(plan, base, NULL, &counting)
    else:
        number_from(plan, 0, plan.rows + base, &counting)
    reduce(plan, &counting, columns, n_columns, times, slots, base, n_rows, arena)


cdef void reduce_excerpt(
    const Plan* plan, const Excerpt* excerpt, const int32_t* slots, Py_ssize_t base,
    Py_ssize_t n_rows, const Arena* arena,
) noexcept nogil:
    """Take the rows of an excerpt of the block that begins at `base`, likewise."""
    cdef Places counting
    number_from(plan, base, excerpt.rows, &counting)
    reduce(plan, &counting, excerpt.columns, excerpt.n_columns, excerpt.times, slots, 0, n_rows,
           arena)
