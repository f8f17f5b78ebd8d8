"""Runs of rows into records, for plans without keys.

A run is a slice of rows of one pane, and the lanes are vector registers. There is a vector path
for tame values and a careful one, row by row, for nulls, NaN, infinities and wild values; both
give the same bits, so that which one was taken never shows.
"""

from libc.math cimport fabs, isnan
from libc.stdint cimport INT64_MIN, int64_t

from tidegate._kernels.fused cimport Places, float_row, is_fused, places_of
from tidegate._kernels.kept cimport kept_extend
from tidegate._kernels.lanes cimport (
    add8, add_halves, add_product8, add_square8, greatest, greatest_of, least, least_of, load,
    load_part, prefetch_of, see_wild, seen, splat, store8, v8, wide_hi, wide_lo, wide_of, wide_t,
)
from tidegate._kernels.moment_runs cimport push_moments
from tidegate._kernels.push cimport floats_of, has_floats, has_value, is_plain, push_end, push_row
from tidegate._kernels.records cimport (
    FIRST, FLOAT, KEPT, KEPT_TIMES, LANES, LAST, LEAST_INT, NULLS, PAIRS, POWERS, ROWS, ROW_RUNS,
    SQUARES_INT, SUM_INT, TAME, UNSIGNED, WEIGHTED, Acc, Arena, Column, Plan, Run, Word,
)
from tidegate._kernels.rowruns cimport in_turn, number_of_row, numbers_of, runs_push

