"""Windows that begin and end within a block of rows.

In a one-shot run whose rows are in order, most short windows are a slice of one block: all of
their rows are there, and none will come. Such a window needs no record in the store: it is read
straight off its rows, with the same lanes and the same tree, and so with the same bits.

A block is looked at once, column by column, on its way from the bus: where no value needs care
(`calm`), the loops over windows have nothing to check.
"""

from libc.stdint cimport INT64_MIN, int64_t, uint8_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

from tidegate._kernels.kept cimport RANGE_AT, RANGE_N, VALUES_AT, VALUES_N
from tidegate._kernels.moment_runs cimport push_moments
from tidegate._kernels.output cimport Results, results_read_one, results_room
from tidegate._kernels.lanes cimport (
    add8, add_product8, add_square8, all_small, all_tame, fold_lanes, greatest, greatest_of, least,
    least_of, load, load_pair, load_part, prefetch, see_odd, seen, splat, store8, v8,
)
from tidegate._kernels.push cimport floats_of, has_floats, push_row
from tidegate._kernels.records cimport (
    DONE, FIRST, FLOAT, GREATEST, KEPT, KEPT_TIMES, LANES, LAST, LEAST, LEAST_INT,
    NO_MEMORY, NULLS, OF_EXTREME, OF_ROWS, OF_SUM, OF_WORD, PAIRS, POWERS, ROWS, SQUARES,
    SQUARES_INT, SUM, SUM_INT, UNSIGNED, WEIGHTED, Acc, Column, Output, Plan, Run, Word,
)
from tidegate._kernels.folds cimport fold_acc

cdef extern from *:
    """
    #include "lanes.h"
    #include "records.h"
    #include "whole.h"
    #undef CYTHON_INLINE
    #define CYTHON_INLINE TG_ALWAYS_INLINE

    TG_CLONES static int tg_is_calm(const tg_column *, Py_ssize_t, Py_ssize_t);
    TG_CLONES static int tg_read_simple(
        const tg_acc *, const tg_slices *, int64_t, int, tg_word *, Py_ssize_t, tg_word *);
    TG_CLONES static void tg_fold_sums(
        const tg_acc *, const tg_slices *, tg_word *, Py_ssize_t);
    """
    ctypedef unsigned long long w8 "tg_w8"  # eight of them
    w8 none_large "tg_none_large"() nogil
    int64_t sum_few "tg_sum_few"(const int64_t*, int64_t, bint, w8*) nogil
    int64_t sum_many "tg_sum_many"(const int64_t*, int64_t, bint, w8*) nogil
    bint is_large "tg_is_large"(w8) nogil

cdef enum:
    WHOLES = 256  # windows read at a time: they stay in the nearest cache
    FEW = 16      # rows that two vectors hold
    TRUSTED = 2   # a column is taken to be calm until a result tells that it is not
    SHORT = 64    # rows of a window, on average, up to which columns are looked at first


cdef extern from "records.h" nogil:
    ctypedef struct Slices "tg_slices":
        const Word* x          # the column, from the first row of the block on
        const Word* y          # WEIGHTED: the weights
        int64_t bias           # that makes unsigned integers sort as signed ones
        const int64_t* times
        const Run* runs
        Py_ssize_t n
        Py_ssize_t room        # rows that can be read


cdef inline Slices slices_of(
    const Acc* acc, const Column* columns, const Slices* all, Py_ssize_t base
) noexcept nogil:
    """The slices of what an accumulator reads."""
    cdef Slices s = all[0]
    s.x = s.y = NULL
    s.bias = 0
    if acc.kind != ROWS:
        s.x = <const Word*>columns[acc.column].values + base
        s.bias = INT64_MIN if columns[acc.column].numeric == UNSIGNED else 0
    if acc.kind == WEIGHTED:
        s.x = <const Word*>floats_of(&columns[acc.column], base)
        s.y = <const Word*>floats_of(&columns[acc.weight], base)
    return s


