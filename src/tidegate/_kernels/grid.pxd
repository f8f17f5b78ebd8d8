"""The grid of windows in time: which pane a time lies in, where panes and windows end.

A pane is the longest stretch that no window boundary cuts: gcd(size, step) for sliding windows,
the window itself for tumbling ones. Window j covers the panes [j*per_step, j*per_step + per_size).

A grid may also be a table of edges in order (calendar days, trading sessions): pane k is
[edges[k - first_edge], edges[k + 1 - first_edge]), and a window is a pane. Where the table grows,
numbers stay: they count from an anchor that does not depend on what is in the table.

Times are int64. Float times come as their ordered image (`order_of_float`): an int64 that sorts
as the float does, so that every loop over rows compares integers only.
"""

from libc.math cimport floor
from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t, uint64_t
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
    bint is_table          # the edges stand in a table; per_size and per_step are 1, width 0
    const int64_t* edges   # n_edges ordered times that do not fall
    int64_t n_edges
    int64_t first_edge     # number of the pane that starts at the first of them
    bint has_gaps          # times off the table are in no window; else the table has to grow
    int64_t lowest         # times outside [lowest, highest] have no window that can be written
    int64_t highest


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


cdef inline wide_t wide_floor_div(wide_t a, wide_t b) noexcept nogil:
    """a // b for b > 0, towards minus infinity."""
    cdef wide_t q = a / b
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
    """The first window that covers a pane of the grid, or that comes after a pane in a gap."""
    cdef int64_t from_pane
    if sub_overflows(pane, grid.per_size - grid.per_step, &from_pane):
        return <int64_t>wide_floor_div(
            <wide_t>pane - (grid.per_size - grid.per_step), grid.per_step)
    return floor_div(from_pane, grid.per_step)


cdef inline int64_t last_window(const Grid* grid, int64_t pane) noexcept nogil:
    """The last window that covers a pane."""
    return floor_div(pane, grid.per_step)


cdef inline double edge_f(const Grid* grid, int64_t pane) noexcept nogil:
    """Start of a pane in float time."""
    return grid.origin + <double>pane * grid.width_f


cdef inline int64_t table_edge(const Grid* grid, int64_t pane) noexcept nogil:
    """Start of a pane of a table; off the table the smallest or largest time."""
    if pane < grid.first_edge:
        return INT64_MIN
    if pane - grid.first_edge >= grid.n_edges:
        return INT64_MAX
    return grid.edges[pane - grid.first_edge]


cdef inline int64_t edge(const Grid* grid, int64_t pane) noexcept nogil:
    """Start of a pane that is known to be representable, as an ordered time."""
    if grid.is_table:
        return table_edge(grid, pane)
    if grid.is_float:
        return order_of_float(edge_f(grid, pane))
    return wrapped(pane, grid.width, grid.anchor)


cdef inline int64_t wrapped(int64_t x, int64_t factor, int64_t more) noexcept nogil:
    """x * factor + more, where that fits; the product alone may not, next to the lowest time."""
    return <int64_t>(<uint64_t>x * <uint64_t>factor + <uint64_t>more)


cdef inline int64_t window_start(const Grid* grid, int64_t window) noexcept nogil:
    """Start of a window, as an ordered time."""
    return edge(grid, wrapped(window, grid.per_step, 0))


cdef inline int64_t window_end(const Grid* grid, int64_t window) noexcept nogil:
    """End of a window, as an ordered time."""
    return edge(grid, wrapped(window, grid.per_step, grid.per_size))


cdef inline bint fits(const Grid* grid, wide_t pane) noexcept nogil:
    """Whether a pane has a number, and its edge can be written in the type of the times."""
    cdef wide_t at
    if not INT64_MIN <= pane <= INT64_MAX:
        return False
    if grid.is_float:
        return -(<int64_t>1 << 53) <= pane <= <int64_t>1 << 53
    at = pane * grid.width + grid.anchor
    return INT64_MIN <= at <= INT64_MAX


cdef inline int64_t edges_up_to(const Grid* grid, int64_t time) noexcept nogil:
    """How many edges of a table are not after a time."""
    cdef int64_t at = 0, n = grid.n_edges, half
    while n > 0:
        half = n // 2
        if grid.edges[at + half] <= time:
            at += half + 1
            n -= half + 1
        else:
            n = half
    return at


cdef inline bint pane_index(const Grid* grid, int64_t time, int64_t* index) noexcept nogil:
    """Find the pane that holds a time; False where its number can't be written.

    The panes before and after a table are the numbers next to those in it.
    """
    cdef int64_t shifted
    cdef wide_t far
    cdef double x, k
    if grid.is_table:
        index[0] = grid.first_edge + edges_up_to(grid, time) - 1
        return True
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
        far = wide_floor_div(<wide_t>time - grid.anchor, grid.width)
        index[0] = <int64_t>far
        return far >= INT64_MIN
    index[0] = floor_div(shifted, grid.width)
    return True


