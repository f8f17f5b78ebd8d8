"""Runs of rows into records, for plans without keys.

A run is a slice of rows of one pane, and the lanes are vector registers. There is a vector path
for tame values and a careful one, row by row, for nulls, NaN, infinities and wild values; both
give the same bits, so that which one was taken never shows.
"""

from libc.math cimport isnan
from libc.stdint cimport INT64_MIN, int64_t

from tidegate._kernels.lanes cimport (
    add8, add_product8, add_square8, greatest, greatest_of, least, least_of, load, load_part,
    prefetch, see_odd, see_wild, seen, splat, store8, v8, wide_hi, wide_lo, wide_of, wide_t,
)
from tidegate._kernels.push cimport has_value, push_end, push_row
from tidegate._kernels.records cimport (
    FIRST, FLOAT, GREATEST, LANES, LAST, LEAST, LEAST_INT, NULLS, ROWS, SQUARES, SQUARES_INT, SUM,
    SUM_INT, UNSIGNED, WEIGHTED, Acc, Arena, Column, Plan, Run, Word,
)

cdef extern from *:
    """
    #include "lanes.h"
    #include "records.h"
    #undef CYTHON_INLINE
    #define CYTHON_INLINE TG_ALWAYS_INLINE

    #define TG_RUNS const tg_acc *, const tg_column *, const tg_run *, Py_ssize_t, Py_ssize_t, \
        Py_ssize_t, const tg_arena *

    TG_CLONES static void tg_sum_runs(TG_RUNS);
    TG_CLONES static void tg_squares_runs(TG_RUNS);
    TG_CLONES static void tg_extreme_runs(TG_RUNS);
    TG_CLONES static void tg_weighted_runs(TG_RUNS);
    TG_CLONES static void tg_sum_int_runs(TG_RUNS);
    TG_CLONES static void tg_extreme_int_runs(TG_RUNS);
    """


cdef inline void careful_run(
    const Acc* acc, const Column* columns, const int64_t* times, const Run* run,
    Py_ssize_t base, Py_ssize_t begin, Py_ssize_t end, const Arena* arena,
) noexcept nogil:
    """Rows [begin, end) of a run one by one."""
    cdef Word* at = arena.records + run.slot * arena.wide + acc.wide
    cdef Word* rare = arena.colds + run.slot * arena.cold + acc.rare
    cdef Py_ssize_t i
    for i in range(begin, end):
        push_row(acc, columns, base + i, times[base + i] if times != NULL else 0, LANES,
                 (run.lane + <int>(i - run.begin)) % LANES, at, rare)


cdef inline Py_ssize_t head_of(const Run* run) noexcept nogil:
    """Where in a run the first row of lane 0 stands; runs of a few rows have none."""
    cdef Py_ssize_t head = run.begin + (LANES - run.lane) % LANES
    return run.end if head > run.end or run.end - run.begin < 3 else head


cdef void sum_runs "tg_sum_runs"(
    const Acc* acc, const Column* columns, const Run* runs, Py_ssize_t n_runs, Py_ssize_t base,
    Py_ssize_t n_rows, const Arena* arena,
) noexcept nogil:
    """SUM over runs of a float column without nulls."""
    cdef const double* x = <const double*>columns[acc.column].values + base
    cdef Py_ssize_t r, i, head, room = n_rows - base
    cdef const Run* run
    cdef Word* at
    cdef v8 hi, lo, v, wild
    for r in range(n_runs):
        run = &runs[r]
        at = arena.records + run.slot * arena.wide + acc.wide
        head = head_of(run)
        careful_run(acc, columns, NULL, run, base, run.begin, head, arena)
        hi = load(&at[0].f)
        lo = load(&at[LANES].f)
        wild = splat(0.0)
        i = head
        while i + LANES <= run.end:
            v = load(x + i)
            prefetch(x + i)
            wild = see_wild(wild, v)
            add8(&hi, &lo, v)
            i += LANES
        if i < run.end:
            v = load_part(x + i, run.end - i, room - i, -0.0)
            wild = see_wild(wild, v)
            add8(&hi, &lo, v)
        if seen(wild):
            careful_run(acc, columns, NULL, run, base, head, run.end, arena)
        else:
            store8(&at[0].f, hi)
            store8(&at[LANES].f, lo)