cdef int scratch_init(Scratch* scratch, const Plan* plan, int n_columns) noexcept nogil:
    """Take the memory that `read_wholes` needs."""
    scratch.record = <Word*>calloc(plan.wide + plan.cold + 1, sizeof(Word))
    scratch.folded = <Word*>malloc(WHOLES * plan.narrow * sizeof(Word))
    scratch.calm = <uint8_t*>malloc(n_columns + 1)
    scratch.wanted = <uint8_t*>malloc(plan.n_accs + 1)
    if (scratch.record == NULL or scratch.folded == NULL or scratch.calm == NULL
            or scratch.wanted == NULL):
        return NO_MEMORY
    return DONE


cdef void scratch_free(Scratch* scratch) noexcept nogil:
    """Give it back."""
    free(scratch.record)
    free(scratch.folded)
    free(scratch.calm)
    free(scratch.wanted)


cdef bint all_plain(const Plan* plan, const Column* columns, int n_columns) noexcept nogil:
    """Whether every row of every column has a value that counts."""
    for c in range(n_columns):
        if columns[c].valid != NULL or columns[c].skip_nan:
            return False
    return True


cdef bint look_calm "tg_is_calm"(
    const Column* column, Py_ssize_t first, Py_ssize_t n
) noexcept nogil:
    """`is_calm`, for each kind of CPU."""
    if column.numeric == FLOAT:
        return all_tame(<const double*>column.values + first, n)
    return all_small(<const uint64_t*>column.values + first, n)


cdef bint is_calm(const Column* column, Py_ssize_t first, Py_ssize_t n) noexcept nogil:
    """Whether no value of n rows needs care: no wild float, no integer whose sums could be."""
    return look_calm(column, first, n)


# -------------------------------------------------------------------------- one window of calm rows

cdef inline const double* within(
    const double* x, Py_ssize_t n, Py_ssize_t room, double* spare
) noexcept nogil:
    """Where n <= FEW values stand with FEW to be read."""
    if room >= FEW:
        return x
    memcpy(spare, x, n * sizeof(double))
    return spare


cdef inline void sum_whole(
    const double* x, Py_ssize_t n, Py_ssize_t room, Word* out
) noexcept nogil:
    """SUM."""
    cdef double[LANES] hi_lanes, lo_lanes
    cdef double[FEW] spare
    cdef v8 hi = splat(0.0), lo = splat(0.0), v, w
    cdef Py_ssize_t i = 0
    if n <= FEW:
        load_pair(within(x, n, room, spare), n, -0.0, &v, &w)
        add8(&hi, &lo, v)
        add8(&hi, &lo, w)
    else:
        while i + LANES <= n:
            add8(&hi, &lo, load(x + i))
            i += LANES
        if i < n:
            add8(&hi, &lo, load_part(x + i, n - i, room - i, -0.0))
    store8(hi_lanes, hi)
    store8(lo_lanes, lo)
    fold_lanes(hi_lanes, lo_lanes, &out[0].f, &out[1].f)
    memset(out + 2, 0, 3 * sizeof(Word))


cdef inline void squares_whole(
    const double* x, Py_ssize_t n, Py_ssize_t room, Word* out
) noexcept nogil:
    """SQUARES around the first value; a distance of 0 adds 0."""
    cdef double[LANES] hi_lanes, lo_lanes
    cdef double[FEW] spare
    cdef v8 hi = splat(0.0), lo = splat(0.0), shift = splat(x[0]), v, w
    cdef Py_ssize_t i = 0
    if n <= FEW:
        load_pair(within(x, n, room, spare), n, x[0], &v, &w)
        add_square8(&hi, &lo, v, shift)
        add_square8(&hi, &lo, w, shift)
    else:
        while i + LANES <= n:
            add_square8(&hi, &lo, load(x + i), shift)
            i += LANES
        if i < n:
            add_square8(&hi, &lo, load_part(x + i, n - i, room - i, x[0]), shift)
    store8(hi_lanes, hi)
    store8(lo_lanes, lo)
    fold_lanes(hi_lanes, lo_lanes, &out[0].f, &out[1].f)
    out[2].f = x[0]
    memset(out + 3, 0, 4 * sizeof(Word))


