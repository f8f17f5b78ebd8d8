"""Order of values: selecting and sorting them, quantiles, and distances from a median.

Values are looked at as *keys*: int64 that sort as they do, so that there is one way to select and
to sort. -0.0 is 0.0, and NaN comes last.
"""

from libc.math cimport INFINITY, NAN, fabs, floor, isfinite, rint
from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t

from tidegate._kernels.exact cimport Exact, exact, exact_add, exact_mul, exact_of_wide
from tidegate._kernels.grid cimport float_of_order, order_of_float
from tidegate._kernels.lanes cimport wide_t
from tidegate._kernels.records cimport FLOAT, UNSIGNED, Word

cdef extern from * nogil:
    """
    #define TG_RANKS_HUGE 0x1p1000
    """
    const double HUGE "TG_RANKS_HUGE"  # distances of larger values may overflow

cdef enum Interpolation:
    LINEAR
    LOWER
    HIGHER
    NEAREST
    MIDPOINT

cdef enum:
    FEW = 16      # values that are sorted by insertion


cdef Word value_of_key(int numeric, int64_t key) noexcept nogil:
    """The value that a key came from."""
    cdef Word value
    value.i = key
    if numeric == FLOAT:
        value.f = NAN if key == INT64_MAX else float_of_order(key)
    elif numeric == UNSIGNED:
        value.i = key ^ INT64_MIN
    return value


cdef inline void insert_sort(int64_t* a, Py_ssize_t n) noexcept nogil:
    """Sort a few keys."""
    cdef Py_ssize_t i, j
    cdef int64_t x
    for i in range(1, n):
        x = a[i]
        j = i
        while j > 0 and a[j - 1] > x:
            a[j] = a[j - 1]
            j -= 1
        a[j] = x


cdef void sift(int64_t* a, Py_ssize_t at, Py_ssize_t n) noexcept nogil:
    """Let a key sink to its place in a heap."""
    cdef Py_ssize_t child
    cdef int64_t x = a[at]
    while 2 * at + 1 < n:
        child = 2 * at + 1
        if child + 1 < n and a[child + 1] > a[child]:
            child += 1
        if a[child] <= x:
            break
        a[at] = a[child]
        at = child
    a[at] = x