cdef extern from *:
    """
    #include "lanes.h"
    #include "records.h"
    #undef CYTHON_INLINE
    #define CYTHON_INLINE TG_ALWAYS_INLINE

    #define TG_RUNS const tg_acc *, const tg_column *, const tg_run *, Py_ssize_t, Py_ssize_t, \
        Py_ssize_t, const tg_arena *

    TG_CLONES static Py_ssize_t tg_float_run(
        const tg_places *, const double *, const tg_run *, Py_ssize_t, Py_ssize_t, tg_word *);
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


cdef inline Py_ssize_t float_loop(
    const Places* places, bint sums, bint squares, bint extremes, const double* x,
    const Run* run, Py_ssize_t i, Py_ssize_t room, Word* record,
) noexcept nogil:
    """Tame rows of a run from i on; the flags are constants where this is inlined.

    Stops at a wild value among the rows before the first of lane 0, and at that first row where
    there is one anywhere after.
    """
    cdef Word* sum_at = record + places.sum if sums else NULL
    cdef Word* squares_at = record + places.squares if squares else NULL
    cdef Py_ssize_t head = head_of(run)
    cdef double first = 0.0
    cdef v8 hi, lo, hi2, lo2, shift, low, high, wild = splat(0.0), v
    while i < head:
        if not fabs(x[i]) < TAME:
            return i
        float_row(places, sums, squares, extremes and places.least >= 0,
                  extremes and places.greatest >= 0, LANES,
                  (run.lane + <int>(i - run.begin)) % LANES, record, x[i])
        i += 1
    if i >= run.end:
        return i
    if sums:
        hi = load(&sum_at[0].f)
        lo = load(&sum_at[LANES].f)
    if squares:
        first = squares_at[2 * LANES].f
        if isnan(first):
            first = x[i]
        shift = splat(first)
        hi2 = load(&squares_at[0].f)
        lo2 = load(&squares_at[LANES].f)
    if extremes:
        low = high = splat(x[i])
    while i + LANES <= run.end:
        v = load(x + i)
        prefetch_of(x + i, run.near)
        wild = see_wild(wild, v)
        if sums:
            add8(&hi, &lo, v)
        if squares:
            add_square8(&hi2, &lo2, v, shift)
        if extremes:
            low = least(low, v)
            high = greatest(high, v)
        i += LANES
    if i < run.end:
        v = load_part(x + i, run.end - i, room - i, -0.0)
        wild = see_wild(wild, v)
        if sums:
            add8(&hi, &lo, v)
        if squares:  # a distance of 0 adds 0
            add_square8(&hi2, &lo2, load_part(x + i, run.end - i, room - i, first), shift)
        if extremes:
            v = load_part(x + i, run.end - i, room - i, x[i])
            low = least(low, v)
            high = greatest(high, v)
    if seen(wild):
        return head
    if sums:
        store8(&sum_at[0].f, hi)
        store8(&sum_at[LANES].f, lo)
    if squares:
        squares_at[2 * LANES].f = first
        store8(&squares_at[0].f, hi2)
        store8(&squares_at[LANES].f, lo2)
    if extremes and places.least >= 0:
        record[places.least].f = min(record[places.least].f, least_of(low) + 0.0)
    if extremes and places.greatest >= 0:
        record[places.greatest].f = max(record[places.greatest].f, greatest_of(high) + 0.0)
    return run.end


cdef Py_ssize_t float_run "tg_float_run"(
    const Places* places, const double* x, const Run* run, Py_ssize_t i, Py_ssize_t room,
    Word* record,
) noexcept nogil:
    """Tame rows of a run from i on into all that is kept of one float column; where it stopped."""
    cdef bint extremes = places.least >= 0 or places.greatest >= 0
    if places.sum < 0:
        return float_loop(places, False, False, True, x, run, i, room, record)
    if places.squares < 0 and extremes:
        return float_loop(places, True, False, True, x, run, i, room, record)
    if places.squares < 0:
        return float_loop(places, True, False, False, x, run, i, room, record)
    if extremes:
        return float_loop(places, True, True, True, x, run, i, room, record)
    return float_loop(places, True, True, False, x, run, i, room, record)


cdef void float_runs(
    const Plan* plan, int column, const Column* columns, const Run* runs, Py_ssize_t n_runs,
    Py_ssize_t base, Py_ssize_t n_rows, const Arena* arena,
) noexcept nogil:
    """All that is kept of one float column without nulls, in one pass."""
    cdef const double* x = <const double*>columns[column].values + base
    cdef const Run* run
    cdef Places places
    cdef Py_ssize_t r, i, begin
    if not places_of(plan, column, &places):
        return
    for r in range(n_runs):
        run = &runs[r]
        i = run.begin
        while i < run.end:
            i = float_run(&places, x, run, i, n_rows - base,
                          arena.records + run.slot * arena.wide)
            if i == run.end:
                break
            begin = i
            i = i + 1 if i < head_of(run) else run.end
            for a in range(plan.n_accs):
                if plan.accs[a].column == column and is_fused(&plan.accs[a], columns):
                    careful_run(&plan.accs[a], columns, NULL, run, base, begin, i, arena)


cdef void weighted_runs "tg_weighted_runs"(
    const Acc* acc, const Column* columns, const Run* runs, Py_ssize_t n_runs, Py_ssize_t base,
    Py_ssize_t n_rows, const Arena* arena,
) noexcept nogil:
    """WEIGHTED over runs of two columns without nulls."""
    cdef const double* x = floats_of(&columns[acc.column], base)
    cdef const double* y = floats_of(&columns[acc.weight], base)
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
            prefetch_of(x + i, run.near)
            prefetch_of(y + i, run.near)
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
    cdef Py_ssize_t r
    cdef int64_t high, low
    cdef const Run* run
    cdef wide_t total
    cdef Word* at
    for r in range(n_runs):
        run = &runs[r]
        at = arena.records + run.slot * arena.wide + acc.wide
        high = low = 0
        add_halves(x + run.begin, run.end - run.begin, bias, run.near, &high, &low)
        total = wide_of(at[0].u, at[1].i) + (<wide_t>high) * (<int64_t>1 << 32) + low
        total = total - <wide_t>bias * (run.end - run.begin)
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


cdef void kept_runs(
    const Acc* acc, const Column* columns, const int64_t* times, const Run* runs,
    Py_ssize_t n_runs, Py_ssize_t base, const Arena* arena,
) noexcept nogil:
    """KEPT or KEPT_TIMES over runs of a column without nulls."""
    cdef const Word* words = <const Word*>columns[acc.column].values
    cdef Py_ssize_t r
    if acc.kind == KEPT_TIMES:
        words = <const Word*>times
    for r in range(n_runs):
        kept_extend(acc, arena.records + runs[r].slot * arena.wide + acc.wide,
                    words + base + runs[r].begin, runs[r].end - runs[r].begin)


cdef void moment_runs(
    const Acc* acc, const Column* columns, const int64_t* times, const Run* runs,
    Py_ssize_t n_runs, Py_ssize_t base, Py_ssize_t n_rows, const Arena* arena,
) noexcept nogil:
    """PAIRS or POWERS over runs of columns without nulls."""
    cdef const Run* run
    cdef Py_ssize_t r
    for r in range(n_runs):
        run = &runs[r]
        push_moments(acc, columns, times, base + run.begin, base + run.end, n_rows, run.lane,
                     arena.records + run.slot * arena.wide + acc.wide,
                     arena.colds + run.slot * arena.cold + acc.rare)


cdef inline bint no_nulls(const Acc* acc, const Column* columns) noexcept nogil:
    """Whether every row has all values that an accumulator takes."""
    return is_plain(&columns[acc.column]) and (
        acc.weight < 0 or is_plain(&columns[acc.weight]))


cdef void number_run(
    const Acc* acc, const Column* columns, Py_ssize_t begin, Py_ssize_t end, Word* at
) noexcept nogil:
    """ROW_RUNS of rows [begin, end)."""
    cdef const int64_t* numbers = numbers_of(acc, columns)
    cdef int64_t number = number_of_row(acc, numbers, begin)
    cdef Py_ssize_t i
    if numbers == NULL or in_turn(numbers + begin, end - begin):
        runs_push(acc, at, number, number + end - begin)
        return
    for i in range(begin, end):
        number = number_of_row(acc, numbers, i)
        runs_push(acc, at, number, number + 1)


cdef void reduce_runs(
    const Plan* plan, const Column* columns, int n_columns, const int64_t* times,
    const Run* runs, Py_ssize_t n_runs, Py_ssize_t base, Py_ssize_t n_rows, const Arena* arena,
) noexcept nogil:
    """Take the rows of runs into the records of an unkeyed plan.

    Rows are counted from `base`; columns and times hold `n_rows` from the start of the batch.
    """
    cdef Py_ssize_t r
    cdef const Acc* acc
    cdef bint plain
    for c in range(n_columns):
        if columns[c].valid == NULL and columns[c].numeric == FLOAT:
            float_runs(plan, c, columns, runs, n_runs, base, n_rows, arena)
    for a in range(plan.n_accs):
        acc = &plan.accs[a]
        if acc.kind == ROWS:
            continue  # counted where the runs are found: the lane depends on it
        if acc.kind == ROW_RUNS:
            for r in range(n_runs):
                number_run(acc, columns, base + runs[r].begin, base + runs[r].end,
                           arena.records + runs[r].slot * arena.wide + acc.wide)
            continue
        plain = columns[acc.column].valid == NULL
        if acc.weight >= 0:
            plain = (plain and columns[acc.weight].valid == NULL
                     and has_floats(&columns[acc.column]) and has_floats(&columns[acc.weight]))
        if acc.kind == FIRST or acc.kind == LAST:
            end_runs(acc, columns, times, runs, n_runs, base, arena)
        elif acc.kind == NULLS and plain and not columns[acc.column].skip_nan:
            continue
        elif no_nulls(acc, columns) and (acc.kind == KEPT or acc.kind == KEPT_TIMES):
            kept_runs(acc, columns, times, runs, n_runs, base, arena)
        elif no_nulls(acc, columns) and (acc.kind == PAIRS or acc.kind == POWERS):
            moment_runs(acc, columns, times, runs, n_runs, base, n_rows, arena)
        elif not plain or acc.kind == NULLS or acc.kind == SQUARES_INT or (
                acc.kind > WEIGHTED):
            for r in range(n_runs):
                careful_run(acc, columns, times, &runs[r], base, runs[r].begin, runs[r].end, arena)
        elif is_fused(acc, columns):
            continue  # with the others of its column
        elif acc.kind == WEIGHTED:
            weighted_runs(acc, columns, runs, n_runs, base, n_rows, arena)
        elif acc.kind == SUM_INT:
            sum_int_runs(acc, columns, runs, n_runs, base, n_rows, arena)
        else:
            extreme_int_runs(acc, columns, runs, n_runs, base, n_rows, arena)
