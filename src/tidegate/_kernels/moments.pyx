"""Sums of powers and of products around a shift: what covariances, slopes and shapes are made of.

PAIRS keeps of two columns x and y (or of the time, x, and a column) the sums of dx, dy, dx*dy,
dx**2 and dy**2, POWERS keeps of one column the sums of d, d**2, d**3 and d**4: each a pair of
float64, around the first value as shift. Distances of integers are exact in 65 bits, so that
neither a large mean nor a large integer costs a digit.

A *tame* value is 0 or so large and so small that no power of it and no error of a power overflows
or vanishes. Whatever has another one is kept apart, around a shift of its own, in numbers with
exponents of their own (`scaled`); NaN and infinities are only counted, as all is NaN then.

    PAIRS     hi[lanes] lo[lanes] of each sum, shift_x shift_y n
              | n_special n_apart shift_x shift_y, (hi lo e) of each sum
    POWERS    hi[lanes] lo[lanes] of each sum, shift n
              | n_special n_apart shift, (hi lo e) of each sum

References
----------
T. F. Chan, G. H. Golub, R. J. LeVeque, Algorithms for computing the sample variance, The American
Statistician 37(3), 1983 (shifts, and sums of parts); D. N. Joanes, C. A. Gill, Comparing measures
of sample skewness and kurtosis, The Statistician 47(1), 1998 (corrections for bias).
"""

from libc.math cimport NAN, fabs, fma, isfinite, ldexp
from libc.stdint cimport INT64_MAX, int64_t, uint64_t
from libc.string cimport memcpy, memset

from tidegate._kernels.exact cimport Exact, exact, exact_push
from tidegate._kernels.grid cimport float_of_order
from tidegate._kernels.lanes cimport (
    add8, fma8, fold_lanes, load, load_part, splat, store8, v8, wide_t,
)
from tidegate._kernels.records cimport (
    FLOAT, LANES, OF_COV, OF_SKEW, OF_SLOPE, OF_ZSCORE, PAIRS, POWERS, UNSIGNED, Acc,
    Column, Output, Plan, Word,
)
from tidegate._kernels.scaled cimport (
    Scaled, scaled, scaled_add, scaled_div, scaled_mul, scaled_neg, scaled_of, scaled_of_int,
    scaled_root, scaled_value,
)

cdef extern from *:
    """
    #include "lanes.h"
    #include "records.h"
    #undef CYTHON_INLINE
    #define CYTHON_INLINE TG_ALWAYS_INLINE

    typedef struct {
        const double *values;
        Py_ssize_t room;
        double shift;
    } tg_stream;

    #define TG_FAR (UINT64_C(1) << 62)
    #define TG_NEAR (UINT64_C(1) << 52)

    TG_CLONES static void tg_add_pairs8(
        const tg_stream *, const tg_stream *, Py_ssize_t, tg_word *);
    TG_CLONES static void tg_add_powers8(const tg_stream *, Py_ssize_t, tg_word *);
    TG_CLONES static int tg_all_of_range(const int64_t *, Py_ssize_t, int64_t, int64_t);
    TG_CLONES static int tg_distances_of(const int64_t *, Py_ssize_t, int64_t, double *);
    """
    const uint64_t FAR "TG_FAR"    # integers below it can be taken from each other
    const uint64_t NEAR "TG_NEAR"  # and distances below it are floats

    ctypedef struct Stream "tg_stream":
        const double* values
        Py_ssize_t room        # that can be read
        double shift

cdef enum:
    CHUNK = 512  # rows taken at a time: they stay in the nearest cache

cdef enum:
    OF_X, OF_Y, OF_XY, OF_XX, OF_YY, N_PAIRS  # the sums of PAIRS, and how many
    N_POWERS = 4
    N_MOST = 5

cdef enum Care:
    IS_TAME
    IS_APART
    IS_SPECIAL


cdef struct Group:
    int64_t n
    Word[2] shift          # of POWERS the first
    Scaled[N_MOST] sums


cdef inline int sums_of(int kind) noexcept nogil:
    """How many sums there are."""
    return N_POWERS if kind == POWERS else N_PAIRS


cdef inline int shifts_of(int kind) noexcept nogil:
    """How many shifts."""
    return 1 if kind == POWERS else 2


cdef int moment_words(int kind, int lanes) noexcept nogil:
    """Length in a record."""
    return 2 * sums_of(kind) * lanes + shifts_of(kind) + 1


cdef int moment_rare_words(int kind) noexcept nogil:
    """Length in the cold part of a record."""
    return 2 + shifts_of(kind) + 3 * sums_of(kind)


# ----------------------------------------------------------------------------------- values

