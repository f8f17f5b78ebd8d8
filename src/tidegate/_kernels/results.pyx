"""Records into results: fold lanes, merge panes, read values.

A folded record has one layout for all plans, and three operations: `fold_records` makes it out of
lanes in a fixed tree, `merge_record` adds a later pane to an earlier one, `read_results` takes one
output of many records. Each is a pure function of the records, so results cannot depend on when
or where it runs.
"""

from libc.math cimport NAN, isnan, ldexp, sqrt
from libc.stdint cimport INT64_MIN, int32_t, int64_t, uint8_t
from libc.string cimport memcpy

from tidegate._kernels.exact cimport (
    Exact, exact, exact_add, exact_div, exact_mul, exact_neg, exact_of_int,
)
from tidegate._kernels.grid cimport float_of_order
from tidegate._kernels.kept cimport KEPT_WORDS, RANGE_N, kept_fold, read_kept
from tidegate._kernels.lanes cimport fold_lanes, prefetch_here, wide_hi, wide_lo, wide_of, wide_t
from tidegate._kernels.moments cimport fold_moment, merge_moment, read_moment
from tidegate._kernels.push cimport keep_nearest
from tidegate._kernels.records cimport (
    DOWN, FIRST, FLOAT, GREATEST, GREATEST_AT, GREATEST_INT, GREATEST_TEXT, KEPT, KEPT_TIMES, LANES,
    LAST, LEAST, LEAST_AT, LEAST_INT, LEAST_TEXT, NULLS, OF_COUNT, OF_EXTREME, OF_HALF, OF_MEAN,
    OF_QUANTILE, OF_RANGE, OF_RATIO, OF_ROWS, OF_SEM, OF_STD, OF_SUM, OF_TIME, OF_VAR, OF_WORD,
    PAIRS, POWERS, ROWS, SQUARES, SQUARES_INT, SUM, SUM_INT, UNSIGNED, WEIGHTED, Acc, Arena, Output,
    Plan, Word,
)
from tidegate._kernels.texts cimport keep_extreme_text

cdef extern from *:
    """
    #include "lanes.h"
    #include "records.h"
    #include "exact8.h"
    #undef CYTHON_INLINE
    #define CYTHON_INLINE TG_ALWAYS_INLINE

    TG_CLONES static Py_ssize_t tg_read_output(
        const tg_plan *, const tg_output *, const tg_word *, Py_ssize_t, tg_word *, uint8_t *,
        int *);
    """
    bint means8 "tg_means8"(
        const Word*, Py_ssize_t, Py_ssize_t, Py_ssize_t, Word*) nogil
    bint spreads8 "tg_spreads8"(
        const Word*, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, int64_t, bint, bint, Word*
    ) nogil
    bint lacks "tg_lacks"(const Word*, Py_ssize_t, Py_ssize_t, int64_t, Py_ssize_t) nogil

cdef enum:
    SOON = 8  # records that are on their way

# ------------------------------------------------------------------------------------------- fold

cdef inline void fold_one(
    const Acc* acc, const Word* at, const Word* rare, Word* out
) noexcept nogil:
    """One accumulator of eight lanes."""
    if acc.kind == SUM:
        fold_lanes(&at[0].f, &at[LANES].f, &out[0].f, &out[1].f)
        memcpy(out + 2, rare, 3 * sizeof(Word))
    elif acc.kind == SQUARES:
        fold_lanes(&at[0].f, &at[LANES].f, &out[0].f, &out[1].f)
        out[2] = at[2 * LANES]
        memcpy(out + 3, rare, 4 * sizeof(Word))
    elif acc.kind == WEIGHTED:
        fold_lanes(&at[0].f, &at[LANES].f, &out[0].f, &out[1].f)
        fold_lanes(&at[2 * LANES].f, &at[3 * LANES].f, &out[2].f, &out[3].f)
        memcpy(out + 4, rare, 6 * sizeof(Word))
    elif acc.kind == NULLS:
        out[0] = rare[0]
    elif acc.kind == LEAST or acc.kind == GREATEST:
        out[0] = at[0]
        out[1] = rare[0]
    elif acc.kind in (ROWS, LEAST_INT, GREATEST_INT, LEAST_TEXT, GREATEST_TEXT):
        out[0] = at[0]
    elif acc.kind == SQUARES_INT:
        memcpy(out, at, 4 * sizeof(Word))
    elif acc.kind == PAIRS or acc.kind == POWERS:
        fold_moment(acc, at, rare, out)
    elif acc.kind == KEPT or acc.kind == KEPT_TIMES:
        memcpy(out, at, KEPT_WORDS * sizeof(Word))
    else:  # SUM_INT, FIRST, LAST, LEAST_AT, GREATEST_AT
        out[0] = at[0]
        out[1] = at[1]


