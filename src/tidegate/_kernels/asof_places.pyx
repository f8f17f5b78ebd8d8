"""How many right times lie before each of many left ones, where both rise; and whether they do.

Left times go in blocks. Where the right ones lie is found by merges that go side by side, since
each alone would wait for its own loads: they count where right rows are few, and halve strides
where they are many.
"""

from libc.stdint cimport int64_t

from tidegate._kernels.lanes cimport all_rise

cdef extern from *:
    """
    #include "lanes.h"
    #undef CYTHON_INLINE
    #define CYTHON_INLINE TG_ALWAYS_INLINE

    TG_CLONES static int tg_rises(const int64_t *, Py_ssize_t);
    TG_CLONES static void tg_find_places(
        const int64_t *, const int64_t *, const Py_ssize_t *, Py_ssize_t, Py_ssize_t, int,
        int64_t *);
    """

cdef enum:
    CHAINS = 4        # merges side by side: each alone would wait for its own loads
    DENSE = 2         # right rows to a left one up to which counting costs less than halving
    ROOM = 6          # strides are so many times the distance between two places
    LONGEST = 1 << 16  # stride


cdef inline bint is_before(int64_t right, int64_t left, bint strict) noexcept nogil:
    """Whether a right time counts as before a left one."""
    if strict:
        return right < left
    return right <= left


cdef Py_ssize_t search(
    const int64_t* at, Py_ssize_t low, Py_ssize_t high, int64_t time, bint strict
) noexcept nogil:
    """The first of the places [low, high) that is not before a time, or high."""
    cdef Py_ssize_t middle
    while low < high:
        middle = low + (high - low) // 2
        if is_before(at[middle], time, strict):
            low = middle + 1
        else:
            high = middle
    return low


cdef Py_ssize_t search_up(
    const int64_t* at, Py_ssize_t low, Py_ssize_t n, int64_t time, bint strict
) noexcept nogil:
    """As `search` in [low, n), where it is likely to be near `low`."""
    cdef Py_ssize_t step = 1
    while step < n - low and is_before(at[low + step], time, strict):
        low += step
        step *= 2
    return search(at, low, min(n, low + step), time, strict)


cdef Py_ssize_t search_down(
    const int64_t* at, Py_ssize_t high, int64_t time, bint strict
) noexcept nogil:
    """As `search` in [0, high), where it is likely to be near `high`."""
    cdef Py_ssize_t step = 1
    while step < high and not is_before(at[high - step], time, strict):
        high -= step
        step *= 2
    return search(at, max(0, high - step), high, time, strict)


cdef inline Py_ssize_t count_on(
    const int64_t* at, Py_ssize_t place, int64_t time, bint strict
) noexcept nogil:
    """Go on from a place to the first that is not before a time, four at a time."""
    cdef int n
    while True:
        n = (
            is_before(at[place], time, strict) + is_before(at[place + 1], time, strict)
            + is_before(at[place + 2], time, strict) + is_before(at[place + 3], time, strict)
        )
        place += n
        if n < 4:
            return place


cdef inline Py_ssize_t halve_on(
    const int64_t* at, Py_ssize_t place, Py_ssize_t stride, int64_t time, bint strict
) noexcept nogil:
    """The same by halving a stride, a power of two, that is nearly always long enough."""
    while is_before(at[place + stride - 1], time, strict):
        place += stride
    stride >>= 1
    while stride:
        place = place + stride if is_before(at[place + stride - 1], time, strict) else place
        stride >>= 1
    return place


cdef inline Py_ssize_t go_on(
    const int64_t* at, Py_ssize_t place, Py_ssize_t stride, int64_t time, bint strict
) noexcept nogil:
    """Go on from a place to the first that is not before a time."""
    if stride == CHAINS:
        return count_on(at, place, time, strict)
    return halve_on(at, place, stride, time, strict)


cdef inline void chains(
    const int64_t* at, const int64_t* left, const Py_ssize_t* starts, Py_ssize_t n,
    Py_ssize_t stride, bint strict, int64_t* places
) noexcept nogil:
    """Places of CHAINS * n left times; there are `stride` right times after the last place."""
    cdef Py_ssize_t a = starts[0], b = starts[1], c = starts[2], d = starts[3], i
    for i in range(n):
        places[i] = a = go_on(at, a, stride, left[i], strict)
        places[i + n] = b = go_on(at, b, stride, left[i + n], strict)
        places[i + 2 * n] = c = go_on(at, c, stride, left[i + 2 * n], strict)
        places[i + 3 * n] = d = go_on(at, d, stride, left[i + 3 * n], strict)


cdef void find_places "tg_find_places"(
    const int64_t* at, const int64_t* left, const Py_ssize_t* starts, Py_ssize_t n,
    Py_ssize_t stride, bint strict, int64_t* places
) noexcept nogil:
    """The same, with a loop of its own for either meaning of before, and for short strides."""
    if stride == CHAINS and strict:
        chains(at, left, starts, n, CHAINS, True, places)
    elif stride == CHAINS:
        chains(at, left, starts, n, CHAINS, False, places)
    elif strict:
        chains(at, left, starts, n, stride, True, places)
    else:
        chains(at, left, starts, n, stride, False, places)


cdef Py_ssize_t stride_of(Py_ssize_t n, Py_ssize_t span) noexcept nogil:
    """How far to look at once for the places of n times in a span: CHAINS, or a power of two."""
    cdef Py_ssize_t stride = CHAINS
    if span <= DENSE * n:
        return stride
    while stride * n < ROOM * span and stride < LONGEST:
        stride *= 2
    return max(stride, 2 * CHAINS)


cdef void find_block(
    const Times* right, const int64_t* left, Py_ssize_t n, Py_ssize_t low, Py_ssize_t high,
    bint strict, int64_t* places
) noexcept nogil:
    """Places of n left times, the first of which is `low` and the last `high`."""
    cdef Py_ssize_t starts[CHAINS]
    cdef Py_ssize_t i, k, part = n // CHAINS, place = low, stride = stride_of(n, high - low)
    if low == high:
        for i in range(n):
            places[i] = low
        return
    i = 0
    if high + stride <= right.n and part:
        starts[0] = low
        for k in range(1, CHAINS):
            starts[k] = search(right.at, starts[k - 1], high, left[k * part], strict)
        find_places(right.at, left, starts, part, stride, strict, places)
        i = CHAINS * part
        place = places[i - 1]
    while i < n:
        places[i] = place = search_up(right.at, place, high, left[i], strict)
        i += 1


cdef bint rises_on "tg_rises"(const int64_t* at, Py_ssize_t n) noexcept nogil:
    """Whether n times do not fall, from the one before them on."""
    return all_rise(at, n)


cdef bint rise(const int64_t* at, Py_ssize_t begin, Py_ssize_t end) noexcept nogil:
    """Whether the times [begin, end) do not fall, from the one before them on."""
    begin = max(begin, 1)
    return begin >= end or rises_on(at + begin, end - begin)


def rises(const int64_t[::1] times not None):
    """Whether times never fall; O(n), releases the GIL."""
    cdef bint is_rising
    with nogil:
        is_rising = times.shape[0] < 2 or rise(&times[0], 0, times.shape[0])
    return is_rising
