"""How far right rows are from left ones: which of two is nearer, and which are too far."""

from libc.stdint cimport int64_t, uint64_t

from tidegate._kernels.asof_places cimport Times
from tidegate._kernels.grid cimport float_of_order

cdef extern from *:
    """
    #include "lanes.h"
    #undef CYTHON_INLINE
    #define CYTHON_INLINE TG_ALWAYS_INLINE

    TG_CLONES static void tg_drop_beyond(
        uint64_t, int, const int64_t *, const int64_t *, Py_ssize_t, int64_t *);
    """


cdef int set_rule(
    Rule* rule, int direction, bint exact, tolerance, bint is_float
) except -1:
    """Write a rule down; `tolerance` is None, an int or a float."""
    rule.direction, rule.exact, rule.is_float = direction, exact, is_float
    rule.bounded = tolerance is not None
    rule.tolerance, rule.tolerance_f = 0, 0.0
    if rule.bounded and is_float:
        rule.tolerance_f = tolerance
    elif rule.bounded:
        rule.tolerance = tolerance
    return 0


cdef void drop_beyond "tg_drop_beyond"(
    uint64_t tolerance, bint forward, const int64_t* right, const int64_t* left, Py_ssize_t n,
    int64_t* rows
) noexcept nogil:
    """Forget the rows that are further away than a tolerance."""
    cdef Py_ssize_t i
    cdef uint64_t apart
    for i in range(n):
        apart = <uint64_t>left[i] - <uint64_t>right[rows[i] if rows[i] > 0 else 0]
        apart = 0 - apart if forward else apart
        rows[i] = rows[i] if apart <= tolerance else -1


cdef void drop_far(
    const Rule* rule, const int64_t* right, const int64_t* left, Py_ssize_t n, int64_t* rows
) noexcept nogil:
    """Forget the rows that are not within the tolerance."""
    cdef Py_ssize_t i
    cdef double apart
    if not rule.is_float:
        drop_beyond(rule.tolerance, rule.direction == FORWARD, right, left, n, rows)
        return
    for i in range(n):
        apart = float_of_order(left[i]) - float_of_order(right[max(rows[i], 0)])
        if rule.direction == FORWARD:
            apart = -apart
        if apart > rule.tolerance_f:  # not so for the NaN of two equal infinities
            rows[i] = -1


cdef inline bint is_nearer(
    int64_t after, int64_t time, int64_t before, bint is_float
) noexcept nogil:
    """Whether the time after is nearer than the one before."""
    if is_float:
        return (
            float_of_order(after) - float_of_order(time)
            < float_of_order(time) - float_of_order(before)
        )
    return <uint64_t>after - <uint64_t>time < <uint64_t>time - <uint64_t>before


cdef inline bint is_far(
    const Rule* rule, int64_t right, int64_t left
) noexcept nogil:
    """Whether two times are further apart than the tolerance."""
    cdef double apart
    if rule.is_float:
        apart = float_of_order(left) - float_of_order(right)
        return apart > rule.tolerance_f or -apart > rule.tolerance_f
    return (
        (<uint64_t>left - <uint64_t>right if left > right else <uint64_t>right - <uint64_t>left)
        > rule.tolerance
    )


cdef void nearest(
    const Rule* rule, const Times* right, const int64_t* left, Py_ssize_t n, const int64_t* after,
    int64_t* rows
) noexcept nogil:
    """Places after the rows before, and places of the rows after, into the nearer of both."""
    cdef Py_ssize_t i
    cdef int64_t back, forth, row
    cdef bint takes_forth
    for i in range(n):
        back, forth = rows[i] - 1, after[i]
        takes_forth = forth < right.n
        forth = forth if takes_forth else 0
        takes_forth &= (back < 0) | is_nearer(
            right.at[forth], left[i], right.at[back if back > 0 else 0], rule.is_float
        )
        row = forth if takes_forth else back
        if rule.bounded and row >= 0 and is_far(rule, right.at[row], left[i]):
            row = -1
        rows[i] = row


def choose(const int64_t[::1] left not None, const int64_t[::1] right not None,
           bint is_float, int64_t[::1] before not None, const int64_t[::1] after not None):
    """Of the row before and the row after, keep the nearer one; the one before of two as near.

    Parameters
    ----------
    left : (n_left,) int64
    right : (n_right,) int64
    is_float : bool
        Whether times are images of floats.
    before : (n_left,) int64, inout
        Rows, or -1; gets the nearer ones.
    after : (n_left,) int64
        Rows, or -1.
    """
    cdef Py_ssize_t i, n = left.shape[0]
    cdef int64_t back, forth
    cdef bint takes_after
    if before.shape[0] != n or after.shape[0] != n:
        raise ValueError("the columns differ in length")
    if not right.shape[0]:
        return
    with nogil:
        for i in range(n):
            back, forth = before[i], after[i]
            takes_after = is_nearer(
                right[forth if forth > 0 else 0], left[i], right[back if back > 0 else 0], is_float
            )
            takes_after = (forth >= 0) & ((back < 0) | takes_after)
            before[i] = forth if takes_after else back