cdef inline int care_of(int numeric, Word x, double low, double high) noexcept nogil:
    """What a value needs."""
    if numeric != FLOAT or x.f == 0.0 or low <= fabs(x.f) < high:
        return IS_TAME
    return IS_APART if isfinite(x.f) else IS_SPECIAL


cdef inline Exact exact_of_wide(wide_t x) noexcept nogil:
    """A 128-bit integer as a pair, exact up to 106 bits."""
    cdef double hi = <double>x
    return exact(hi, <double>(x - <wide_t>hi))


cdef inline Exact distance(int numeric, Word x, Word shift) noexcept nogil:
    """x - shift of integers or of tame values, without loss."""
    cdef Exact d
    cdef double b
    if numeric == FLOAT:
        d.hi = x.f - shift.f
        b = d.hi - x.f
        d.lo = (x.f - (d.hi - b)) - (shift.f + b)
        return d
    if numeric == UNSIGNED:
        return exact_of_wide(<wide_t>x.u - <wide_t>shift.u)
    return exact_of_wide(<wide_t>x.i - <wide_t>shift.i)


cdef inline Scaled scaled_distance(int numeric, Word x, Word shift) noexcept nogil:
    """x - shift of any finite values."""
    if numeric == FLOAT:
        return scaled_add(scaled_of(x.f), scaled_neg(scaled_of(shift.f)))
    return scaled(distance(numeric, x, shift), 0)


cdef inline Word word_at(const Column* column, Py_ssize_t row) noexcept nogil:
    """A value as it stands."""
    return (<const Word*>column.values)[row]


# -------------------------------------------------------------------------------------- push

cdef inline void add_product(
    Word* at, int lanes, int lane, Exact a, Exact b
) noexcept nogil:
    """Add a * b with all errors of the first order."""
    cdef double p = a.hi * b.hi
    cdef double e = fma(a.hi, b.hi, -p)
    exact_push(&at[lane].f, &at[lanes + lane].f, p)
    at[lanes + lane].f += e + (a.hi * b.lo + a.lo * b.hi)


cdef inline void add_pair(Word* at, int lanes, int lane, Exact x, Exact y) noexcept nogil:
    """One tame pair into the sums of PAIRS."""
    exact_push(&at[lane].f, &at[lanes + lane].f, x.hi)
    at[lanes + lane].f += x.lo
    at += 2 * lanes
    exact_push(&at[lane].f, &at[lanes + lane].f, y.hi)
    at[lanes + lane].f += y.lo
    add_product(at + 2 * lanes, lanes, lane, x, y)
    add_product(at + 4 * lanes, lanes, lane, x, x)
    add_product(at + 6 * lanes, lanes, lane, y, y)


cdef inline void add_powers(Word* at, int lanes, int lane, Exact d) noexcept nogil:
    """One tame distance into the sums of POWERS."""
    cdef double p2 = d.hi * d.hi
    cdef double e2 = fma(d.hi, d.hi, -p2) + 2.0 * (d.hi * d.lo)
    cdef double p3 = p2 * d.hi
    cdef double e3 = fma(p2, d.hi, -p3) + (p2 * d.lo + e2 * d.hi)
    cdef double p4 = p2 * p2
    cdef double e4 = fma(p2, p2, -p4) + 2.0 * (p2 * e2)
    exact_push(&at[lane].f, &at[lanes + lane].f, d.hi)
    at[lanes + lane].f += d.lo
    at += 2 * lanes
    exact_push(&at[lane].f, &at[lanes + lane].f, p2)
    at[lanes + lane].f += e2
    at += 2 * lanes
    exact_push(&at[lane].f, &at[lanes + lane].f, p3)
    at[lanes + lane].f += e3
    at += 2 * lanes
    exact_push(&at[lane].f, &at[lanes + lane].f, p4)
    at[lanes + lane].f += e4


cdef inline void add_scaled(Word* at, Scaled x) noexcept nogil:
    """Add to a sum of what is kept apart."""
    cdef Scaled total = scaled_add(scaled_at(at), x)
    at[0].f = total.hi
    at[1].f = total.lo
    at[2].i = total.e


cdef void add_apart(int kind, Word* at, Scaled x, Scaled y) noexcept nogil:
    """Distances that are not tame into sums."""
    cdef Scaled square = scaled_mul(x, x)
    if kind == POWERS:
        add_scaled(at, x)
        add_scaled(at + 3, square)
        add_scaled(at + 6, scaled_mul(square, x))
        add_scaled(at + 9, scaled_mul(square, square))
    else:
        add_scaled(at + 3 * OF_X, x)
        add_scaled(at + 3 * OF_Y, y)
        add_scaled(at + 3 * OF_XY, scaled_mul(x, y))
        add_scaled(at + 3 * OF_XX, square)
        add_scaled(at + 3 * OF_YY, scaled_mul(y, y))


