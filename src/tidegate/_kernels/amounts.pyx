"""Running sums that close a bar: compensated floats, or 128-bit integers.

What a row brings is the value of a column, or the product of those of two.
"""

from libc.math cimport fabs, floor, isfinite
from libc.stdint cimport int64_t, uint8_t

from tidegate._kernels.calm cimport is_calm
from tidegate._kernels.exact cimport Exact, exact, exact_add, exact_mul, exact_neg
from tidegate._kernels.lanes cimport wide_hi, wide_lo, wide_of, wide_t
from tidegate._kernels.push cimport is_plain
from tidegate._kernels.records cimport FLOAT, MOST_ROWS, TAME, Column, Word

cdef extern from *:
    """
    #include "lanes.h"
    #include "records.h"
    #undef CYTHON_INLINE
    #define CYTHON_INLINE TG_ALWAYS_INLINE
    TG_CLONES static Py_ssize_t tg_first_odd(const double *, const uint8_t *, Py_ssize_t, int);
    """

cdef double NEARLY = 1.0 - 1.0 / (1 << 40)  # of a limit: below it nothing has to be weighed


cdef Py_ssize_t first_odd "tg_first_odd"(
    const double* x, const uint8_t* valid, Py_ssize_t n, bint skip_nan
) noexcept nogil:
    """The first value that is there and is no number that can be added up; -1: none."""
    cdef Py_ssize_t i, block, end
    cdef int64_t odd
    for block in range(0, n, 64):
        end = min(block + 64, n)
        odd = 0
        for i in range(block, end):
            odd |= not fabs(x[i]) < TAME
        if odd:
            for i in range(block, end):
                if not fabs(x[i]) < TAME and (valid == NULL or valid[i]) and (
                        not skip_nan or x[i] == x[i]):
                    return i
    return -1


def first_wild(const double[::1] values not None, const uint8_t[::1] valid, bint skip_nan):
    """Find the first value that cannot be added up: a NaN, an infinity, from 2**480 on.

    Parameters
    ----------
    values : (n_rows,) float64
    valid : (n_rows,) uint8 or None
        Only rows with a 1 count; None: all.
    skip_nan : bool
        A NaN is a missing value.

    Returns
    -------
    int
        -1 where there is none.
    """
    cdef Py_ssize_t n = values.shape[0], at = -1
    cdef const uint8_t* flags = NULL
    if valid is not None and valid.shape[0] != n:
        raise ValueError("the columns of a batch differ in length")
    if n:
        if valid is not None:
            flags = &valid[0]
        with nogil:
            at = first_odd(&values[0], flags, n, skip_nan)
    return at


cdef bint are_calm(
    const Amounts* amounts, const Column* columns, Py_ssize_t base, Py_ssize_t n
) noexcept nogil:
    """Whether the values of a block can be added up in 64 bits, or are plain floats."""
    cdef const Column* column = &columns[amounts.first]
    if amounts.second >= 0 or not is_plain(column):
        return False
    if not amounts.is_int:
        return column.numeric == FLOAT
    return amounts.limit <= <int64_t>1 << 61 and is_calm(column, base, n)


cdef Py_ssize_t add_amounts(
    const Amounts* amounts, const Column* columns, Word* total, Py_ssize_t base, Py_ssize_t i,
    Py_ssize_t n, bint calm, bint* closes
) noexcept nogil:
    """Add what rows from i on bring, up to that which reaches the limit; where it stopped."""
    cdef const int64_t* whole
    cdef const double* x
    cdef int64_t units, limit = amounts.limit
    cdef double hi, lo, s, b, near = amounts.limit_f * NEARLY
    cdef Exact so_far
    closes[0] = False
    if calm and amounts.is_int and total[1].i == (total[0].i >> 63) and (
            total[0].i > -(<int64_t>1 << 61)):
        whole = <const int64_t*>columns[amounts.first].values + base
        units = total[0].i
        while i < n and not closes[0]:
            units += whole[i]
            closes[0] = units >= limit
            i += 1
        total[0].i = units
        total[1].i = units >> 63
    elif calm and not amounts.is_int:
        x = <const double*>columns[amounts.first].values + base
        hi = total[0].f
        lo = total[1].f
        while i < n and not closes[0]:
            s = hi + x[i]  # as exact_push
            b = s - hi
            lo = lo + ((hi - (s - b)) + (x[i] - b))
            hi = s
            if hi + lo >= near:
                so_far = exact(hi, lo)
                closes[0] = reaches(&so_far, amounts.limit_f)
            i += 1
        total[0].f = hi
        total[1].f = lo
    else:
        while i < n and not closes[0]:
            closes[0] = add_amount(amounts, columns, total, base + i)
            i += 1
    return i


cdef int64_t take_limit(const Amounts* amounts, Word* total) noexcept nogil:
    """Take the limit off a sum that has reached it, as often as it goes, which is returned."""
    cdef wide_t whole, times
    cdef Exact so_far, limit, back
    cdef double n
    if amounts.rest == IS_DROPPED:
        total[0].i = total[1].i = 0
        return 1
    if amounts.is_int:
        whole = wide_of(total[0].u, total[1].i)
        times = whole / amounts.limit
        whole = whole - times * amounts.limit
        total[0].u = wide_lo(whole)
        total[1].i = wide_hi(whole)
        return MOST_ROWS if times > MOST_ROWS else <int64_t>times
    so_far = exact(total[0].f, total[1].f)
    limit.hi = amounts.limit_f
    limit.lo = 0.0
    n = 0.0
    back.lo = 0.0
    while so_far.hi >= 2.0 * limit.hi or so_far.hi < -limit.hi:  # 53 bits of a quotient a time
        back.hi = floor(so_far.hi / limit.hi)
        so_far = exact_add(so_far, exact_neg(exact_mul(back, limit)))
        n += back.hi
    if so_far.hi < 0.0:  # the quotient was rounded up
        so_far = exact_add(so_far, limit)
        n -= 1.0
    elif reaches(&so_far, limit.hi):
        so_far = exact_add(so_far, exact_neg(limit))
        n += 1.0
    total[0].f = so_far.hi
    total[1].f = so_far.lo
    return <int64_t>min(max(n, 1.0), <double>MOST_ROWS)


cdef bint is_below(const Amounts* amounts, int64_t first, int64_t second) noexcept nogil:
    """Whether a running sum that was written down is one that has not reached the limit."""
    cdef Word[2] total
    cdef Exact so_far
    total[0].i = first
    total[1].i = second
    if amounts.is_int:
        return wide_of(total[0].u, total[1].i) < amounts.limit
    so_far = exact(total[0].f, total[1].f)
    return isfinite(so_far.hi) and so_far.hi <= amounts.limit_f
