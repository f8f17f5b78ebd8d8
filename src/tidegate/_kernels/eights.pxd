"""Eight keys at a time: what is kept of one float column, brought up to date value by value.

The values of each key stand in a hand of its own. They are turned, so that one vector has a value
of each of eight keys, and go the same steps in the same order as row by row, to the same bits.
Whether a value needs care shows when the eight are done.
"""

from libc.math cimport INFINITY
from libc.stdint cimport int64_t

from tidegate._kernels.lanes cimport (
    add8, add_square8, greatest, least, load, see_odd, see_wild, seen, splat, v8, where_above,
)
from tidegate._kernels.records cimport LANES

cdef extern from "deal.h" nogil:
    void turn8 "tg_turn8"(v8*)
    void add_near8 "tg_add_near8"(v8*, v8*, v8, v8)
    bint are_near8 "tg_are_near8"(v8, v8, v8)

cdef enum:
    DEPTH = 96       # values of a hand
    STRIDE = 104     # from a hand to the next: a power of two would crowd a few sets of the cache

cdef enum Outcome:
    TAKEN
    TOO_FAR          # from their shift: the differences are not exact
    NEEDS_CARE       # a NaN, an infinity or a wild value


cdef struct Eight:  # what eight records keep of a column
    v8 hi
    v8 lo
    v8 square_hi
    v8 square_lo
    v8 shift
    v8 down
    v8 up
    v8 odd


cdef inline void turn_hands(const double* hands, Py_ssize_t k, v8* values) noexcept nogil:
    """Values [k, k + 8) of eight hands, turned: one vector for each place in them."""
    cdef int j
    for j in range(LANES):
        values[j] = load(hands + j * STRIDE + k)
    turn8(values)


cdef inline v8 first_of_hands(const double* hands, const int64_t* n) noexcept nogil:
    """The first value of each of eight hands; 0 of an empty one."""
    cdef double[LANES] first
    cdef int j
    for j in range(LANES):
        first[j] = hands[j * STRIDE] if n[j] else 0.0
    return load(first)


cdef inline void step(
    Eight* kept, bint sums, bint squares, bint near, v8 x, v8 to_sum
) noexcept nogil:
    """A value of each of eight keys."""
    if sums:
        add8(&kept.hi, &kept.lo, to_sum)
    else:
        kept.odd = see_odd(kept.odd, x)
    if squares and near:
        add_near8(&kept.square_hi, &kept.square_lo, x, kept.shift)
    elif squares:
        add_square8(&kept.square_hi, &kept.square_lo, x, kept.shift)
    kept.down = least(kept.down, x)
    kept.up = greatest(kept.up, x)


cdef inline int play(
    Eight* kept, bint sums, bint squares, bint near, const double* hands, const int64_t* n
) noexcept nogil:
    """Take n[j] values of hand j into lane j; the flags are constants where this is inlined.

    The sums and the shift are those of the records; the extremes are of these values alone.
    """
    cdef v8 no = splat(-0.0)
    cdef v8[LANES] values
    cdef Py_ssize_t k = 0, j, all_have = n[0], most = n[0]
    for j in range(LANES):
        all_have = min(all_have, n[j])
        most = max(most, n[j])
    kept.odd = splat(0.0)
    kept.down = splat(INFINITY)
    kept.up = splat(-INFINITY)
    while k + LANES <= all_have:
        turn_hands(hands, k, values)
        for j in range(LANES):
            step(kept, sums, squares, near, values[j], values[j])
        k += LANES
    while k < most:
        turn_hands(hands, k, values)
        for j in range(min(<Py_ssize_t>LANES, most - k)):
            step(kept, sums, squares, near, where_above(n, k + j, values[j], kept.shift),
                 where_above(n, k + j, values[j], no))
        k += LANES
    if sums:
        kept.odd = see_odd(kept.odd, kept.hi)
    if seen(see_wild(see_wild(kept.odd, kept.down), kept.up)):
        return NEEDS_CARE
    if squares and near and not are_near8(kept.down, kept.up, kept.shift):
        return TOO_FAR
    return TAKEN
