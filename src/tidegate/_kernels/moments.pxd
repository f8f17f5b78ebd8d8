"""Sums of powers and of products around a shift; see moments.pyx."""

from libc.stdint cimport int64_t

from tidegate._kernels.exact cimport Exact, exact_of_wide
from tidegate._kernels.lanes cimport wide_t
from tidegate._kernels.records cimport FLOAT, POWERS, UNSIGNED, Acc, Column, Word
from tidegate._kernels.scaled cimport Scaled, scaled, scaled_add, scaled_neg, scaled_of

cdef extern from * nogil:
    """
    #define TG_PAIR_HIGH 0x1p480
    #define TG_PAIR_LOW 0x1p-400
    #define TG_POWER_HIGH 0x1p240
    #define TG_POWER_LOW 0x1p-180
    """
    const double PAIR_HIGH "TG_PAIR_HIGH"    # of tame values, where squares are summed
    const double PAIR_LOW "TG_PAIR_LOW"
    const double POWER_HIGH "TG_POWER_HIGH"  # and where fourth powers are
    const double POWER_LOW "TG_POWER_LOW"

cdef enum:
    OF_X, OF_Y, OF_XY, OF_XX, OF_YY, N_PAIRS  # the sums of PAIRS, and how many
    N_POWERS = 4

cdef int moment_words(int kind, int lanes) noexcept nogil
cdef int moment_rare_words(int kind) noexcept nogil
cdef void push_moment(
    const Acc* acc, const Column* columns, Py_ssize_t row, int64_t time, int lanes, int lane,
    Word* at, Word* rare,
) noexcept nogil


cdef inline int sums_of(int kind) noexcept nogil:
    """How many sums there are."""
    return N_POWERS if kind == POWERS else N_PAIRS


cdef inline int shifts_of(int kind) noexcept nogil:
    """How many shifts."""
    return 1 if kind == POWERS else 2


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


cdef inline Scaled scaled_at(const Word* at) noexcept nogil:
    """A sum of what is kept apart."""
    cdef Scaled r
    r.hi = at[0].f
    r.lo = at[1].f
    r.e = at[2].i
    return r