cdef inline void push_pair(
    int x_is, int y_is, Word x, Word y, int lanes, int lane, Word* at, Word* rare,
) noexcept nogil:
    """PAIRS of one pair of any size."""
    cdef Word* shift = at + 2 * N_PAIRS * lanes
    cdef int care = max(care_of(x_is, x, PAIR_LOW, PAIR_HIGH),
                        care_of(y_is, y, PAIR_LOW, PAIR_HIGH))
    if care == IS_TAME:
        if shift[2].i == 0:
            shift[0] = x
            shift[1] = y
        shift[2].i += 1
        add_pair(at, lanes, lane, distance(x_is, x, shift[0]), distance(y_is, y, shift[1]))
    elif care == IS_SPECIAL:
        rare[0].i += 1
    else:
        if rare[1].i == 0:
            rare[2] = x
            rare[3] = y
        rare[1].i += 1
        add_apart(PAIRS, rare + 4, scaled_distance(x_is, x, rare[2]),
                  scaled_distance(y_is, y, rare[3]))


cdef inline void push_powers(
    int numeric, Word x, int lanes, int lane, Word* at, Word* rare
) noexcept nogil:
    """POWERS of one value of any size."""
    cdef Word* shift = at + 2 * N_POWERS * lanes
    cdef Scaled far
    cdef int care = care_of(numeric, x, POWER_LOW, POWER_HIGH)
    if care == IS_TAME:
        if shift[1].i == 0:
            shift[0] = x
        shift[1].i += 1
        add_powers(at, lanes, lane, distance(numeric, x, shift[0]))
    elif care == IS_SPECIAL:
        rare[0].i += 1
    else:
        if rare[1].i == 0:
            rare[2] = x
        rare[1].i += 1
        far = scaled_distance(numeric, x, rare[2])
        add_apart(POWERS, rare + 3, far, far)


cdef void push_moment(
    const Acc* acc, const Column* columns, Py_ssize_t row, int64_t time, int lanes, int lane,
    Word* at, Word* rare,
) noexcept nogil:
    """One row that has all values."""
    cdef const Column* column = &columns[acc.column]
    cdef Word x
    if acc.kind == POWERS:
        push_powers(column.numeric, word_at(column, row), lanes, lane, at, rare)
        return
    if acc.weight >= 0:
        x = word_at(&columns[acc.weight], row)
    elif acc.numeric_x == FLOAT:
        x.f = float_of_order(time)
    else:
        x.i = time
    push_pair(acc.numeric_x, acc.numeric, x, word_at(column, row), lanes, lane, at, rare)


# ---------------------------------------------------------------------------- push a run of rows

cdef inline void sub8(v8 x, v8 shift, v8* d, v8* r) noexcept nogil:
    """x - shift, without loss, as `distance`."""
    cdef v8 b
    d[0] = x - shift
    b = d[0] - x
    r[0] = (x - (d[0] - b)) - (shift + b)


cdef inline void add_parts8(v8* hi, v8* lo, v8 x, v8 rest) noexcept nogil:
    """Add x and what it was rounded by."""
    add8(hi, lo, x)
    lo[0] = lo[0] + rest


cdef inline void add_product8(v8* hi, v8* lo, v8 a, v8 a_lo, v8 b, v8 b_lo) noexcept nogil:
    """As `add_product`."""
    cdef v8 p = a * b
    cdef v8 e = fma8(a, b, -p)
    add_parts8(hi, lo, p, e + (a * b_lo + a_lo * b))


cdef inline void load_sum(Word* at, int k, v8* hi, v8* lo) noexcept nogil:
    """The k-th sum of a record."""
    hi[0] = load(&at[2 * k * LANES].f)
    lo[0] = load(&at[(2 * k + 1) * LANES].f)


cdef inline void store_sum(Word* at, int k, v8 hi, v8 lo) noexcept nogil:
    """The k-th sum of a record."""
    store8(&at[2 * k * LANES].f, hi)
    store8(&at[(2 * k + 1) * LANES].f, lo)