cdef inline void extremes_whole(
    const double* x, Py_ssize_t n, Py_ssize_t room, bint tells, double* low, double* high, v8* odd
) noexcept nogil:
    """LEAST and GREATEST, each unless NULL; a value may be looked at twice.

    If it `tells`, a value that is not finite leaves a NaN in `odd`.
    """
    cdef double[FEW] spare
    cdef v8 down, up, v, w
    cdef Py_ssize_t i = 2 * LANES
    if n <= FEW:
        load_pair(within(x, n, room, spare), n, x[0], &v, &w)
        if tells:
            odd[0] = see_odd(see_odd(odd[0], v), w)
        down = least(v, w)
        up = greatest(v, w)
    else:
        v = load(x)
        w = load(x + LANES)
        if tells:
            odd[0] = see_odd(see_odd(odd[0], v), w)
        down = least(v, w)
        up = greatest(v, w)
        while i + 2 * LANES <= n:
            prefetch(x + i)
            prefetch(x + i + LANES)
            v = load(x + i)
            w = load(x + i + LANES)
            if tells:
                odd[0] = see_odd(see_odd(odd[0], v), w)
            down = least(down, least(v, w))
            up = greatest(up, greatest(v, w))
            i += 2 * LANES
        v = load(x + n - 2 * LANES)
        w = load(x + n - LANES)
        if tells:
            odd[0] = see_odd(see_odd(odd[0], v), w)
        down = least(down, least(v, w))
        up = greatest(up, greatest(v, w))
    if low != NULL:
        low[0] = least_of(down) + 0.0
    if high != NULL:
        high[0] = greatest_of(up) + 0.0


cdef inline void weighted_whole(
    const double* x, const double* y, Py_ssize_t n, Py_ssize_t room, Word* out
) noexcept nogil:
    """WEIGHTED."""
    cdef double[LANES] hi_lanes, lo_lanes, sum_hi_lanes, sum_lo_lanes
    cdef v8 hi = splat(0.0), lo = splat(0.0), sum_hi = splat(0.0), sum_lo = splat(0.0), w
    cdef Py_ssize_t i = 0
    while i + LANES <= n:
        w = load(y + i)
        add_product8(&hi, &lo, load(x + i), w)
        add8(&sum_hi, &sum_lo, w)
        i += LANES
    if i < n:
        w = load_part(y + i, n - i, room - i, -0.0)
        add_product8(&hi, &lo, load_part(x + i, n - i, room - i, 0.0), w)
        add8(&sum_hi, &sum_lo, w)
    store8(hi_lanes, hi)
    store8(lo_lanes, lo)
    store8(sum_hi_lanes, sum_hi)
    store8(sum_lo_lanes, sum_lo)
    fold_lanes(hi_lanes, lo_lanes, &out[0].f, &out[1].f)
    fold_lanes(sum_hi_lanes, sum_lo_lanes, &out[2].f, &out[3].f)
    memset(out + 4, 0, 6 * sizeof(Word))


cdef inline int64_t sum_int_whole(
    const int64_t* x, Py_ssize_t n, Py_ssize_t room, bint tells, w8* large
) noexcept nogil:
    """SUM_INT of small values; if it `tells`, others leave bits in `large`."""
    if n <= FEW <= room:
        return sum_few(x, n, tells, large)
    return sum_many(x, n, tells, large)


cdef inline int64_t extreme_int_whole(
    const int64_t* x, Py_ssize_t n, int64_t bias, bint low
) noexcept nogil:
    """LEAST_INT or GREATEST_INT of values of any size."""
    cdef int64_t kept = x[0] ^ bias, v
    cdef Py_ssize_t i
    for i in range(1, n):
        v = x[i] ^ bias
        kept = (v if v < kept else kept) if low else (v if v > kept else kept)
    return kept