cdef void squares_runs "tg_squares_runs"(
    const Acc* acc, const Column* columns, const Run* runs, Py_ssize_t n_runs, Py_ssize_t base,
    Py_ssize_t n_rows, const Arena* arena,
) noexcept nogil:
    """SQUARES over runs of a float column without nulls."""
    cdef const double* x = <const double*>columns[acc.column].values + base
    cdef Py_ssize_t r, i, head, room = n_rows - base
    cdef const Run* run
    cdef Word* at
    cdef double first
    cdef v8 hi, lo, v, shift, wild
    for r in range(n_runs):
        run = &runs[r]
        at = arena.records + run.slot * arena.wide + acc.wide
        head = head_of(run)
        careful_run(acc, columns, NULL, run, base, run.begin, head, arena)
        if head == run.end:
            continue
        first = at[2 * LANES].f
        if isnan(first):
            first = x[head]
        shift = splat(first)
        hi = load(&at[0].f)
        lo = load(&at[LANES].f)
        wild = splat(0.0)
        i = head
        while i + LANES <= run.end:
            v = load(x + i)
            prefetch(x + i)
            wild = see_wild(wild, v)
            add_square8(&hi, &lo, v, shift)
            i += LANES
        if i < run.end:
            v = load_part(x + i, run.end - i, room - i, first)  # a distance of 0 adds 0
            wild = see_wild(wild, v)
            add_square8(&hi, &lo, v, shift)
        if seen(wild):
            careful_run(acc, columns, NULL, run, base, head, run.end, arena)
        else:
            at[2 * LANES].f = first
            store8(&at[0].f, hi)
            store8(&at[LANES].f, lo)


cdef inline bint extreme_short(Word* at, const double* x, const Run* run, bint low) noexcept nogil:
    """LEAST or GREATEST over a few rows; False, and nothing done, where one is NaN."""
    cdef double kept = at[0].f
    cdef Py_ssize_t i
    cdef bint odd = False
    if low:
        for i in range(run.begin, run.end):
            kept = x[i] if x[i] < kept else kept
            odd |= x[i] != x[i]
    else:
        for i in range(run.begin, run.end):
            kept = x[i] if x[i] > kept else kept
            odd |= x[i] != x[i]
    if odd:
        return False
    at[0].f = kept + 0.0
    return True


cdef void extreme_runs "tg_extreme_runs"(
    const Acc* acc, const Column* columns, const Run* runs, Py_ssize_t n_runs, Py_ssize_t base,
    Py_ssize_t n_rows, const Arena* arena,
) noexcept nogil:
    """LEAST or GREATEST over runs of a float column without nulls."""
    cdef const double* x = <const double*>columns[acc.column].values + base
    cdef Py_ssize_t r, i, room = n_rows - base
    cdef bint low = acc.kind == LEAST
    cdef const Run* run
    cdef Word* at
    cdef v8 kept, v, odd
    for r in range(n_runs):
        run = &runs[r]
        at = arena.records + run.slot * arena.wide + acc.wide
        if run.end - run.begin <= 2 * LANES:
            if not extreme_short(at, x, run, low):
                careful_run(acc, columns, NULL, run, base, run.begin, run.end, arena)
            continue
        kept = splat(at[0].f)
        odd = splat(0.0)
        i = run.begin
        if low:
            while i + LANES <= run.end:
                v = load(x + i)
                prefetch(x + i)
                odd = see_odd(odd, v)
                kept = least(kept, v)
                i += LANES
        else:
            while i + LANES <= run.end:
                v = load(x + i)
                prefetch(x + i)
                odd = see_odd(odd, v)
                kept = greatest(kept, v)
                i += LANES
        if i < run.end:
            v = load_part(x + i, run.end - i, room - i, x[i])
            odd = see_odd(odd, v)
            kept = least(kept, v) if low else greatest(kept, v)
        if seen(odd):
            careful_run(acc, columns, NULL, run, base, run.begin, run.end, arena)
        else:
            at[0].f = (least_of(kept) if low else greatest_of(kept)) + 0.0