cdef inline void copy_record(
    const Plan* plan, const Word* record, const Word* cold, Word* out
) noexcept nogil:
    """Fold a record of one lane: no branch depends on what it holds."""
    cdef int k, n_hot = plan.narrow - plan.cold
    cdef const int* targets = plan.targets
    for k in range(n_hot):
        out[targets[k]] = record[k]
    for k in range(plan.cold):
        out[targets[n_hot + k]] = cold[k]


cdef void fold_records(
    const Plan* plan, const Arena* arena, const int32_t* slots, Py_ssize_t n, Word* out,
) noexcept nogil:
    """Fold the records `slots` into `out`, n records of `plan.narrow` words."""
    cdef Py_ssize_t i
    cdef const Acc* acc
    cdef const Word* record
    cdef const Word* cold
    for i in range(n):
        if i + SOON < n:
            prefetch_here(arena.records + slots[i + SOON] * arena.wide)
            prefetch_here(arena.colds + slots[i + SOON] * arena.cold)
        record = arena.records + slots[i] * arena.wide
        cold = arena.colds + slots[i] * arena.cold
        if plan.lanes == 1:
            copy_record(plan, record, cold, out)
        else:
            for a in range(plan.n_accs):
                acc = &plan.accs[a]
                fold_one(acc, record + acc.wide, cold + acc.rare, out + acc.narrow)
        if plan.keeps:
            kept_fold(plan, out)
        out += plan.narrow


# ------------------------------------------------------------------------------------------ merge

cdef inline Exact pair_at(const Word* at) noexcept nogil:
    """An accumulated pair, normalised."""
    return exact(at[0].f, at[1].f)


cdef inline Exact pair_of_wide(wide_t x) noexcept nogil:
    """A 128-bit integer as a pair, to 2**-106 of its size."""
    cdef double hi = <double>x
    return exact(hi, <double>(x - <wide_t>hi))


cdef inline Exact one(double x) noexcept nogil:
    """A float64 as a pair."""
    cdef Exact r
    r.hi = x
    r.lo = 0.0
    return r


cdef inline Exact moved(Exact squares, Exact drift, Exact by, int64_t n) noexcept nogil:
    """Squares around another shift: s + 2*by*drift + n*by**2, with drift = sum(x) - n*shift."""
    cdef Exact twice = exact_mul(by, drift)
    twice.hi *= 2.0
    twice.lo *= 2.0
    return exact_add(exact_add(squares, twice), exact_mul(exact_of_int(n), exact_mul(by, by)))


cdef inline void merge_squares(
    Word* squares, Word* shift, const Word* other, double other_shift, Exact other_sum, int64_t n,
) noexcept nogil:
    """Add squares around another shift, with their sum and number, to squares that have some."""
    cdef Exact by = exact_add(one(other_shift), one(-shift.f))
    cdef Exact drift = exact_add(
        other_sum, exact_neg(exact_mul(exact_of_int(n), one(other_shift))))
    cdef Exact total = exact_add(pair_at(squares), moved(pair_at(other), drift, by, n))
    squares[0].f = total.hi
    squares[1].f = total.lo


cdef inline int64_t values_in(const Plan* plan, const Acc* acc, const Word* record) noexcept nogil:
    """How many rows of a folded record have a value."""
    return record[0].i - record[plan.accs[acc.nulls].narrow].i


cdef void merge_float_squares(
    const Plan* plan, const Acc* acc, Word* into, const Word* other
) noexcept nogil:
    """SQUARES of two records whose sums are still apart."""
    cdef Word* a = into + acc.narrow
    cdef const Word* b = other + acc.narrow
    cdef const Word* sum_b = other + plan.accs[acc.sum].narrow
    if isnan(a[2].f):
        memcpy(a, b, 3 * sizeof(Word))
    elif not isnan(b[2].f):
        merge_squares(a, a + 2, b, b[2].f, pair_at(sum_b), values_in(plan, acc, other) - b[3].i)
    if a[3].i == 0:
        memcpy(a + 3, b + 3, 4 * sizeof(Word))
    elif b[3].i:
        merge_squares(a + 5, a + 4, b + 5, b[4].f, pair_at(sum_b + 3), b[3].i)
        a[3].i += b[3].i


