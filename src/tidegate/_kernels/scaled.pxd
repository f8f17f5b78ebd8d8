"""Double-double with an exponent of its own: (hi + lo) * 2**e, never too large and never too small.

What sums of squares and products are in where values are so large or so small that a float64 could
not hold these. Slow, and so only for such values and for what is done once in a window.
"""

from libc.math cimport fabs, fma, frexp, ldexp, sqrt
from libc.stdint cimport int64_t

from tidegate._kernels.exact cimport (
    Exact, exact, exact_add, exact_div, exact_mul, exact_of_int,
)

cdef extern from * nogil:
    """
    #define TG_SCALED_HIGH 0x1p200
    #define TG_SCALED_LOW 0x1p-200
    """
    const double HIGH "TG_SCALED_HIGH"  # mantissas lie between these: products of two do not
    const double LOW "TG_SCALED_LOW"    # overflow, and squares of small ones do not vanish

cdef enum:
    APART = 1100  # exponents further apart: the smaller number is nothing beside the larger one
    MOST = 1 << 20


cdef struct Scaled:
    double hi
    double lo
    int64_t e


cdef inline Scaled scaled(Exact pair, int64_t e) noexcept nogil:
    """Make a number of a normalised pair and an exponent."""
    cdef Scaled r
    cdef int k
    r.hi = pair.hi
    r.lo = pair.lo
    r.e = e
    if pair.hi == 0.0:
        r.lo = 0.0
        r.e = 0
    elif not LOW < fabs(pair.hi) < HIGH:
        frexp(pair.hi, &k)
        r.hi = ldexp(pair.hi, -k)
        r.lo = ldexp(pair.lo, -k)
        r.e = e + k
    return r


cdef inline Exact mantissa(Scaled a) noexcept nogil:
    """The pair alone."""
    cdef Exact r
    r.hi = a.hi
    r.lo = a.lo
    return r


cdef inline Scaled scaled_of(double x) noexcept nogil:
    """A finite float64."""
    cdef Exact r
    r.hi = x
    r.lo = 0.0
    return scaled(r, 0)


cdef inline Scaled scaled_of_int(int64_t x) noexcept nogil:
    """An int64."""
    return scaled(exact_of_int(x), 0)


cdef inline Scaled scaled_neg(Scaled a) noexcept nogil:
    """-a."""
    a.hi = -a.hi
    a.lo = -a.lo
    return a


cdef inline Scaled scaled_add(Scaled a, Scaled b) noexcept nogil:
    """a + b."""
    cdef Scaled small
    if a.hi == 0.0:
        return b
    if b.hi == 0.0:
        return a
    if a.e == b.e:
        return scaled(exact_add(mantissa(a), mantissa(b)), a.e)
    if a.e < b.e:
        small = a
        a = b
        b = small
    if a.e - b.e > APART:
        return a
    b.hi = ldexp(b.hi, <int>(b.e - a.e))
    b.lo = ldexp(b.lo, <int>(b.e - a.e))
    return scaled(exact_add(mantissa(a), mantissa(b)), a.e)


cdef inline Scaled scaled_mul(Scaled a, Scaled b) noexcept nogil:
    """a * b."""
    return scaled(exact_mul(mantissa(a), mantissa(b)), a.e + b.e)


cdef inline Scaled scaled_div(Scaled a, Scaled b) noexcept nogil:
    """a / b, b not 0."""
    return scaled(exact_div(mantissa(a), mantissa(b)), a.e - b.e)


cdef inline Scaled scaled_root(Scaled a) noexcept nogil:
    """The square root of a >= 0."""
    cdef double root
    if a.hi == 0.0:
        return a
    if a.e & 1:
        a.hi *= 2.0
        a.lo *= 2.0
        a.e -= 1
    root = sqrt(a.hi)
    return scaled(exact(root, (fma(-root, root, a.hi) + a.lo) / (2.0 * root)), a.e // 2)


cdef inline double scaled_value(Scaled a) noexcept nogil:
    """The nearest float64: what is beyond the largest is infinite."""
    return ldexp(a.hi, <int>max(min(a.e, <int64_t>MOST), -<int64_t>MOST))
