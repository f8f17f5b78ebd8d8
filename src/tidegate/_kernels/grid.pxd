"""The grid of windows in time: which pane a time lies in, where panes and windows end.

A pane is the longest stretch that no window boundary cuts: gcd(size, step) for sliding windows,
the window itself for tumbling ones. Window j covers the panes [j*per_step, j*per_step + per_size).

Times are int64. Float times come as their ordered image (`order_of_float`): an int64 that sorts
as the float does, so that every loop over rows compares integers only.
"""

from libc.math cimport floor
from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t
from libc.string cimport memcpy

from tidegate._kernels.lanes cimport sub_overflows, wide_t

cdef struct Grid:
    bint is_float
    int64_t anchor     # start of pane 0, in [0, step) for int times
    int64_t width      # of a pane
    int64_t per_size   # panes in a window
    int64_t per_step   # panes from a window's start to the next one's
    double origin      # float times: start of pane 0
    double width_f     # float times: width of a pane


cdef struct Pane:
    int64_t index
    int64_t first      # smallest time in it
    int64_t last       # largest time in it
    int64_t opens_at   # end of the first window that covers it
    int64_t closes_at  # end of the last window that covers it
    bint covered       # some window covers it (not so in the gaps where step > size)


cdef inline int64_t floor_div(int64_t a, int64_t b) noexcept nogil:
    """a // b for b > 0, towards minus infinity."""
    cdef int64_t q = a / b
    return q - (a - q * b < 0)


cdef inline int64_t order_of_float(double x) noexcept nogil:
    """The int64 that sorts as x does; -0.0 goes where 0.0 goes."""
    cdef int64_t bits
    x += 0.0
    memcpy(&bits, &x, 8)
    return bits ^ ((bits >> 63) & INT64_MAX)


cdef inline double float_of_order(int64_t order) noexcept nogil:
    """The float that `order_of_float` came from."""
    cdef double x
    cdef int64_t bits = order ^ ((order >> 63) & INT64_MAX)
    memcpy(&x, &bits, 8)
    return x


cdef inline int64_t first_window(const Grid* grid, int64_t pane) noexcept nogil:
    """The first window that covers a pane of the grid."""
    return floor_div(pane - (grid.per_size - grid.per_step), grid.per_step)


cdef inline int64_t last_window(const Grid* grid, int64_t pane) noexcept nogil:
    """The last window that covers a pane."""
    return floor_div(pane, grid.per_step)


cdef inline double edge_f(const Grid* grid, int64_t pane) noexcept nogil:
    """Start of a pane in float time."""
    return grid.origin + <double>pane * grid.width_f


cdef inline int64_t edge(const Grid* grid, int64_t pane) noexcept nogil:
    """Start of a pane that is known to be representable, as an ordered time."""
    if grid.is_float:
        return order_of_float(edge_f(grid, pane))
    return grid.anchor + pane * grid.width


cdef inline int64_t window_start(const Grid* grid, int64_t window) noexcept nogil:
    """Start of a window, as an ordered time."""
    return edge(grid, window * grid.per_step)


cdef inline int64_t window_end(const Grid* grid, int64_t window) noexcept nogil:
    """End of a window, as an ordered time."""
    return edge(grid, window * grid.per_step + grid.per_size)


cdef inline bint fits(const Grid* grid, int64_t pane) noexcept nogil:
    """Whether the edge of a pane can be written in the type of the times."""
    cdef wide_t at
    if grid.is_float:
        return -(<int64_t>1 << 53) <= pane <= <int64_t>1 << 53
    at = <wide_t>pane * grid.width + grid.anchor
    return INT64_MIN <= at <= INT64_MAX


cdef inline bint pane_index(const Grid* grid, int64_t time, int64_t* index) noexcept nogil:
    """Find the pane that holds a time; False where its number can't be written."""
    cdef int64_t shifted
    cdef wide_t far
    cdef double x, k
    if grid.is_float:
        x = float_of_order(time)
        k = floor((x - grid.origin) / grid.width_f)
        if not (-9007199254740992.0 < k < 9007199254740992.0):
            return False
        index[0] = <int64_t>k
        if edge_f(grid, index[0]) > x:  # the quotient may have been rounded over an edge
            index[0] -= 1
        elif edge_f(grid, index[0] + 1) <= x:
            index[0] += 1
        return edge_f(grid, index[0]) <= x < edge_f(grid, index[0] + 1)
    if sub_overflows(time, grid.anchor, &shifted):
        far = <wide_t>time - grid.anchor
        index[0] = <int64_t>(far / grid.width) - (far % grid.width != 0)
        return True
    index[0] = floor_div(shifted, grid.width)
    return True


cdef inline bint pane_at(const Grid* grid, int64_t index, Pane* pane) noexcept nogil:
    """Describe a pane; False where it or a window of it can't be written."""
    cdef int64_t begin, end
    if sub_overflows(index, grid.per_size - grid.per_step, &begin):
        return False
    begin = first_window(grid, index)
    end = last_window(grid, index)
    pane.covered = begin <= end
    if pane.covered:
        if not (fits(grid, begin * grid.per_step)
                and fits(grid, end * grid.per_step + grid.per_size)):
            return False
        pane.opens_at = window_end(grid, begin)
        pane.closes_at = window_end(grid, end)
    else:
        if not (fits(grid, index) and fits(grid, index + 1)):
            return False
        pane.opens_at = INT64_MAX
        pane.closes_at = INT64_MAX
    pane.index = index
    pane.first = edge(grid, index)
    pane.last = edge(grid, index + 1) - 1
    return True


cdef inline bint locate(const Grid* grid, int64_t time, Pane* pane) noexcept nogil:
    """Describe the pane of a time; False where a window of it can't be written."""
    cdef int64_t index
    return pane_index(grid, time, &index) and pane_at(grid, index, pane)
