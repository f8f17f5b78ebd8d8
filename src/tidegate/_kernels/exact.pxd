"""Float sums without loss: an unevaluated pair hi + lo of float64 (double-double).

References
----------
D. E. Knuth, The Art of Computer Programming 2, 4.2.2 (TwoSum); T. J. Dekker, Numer. Math. 18,
1971; T. Ogita, S. M. Rump, S. Oishi, SIAM J. Sci. Comput. 26(6), 2005 (compensated sums).
"""

from libc.math cimport fma, isfinite

from tidegate._kernels.lanes cimport wide_t


cdef struct Exact:
    double hi
    double lo


cdef inline Exact exact(double hi, double lo) noexcept nogil:
    """Make a pair, normalised so that hi is the pair rounded to float64."""
    cdef Exact r
    cdef double b
    r.hi = hi + lo
    b = r.hi - hi
    r.lo = (hi - (r.hi - b)) + (lo - b)
    return r


cdef inline Exact exact_of(double x) noexcept nogil:
    """A float64 as a pair."""
    cdef Exact r
    r.hi = x
    r.lo = 0.0
    return r


cdef inline void exact_push(double* hi, double* lo, double x) noexcept nogil:
    """Add one value; the rounding error of hi goes to lo."""
    cdef double s = hi[0] + x
    cdef double b = s - hi[0]
    lo[0] += (hi[0] - (s - b)) + (x - b)
    hi[0] = s


cdef inline void exact_push_product(double* hi, double* lo, double a, double b) noexcept nogil:
    """Add a * b with the rounding error of the product."""
    cdef double p = a * b
    cdef double e = fma(a, b, -p)
    exact_push(hi, lo, p)
    lo[0] += e


cdef inline void exact_push_square(double* hi, double* lo, double x, double shift) noexcept nogil:
    """Add (x - shift)**2, the difference taken without loss."""
    cdef double d = x - shift
    cdef double b = d - x
    cdef double r = (x - (d - b)) - (shift + b)
    cdef double p = d * d
    cdef double e = fma(d, d, -p)
    exact_push(hi, lo, p)
    lo[0] += e + 2.0 * (d * r)


cdef inline Exact exact_add(Exact a, Exact b) noexcept nogil:
    """a + b."""
    cdef double hi = a.hi, lo = a.lo + b.lo
    exact_push(&hi, &lo, b.hi)
    return exact(hi, lo)


cdef inline Exact exact_mul(Exact a, Exact b) noexcept nogil:
    """a * b."""
    cdef double p = a.hi * b.hi
    cdef double e = fma(a.hi, b.hi, -p)
    return exact(p, e + (a.hi * b.lo + a.lo * b.hi))


cdef inline Exact exact_neg(Exact a) noexcept nogil:
    """-a."""
    cdef Exact r
    r.hi = -a.hi
    r.lo = -a.lo
    return r


cdef inline Exact exact_div(Exact a, Exact b) noexcept nogil:
    """a / b, by two steps of long division; what overflows is infinite."""
    cdef Exact q, rest
    cdef double first = a.hi / b.hi
    if not isfinite(first):
        q.hi = first
        q.lo = 0.0
        return q
    q.hi = -first
    q.lo = 0.0
    rest = exact_add(a, exact_mul(q, b))
    return exact(first, rest.hi / b.hi)


cdef inline Exact exact_of_int(long long x) noexcept nogil:
    """An int64 as a pair; both halves are exact in float64."""
    cdef long long top = (x >> 32) * (<long long>1 << 32)
    return exact(<double>top, <double>(x - top))


cdef inline Exact exact_of_wide(wide_t x) noexcept nogil:
    """A 128-bit integer as a pair, exact up to 106 bits."""
    cdef double hi = <double>x
    return exact(hi, <double>(x - <wide_t>hi))
