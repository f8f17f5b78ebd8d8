"""Sums of powers and of products around a shift: lanes folded, panes added up, results read.

A *group* is the sums of one kind of values, tame or apart, with their shift; see moments.pyx. Two
groups are added around the shift of the earlier one.

References
----------
T. F. Chan, G. H. Golub, R. J. LeVeque, Algorithms for computing the sample variance, The American
Statistician 37(3), 1983 (sums of parts); D. N. Joanes, C. A. Gill, Comparing measures of sample
skewness and kurtosis, The Statistician 47(1), 1998 (corrections for bias).
"""

from libc.math cimport NAN, ldexp
from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

from tidegate._kernels.exact cimport exact
from tidegate._kernels.lanes cimport fold_lanes
from tidegate._kernels.moments cimport (
    N_POWERS, OF_X, OF_XX, OF_XY, OF_Y, OF_YY, moment_rare_words, moment_words, scaled_at,
    scaled_distance, shifts_of, sums_of,
)
from tidegate._kernels.records cimport (
    LANES, OF_COV, OF_SKEW, OF_SLOPE, OF_ZSCORE, PAIRS, POWERS, Acc, Output, Plan, Word,
)
from tidegate._kernels.scaled cimport (
    Scaled, scaled, scaled_add, scaled_div, scaled_mul, scaled_neg, scaled_of, scaled_of_int,
    scaled_root, scaled_value,
)

cdef extern from *:
    """
    #include "lanes.h"
    #undef CYTHON_INLINE
    #define CYTHON_INLINE TG_ALWAYS_INLINE
    """

cdef enum:
    N_MOST = 5


cdef struct Group:
    int64_t n
    Word[2] shift          # of POWERS the first
    Scaled[N_MOST] sums


cdef void get_tame(int kind, const Word* at, Group* group) noexcept nogil:
    """The tame values of a folded accumulator."""
    cdef int k, n_sums = sums_of(kind), n_shifts = shifts_of(kind)
    for k in range(n_sums):
        group.sums[k] = scaled(exact(at[2 * k].f, at[2 * k + 1].f), 0)
    for k in range(n_shifts):
        group.shift[k] = at[2 * n_sums + k]
    group.n = at[2 * n_sums + n_shifts].i


cdef void get_apart(int kind, const Word* rare, Group* group) noexcept nogil:
    """What is kept apart."""
    cdef int k, n_shifts = shifts_of(kind)
    for k in range(n_shifts):
        group.shift[k] = rare[2 + k]
    for k in range(sums_of(kind)):
        group.sums[k] = scaled_at(rare + 2 + n_shifts + 3 * k)
    group.n = rare[1].i


cdef void join_powers(
    Scaled* a, const Scaled* b, Scaled n, Scaled by, int n_powers
) noexcept nogil:
    """Add sums of powers of n values around another shift, `by` above that of the others.

    sum((d + by)**p) = sum over q of binomial(p, q) * by**q * sum(d**(p - q)).
    """
    cdef int p, q
    cdef double binomial
    cdef Scaled power, term, total
    for p in range(1, n_powers + 1):
        total = b[p - 1]
        power = scaled_of(1.0)
        binomial = 1.0
        for q in range(1, p + 1):
            power = scaled_mul(power, by)
            binomial = binomial * (p - q + 1) / q
            term = n if q == p else b[p - q - 1]
            total = scaled_add(
                total, scaled_mul(scaled_mul(scaled_of(binomial), power), term))
        a[p - 1] = scaled_add(a[p - 1], total)