cdef inline wide_t shift_of(const Acc* acc, const Word* at) noexcept nogil:
    """The shift of SQUARES_INT."""
    if acc.numeric == UNSIGNED:
        return <wide_t>at[2].u
    return <wide_t>at[2].i


cdef void merge_int_squares(
    const Plan* plan, const Acc* acc, Word* into, const Word* other
) noexcept nogil:
    """SQUARES_INT of two records whose sums are still apart."""
    cdef Word* a = into + acc.narrow
    cdef const Word* b = other + acc.narrow
    cdef const Word* sum_b = other + plan.accs[acc.sum].narrow
    cdef int64_t n = values_in(plan, acc, other)
    cdef wide_t from_a, from_b, drift
    cdef Exact total
    if b[3].i == 0:
        return
    if a[3].i == 0:
        memcpy(a, b, 4 * sizeof(Word))
        return
    from_a = shift_of(acc, a)
    from_b = shift_of(acc, b)
    drift = wide_of(sum_b[0].u, sum_b[1].i) - from_b * n
    total = exact_add(pair_at(a), moved(pair_at(b), pair_of_wide(drift),
                                        pair_of_wide(from_b - from_a), n))
    a[0].f = total.hi
    a[1].f = total.lo


cdef inline void merge_pair(Word* a, const Word* b) noexcept nogil:
    """Two accumulated pairs."""
    cdef Exact total = exact_add(pair_at(a), pair_at(b))
    a[0].f = total.hi
    a[1].f = total.lo


cdef inline void merge_one(const Acc* acc, Word* a, const Word* b) noexcept nogil:
    """Any accumulator but squares."""
    cdef wide_t total
    if acc.kind == ROWS or acc.kind == NULLS:
        a[0].i += b[0].i
    elif acc.kind == SUM:
        merge_pair(a, b)
        a[2].f += b[2].f
        merge_pair(a + 3, b + 3)
    elif acc.kind == SUM_INT:
        total = wide_of(a[0].u, a[1].i) + wide_of(b[0].u, b[1].i)
        a[0].u = wide_lo(total)
        a[1].i = wide_hi(total)
    elif acc.kind == LEAST or acc.kind == GREATEST:
        if (b[0].f < a[0].f) if acc.kind == LEAST else (b[0].f > a[0].f):
            a[0].f = b[0].f
        a[1].i += b[1].i
    elif acc.kind == LEAST_INT or acc.kind == GREATEST_INT:
        if (b[0].i < a[0].i) if acc.kind == LEAST_INT else (b[0].i > a[0].i):
            a[0].i = b[0].i
    elif acc.kind == FIRST or acc.kind == LAST:
        if (b[0].i < a[0].i) if acc.kind == FIRST else (b[0].i >= a[0].i):
            a[0] = b[0]
            a[1] = b[1]
    elif acc.kind == WEIGHTED:
        merge_pair(a, b)
        merge_pair(a + 2, b + 2)
        a[4].f += b[4].f
        a[5].f += b[5].f
        merge_pair(a + 6, b + 6)
        merge_pair(a + 8, b + 8)
    elif acc.kind == LEAST_AT or acc.kind == GREATEST_AT:
        keep_nearest(a, b[0].i, b[1].i)
    elif acc.kind == PAIRS or acc.kind == POWERS:
        merge_moment(acc, a, b)
    elif acc.kind == KEPT or acc.kind == KEPT_TIMES:
        a[RANGE_N].i += b[RANGE_N].i
    elif acc.kind == LEAST_TEXT or acc.kind == GREATEST_TEXT:
        keep_extreme_text(a, acc.texts, b[0].i, acc.kind == LEAST_TEXT)


cdef void merge_record(const Plan* plan, Word* into, const Word* other) noexcept nogil:
    """Add the folded record of a later pane to that of an earlier one."""
    cdef const Acc* acc
    for a in range(plan.n_accs):  # squares first: they need the sums of both sides
        acc = &plan.accs[a]
        if acc.kind == SQUARES:
            merge_float_squares(plan, acc, into, other)
        elif acc.kind == SQUARES_INT:
            merge_int_squares(plan, acc, into, other)
    for a in range(plan.n_accs):
        acc = &plan.accs[a]
        merge_one(acc, into + acc.narrow, other + acc.narrow)


# ----------------------------------------------------------------------------------------- values

cdef inline Exact scaled_sum(const Word* tame, const Word* wild) noexcept nogil:
    """The sum of tame and wild values, times 2**-544."""
    cdef Exact small = pair_at(tame)
    small.hi *= DOWN
    small.lo *= DOWN
    return exact_add(pair_at(wild), small)


