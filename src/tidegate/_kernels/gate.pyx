"""Times too far ahead: rows that must not move the watermark."""

from libc.stdint cimport int64_t, uint8_t

from tidegate._kernels.grid cimport Grid, Pane, locate
from tidegate._kernels.route cimport Router, held_to
from tidegate._kernels.row_state cimport RowState
from tidegate._kernels.window_state cimport WindowState

cdef enum:
    FAR = 3  # what stands in the flags of such a row


cdef inline bint is_of_use(const Router* router, int64_t time) noexcept nogil:
    """Whether a row after the largest time is used: else it does not move that.

    It is not where a window of it can't be written, and not where it is late.
    """
    cdef const Grid* grid = &router.grid
    cdef int64_t watermark = router.clock.watermark
    cdef Pane pane
    if grid.is_table:
        if not grid.lowest <= time <= grid.highest:
            return False
        if time >= watermark or not locate(grid, time, &pane):
            return True
    elif not locate(grid, time, &pane):
        return False
    return (time >= watermark or not pane.covered
            or held_to(router, pane.closes_at) > watermark)


cdef Py_ssize_t mark_far(
    const Router* router, const int64_t* times, const uint8_t* valid, Py_ssize_t n, int64_t jump,
    double jump_f, uint8_t* flags
) noexcept nogil:
    """Fill the flags of n rows and count the far ones."""
    cdef int64_t largest = router.clock.largest
    cdef Py_ssize_t i, n_far = 0
    for i in range(n):
        flags[i] = 1 if valid == NULL else valid[i]
        if flags[i] != 1 or times[i] <= largest:
            continue
        if is_far(router.grid.is_float, times[i], largest, jump, jump_f):
            flags[i] = FAR
            n_far += 1
        elif is_of_use(router, times[i]):
            largest = times[i]
    return n_far


cdef Py_ssize_t mark_far_rows(
    RowState state, const int64_t* times, const uint8_t* valid, Py_ssize_t n, int64_t jump,
    double jump_f, uint8_t* flags
) noexcept nogil:
    """Do that for windows that rows make, which have no grid."""
    cdef int64_t largest = state.router.clock.largest
    cdef Py_ssize_t i, n_far = 0
    for i in range(n):
        flags[i] = 1 if valid == NULL else valid[i]
        if flags[i] != 1 or times[i] <= largest:
            continue
        if is_far(state.is_float, times[i], largest, jump, jump_f):
            flags[i] = FAR
            n_far += 1
        elif state.is_of_use(times[i]):
            largest = times[i]
    return n_far


def far_ahead(WindowState state not None, const int64_t[::1] times not None,
              const uint8_t[::1] valid, int64_t jump, double jump_f,
              uint8_t[::1] flags not None):
    """Mark the rows of a batch whose time is too far ahead of the largest time before them.

    Parameters
    ----------
    state : WindowState
        Whose largest time counts, and what it says of times that no row of use can have; it stays
        as it is. A table of its windows has to have those of times before its watermark.
    times : (n_rows,) int64
        Times, or the ordered images of float times.
    valid : (n_rows,) uint8 or None
        Only rows with a 1 have a time; None: all.
    jump, jump_f : int, float
        How far is too far, for int times and for float times.
    flags : (n_rows,) uint8, out
        `valid`, with 3 for the rows that are too far ahead.

    Returns
    -------
    int
        How many are.

    Notes
    -----
    One pass, O(n_rows), row by row; releases the GIL. The first time of all is never too far.
    """
    cdef Py_ssize_t n = times.shape[0], n_far = 0
    cdef const uint8_t* there = NULL
    if flags.shape[0] != n or (valid is not None and valid.shape[0] != n):
        raise ValueError("the columns of a batch differ in length")
    if n and valid is not None:
        there = &valid[0]
    if n and isinstance(state, RowState):
        with nogil:
            n_far = mark_far_rows(<RowState>state, &times[0], there, n, jump, jump_f, &flags[0])
    elif n:
        with nogil:
            n_far = mark_far(&state.router, &times[0], there, n, jump, jump_f, &flags[0])
    return n_far
