"""Where a batch that is roughly in order may be cut: windows that end before go to one thread."""

from libc.stdint cimport INT64_MAX, int64_t, uint8_t

from tidegate._kernels.clock cimport Clock, behind
from tidegate._kernels.grid cimport Grid, Pane, locate
from tidegate._kernels.lanes cimport sub_overflows
from tidegate._kernels.window_state cimport WindowState


cdef struct Cut:
    int64_t edge
    int64_t least
    Py_ssize_t begin
    Py_ssize_t end
    Py_ssize_t after


cdef inline bint is_there(const uint8_t* valid, Py_ssize_t row) noexcept nogil:
    """Whether a row has a time."""
    return valid == NULL or valid[row] == 1


cdef Py_ssize_t place_of(const int64_t* times, Py_ssize_t n, int64_t time) noexcept nogil:
    """About where the times, roughly in order, get to a time."""
    cdef Py_ssize_t low = 0, high = n, middle
    while low < high:
        middle = (low + high) // 2
        if times[middle] < time:
            low = middle + 1
        else:
            high = middle
    return low


cdef Py_ssize_t first_from(
    const int64_t* times, const uint8_t* valid, Py_ssize_t row, Py_ssize_t stop, int64_t time
) noexcept nogil:
    """The first of the rows [row, stop) that is not before a time; `stop` where all are."""
    while row < stop and not (is_there(valid, row) and times[row] >= time):
        row += 1
    return row


cdef bint choose(
    const Grid* grid, const Clock* clock, const int64_t* times, const uint8_t* valid,
    Py_ssize_t n, Py_ssize_t target, int64_t* edge
) noexcept nogil:
    """Choose where windows end near a row, so that the watermark gets there before the last row."""
    cdef int64_t reached = max(clock.watermark, behind(clock, times[n - 1]))
    cdef Pane pane
    if not (is_there(valid, target) and is_there(valid, n - 1)):
        return False
    if not locate(grid, times[target], &pane) or pane.last == INT64_MAX:
        return False
    edge[0] = pane.last + 1
    if edge[0] > reached:
        if not locate(grid, reached, &pane):
            return False
        edge[0] = pane.first
    return True


cdef bint find(
    const Grid* grid, const Clock* clock, const int64_t* times, const uint8_t* valid,
    Py_ssize_t n, Py_ssize_t target, Py_ssize_t span, int64_t reach, Cut* cut
) noexcept nogil:
    """Find a cut; False where there is none."""
    cdef Py_ssize_t place, row, stop
    cdef int64_t before
    if not choose(grid, clock, times, valid, n, target, &cut.edge):
        return False
    if sub_overflows(cut.edge, reach, &before) or before <= clock.largest:
        return False
    place = place_of(times, n, cut.edge)
    stop = min(n, place + span)
    cut.end = first_from(times, valid, max(<Py_ssize_t>0, place - span), stop, cut.edge)
    if cut.end == stop:
        return False
    cut.begin = cut.after = cut.end
    cut.least = INT64_MAX
    for row in range(cut.end, stop):
        if not is_there(valid, row):
            continue
        if times[row] < cut.edge:
            cut.after = row + 1
        elif behind(clock, times[row]) >= cut.edge:  # what is before the edge is late from here on
            break
    for row in range(cut.end, cut.after):
        if is_there(valid, row):
            cut.least = min(cut.least, times[row])
    if reach:
        place = place_of(times, n, before)
        cut.begin = first_from(times, valid, max(<Py_ssize_t>0, place - span),
                               min(cut.end, place + span), before)
    return True


def find_cut(WindowState state not None, const int64_t[::1] times not None,
             const uint8_t[::1] valid, Py_ssize_t target, Py_ssize_t span, int64_t reach):
    """Find where a batch may be cut into two that are taken at the same time.

    Parameters
    ----------
    state : WindowState
        Where the rows before the batch are; its watermark follows the rows, all of one stream.
    times : (n_rows,) int64
        Times, or the ordered images of float times; n_rows > 0.
    valid : (n_rows,) uint8 or None
        Only rows with a 1 have a time; None: all.
    target : int
        About where to cut.
    span : int
        How many rows at most an earlier time may come after a later one.
    reach : int
        How long windows are, where they overlap; else 0.

    Returns
    -------
    tuple (edge, begin, end, after, least) or None
        Windows end at `edge`, and no row before the batch is of one that ends later; the watermark
        gets there before the last row. Rows [0, end) are before it, as far as can be seen from near
        the cut, and rows [0, begin) before all windows that end later; rows from `after` on are at
        the edge, later, or late. `least` is the least time of rows [end, after).

    Notes
    -----
    O(log n_rows + span); that rows are in order further away is trusted.
    """
    cdef Py_ssize_t n = times.shape[0]
    cdef Cut cut
    cdef bint is_found
    if not 0 <= target < n or span < 0 or reach < 0 or (
            valid is not None and valid.shape[0] != n):
        raise ValueError("there is no such row")
    with nogil:
        is_found = find(&state.router.grid, &state.router.clock, &times[0],
                        NULL if valid is None else &valid[0], n, target, span, reach, &cut)
    return (cut.edge, cut.begin, cut.end, cut.after, cut.least) if is_found else None