cdef inline bint is_zero(const Word* at) noexcept nogil:
    """Whether a pair is 0."""
    return at[0].f == 0.0 and at[1].f == 0.0


cdef inline double sum_of(const Word* at) noexcept nogil:
    """SUM as a float64."""
    if at[2].f != 0.0:
        return at[2].f
    if is_zero(at + 3):
        return pair_at(at).hi
    return ldexp(scaled_sum(at, at + 3).hi, 544)


cdef inline double mean_of(const Word* at, int64_t n) noexcept nogil:
    """SUM over n as a float64."""
    if at[2].f != 0.0:
        return at[2].f
    if is_zero(at + 3):
        return exact_div(pair_at(at), exact_of_int(n)).hi
    return ldexp(exact_div(scaled_sum(at, at + 3), exact_of_int(n)).hi, 544)


cdef inline Exact around_mean(Exact squares, Exact drift, int64_t n) noexcept nogil:
    """Squares around the mean: s - drift**2 / n, with drift = sum(x) - n*shift."""
    return exact_add(
        squares, exact_neg(exact_div(exact_mul(drift, drift), exact_of_int(n))))


cdef inline Exact drift_of(const Word* total, double shift, int64_t n) noexcept nogil:
    """sum(x) - n*shift."""
    return exact_add(pair_at(total), exact_neg(exact_mul(exact_of_int(n), one(shift))))


cdef double wild_deviation(
    const Word* total, const Word* at, int64_t n, Exact over, bint root
) noexcept nogil:
    """Variance or its root where wild values are about, computed at the scale 2**-544."""
    cdef int64_t n_wild = at[3].i, n_tame = n - at[3].i
    cdef Exact squares = around_mean(
        pair_at(at + 5), drift_of(total + 3, at[4].f, n_wild), n_wild)
    cdef Exact tame, apart
    if n_tame:
        tame = around_mean(pair_at(at), drift_of(total, at[2].f, n_tame), n_tame)
        squares = exact_add(squares, one(tame.hi * DOWN * DOWN))
        apart = exact_add(
            exact_div(pair_at(total + 3), exact_of_int(n_wild)),
            one(-exact_div(pair_at(total), exact_of_int(n_tame)).hi * DOWN))
        squares = exact_add(squares, exact_div(
            exact_mul(exact_mul(apart, apart),
                      exact_mul(exact_of_int(n_wild), exact_of_int(n_tame))), exact_of_int(n)))
    squares = exact_div(squares, over)
    if not squares.hi > 0.0:
        return 0.0
    return ldexp(sqrt(squares.hi), 544) if root else ldexp(squares.hi, 1088)


cdef inline double deviation_of(
    const Word* total, const Word* at, int64_t n, Exact over, bint root
) noexcept nogil:
    """Variance or standard deviation of n float values."""
    cdef Exact squares
    if total[2].f != 0.0:
        return NAN
    if at[3].i:
        return wild_deviation(total, at, n, over, root)
    squares = around_mean(pair_at(at), drift_of(total, at[2].f, n), n)
    squares = exact_div(squares, over)
    if not squares.hi > 0.0:
        return 0.0
    return sqrt(squares.hi) if root else squares.hi


cdef inline double int_deviation_of(
    const Acc* acc, const Word* total, const Word* at, int64_t n, Exact over, bint root
) noexcept nogil:
    """Variance or standard deviation of n integers."""
    cdef wide_t drift = wide_of(total[0].u, total[1].i) - shift_of(acc, at) * n
    cdef Exact squares = around_mean(pair_at(at), pair_of_wide(drift), n)
    squares = exact_div(squares, over)
    if not squares.hi > 0.0:
        return 0.0
    return sqrt(squares.hi) if root else squares.hi


cdef inline double ratio_of(const Word* at) noexcept nogil:
    """WEIGHTED: sum(a*b) / sum(b), NaN where the weights add up to 0."""
    cdef bint big_top = not is_zero(at + 6), big_bottom = not is_zero(at + 8)
    cdef Exact top = pair_at(at), bottom = pair_at(at + 2)
    if big_top:
        top = exact_add(pair_at(at + 6), exact(top.hi * DOWN * DOWN, top.lo * DOWN * DOWN))
    if big_bottom:
        bottom = scaled_sum(at + 2, at + 8)
    if at[4].f != 0.0 or at[5].f != 0.0:  # a NaN or an infinity came along
        top.hi = at[4].f if at[4].f != 0.0 else top.hi
        bottom.hi = at[5].f if at[5].f != 0.0 else bottom.hi
        return NAN if bottom.hi == 0.0 else top.hi / bottom.hi
    if bottom.hi == 0.0:
        return NAN
    return ldexp(exact_div(top, bottom).hi, 1088 * big_top - 544 * big_bottom)