cdef inline Py_ssize_t end_whole(
    const int64_t* times, Py_ssize_t n, bint ordered, bint first
) noexcept nogil:
    """The row of FIRST or LAST: by time, and of equal times by arrival."""
    cdef Py_ssize_t at = 0, i
    if ordered:
        return 0 if first else n - 1
    for i in range(1, n):
        if (times[i] < times[at]) if first else (times[i] >= times[at]):
            at = i
    return at


# ----------------------------------------------------------------------------------- many windows

cdef inline bint read_extremes(
    const Slices* s, bint tells, bint lows, bint highs, Word* low, Word* high, Py_ssize_t width
) noexcept nogil:
    """LEAST, GREATEST or both of each window; False where values need care."""
    cdef const Word* x = s.x
    cdef Py_ssize_t r, first
    cdef v8 odd = splat(0.0)
    for r in range(s.n):
        first = s.runs[r].begin
        extremes_whole(&x[first].f, s.runs[r].end - first, s.room - first, tells,
                       &low[r * width].f if lows else NULL,
                       &high[r * width].f if highs else NULL, &odd)
    return not (tells and seen(odd))


cdef inline bint some_extremes(
    const Acc* acc, const Slices* s, bint tells, Word* out, Word* also, Py_ssize_t width
) noexcept nogil:
    """Choose the loop for the extremes that are asked for."""
    if acc.kind == GREATEST:
        return read_extremes(s, tells, False, True, NULL, out, width)
    if also == NULL:
        return read_extremes(s, tells, True, False, out, NULL, width)
    return read_extremes(s, tells, True, True, out, also, width)


cdef inline bint read_int_sums(
    const Slices* s, bint tells, Word* out, Py_ssize_t width
) noexcept nogil:
    """SUM_INT of each window; False where values need care."""
    cdef const Word* x = s.x
    cdef Py_ssize_t r, first
    cdef w8 large = none_large()
    for r in range(s.n):
        first = s.runs[r].begin
        out[r * width].i = sum_int_whole(&x[first].i, s.runs[r].end - first, s.room - first,
                                         tells, &large)
    return not (tells and is_large(large))


cdef bint read_simple "tg_read_simple"(
    const Acc* acc, const Slices* s, int64_t bias, bint tells, Word* out, Py_ssize_t width,
    Word* also
) noexcept nogil:
    """What is one word of each window of calm rows, into every `width`-th word.

    With LEAST, GREATEST of the same column goes to `also`, unless that is NULL. If it `tells`, it
    is False where values turn out to need care: what was written is of no use then.
    """
    cdef const Word* x = s.x
    cdef const Run* runs = s.runs
    cdef Py_ssize_t r, first
    if acc.kind == LEAST or acc.kind == GREATEST:
        if tells:
            return some_extremes(acc, s, True, out, also, width)
        return some_extremes(acc, s, False, out, also, width)
    if acc.kind == SUM_INT:
        if tells:
            return read_int_sums(s, True, out, width)
        return read_int_sums(s, False, out, width)
    if acc.kind == ROWS:
        for r in range(s.n):
            out[r * width].i = runs[r].end - runs[r].begin
    elif acc.kind == FIRST:
        for r in range(s.n):
            first = runs[r].begin
            out[r * width] = x[first + end_whole(
                s.times + first, runs[r].end - first, runs[r].ordered, True)]
    elif acc.kind == LAST:
        for r in range(s.n):
            first = runs[r].begin
            out[r * width] = x[first + end_whole(
                s.times + first, runs[r].end - first, runs[r].ordered, False)]
    elif acc.kind == LEAST_INT:
        for r in range(s.n):
            first = runs[r].begin
            out[r * width].i = bias ^ extreme_int_whole(
                &x[first].i, runs[r].end - first, s.bias, True)
    else:  # GREATEST_INT
        for r in range(s.n):
            first = runs[r].begin
            out[r * width].i = bias ^ extreme_int_whole(
                &x[first].i, runs[r].end - first, s.bias, False)
    return True


