"""Folded records into results.

`read_results` takes one output of many records: a pure function of the records, see folds.pyx.
"""

from libc.math cimport NAN, ldexp, sqrt
from libc.stdint cimport INT64_MIN, int64_t, uint8_t

from tidegate._kernels.exact cimport (
    Exact, exact, exact_add, exact_div, exact_mul, exact_neg, exact_of, exact_of_int, exact_of_wide,
)
from tidegate._kernels.folds cimport pair_at, shift_of, values_in
from tidegate._kernels.grid cimport float_of_order
from tidegate._kernels.kept cimport read_kept, read_runs
from tidegate._kernels.lanes cimport wide_hi, wide_lo, wide_of, wide_t
from tidegate._kernels.moment_groups cimport read_moment
from tidegate._kernels.records cimport (
    DOWN, FLOAT, LANES, OF_COUNT, OF_EXTREME, OF_HALF, OF_MEAN, OF_QUANTILE, OF_RANGE, OF_RATIO,
    OF_ROWS, OF_RUNS, OF_SEM, OF_STD, OF_SUM, OF_TIME, OF_VAR, OF_WORD, UNSIGNED, Acc, Output, Plan,
    Word,
)

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
    return exact_add(pair_at(total), exact_neg(exact_mul(exact_of_int(n), exact_of(shift))))


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
        squares = exact_add(squares, exact_of(tame.hi * DOWN * DOWN))
        apart = exact_add(
            exact_div(pair_at(total + 3), exact_of_int(n_wild)),
            exact_of(-exact_div(pair_at(total), exact_of_int(n_tame)).hi * DOWN))
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
    cdef Exact squares = around_mean(pair_at(at), exact_of_wide(drift), n)
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
        value.f = exact_div(exact_of_wide(wide_of(at[0].u, at[1].i)), exact_of_int(n)).hi
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
    if output.op == OF_RUNS:
        read_runs(plan, output, records, n, values)
        return -1
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


cdef double ratio_in(const Word* at) noexcept nogil:
    """WEIGHTED, folded, as a float64."""
    return ratio_of(at)