cdef void add_pairs8 "tg_add_pairs8"(
    const Stream* x, const Stream* y, Py_ssize_t n, Word* at
) noexcept nogil:
    """n tame pairs into PAIRS, the first into lane 0; what is no pair of them adds 0."""
    cdef v8 x_hi, x_lo, y_hi, y_lo, xy_hi, xy_lo, xx_hi, xx_lo, yy_hi, yy_lo, dx, rx, dy, ry, v, w
    cdef v8 shift_x = splat(x.shift), shift_y = splat(y.shift)
    cdef Py_ssize_t i = 0
    load_sum(at, OF_X, &x_hi, &x_lo)
    load_sum(at, OF_Y, &y_hi, &y_lo)
    load_sum(at, OF_XY, &xy_hi, &xy_lo)
    load_sum(at, OF_XX, &xx_hi, &xx_lo)
    load_sum(at, OF_YY, &yy_hi, &yy_lo)
    while i < n:
        if i + LANES <= n:
            v = load(x.values + i)
            w = load(y.values + i)
        else:
            v = load_part(x.values + i, n - i, x.room - i, x.shift)
            w = load_part(y.values + i, n - i, y.room - i, y.shift)
        sub8(v, shift_x, &dx, &rx)
        sub8(w, shift_y, &dy, &ry)
        add_parts8(&x_hi, &x_lo, dx, rx)
        add_parts8(&y_hi, &y_lo, dy, ry)
        add_product8(&xy_hi, &xy_lo, dx, rx, dy, ry)
        add_product8(&xx_hi, &xx_lo, dx, rx, dx, rx)
        add_product8(&yy_hi, &yy_lo, dy, ry, dy, ry)
        i += LANES
    store_sum(at, OF_X, x_hi, x_lo)
    store_sum(at, OF_Y, y_hi, y_lo)
    store_sum(at, OF_XY, xy_hi, xy_lo)
    store_sum(at, OF_XX, xx_hi, xx_lo)
    store_sum(at, OF_YY, yy_hi, yy_lo)


cdef void add_powers8 "tg_add_powers8"(const Stream* x, Py_ssize_t n, Word* at) noexcept nogil:
    """n tame values into POWERS, the first into lane 0; what is none of them adds 0."""
    cdef v8 hi1, lo1, hi2, lo2, hi3, lo3, hi4, lo4, d, r, p2, e2, p3, e3, p4, e4, v
    cdef v8 shift = splat(x.shift)
    cdef Py_ssize_t i = 0
    load_sum(at, 0, &hi1, &lo1)
    load_sum(at, 1, &hi2, &lo2)
    load_sum(at, 2, &hi3, &lo3)
    load_sum(at, 3, &hi4, &lo4)
    while i < n:
        if i + LANES <= n:
            v = load(x.values + i)
        else:
            v = load_part(x.values + i, n - i, x.room - i, x.shift)
        sub8(v, shift, &d, &r)
        p2 = d * d
        e2 = fma8(d, d, -p2) + 2.0 * (d * r)
        p3 = p2 * d
        e3 = fma8(p2, d, -p3) + (p2 * r + e2 * d)
        p4 = p2 * p2
        e4 = fma8(p2, p2, -p4) + 2.0 * (p2 * e2)
        add_parts8(&hi1, &lo1, d, r)
        add_parts8(&hi2, &lo2, p2, e2)
        add_parts8(&hi3, &lo3, p3, e3)
        add_parts8(&hi4, &lo4, p4, e4)
        i += LANES
    store_sum(at, 0, hi1, lo1)
    store_sum(at, 1, hi2, lo2)
    store_sum(at, 2, hi3, lo3)
    store_sum(at, 3, hi4, lo4)


cdef bint all_tame "tg_all_of_range"(
    const int64_t* bits, Py_ssize_t n, int64_t low, int64_t high
) noexcept nogil:
    """Whether n floats are 0 or lie between two magnitudes; all of them are given by their bits."""
    cdef int64_t bad = 0, x
    cdef Py_ssize_t i
    for i in range(n):
        x = bits[i] & INT64_MAX
        bad |= ((x - low) & ~(x - 1)) | (high - 1 - x)  # by the sign: only that of 0 - 1 is set
    return bad >= 0


cdef bint distances_of "tg_distances_of"(
    const int64_t* x, Py_ssize_t n, int64_t shift, double* out
) noexcept nogil:
    """Integers as distances; False where one has more than 52 bits, or they may not be integers."""
    cdef uint64_t bad = <uint64_t>shift + FAR, d
    cdef Py_ssize_t i
    for i in range(n):
        d = <uint64_t>x[i] - <uint64_t>shift
        bad |= (<uint64_t>x[i] + FAR) | (d + NEAR) | (NEAR - d)  # by the sign
        out[i] = <double><int64_t>d
    return <int64_t>bad >= 0


cdef inline int64_t bits_of(double x) noexcept nogil:
    """The bits of a float."""
    cdef Word word
    word.f = x
    return word.i


