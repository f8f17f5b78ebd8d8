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
Statistician 37(3), 1983 (shifts, and sums of parts).
"""

from libc.math cimport fabs, fma, isfinite
from libc.stdint cimport int64_t

from tidegate._kernels.exact cimport Exact, exact_push
from tidegate._kernels.grid cimport float_of_order
from tidegate._kernels.records cimport FLOAT, PAIRS, POWERS, Acc, Column, Word
from tidegate._kernels.scaled cimport Scaled, scaled_add, scaled_mul

cdef extern from *:
    """
    #include "lanes.h"
    #undef CYTHON_INLINE
    #define CYTHON_INLINE TG_ALWAYS_INLINE
    """

cdef enum Care:
    IS_TAME
    IS_APART
    IS_SPECIAL


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