cdef void fold_sums "tg_fold_sums"(
    const Acc* acc, const Slices* s, Word* out, Py_ssize_t width
) noexcept nogil:
    """SUM, SQUARES or WEIGHTED of windows of calm rows, into every `width`-th word."""
    cdef const Run* runs = s.runs
    cdef Py_ssize_t r, first
    if acc.kind == SUM:
        for r in range(s.n):
            first = runs[r].begin
            sum_whole(&s.x[first].f, runs[r].end - first, s.room - first, out + r * width)
    elif acc.kind == SQUARES:
        for r in range(s.n):
            first = runs[r].begin
            squares_whole(&s.x[first].f, runs[r].end - first, s.room - first, out + r * width)
    else:
        for r in range(s.n):
            first = runs[r].begin
            weighted_whole(&s.x[first].f, &s.y[first].f, runs[r].end - first, s.room - first,
                           out + r * width)


cdef void point_to_values(
    const Acc* acc, const Slices* s, Word* out, Py_ssize_t width
) noexcept nogil:
    """KEPT or KEPT_TIMES: the values stay where they are."""
    cdef const Word* words = s.x if acc.kind == KEPT else <const Word*>s.times
    cdef Py_ssize_t r
    for r in range(s.n):
        out[RANGE_AT].p = out
        out[RANGE_N].i = 1
        out[VALUES_AT].p = <void*>(words + s.runs[r].begin)
        out[VALUES_N].i = s.runs[r].end - s.runs[r].begin
        out += width


cdef void fold_wholes(
    const Acc* acc, const Slices* s, Word* out, Py_ssize_t width
) noexcept nogil:
    """One accumulator of windows of calm rows, as a folded record has it."""
    cdef Py_ssize_t r, at, first
    if acc.kind == SUM or acc.kind == SQUARES or acc.kind == WEIGHTED:
        fold_sums(acc, s, out, width)
        return
    if acc.kind == KEPT or acc.kind == KEPT_TIMES:
        point_to_values(acc, s, out, width)
        return
    at = 1 if acc.kind == FIRST or acc.kind == LAST else 0
    if acc.kind == NULLS:
        for r in range(s.n):
            out[r * width].i = 0
        return
    read_simple(acc, s, 0, False, out + at, width, NULL)
    for r in range(s.n):
        first = s.runs[r].begin
        if acc.kind == SUM_INT:
            out[r * width + 1].i = -1 if out[r * width].i < 0 else 0
        elif acc.kind == LEAST or acc.kind == GREATEST:
            out[r * width + 1].i = 0
        elif at:
            out[r * width].i = s.times[first + end_whole(
                s.times + first, s.runs[r].end - first, s.runs[r].ordered, acc.kind == FIRST)]


cdef void fold_with_care(
    const Plan* plan, const Acc* acc, const Column* columns, const int64_t* times,
    const Run* run, Py_ssize_t base, Py_ssize_t n_rows, Word* record, Word* out,
) noexcept nogil:
    """One accumulator of one window, row by row where need be."""
    cdef Word* rare = record + plan.wide
    cdef Py_ssize_t i
    memcpy(record, plan.blank + acc.wide, (plan.wide - acc.wide) * sizeof(Word))
    memcpy(rare, plan.blank_cold + acc.rare, (plan.cold - acc.rare) * sizeof(Word))
    if acc.kind == PAIRS or acc.kind == POWERS:
        push_moments(acc, columns, times, base + run.begin, base + run.end, n_rows, 0, record, rare)
        fold_acc(acc, record, rare, out)
        return
    for i in range(run.end - run.begin):
        push_row(acc, columns, base + run.begin + i, times[base + run.begin + i], LANES,
                 <int>(i % LANES), record, rare)
    fold_acc(acc, record, rare, out)