cdef void weighted_runs "tg_weighted_runs"(
    const Acc* acc, const Column* columns, const Run* runs, Py_ssize_t n_runs, Py_ssize_t base,
    Py_ssize_t n_rows, const Arena* arena,
) noexcept nogil:
    """WEIGHTED over runs of two float columns without nulls."""
    cdef const double* x = <const double*>columns[acc.column].values + base
    cdef const double* y = <const double*>columns[acc.weight].values + base
    cdef Py_ssize_t r, i, head, room = n_rows - base
    cdef const Run* run
    cdef Word* at
    cdef v8 hi, lo, sum_hi, sum_lo, v, w, wild
    for r in range(n_runs):
        run = &runs[r]
        at = arena.records + run.slot * arena.wide + acc.wide
        head = head_of(run)
        careful_run(acc, columns, NULL, run, base, run.begin, head, arena)
        hi = load(&at[0].f)
        lo = load(&at[LANES].f)
        sum_hi = load(&at[2 * LANES].f)
        sum_lo = load(&at[3 * LANES].f)
        wild = splat(0.0)
        i = head
        while i + LANES <= run.end:
            v = load(x + i)
            w = load(y + i)
            prefetch(x + i)
            prefetch(y + i)
            wild = see_wild(see_wild(wild, v), w)
            add_product8(&hi, &lo, v, w)
            add8(&sum_hi, &sum_lo, w)
            i += LANES
        if i < run.end:
            v = load_part(x + i, run.end - i, room - i, 0.0)
            w = load_part(y + i, run.end - i, room - i, -0.0)
            wild = see_wild(see_wild(wild, v), w)
            add_product8(&hi, &lo, v, w)
            add8(&sum_hi, &sum_lo, w)
        if seen(wild):
            careful_run(acc, columns, NULL, run, base, head, run.end, arena)
        else:
            store8(&at[0].f, hi)
            store8(&at[LANES].f, lo)
            store8(&at[2 * LANES].f, sum_hi)
            store8(&at[3 * LANES].f, sum_lo)


cdef void sum_int_runs "tg_sum_int_runs"(
    const Acc* acc, const Column* columns, const Run* runs, Py_ssize_t n_runs, Py_ssize_t base,
    Py_ssize_t n_rows, const Arena* arena,
) noexcept nogil:
    """SUM_INT over runs of a column without nulls: halves of 32 bits can't overflow in a block."""
    cdef const int64_t* x = <const int64_t*>columns[acc.column].values + base
    cdef int64_t bias = INT64_MIN if columns[acc.column].numeric == UNSIGNED else 0
    cdef Py_ssize_t r, i
    cdef int64_t high, low, v
    cdef wide_t total
    cdef Word* at
    for r in range(n_runs):
        at = arena.records + runs[r].slot * arena.wide + acc.wide
        high = low = 0
        for i in range(runs[r].begin, runs[r].end):
            v = x[i] ^ bias
            low += v & <int64_t>0xFFFFFFFF
            high += v >> 32
        total = wide_of(at[0].u, at[1].i) + (<wide_t>high) * (<int64_t>1 << 32) + low
        total = total - <wide_t>bias * (runs[r].end - runs[r].begin)
        at[0].u = wide_lo(total)
        at[1].i = wide_hi(total)