cdef inline bint read_int_sum(const Word* at, int numeric, Word* value) noexcept nogil:
    """SUM_INT in 64 bits; False where it does not fit."""
    value.u = at[0].u
    if numeric == UNSIGNED:
        return at[1].i == 0
    return at[1].i == (-1 if at[0].i < 0 else 0)


cdef inline double spread_of(
    const Plan* plan, const Output* output, const Word* record, int64_t n
) noexcept nogil:
    """Variance, standard deviation or standard error of n values."""
    cdef const Acc* acc = &plan.accs[output.acc]
    cdef const Word* at = record + acc.narrow
    cdef const Word* total = record + plan.accs[acc.sum].narrow
    cdef bint root = output.op != OF_VAR
    cdef Exact over = exact_of_int(n - output.ddof)
    if output.op == OF_SEM:
        over = exact_mul(over, exact_of_int(n))
    if output.numeric == FLOAT:
        return deviation_of(total, at, n, over, root)
    return int_deviation_of(acc, total, at, n, over, root)


cdef inline void read_float(
    const Plan* plan, const Output* output, const Word* record, int64_t n, Word* value
) noexcept nogil:
    """Any result that is a float but a sum, of a record with enough values."""
    cdef const Word* at = record + plan.accs[output.acc].narrow
    if output.op == OF_RATIO:
        value.f = ratio_of(at)
    elif output.op == OF_MEAN and output.numeric == FLOAT:
        value.f = mean_of(at, n)
    elif output.op == OF_MEAN:
        value.f = exact_div(pair_of_wide(wide_of(at[0].u, at[1].i)), exact_of_int(n)).hi
    elif output.op == OF_VAR or output.op == OF_STD or output.op == OF_SEM:
        value.f = spread_of(plan, output, record, n)
    else:
        value.f = read_moment(plan, output, record, n)


cdef inline bint read_eight(
    const Plan* plan, const Output* output, const Word* records, Word* values
) noexcept nogil:
    """Eight means or spreads of floats; False where that is not asked for, or one needs care."""
    cdef const Acc* acc = &plan.accs[output.acc]
    cdef Py_ssize_t nulls
    if output.numeric != FLOAT or output.op not in (OF_MEAN, OF_VAR, OF_STD, OF_SEM):
        return False
    nulls = plan.accs[acc.nulls].narrow
    if output.op == OF_MEAN:
        return means8(records, plan.narrow, acc.narrow, nulls, values)
    return spreads8(records, plan.narrow, plan.accs[acc.sum].narrow, acc.narrow, nulls,
                    output.ddof, output.op != OF_VAR, output.op == OF_SEM, values)


cdef inline void read_floats(
    const Plan* plan, const Output* output, const Word* records, Py_ssize_t n, Word* values
) noexcept nogil:
    """Results that are floats, but for sums, eight at a time where that can be."""
    cdef const Acc* acc = &plan.accs[output.acc]
    cdef const Word* record
    cdef Py_ssize_t i = 0, end
    cdef int64_t n_values
    while i < n:
        end = min(n, i + LANES)
        if end == i + LANES and read_eight(
                plan, output, records + i * plan.narrow, values + i):
            i = end
        while i < end:
            record = records + i * plan.narrow
            n_values = values_in(plan, acc, record)
            if n_values > output.ddof:
                read_float(plan, output, record, n_values, &values[i])
            i += 1


cdef inline bint mark_nulls(
    const Plan* plan, const Output* output, const Word* records, Py_ssize_t n, uint8_t* valid
) noexcept nogil:
    """Whether one of n results is null, and which are, where `valid` has room for it."""
    cdef const Acc* acc = &plan.accs[output.acc]
    cdef Py_ssize_t i
    if valid != NULL:
        for i in range(n):
            valid[i] = values_in(plan, acc, records + i * plan.narrow) > output.ddof
    return lacks(records, plan.narrow, plan.accs[acc.nulls].narrow, output.ddof, n)