cdef inline bint needs_calm(const Acc* acc) noexcept nogil:
    """Whether the loops over windows are right for calm values only."""
    return acc.kind in (SUM, SQUARES, LEAST, GREATEST, WEIGHTED, SUM_INT)


cdef inline bint has_loop(const Acc* acc, const Column* columns) noexcept nogil:
    """Whether there are loops over windows for an accumulator."""
    if acc.kind == WEIGHTED:
        return has_floats(&columns[acc.column]) and has_floats(&columns[acc.weight])
    return acc.kind in (KEPT, KEPT_TIMES) or (
        acc.kind != SQUARES_INT and acc.kind < WEIGHTED)


cdef inline bint all_calm(const Acc* acc, const uint8_t* calm) noexcept nogil:
    """Whether the loops over windows are right for all rows of a block."""
    if not needs_calm(acc):
        return True
    return calm[acc.column] and (acc.weight < 0 or calm[acc.weight])


cdef void fold_any(
    const Plan* plan, const Acc* acc, const Column* columns, const Slices* all,
    Py_ssize_t base, Scratch* scratch,
) noexcept nogil:
    """One accumulator of windows whatever their values."""
    cdef Word* out = scratch.folded + acc.narrow
    cdef Slices s = slices_of(acc, columns, all, base)
    cdef Py_ssize_t n = s.n, first, size
    cdef bint has = has_loop(acc, columns)
    if has and all_calm(acc, scratch.calm):
        fold_wholes(acc, &s, out, plan.narrow)
        return
    s.n = 1
    while n > 0:
        first = base + s.runs.begin
        size = s.runs.end - s.runs.begin
        if has and is_calm(&columns[acc.column], first, size) and (
                acc.weight < 0 or is_calm(&columns[acc.weight], first, size)):
            fold_wholes(acc, &s, out, plan.narrow)
        else:
            fold_with_care(plan, acc, columns, s.times - base, s.runs, base, base + s.room,
                           scratch.record, out)
        out += plan.narrow
        s.runs += 1
        n -= 1


cdef inline bint is_simple(const Acc* acc, const Output* output) noexcept nogil:
    """Whether a result is one word of its rows, where they are calm and there is a value."""
    return acc.kind < WEIGHTED and (output.op in (OF_ROWS, OF_WORD, OF_EXTREME) or (
        output.op == OF_SUM and output.numeric != FLOAT))


cdef inline void want(const Plan* plan, const Acc* acc, uint8_t* wanted) noexcept nogil:
    """Mark what a result that is read from a record needs of it."""
    wanted[0] = True  # ROWS
    wanted[acc - plan.accs] = True
    if acc.nulls >= 0:
        wanted[acc.nulls] = True
    if acc.sum >= 0:
        wanted[acc.sum] = True


cdef inline int twin_of(const Plan* plan, const Results* results, int output) noexcept nogil:
    """The result that is the other extreme of a float column, read in the same pass; -1: none."""
    cdef const Acc* acc = &plan.accs[results.outputs[output].acc]
    cdef const Acc* other
    if results.outputs[output].op != OF_EXTREME or (
            acc.kind != LEAST and acc.kind != GREATEST):
        return -1
    for o in range(results.n_outputs):
        other = &plan.accs[results.outputs[o].acc]
        if (results.outputs[o].op == OF_EXTREME and other.column == acc.column
                and other.kind == LEAST + GREATEST - acc.kind):
            return o
    return -1


cdef inline void want_all(const Plan* plan, const Output* output, uint8_t* wanted) noexcept nogil:
    """Mark what a result needs of all that it is read from."""
    want(plan, &plan.accs[output.acc], wanted)
    if output.other >= 0:
        want(plan, &plan.accs[output.other], wanted)


cdef inline void look_at(const Acc* acc, uint8_t* calm) noexcept nogil:
    """Mark the columns of an accumulator."""
    if acc.column >= 0:
        calm[acc.column] = False
    if acc.weight >= 0:
        calm[acc.weight] = False