cdef void heap_sort(int64_t* a, Py_ssize_t n) noexcept nogil:
    """Sort keys that no pivot splits well."""
    cdef Py_ssize_t i
    cdef int64_t x
    for i in range(n // 2 - 1, -1, -1):
        sift(a, i, n)
    for i in range(n - 1, 0, -1):
        x = a[0]
        a[0] = a[i]
        a[i] = x
        sift(a, 0, i)


cdef inline int64_t middle_of(int64_t a, int64_t b, int64_t c) noexcept nogil:
    """The median of three keys."""
    return max(min(a, b), min(max(a, b), c))


cdef inline int64_t pivot_of(const int64_t* a, Py_ssize_t n) noexcept nogil:
    """A key to split by: the median of three, or of three medians."""
    cdef Py_ssize_t s = n // 8
    if n < 128:
        return middle_of(a[0], a[n // 2], a[n - 1])
    return middle_of(
        middle_of(a[0], a[s], a[2 * s]),
        middle_of(a[3 * s], a[4 * s], a[5 * s]),
        middle_of(a[6 * s], a[7 * s], a[n - 1]))


cdef inline Py_ssize_t split(int64_t* a, Py_ssize_t n, int64_t pivot, bint equal) noexcept nogil:
    """Bring the keys below a pivot (or up to it) to the front; how many there are. No branches."""
    cdef Py_ssize_t i, j = 0
    cdef int64_t x
    for i in range(n):
        x = a[i]
        a[i] = a[j]
        a[j] = x
        j += x <= pivot if equal else x < pivot
    return j


cdef void select(int64_t* a, Py_ssize_t n, Py_ssize_t k) noexcept nogil:
    """Bring the key of rank k to its place: none before it is larger, none behind it smaller."""
    cdef Py_ssize_t below, same
    cdef int64_t pivot
    cdef int rounds = 0
    while n > FEW:
        rounds += 1
        if rounds > ROUNDS:
            heap_sort(a, n)
            return
        pivot = pivot_of(a, n)
        below = split(a, n, pivot, False)
        if k < below:
            n = below
            continue
        same = split(a + below, n - below, pivot, True)
        if k < below + same:
            return
        a += below + same
        n -= below + same
        k -= below + same
    insert_sort(a, n)


cdef void sort(int64_t* a, Py_ssize_t n, int rounds) noexcept nogil:
    """Sort keys."""
    cdef Py_ssize_t below, same
    cdef int64_t pivot
    while n > FEW:
        if rounds == 0:
            heap_sort(a, n)
            return
        rounds -= 1
        pivot = pivot_of(a, n)
        below = split(a, n, pivot, False)
        same = split(a + below, n - below, pivot, True)
        sort(a, below, rounds)
        a += below + same
        n -= below + same
    insert_sort(a, n)


# -------------------------------------------------------------------------------------- quantiles

cdef inline Exact distance(int numeric, int64_t key, int64_t other) noexcept nogil:
    """The difference of two finite values."""
    if numeric == FLOAT:
        return exact(float_of_order(key), -float_of_order(other))
    return exact_of_wide(<wide_t>key - <wide_t>other)  # unsigned keys are off by the same


cdef inline Exact exact_value(int numeric, int64_t key) noexcept nogil:
    """A finite value as a pair."""
    cdef wide_t shift = <wide_t>INT64_MIN if numeric == UNSIGNED else <wide_t>0
    if numeric == FLOAT:
        return exact(float_of_order(key), 0.0)
    return exact_of_wide(<wide_t>key - shift)


cdef double between(int numeric, int64_t low, int64_t high, double part) noexcept nogil:
    """low + part * (high - low), rounded once; infinities as limits have them."""
    cdef double a, b, scale = 1.0
    cdef Exact x, y, share
    a = value_of_key(numeric, low).f if numeric == FLOAT else 0.0
    b = value_of_key(numeric, high).f if numeric == FLOAT else 0.0
    if low == high or part == 0.0:
        return exact_value(numeric, low).hi
    if not isfinite(a) or not isfinite(b):
        return a + b
    share.hi = part
    share.lo = 0.0
    if numeric != FLOAT:
        x = exact_value(numeric, low)
        y = distance(numeric, high, low)
    else:
        if fabs(a) > HUGE or fabs(b) > HUGE:
            scale = 16.0  # so that the distance can't overflow
        x = exact(a / scale, 0.0)
        y = exact_add(exact(b / scale, 0.0), exact(-a / scale, 0.0))
    return exact_add(x, exact_mul(share, y)).hi * scale


cdef Py_ssize_t quantile_rank(double q, int how, Py_ssize_t n, double* part) noexcept nogil:
    """The rank of a quantile of n values, and how much of the way to the next is to be gone."""
    cdef double h = q * <double>(n - 1)
    cdef Py_ssize_t k = <Py_ssize_t>floor(h)
    part[0] = h - <double>k
    if how == HIGHER and part[0] > 0.0:
        k += 1
    elif how == NEAREST:
        k = <Py_ssize_t>rint(h)
    elif how == MIDPOINT and part[0] > 0.0:
        part[0] = 0.5
    if how in (LOWER, HIGHER, NEAREST):
        part[0] = 0.0
    return min(max(k, 0), n - 1)


cdef double quantile(
    int64_t* keys, Py_ssize_t n, int numeric, double q, int how, int64_t* rank
) noexcept nogil:
    """A quantile of n keys between ranks, or the key of one rank."""
    cdef double part
    cdef Py_ssize_t k = quantile_rank(q, how, n, &part), i
    cdef int64_t low, high
    select(keys, n, k)
    low = keys[k]
    rank[0] = low
    if how in (LOWER, HIGHER, NEAREST):
        return 0.0
    high = low
    if part > 0.0 and k + 1 < n:
        high = keys[k + 1]
        for i in range(k + 2, n):
            high = min(high, keys[i])
    return between(numeric, low, high, part)


cdef double far_from_middle(int numeric, int64_t key, int64_t low, int64_t high) noexcept nogil:
    """How far a value is from the mean of two finite ones, rounded once."""
    cdef Exact d
    cdef double a = 0.0, b = 0.0, x
    if numeric != FLOAT:
        d = exact_add(distance(numeric, key, low), distance(numeric, key, high))
        return fabs(0.5 * d.hi)
    a = value_of_key(numeric, low).f
    b = value_of_key(numeric, high).f
    x = value_of_key(numeric, key).f
    if not isfinite(x):
        return INFINITY
    if max(fabs(x), max(fabs(a), fabs(b))) > HUGE:
        d = exact_add(exact(0.5 * x, 0.0), exact(-0.25 * a, -0.25 * b))
        return fabs(2.0 * d.hi)
    d = exact_add(distance(numeric, key, low), distance(numeric, key, high))
    return fabs(0.5 * d.hi)


cdef double median_deviation(int64_t* keys, Py_ssize_t n, int numeric) noexcept nogil:
    """The median of the distances from the median."""
    cdef int64_t low, high, rank
    cdef double a, b
    cdef Py_ssize_t i, k = (n - 1) // 2
    select(keys, n, k)
    low = high = keys[k]
    if n % 2 == 0:
        high = keys[k + 1]
        for i in range(k + 2, n):
            high = min(high, keys[i])
    a = value_of_key(numeric, low).f if numeric == FLOAT else 0.0
    b = value_of_key(numeric, high).f if numeric == FLOAT else 0.0
    if not isfinite(a) or not isfinite(b):
        return NAN
    for i in range(n):
        keys[i] = order_of_float(far_from_middle(numeric, keys[i], low, high))
    return quantile(keys, n, FLOAT, 0.5, LINEAR, &rank)