cdef void join_pairs(Scaled* a, const Scaled* b, Scaled n, Scaled by_x, Scaled by_y) noexcept nogil:
    """Add sums of n pairs around other shifts, `by_x` and `by_y` above those of the others."""
    cdef Scaled two = scaled_of(2.0), up_x = scaled_mul(n, by_x), up_y = scaled_mul(n, by_y)
    cdef Scaled xy, xx, yy
    xy = scaled_add(scaled_add(b[OF_XY], scaled_mul(by_x, b[OF_Y])),
                    scaled_mul(by_y, scaled_add(b[OF_X], up_x)))
    xx = scaled_add(b[OF_XX], scaled_mul(by_x, scaled_add(scaled_mul(two, b[OF_X]), up_x)))
    yy = scaled_add(b[OF_YY], scaled_mul(by_y, scaled_add(scaled_mul(two, b[OF_Y]), up_y)))
    a[OF_X] = scaled_add(a[OF_X], scaled_add(b[OF_X], up_x))
    a[OF_Y] = scaled_add(a[OF_Y], scaled_add(b[OF_Y], up_y))
    a[OF_XY] = scaled_add(a[OF_XY], xy)
    a[OF_XX] = scaled_add(a[OF_XX], xx)
    a[OF_YY] = scaled_add(a[OF_YY], yy)


cdef void join(const Acc* acc, Group* a, const Group* b) noexcept nogil:
    """Add the later of two groups to the earlier, whose shift stays."""
    cdef Scaled n = scaled_of_int(b.n), by
    if b.n == 0:
        return
    if a.n == 0:
        a[0] = b[0]
        return
    if acc.kind == POWERS:
        by = scaled_distance(acc.numeric, b.shift[0], a.shift[0])
        join_powers(a.sums, b.sums, n, by, N_POWERS)
    else:
        by = scaled_distance(acc.numeric_x, b.shift[0], a.shift[0])
        join_pairs(a.sums, b.sums, n, by,
                   scaled_distance(acc.numeric, b.shift[1], a.shift[1]))
    a.n += b.n


cdef void fold_moment(const Acc* acc, const Word* at, const Word* rare, Word* out) noexcept nogil:
    """Eight lanes to one."""
    cdef int k, lanes = LANES, n_sums = sums_of(acc.kind), n_more = shifts_of(acc.kind) + 1
    for k in range(n_sums):
        fold_lanes(&at[2 * k * lanes].f, &at[(2 * k + 1) * lanes].f, &out[2 * k].f,
                   &out[2 * k + 1].f)
    memcpy(out + 2 * n_sums, at + 2 * n_sums * lanes, n_more * sizeof(Word))
    memcpy(out + 2 * n_sums + n_more, rare, moment_rare_words(acc.kind) * sizeof(Word))


cdef void merge_moment(const Acc* acc, Word* a, const Word* b) noexcept nogil:
    """Add the folded accumulator of a later pane to that of an earlier one."""
    cdef Group mine, other
    cdef int k, n_sums = sums_of(acc.kind), n_shifts = shifts_of(acc.kind)
    cdef Word* rare = a + moment_words(acc.kind, 1)
    cdef const Word* rare_b = b + moment_words(acc.kind, 1)
    get_tame(acc.kind, a, &mine)
    get_tame(acc.kind, b, &other)
    join(acc, &mine, &other)
    for k in range(n_sums):
        a[2 * k].f = ldexp(mine.sums[k].hi, <int>mine.sums[k].e)
        a[2 * k + 1].f = ldexp(mine.sums[k].lo, <int>mine.sums[k].e)
    for k in range(n_shifts):
        a[2 * n_sums + k] = mine.shift[k]
    a[2 * n_sums + n_shifts].i = mine.n
    rare[0].i += rare_b[0].i
    if rare_b[1].i:
        get_apart(acc.kind, rare, &mine)
        get_apart(acc.kind, rare_b, &other)
        join(acc, &mine, &other)
        rare[1].i = mine.n
        for k in range(n_shifts):
            rare[2 + k] = mine.shift[k]
        for k in range(n_sums):
            rare[2 + n_shifts + 3 * k].f = mine.sums[k].hi
            rare[3 + n_shifts + 3 * k].f = mine.sums[k].lo
            rare[4 + n_shifts + 3 * k].i = mine.sums[k].e


# ----------------------------------------------------------------------------------------- read

cdef inline Scaled around_means(Scaled product, Scaled x, Scaled y, Scaled n) noexcept nogil:
    """sum((x - mean x) * (y - mean y)) of the sums around shifts."""
    return scaled_add(product, scaled_neg(scaled_mul(x, scaled_div(y, n))))