cdef bint stream_of(
    int numeric, const Word* values, Py_ssize_t n, Py_ssize_t room, Word* shift, bint first,
    double low, double high, double* spare, Stream* out,
) noexcept nogil:
    """View values as floats around a shift, the first of all where there is none yet.

    False, and the shift as it was, where they need care.
    """
    cdef Word kept = values[0] if first else shift[0]
    if numeric == FLOAT:
        out.values = &values.f
        out.room = room
        out.shift = kept.f
        return all_tame(&values.i, n, bits_of(low), bits_of(high))
    out.values = spare
    out.room = CHUNK + LANES
    out.shift = 0.0
    if numeric == UNSIGNED and (kept.i < 0 or not all_positive(&values.i, n)):
        return False
    return distances_of(&values.i, n, kept.i, spare)


cdef inline bint all_positive(const int64_t* x, Py_ssize_t n) noexcept nogil:
    """Whether no sign bit is set."""
    cdef int64_t all = 0
    cdef Py_ssize_t i
    for i in range(n):
        all |= x[i]
    return all >= 0


cdef inline bint push_calm(
    const Acc* acc, const Word* x, const Word* y, Py_ssize_t n, Py_ssize_t room, Word* at
) noexcept nogil:
    """Up to CHUNK rows from lane 0 on; False, and nothing done, where some need care."""
    cdef double[CHUNK + LANES] spare_x, spare_y
    cdef Stream a, b
    cdef int n_shifts = shifts_of(acc.kind)
    cdef Word* shift = at + 2 * sums_of(acc.kind) * LANES
    cdef bint first = shift[n_shifts].i == 0
    if acc.kind == POWERS:
        if not stream_of(acc.numeric, y, n, room, shift, first, POWER_LOW, POWER_HIGH, spare_y,
                         &b):
            return False
    elif not (stream_of(acc.numeric_x, x, n, room, shift, first, PAIR_LOW, PAIR_HIGH, spare_x, &a)
              and stream_of(acc.numeric, y, n, room, shift + 1, first, PAIR_LOW, PAIR_HIGH,
                            spare_y, &b)):
        return False
    if first:
        shift[0] = y[0] if acc.kind == POWERS else x[0]
        if acc.kind == PAIRS:
            shift[1] = y[0]
    shift[n_shifts].i += n
    if acc.kind == POWERS:
        add_powers8(&b, n, at)
    else:
        add_pairs8(&a, &b, n, at)
    return True


cdef void push_moments(
    const Acc* acc, const Column* columns, const int64_t* times, Py_ssize_t begin, Py_ssize_t end,
    Py_ssize_t n_rows, int lane, Word* at, Word* rare,
) noexcept nogil:
    """Rows [begin, end) of columns without nulls, the first into `lane` of eight."""
    cdef const Word* y = <const Word*>columns[acc.column].values
    cdef const Word* x = <const Word*>times
    cdef Py_ssize_t n, i = begin
    if acc.weight >= 0:
        x = <const Word*>columns[acc.weight].values
    while i < end:
        n = min(end - i, <Py_ssize_t>CHUNK)
        if lane:
            n = min(n, <Py_ssize_t>(LANES - lane))
        # float times come as numbers that sort as they do
        if lane or (acc.kind == PAIRS and acc.weight < 0 and acc.numeric_x == FLOAT) or (
                not push_calm(acc, x + i, y + i, n, n_rows - i, at)):
            for row in range(i, i + n):
                push_moment(acc, columns, row, times[row], LANES, lane, at, rare)
                lane = (lane + 1) % LANES
        else:
            lane = n % LANES
        i += n


# ------------------------------------------------------------------------------ fold and merge

cdef void fold_moment(const Acc* acc, const Word* at, const Word* rare, Word* out) noexcept nogil:
    """Eight lanes to one."""
    cdef int k, lanes = LANES, n_sums = sums_of(acc.kind), n_more = shifts_of(acc.kind) + 1
    for k in range(n_sums):
        fold_lanes(&at[2 * k * lanes].f, &at[(2 * k + 1) * lanes].f, &out[2 * k].f,
                   &out[2 * k + 1].f)
    memcpy(out + 2 * n_sums, at + 2 * n_sums * lanes, n_more * sizeof(Word))
    memcpy(out + 2 * n_sums + n_more, rare, moment_rare_words(acc.kind) * sizeof(Word))


cdef inline Scaled scaled_at(const Word* at) noexcept nogil:
    """A sum of what is kept apart."""
    cdef Scaled r
    r.hi = at[0].f
    r.lo = at[1].f
    r.e = at[2].i
    return r


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