cdef void look_at_columns(
    const Plan* plan, const Column* columns, int n_columns, const Results* results,
    Py_ssize_t first, Py_ssize_t n, Py_ssize_t n_windows, uint8_t* calm
) noexcept nogil:
    """Tell which columns are calm.

    Where windows are long, those of simple results alone are said to be until these tell that they
    are not: so such a column comes from the cache once. Short windows wait for what they read; a
    look at all rows brings it near.
    """
    cdef const Output* output
    memset(calm, TRUSTED if n > SHORT * n_windows else 0, n_columns)
    for o in range(results.n_outputs):
        output = &results.outputs[o]
        if not is_simple(&plan.accs[output.acc], output):
            look_at(&plan.accs[output.acc], calm)
            if output.other >= 0:
                look_at(&plan.accs[output.other], calm)
    for c in range(n_columns):
        calm[c] = calm[c] or is_calm(&columns[c], first, n)


cdef int read_some(
    const Plan* plan, const Column* columns, const Slices* all, Py_ssize_t base,
    Scratch* scratch, Results* results
) noexcept nogil:
    """Read a few windows: simple results straight off the rows, others by way of records."""
    cdef const Acc* acc
    cdef const Output* output
    cdef Slices s
    cdef int status = DONE, twin
    memset(scratch.wanted, 0, plan.n_accs)
    for o in range(results.n_outputs):
        output = &results.outputs[o]
        acc = &plan.accs[output.acc]
        if not is_simple(acc, output) or not all_calm(acc, scratch.calm):
            want_all(plan, output, scratch.wanted)
            continue
        if results.valid[o] != NULL:
            memset(results.valid[o] + results.n, 1, all.n)
        twin = twin_of(plan, results, o)
        if acc.kind != GREATEST or twin < 0 or twin_of(plan, results, twin) != o:
            s = slices_of(acc, columns, all, base)
            if not read_simple(acc, &s, INT64_MIN if output.numeric == UNSIGNED else 0,
                               acc.column >= 0 and scratch.calm[acc.column] == TRUSTED,
                               results.values[o] + results.n, 1,
                               results.values[twin] + results.n
                               if twin >= 0 and acc.kind == LEAST else NULL):
                scratch.calm[acc.column] = False  # once for each column
                return read_some(plan, columns, all, base, scratch, results)
    for a in range(plan.n_accs):
        if scratch.wanted[a]:
            fold_any(plan, &plan.accs[a], columns, all, base, scratch)
    for o in range(results.n_outputs):
        output = &results.outputs[o]
        acc = &plan.accs[output.acc]
        if status == DONE and not (is_simple(acc, output) and all_calm(acc, scratch.calm)):
            status = results_read_one(results, plan, o, scratch.folded, all.n)
    if status == DONE:
        results.n += all.n
    return status


cdef int read_wholes(
    const Plan* plan, const Column* columns, int n_columns, const int64_t* times,
    const Run* runs, const int64_t* windows, Py_ssize_t n, Py_ssize_t base, Py_ssize_t n_rows,
    Scratch* scratch, Results* results,
) noexcept nogil:
    """Turn runs that are whole windows into results.

    Runs count their rows from `base`; `windows` has their numbers. All columns must be plain.
    """
    cdef Py_ssize_t done = 0, first = base + runs[0].begin
    cdef Slices s
    cdef int status
    look_at_columns(plan, columns, n_columns, results, first,
                    base + runs[n - 1].end - first, n, scratch.calm)
    if results_room(results, n) != DONE:
        return NO_MEMORY
    s.times = times + base
    s.room = n_rows - base
    while done < n:
        s.runs = runs + done
        s.n = min(<Py_ssize_t>WHOLES, n - done)
        memcpy(results.windows + results.n, windows + done, s.n * sizeof(int64_t))
        status = read_some(plan, columns, &s, base, scratch, results)
        if status != DONE:
            return status
        done += s.n
    return DONE