cdef inline void read_values(
    const Plan* plan, const Output* output, const Word* records, Py_ssize_t n, Word* values
) noexcept nogil:
    """Results that can be null."""
    cdef const Acc* acc = &plan.accs[output.acc]
    cdef const Word* at = records + acc.narrow
    cdef int64_t bias = INT64_MIN if output.numeric == UNSIGNED else 0
    cdef Py_ssize_t i, width = plan.narrow
    if output.op == OF_WORD:
        for i in range(n):
            values[i] = at[i * width + 1]
    elif output.op == OF_EXTREME and output.numeric == FLOAT:
        for i in range(n):
            values[i].f = NAN if at[i * width + 1].i else at[i * width].f
    elif output.op == OF_EXTREME:
        for i in range(n):
            values[i].i = at[i * width].i ^ bias
    elif output.op == OF_TIME:
        for i in range(n):
            values[i] = at[i * width + 1]
            if output.numeric == FLOAT:
                values[i].f = float_of_order(values[i].i)
    else:
        read_floats(plan, output, records, n, values)


cdef inline Py_ssize_t read_ranges(
    const Plan* plan, const Output* output, const Word* records, Py_ssize_t n, Word* values
) noexcept nogil:
    """GREATEST - LEAST; the first that overflows, or -1."""
    cdef const Acc* acc = &plan.accs[output.acc]
    cdef const Word* high
    cdef const Word* low
    cdef wide_t reach
    cdef Py_ssize_t i
    for i in range(n):
        high = records + i * plan.narrow + acc.narrow
        low = records + i * plan.narrow + plan.accs[output.other].narrow
        if output.numeric == FLOAT:
            values[i].f = NAN if high[1].i else high.f - low.f
        elif values_in(plan, acc, records + i * plan.narrow) > 0:
            reach = (<wide_t>high.i - <wide_t>low.i) * output.how
            values[i].u = wide_lo(reach)
            if wide_hi(reach) != 0 or (output.numeric != UNSIGNED and values[i].i < 0):
                return i
    return -1


cdef inline Py_ssize_t read_counts(
    const Plan* plan, const Output* output, const Word* records, Py_ssize_t n, Word* values
) noexcept nogil:
    """Results that are never null; the first that overflows, or -1."""
    cdef const Word* at = records + plan.accs[output.acc].narrow
    cdef Py_ssize_t i, width = plan.narrow
    if output.op == OF_ROWS:
        for i in range(n):
            values[i] = at[i * width]
    elif output.op == OF_COUNT:
        for i in range(n):
            values[i].i = records[i * width].i - at[i * width].i
    elif output.op == OF_HALF:
        for i in range(n):
            values[i] = at[i * width + output.how]
    elif output.numeric == FLOAT:
        for i in range(n):
            values[i].f = sum_of(at + i * width)
    else:
        for i in range(n):
            if not read_int_sum(at + i * width, output.numeric, &values[i]):
                return i
    return -1


cdef Py_ssize_t read_output "tg_read_output"(
    const Plan* plan, const Output* output, const Word* records, Py_ssize_t n, Word* values,
    uint8_t* valid, bint* has_nulls,
) noexcept nogil:
    """Read one output of n folded records; return the first record that overflows, or -1."""
    cdef Py_ssize_t i
    if output.op in (OF_ROWS, OF_COUNT, OF_SUM, OF_HALF):
        return read_counts(plan, output, records, n, values)
    if output.op == OF_RANGE:
        i = read_ranges(plan, output, records, n, values)
        if i >= 0:
            return i
    elif output.op >= OF_QUANTILE:
        read_kept(plan, output, records, n, values)
    else:
        read_values(plan, output, records, n, values)
    has_nulls[0] = mark_nulls(plan, output, records, n, valid)
    if has_nulls[0] and valid != NULL:
        for i in range(n):
            values[i].u = values[i].u if valid[i] else 0
    return -1


cdef Py_ssize_t read_results(
    const Plan* plan, const Output* output, const Word* records, Py_ssize_t n, Word* values,
    uint8_t* valid, bint* has_nulls,
) noexcept nogil:
    """Read one output of n folded records; return the first record that overflows, or -1.

    Where there are nulls, and `valid` is NULL, that is told, and has to be done again.
    """
    return read_output(plan, output, records, n, values, valid, has_nulls)


cdef void fold_acc(const Acc* acc, const Word* at, const Word* rare, Word* out) noexcept nogil:
    """Fold one accumulator of eight lanes."""
    fold_one(acc, at, rare, out)


cdef double ratio_in(const Word* at) noexcept nogil:
    """WEIGHTED, folded, as a float64."""
    return ratio_of(at)