cdef void extreme_int_runs "tg_extreme_int_runs"(
    const Acc* acc, const Column* columns, const Run* runs, Py_ssize_t n_runs, Py_ssize_t base,
    Py_ssize_t n_rows, const Arena* arena,
) noexcept nogil:
    """LEAST_INT or GREATEST_INT over runs of a column without nulls."""
    cdef const int64_t* x = <const int64_t*>columns[acc.column].values + base
    cdef int64_t bias = INT64_MIN if columns[acc.column].numeric == UNSIGNED else 0
    cdef Py_ssize_t r, i
    cdef int64_t kept, v
    cdef Word* at
    for r in range(n_runs):
        at = arena.records + runs[r].slot * arena.wide + acc.wide
        kept = at.i
        if acc.kind == LEAST_INT:
            for i in range(runs[r].begin, runs[r].end):
                v = x[i] ^ bias
                kept = v if v < kept else kept
        else:
            for i in range(runs[r].begin, runs[r].end):
                v = x[i] ^ bias
                kept = v if v > kept else kept
        at.i = kept


cdef void end_runs(
    const Acc* acc, const Column* columns, const int64_t* times, const Run* runs,
    Py_ssize_t n_runs, Py_ssize_t base, const Arena* arena,
) noexcept nogil:
    """FIRST or LAST over runs: where times do not fall, only one row of a run can count."""
    cdef const Column* column = &columns[acc.column]
    cdef const Run* run
    cdef Word* at
    cdef Py_ssize_t r, row
    for r in range(n_runs):
        run = &runs[r]
        at = arena.records + run.slot * arena.wide + acc.wide
        row = base + (run.begin if acc.kind == FIRST else run.end - 1)
        if run.ordered and has_value(column, row):
            push_end(at, column, row, times[row], acc.kind == FIRST)
        else:
            careful_run(acc, columns, times, run, base, run.begin, run.end, arena)


cdef void reduce_runs(
    const Plan* plan, const Column* columns, const int64_t* times, const Run* runs,
    Py_ssize_t n_runs, Py_ssize_t base, Py_ssize_t n_rows, const Arena* arena,
) noexcept nogil:
    """Take the rows of runs into the records of an unkeyed plan.

    Rows are counted from `base`; columns and times hold `n_rows` from the start of the batch.
    """
    cdef Py_ssize_t r
    cdef const Acc* acc
    cdef bint plain
    for a in range(plan.n_accs):
        acc = &plan.accs[a]
        if acc.kind == ROWS:
            continue  # counted where the runs are found: the lane depends on it
        plain = columns[acc.column].valid == NULL
        if acc.weight >= 0:
            plain = (plain and columns[acc.weight].valid == NULL
                     and columns[acc.column].numeric == FLOAT
                     and columns[acc.weight].numeric == FLOAT)
        if acc.kind == FIRST or acc.kind == LAST:
            end_runs(acc, columns, times, runs, n_runs, base, arena)
        elif acc.kind == NULLS and plain and not columns[acc.column].skip_nan:
            continue
        elif not plain or acc.kind == NULLS or acc.kind == SQUARES_INT:
            for r in range(n_runs):
                careful_run(acc, columns, times, &runs[r], base, runs[r].begin, runs[r].end, arena)
        elif acc.kind == SUM:
            sum_runs(acc, columns, runs, n_runs, base, n_rows, arena)
        elif acc.kind == SQUARES:
            squares_runs(acc, columns, runs, n_runs, base, n_rows, arena)
        elif acc.kind == LEAST or acc.kind == GREATEST:
            extreme_runs(acc, columns, runs, n_runs, base, n_rows, arena)
        elif acc.kind == WEIGHTED:
            weighted_runs(acc, columns, runs, n_runs, base, n_rows, arena)
        elif acc.kind == SUM_INT:
            sum_int_runs(acc, columns, runs, n_runs, base, n_rows, arena)
        else:
            extreme_int_runs(acc, columns, runs, n_runs, base, n_rows, arena)