cdef double read_pairs(const Output* output, const Scaled* s, int64_t n) noexcept nogil:
    """Covariance, correlation or slope of n pairs."""
    cdef Scaled count = scaled_of_int(n), xy, xx, yy, square
    cdef double r
    xy = around_means(s[OF_XY], s[OF_X], s[OF_Y], count)
    if output.op == OF_COV:
        return scaled_value(scaled_div(xy, scaled_of_int(n - output.ddof)))
    xx = around_means(s[OF_XX], s[OF_X], s[OF_X], count)
    if not xx.hi > 0.0:
        return NAN
    if output.op == OF_SLOPE:
        return scaled_value(scaled_mul(scaled_div(xy, xx), scaled_of(output.by)))
    yy = around_means(s[OF_YY], s[OF_Y], s[OF_Y], count)
    if not yy.hi > 0.0:
        return NAN
    square = scaled_root(scaled_mul(scaled_div(xy, xx), scaled_div(xy, yy)))
    r = min(scaled_value(square), 1.0)
    return -r if xy.hi < 0.0 else r


cdef double read_powers(const Output* output, const Scaled* s, int64_t n) noexcept nogil:
    """Skewness or excess kurtosis of n values; `how`: corrected for bias."""
    cdef Scaled count = scaled_of_int(n), mean = scaled_div(s[0], count)
    cdef Scaled[N_POWERS] central
    cdef Scaled shape, variance, top, bottom
    memset(central, 0, sizeof(central))
    join_powers(central, s, count, scaled_neg(mean), N_POWERS)
    if not central[1].hi > 0.0:
        return NAN
    variance = scaled_div(central[1], count)
    if output.op == OF_SKEW:
        shape = scaled_div(scaled_div(scaled_div(central[2], count), variance),
                           scaled_root(variance))
        if output.how:
            top = scaled_root(scaled_mul(count, scaled_of_int(n - 1)))
            shape = scaled_div(scaled_mul(shape, top), scaled_of_int(n - 2))
        return scaled_value(shape)
    shape = scaled_div(scaled_div(scaled_div(central[3], count), variance), variance)
    shape = scaled_add(shape, scaled_of(-3.0))
    if output.how:
        shape = scaled_add(scaled_mul(shape, scaled_of_int(n + 1)), scaled_of(6.0))
        bottom = scaled_mul(scaled_of_int(n - 2), scaled_of_int(n - 3))
        shape = scaled_div(scaled_mul(shape, scaled_of_int(n - 1)), bottom)
    return scaled_value(shape)


cdef double read_zscore(
    const Acc* acc, const Output* output, const Group* all, Word last, int64_t n
) noexcept nogil:
    """How many standard deviations a value is above the mean."""
    cdef Scaled count = scaled_of_int(n)
    cdef Scaled squares = around_means(all.sums[1], all.sums[0], all.sums[0], count), far
    if not squares.hi > 0.0:
        return NAN
    far = scaled_add(scaled_distance(acc.numeric, last, all.shift[0]),
                     scaled_neg(scaled_div(all.sums[0], count)))
    return scaled_value(scaled_div(far, scaled_root(
        scaled_div(squares, scaled_of_int(n - output.ddof)))))


cdef double read_moment(
    const Plan* plan, const Output* output, const Word* record, int64_t n
) noexcept nogil:
    """One result of a folded record with n values."""
    cdef const Acc* acc = &plan.accs[output.acc]
    cdef const Word* at = record + acc.narrow
    cdef const Word* rare = at + moment_words(acc.kind, 1)
    cdef Group all, apart
    cdef Word last
    if rare[0].i:
        return NAN
    get_tame(acc.kind, at, &all)
    if rare[1].i:
        get_apart(acc.kind, rare, &apart)
        join(acc, &all, &apart)
    if acc.kind == PAIRS:
        return read_pairs(output, all.sums, n) + 0.0  # never -0.0
    if output.op == OF_ZSCORE:
        last = (record + plan.accs[output.other].narrow)[1]
        return read_zscore(acc, output, &all, last, n) + 0.0
    return read_powers(output, all.sums, n) + 0.0
