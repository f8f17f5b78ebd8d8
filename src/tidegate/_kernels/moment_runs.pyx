"""Sums of powers and of products around a shift, of a run of rows: eight lanes at a time.

The bits are those of row by row, see moments.pyx: the rows of a run are lanes of the same vectors.
A run in which a value needs care goes row by row.
"""

from libc.stdint cimport INT64_MAX, int64_t, uint64_t

from tidegate._kernels.lanes cimport add8, fma8, load, load_part, splat, store8, v8
from tidegate._kernels.moments cimport (
    OF_X, OF_XX, OF_XY, OF_Y, OF_YY, PAIR_HIGH, PAIR_LOW, POWER_HIGH, POWER_LOW, push_moment,
    shifts_of, sums_of,
)
from tidegate._kernels.records cimport FLOAT, LANES, PAIRS, POWERS, UNSIGNED, Acc, Column, Word

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

    #define TG_STREAM_FAR (UINT64_C(1) << 62)
    #define TG_STREAM_NEAR (UINT64_C(1) << 52)

    TG_CLONES static void tg_add_pairs8(
        const tg_stream *, const tg_stream *, Py_ssize_t, tg_word *);
    TG_CLONES static void tg_add_powers8(const tg_stream *, Py_ssize_t, tg_word *);
    TG_CLONES static int tg_all_of_range(const int64_t *, Py_ssize_t, int64_t, int64_t);
    TG_CLONES static int tg_distances_of(const int64_t *, Py_ssize_t, int64_t, double *);
    """
    const uint64_t FAR "TG_STREAM_FAR"    # integers below it can be taken from each other
    const uint64_t NEAR "TG_STREAM_NEAR"  # and distances below it are floats

    ctypedef struct Stream "tg_stream":
        const double* values
        Py_ssize_t room        # that can be read
        double shift

cdef enum:
    CHUNK = 512  # rows taken at a time: they stay in the nearest cache


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
