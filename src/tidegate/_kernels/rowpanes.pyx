"""The rows at which another pane begins, found from the times of all rows."""

from libc.stdint cimport int32_t, int64_t

cdef extern from *:
    """
    #include "rowpanes.h"
    """
    Py_ssize_t changes_in "tg_pane_changes"(
        const int64_t* times, Py_ssize_t n, const int64_t* edges, int64_t n_panes, int32_t* rows,
        int32_t* panes) noexcept nogil

cdef int64_t MOST_ROWS = <int64_t>1 << 31  # at a time


def pane_changes(
    const int64_t[::1] times not None,
    const int64_t[::1] edges not None,
    int32_t[::1] rows not None,
    int32_t[::1] panes not None,
):
    """Find the rows that are of another pane than the row before.

    Parameters
    ----------
    times : (n_rows,) int64
        Less than 2**31 of them.
    edges : (n_panes + 1,) int64
        Where panes begin, and where the last one ends, rising.
    rows, panes : (n_rows,) int32
        Get those rows, the first one among them, and which pane each is of: -1 before all of them,
        n_panes after them.

    Returns
    -------
    int
        How many they are.

    Notes
    -----
    O(n_rows), one pass over the times; releases the GIL.
    """
    cdef Py_ssize_t i, n = times.shape[0], n_panes = edges.shape[0] - 1, n_changes
    if n >= MOST_ROWS or rows.shape[0] != n or panes.shape[0] != n:
        raise ValueError("give room for each row, of less than 2**31")
    if n_panes < 1:
        raise ValueError("give two edges, or more")
    for i in range(n_panes):
        if edges[i] >= edges[i + 1]:
            raise ValueError("edges fall")
    if not n:
        return 0
    with nogil:
        n_changes = changes_in(&times[0], n, &edges[0], n_panes, &rows[0], &panes[0])
    return n_changes
