"""The rows of windows, found from the times, the codes and the windows that came out.

Between two edges of windows lie the rows of the same windows: a pane. Where two rows in a row are
of one key, the ranges of the windows that both are in go on, those of the others end or begin: so
one look at each row, and a step for each end and beginning, whatever the overlap.
"""

from libc.stdint cimport INT64_MAX, INT64_MIN, int32_t, int64_t

cdef extern from *:
    """
    #include "lanes.h"
    /* Whether n times lie in [first, end). */
    TG_CLONES static int tg_lie_within(const int64_t *times, Py_ssize_t n, int64_t first,
                                       int64_t end) {
        int64_t outside = 0;
        for (Py_ssize_t i = 0; i < n; i++)
            outside |= (times[i] < first) | (times[i] >= end);
        return outside == 0;
    }
    """
    bint lie_within "tg_lie_within"(
        const int64_t* times, Py_ssize_t n, int64_t first, int64_t end) noexcept nogil

cdef enum:
    AT_ONCE = 64  # times


cdef class RowRanges:
    """The windows, and where a walk through the rows is.

    Parameters
    ----------
    edges : ndarray
        (n_edges,) int64, where windows begin or end, rising.
    low, high : ndarray
        (n_edges - 1,) int32, the windows [low, high) that cover the times from an edge to the next;
        neither falls.
    results : ndarray
        (n_windows * n_keys,) int32, the result of a window and a key; -1: there is none.
    n_keys : int
        1 without keys.
    """

    cdef const int64_t[::1] edges
    cdef const int32_t[::1] low
    cdef const int32_t[::1] high
    cdef const int32_t[::1] results
    cdef int64_t n_keys
    cdef int64_t n_results
    cdef int64_t row        # rows so far
    cdef Py_ssize_t pane    # of the last row; -1 is before all windows, n_panes after them
    cdef int64_t first      # times of that pane
    cdef int64_t end
    cdef int32_t code       # of the last row; -1: there is none
    cdef bint writes        # else it counts
    cdef int64_t[::1] at    # of each result: how many ranges began, or the place of the next one
    cdef int64_t[::1] starts
    cdef int64_t[::1] stops

    def __init__(
        self,
        const int64_t[::1] edges not None,
        const int32_t[::1] low not None,
        const int32_t[::1] high not None,
        const int32_t[::1] results not None,
        Py_ssize_t n_keys,
        Py_ssize_t n_results,
    ):
        cdef Py_ssize_t i, n_panes = edges.shape[0] - 1
        if n_panes < 1 or low.shape[0] != n_panes or high.shape[0] != n_panes or n_keys < 1:
            raise ValueError("edges and panes do not fit each other")
        for i in range(n_panes):
            if not 0 <= low[i] <= high[i] <= results.shape[0] // n_keys:
                raise ValueError("a window of a pane is none")
            if edges[i] >= edges[i + 1] or (i and (low[i] < low[i - 1] or high[i] < high[i - 1])):
                raise ValueError("edges or windows fall")
        for i in range(results.shape[0]):
            if not -1 <= results[i] < n_results:
                raise ValueError("a result is none")
        self.edges, self.low, self.high, self.results = edges, low, high, results
        self.n_keys, self.n_results = n_keys, n_results
        self.begin(None, None, None)

    def begin(self, int64_t[::1] at, int64_t[::1] starts, int64_t[::1] stops):
        """Begin a walk that counts the ranges of each result in `at`, or writes them from there on.

        The array `at` is zeros to count, and else where the ranges of each result begin.
        """
        if at is not None and at.shape[0] != self.n_results:
            raise ValueError("give one place for each result")
        if (starts is None) != (stops is None) or (starts is not None
                                                   and starts.shape[0] != stops.shape[0]):
            raise ValueError("starts and stops differ in length")
        self.at, self.starts, self.stops = at, starts, stops
        self.writes = starts is not None
        self.row, self.code = 0, -1
        self.go_to(-1)

    def take(self, const int64_t[::1] times not None, const int32_t[::1] codes):
        """Walk through rows; tell whether there was a result for each window of each row.

        Parameters
        ----------
        times : ndarray
            (n_rows,) int64.
        codes : ndarray or None
            (n_rows,) int32 of the keys; None without keys.
        """
        cdef Py_ssize_t i, n = times.shape[0]
        cdef const int32_t* code = NULL
        cdef bint done
        if self.at is None:
            raise ValueError("no walk has begun")
        if (codes is None and self.n_keys > 1) or (codes is not None and codes.shape[0] != n):
            raise ValueError("give one code for each row")
        if codes is not None:
            for i in range(n):
                if not 0 <= codes[i] < self.n_keys:
                    raise ValueError("a code is no key")
        if not n:
            return True
        if codes is not None:
            code = &codes[0]
        with nogil:
            done = self.walk(&times[0], code, n)
        return done

    def end_rows(self):
        """End the ranges that the last row is in."""
        if self.at is None:
            raise ValueError("no walk has begun")
        self.leave(self.windows_from(), self.windows_to())
        self.code = -1

    cdef bint walk(self, const int64_t* times, const int32_t* codes, Py_ssize_t n) noexcept nogil:
        """Walk through rows; False where a row has a window without a result."""
        cdef Py_ssize_t i = 0
        cdef int64_t base = self.row
        cdef int32_t code = 0
        cdef bint is_same
        while i < n:
            if codes == NULL:
                while (self.code == 0 and i + AT_ONCE <= n
                       and lie_within(times + i, AT_ONCE, self.first, self.end)):
                    i += AT_ONCE
                while i < n and self.code == 0 and self.first <= times[i] < self.end:
                    i += 1
                if i == n:
                    break
            else:
                code = codes[i]
            is_same = self.first <= times[i] < self.end
            self.row = base + i
            if code != self.code or not is_same:
                if not self.step(times[i], code, is_same):
                    self.code = -1
                    return False
            i += 1
        self.row = base + n
        return True

    cdef bint step(self, int64_t time, int32_t code, bint is_same) noexcept nogil:
        """Go to the pane and the key of a row."""
        cdef int32_t low = self.windows_from(), high = self.windows_to()
        cdef bint goes_on = code == self.code
        if not is_same:
            self.find(time)
        if not goes_on:
            self.leave(low, high)
            self.code = code
            return self.enter(self.windows_from(), self.windows_to())
        # Windows that both rows are in go on.
        self.leave(low, min(high, self.windows_from()))
        self.leave(max(low, self.windows_to()), high)
        return (self.enter(self.windows_from(), min(low, self.windows_to()))
                and self.enter(max(high, self.windows_from()), self.windows_to()))

    cdef int32_t windows_from(self) noexcept nogil:
        """The first window of the pane; none where there was no row."""
        return self.low[self.pane] if self.code >= 0 and 0 <= self.pane < self.low.shape[0] else 0

    cdef int32_t windows_to(self) noexcept nogil:
        """One past its last window."""
        return self.high[self.pane] if self.code >= 0 and 0 <= self.pane < self.low.shape[0] else 0

    cdef bint enter(self, int32_t low, int32_t high) noexcept nogil:
        """Begin a range in windows; False where one has no result."""
        cdef int64_t result
        cdef int32_t window
        for window in range(low, high):
            result = self.results[window * self.n_keys + self.code]
            if result < 0:
                return False
            if not self.writes:
                self.at[result] += 1
            elif 0 <= self.at[result] < self.starts.shape[0]:
                self.starts[self.at[result]] = self.row
            else:
                return False
        return True

    cdef void leave(self, int32_t low, int32_t high) noexcept nogil:
        """End the range in windows."""
        cdef int64_t result
        cdef int32_t window
        if not self.writes:
            return
        for window in range(low, high):
            result = self.results[window * self.n_keys + self.code]
            self.stops[self.at[result]] = self.row
            self.at[result] += 1

    cdef void find(self, int64_t time) noexcept nogil:
        """Go to the pane of a time; most often it is close by."""
        cdef Py_ssize_t n_panes = self.low.shape[0], low, high, middle
        if time < self.edges[0]:
            self.go_to(-1)
            return
        if time >= self.edges[n_panes]:
            self.go_to(n_panes)
            return
        low, high = 0, n_panes  # the pane is in [low, high)
        middle = self.pane + 1 if time >= self.end else self.pane - 1
        if 0 <= middle < n_panes and self.edges[middle] <= time < self.edges[middle + 1]:
            self.go_to(middle)
            return
        while high - low > 1:
            middle = (low + high) >> 1
            if time < self.edges[middle]:
                high = middle
            else:
                low = middle
        self.go_to(low)

    cdef void go_to(self, Py_ssize_t pane) noexcept nogil:
        """Note where the walk is."""
        cdef Py_ssize_t n_panes = self.low.shape[0]
        self.pane = pane
        self.first = INT64_MIN if pane < 0 else self.edges[pane]
        self.end = INT64_MAX if pane >= n_panes else self.edges[pane + 1]