cdef inline bint table_pane(const Grid* grid, int64_t at, Pane* pane) noexcept nogil:
    """Describe the pane that starts at an edge of a table; False where there is none."""
    if at < 0 or at >= grid.n_edges - 1:
        return False
    pane.index = grid.first_edge + at
    pane.first = grid.edges[at]
    pane.last = grid.edges[at + 1] - 1
    pane.opens_at = grid.edges[at + 1]
    pane.closes_at = grid.edges[at + 1]
    pane.covered = True
    return True


cdef inline bint table_gap(const Grid* grid, int64_t time, Pane* pane) noexcept nogil:
    """Describe a pane before or after a table; False where it has to grow, or time has no place.

    It is cut to what the loops over rows take at full speed: less than half of all times.
    """
    cdef int64_t end, far = <int64_t>1 << 62
    if not grid.has_gaps or time < grid.lowest or time > grid.highest:
        return False
    pane.covered = False
    pane.opens_at = INT64_MAX
    pane.closes_at = INT64_MAX
    if time < grid.edges[0]:
        pane.index = grid.first_edge - 1
        pane.last = grid.edges[0] - 1
        end = pane.last - far if pane.last >= INT64_MIN + far else INT64_MIN
        pane.first = max(grid.lowest, end if time >= end else INT64_MIN)
    else:
        pane.index = grid.first_edge + grid.n_edges - 1
        pane.first = grid.edges[grid.n_edges - 1]
        end = pane.first + far if pane.first <= INT64_MAX - far else INT64_MAX
        pane.last = min(grid.highest, end if time <= end else INT64_MAX)
    return True


cdef inline bint locate_in_table(
    const Grid* grid, const Pane* near, int64_t time, Pane* pane
) noexcept nogil:
    """Describe the pane of a time, which often is the one after `near` (NULL: not known)."""
    cdef int64_t at
    if near != NULL:
        at = near.index + 1 - grid.first_edge
        if at < grid.n_edges - 1 and grid.edges[at] <= time < grid.edges[at + 1]:
            return table_pane(grid, at, pane)
    at = edges_up_to(grid, time) - 1
    return table_pane(grid, at, pane) or table_gap(grid, time, pane)


cdef inline bint has_to_grow(const Grid* grid, int64_t time) noexcept nogil:
    """Whether a time that was not located would be, if the table had more edges."""
    return grid.is_table and not grid.has_gaps and grid.lowest <= time <= grid.highest


cdef inline bint cut_gap(const Grid* grid, int64_t index, Pane* pane) noexcept nogil:
    """Describe a pane between windows that reaches over an end of time: there it is cut."""
    if grid.is_float:
        return False
    pane.index = index
    pane.first = edge(grid, index) if fits(grid, index) else INT64_MIN
    pane.last = edge(grid, index + 1) - 1 if fits(grid, <wide_t>index + 1) else INT64_MAX
    return True


cdef inline bint pane_at(const Grid* grid, int64_t index, Pane* pane) noexcept nogil:
    """Describe a pane; False where a window of it can't be written."""
    cdef int64_t begin, end
    if grid.is_table:
        return not sub_overflows(index, grid.first_edge, &begin) and table_pane(grid, begin, pane)
    if grid.per_step == 1 and sub_overflows(index, grid.per_size - 1, &begin):
        return False
    begin = first_window(grid, index)
    end = last_window(grid, index)
    pane.covered = begin <= end
    if pane.covered:
        if not (fits(grid, <wide_t>begin * grid.per_step)
                and fits(grid, <wide_t>end * grid.per_step + grid.per_size)):
            return False
        pane.opens_at = window_end(grid, begin)
        pane.closes_at = window_end(grid, end)
    else:
        pane.opens_at = INT64_MAX
        pane.closes_at = INT64_MAX
        if not (fits(grid, index) and fits(grid, <wide_t>index + 1)):
            return cut_gap(grid, index, pane)
    pane.index = index
    pane.first = edge(grid, index)
    pane.last = edge(grid, index + 1) - 1
    return True


cdef inline bint locate(const Grid* grid, int64_t time, Pane* pane) noexcept nogil:
    """Describe the pane of a time; False where a window of it can't be written."""
    cdef int64_t index
    if grid.is_table:
        return locate_in_table(grid, NULL, time, pane)
    return pane_index(grid, time, &index) and pane_at(grid, index, pane)


cdef inline bint locate_near(
    const Grid* grid, const Pane* near, int64_t time, Pane* pane
) noexcept nogil:
    """`locate`, with the pane before (or NULL) as a hint; `pane` may be the same."""
    if grid.is_table:
        return locate_in_table(grid, near, time, pane)
    return locate(grid, time, pane)
