"""The rows of windows, found from the times, the codes and the windows that came out.

Between two edges of windows lie the rows of the same windows: a pane. Where two rows in a row are
of one key, the ranges of the windows that both are in go on, those of the others end or begin: so
one look at each row, and a step for each end and beginning, whatever the overlap.
"""

from libc.stdint cimport INT64_MAX, INT64_MIN, int32_t, int64_t

cdef struct Walk:
    const int64_t* edges
    const int32_t* low
    const int32_t* high
    const int32_t* results
    Py_ssize_t n_panes
    int64_t n_keys
    int64_t n_results
    int64_t row        # where it is
    Py_ssize_t pane    # of the last row; -1 is before all windows, n_panes after them
    int64_t first      # times of that pane
    int64_t end
    int32_t from_      # its windows, in which the last row has begun or gone on with a range
    int32_t upto
    int32_t code       # of the last row; -1: there is none
    int64_t time       # of the last row, where rows with keys are counted
    bint writes        # else it counts
    int64_t* at        # of each result: how many ranges began, or the place of the next one
    int64_t* starts
    int64_t* stops
    int64_t n_places
    bint is_flat       # no pane is of two windows


cdef inline void go_to(Walk* w, Py_ssize_t pane) noexcept nogil:
    """Note the times of a pane."""
    w.pane = pane
    w.first = INT64_MIN if pane < 0 else w.edges[pane]
    w.end = INT64_MAX if pane >= w.n_panes else w.edges[pane + 1]


cdef void find(Walk* w, int64_t time) noexcept nogil:
    """Go to the pane of a time; most often it is close by."""
    cdef Py_ssize_t low = 0, high = w.n_panes, middle  # the pane is in [low, high)
    if time < w.edges[0]:
        go_to(w, -1)
        return
    if time >= w.edges[w.n_panes]:
        go_to(w, w.n_panes)
        return
    middle = w.pane + 1 if time >= w.end else w.pane - 1
    if 0 <= middle < w.n_panes and w.edges[middle] <= time < w.edges[middle + 1]:
        go_to(w, middle)
        return
    while high - low > 1:
        middle = (low + high) >> 1
        if time < w.edges[middle]:
            high = middle
        else:
            low = middle
    go_to(w, low)


cdef inline bint enter(Walk* w, int32_t low, int32_t high) noexcept nogil:
    """Begin a range in windows; False where one has no result."""
    cdef int64_t result
    cdef int32_t window
    for window in range(low, high):
        result = w.results[window * w.n_keys + w.code]
        if result < 0:
            return False
        if not w.writes:
            w.at[result] += 1
        elif 0 <= w.at[result] < w.n_places:
            w.starts[w.at[result]] = w.row
        else:
            return False
    return True


cdef inline void leave(Walk* w, int32_t low, int32_t high) noexcept nogil:
    """End the range in windows."""
    cdef int64_t result
    cdef int32_t window
    if w.writes:
        for window in range(low, high):
            result = w.results[window * w.n_keys + w.code]
            w.stops[w.at[result]] = w.row
            w.at[result] += 1


cdef bint step(Walk* w, int64_t time, int32_t code) noexcept nogil:
    """Go to the pane and the key of a row; False where a window of it has no result."""
    find(w, time)
    return settle(w, code)


cdef inline bint settle(Walk* w, int32_t code) noexcept nogil:
    """End and begin the ranges that a new pane or key ends and begins."""
    cdef int32_t low = w.from_, high = w.upto
    cdef bint goes_on = code == w.code, done
    w.from_ = w.upto = 0
    if 0 <= w.pane < w.n_panes:
        w.from_, w.upto = w.low[w.pane], w.high[w.pane]
    if goes_on:  # so do the windows that both rows are in
        leave(w, low, min(high, w.from_))
        leave(w, max(low, w.upto), high)
        done = (enter(w, w.from_, min(low, w.upto))
                and enter(w, max(high, w.from_), w.upto))
    else:
        leave(w, low, high)
        w.code = code
        done = enter(w, w.from_, w.upto)
    if not done:
        w.from_ = w.upto = 0
        w.code = -1
    return done


cdef bint walk(
    Walk* w, const int32_t* rows, const int32_t* panes, Py_ssize_t n, int64_t base
) noexcept nogil:
    """Walk through rows without keys, by those at which the pane is another one.

    False where a row has a window without a result.
    """
    cdef Py_ssize_t i
    for i in range(n):
        w.row = base + rows[i]
        w.pane = panes[i]
        if not settle(w, 0):
            return False
    return True


cdef bint walk_flat(
    Walk* w, const int32_t* rows, const int32_t* panes, Py_ssize_t n, int64_t base
) noexcept nogil:
    """Do that where no pane is of two windows: a range ends where another begins."""
    cdef Py_ssize_t i
    cdef int32_t pane
    cdef int64_t before = w.results[w.from_] if w.from_ < w.upto else -1, result
    for i in range(n):
        pane = panes[i]
        result = -1
        if 0 <= pane < w.n_panes and w.low[pane] < w.high[pane]:
            result = w.results[w.low[pane]]
            if result < 0:
                return False
        if result == before:
            continue
        if not w.writes:
            if result >= 0:
                w.at[result] += 1
        else:
            if before >= 0:
                w.stops[w.at[before]] = base + rows[i]
                w.at[before] += 1
            if result >= 0:
                if not 0 <= w.at[result] < w.n_places:
                    w.from_ = w.upto = 0
                    return False
                w.starts[w.at[result]] = base + rows[i]
        before = result
    w.code, w.from_, w.upto = 0, 0, 0
    if 0 <= panes[n - 1] < w.n_panes:
        w.from_, w.upto = w.low[panes[n - 1]], w.high[panes[n - 1]]
    return True


cdef Py_ssize_t write_pane(
    Walk* w, const int64_t* times, const int32_t* codes, Py_ssize_t first, Py_ssize_t n
) noexcept nogil:
    """Write the ranges of rows from `first` on in a pane of one window; return where it ends.

    A range is written once it has ended: the place of each is looked up once. It also ends where a
    row has no result.
    """
    cdef const int32_t* results = w.results + w.from_ * w.n_keys  # of each key
    cdef int64_t base = w.row - first, begin = w.starts[w.at[results[w.code]]], place
    cdef int32_t result = results[w.code], next_
    cdef Py_ssize_t i = first
    while i < n and w.first <= times[i] < w.end:
        if codes[i] != w.code:
            next_ = results[codes[i]]
            if next_ < 0 or not 0 <= w.at[next_] < w.n_places:
                break
            place = w.at[result]
            w.starts[place], w.stops[place] = begin, base + i
            w.at[result] = place + 1
            w.code, result, begin = codes[i], next_, base + i
        i += 1
    w.starts[w.at[result]] = begin
    return i


cdef bint walk_keys(
    Walk* w, const int64_t* times, const int32_t* codes, Py_ssize_t n
) noexcept nogil:
    """Write the ranges of rows with keys; False where a row has a window without a result."""
    cdef Py_ssize_t i = 0
    cdef int64_t base = w.row
    while i < n:
        w.row = base + i
        if not w.first <= times[i] < w.end or w.code < 0:
            if not step(w, times[i], codes[i]):
                return False
        elif codes[i] != w.code:
            leave(w, w.from_, w.upto)
            w.code = codes[i]
            if not enter(w, w.from_, w.upto):
                w.from_ = w.upto = 0
                return False
        i += 1
        if w.upto - w.from_ == 1:
            w.row = base + i
            i = write_pane(w, times, codes, i, n)
    w.row = base + n
    return True


cdef bint join(Walk* w, int64_t before, int64_t time, int32_t code) noexcept nogil:
    """Count a range less in each window of two rows in a row of one key."""
    cdef int32_t low, high, window
    cdef int64_t result
    find(w, before)
    if not 0 <= w.pane < w.n_panes:
        return True
    low, high = w.low[w.pane], w.high[w.pane]
    if not w.first <= time < w.end:
        find(w, time)
        if not 0 <= w.pane < w.n_panes:
            return True
        low, high = max(low, w.low[w.pane]), min(high, w.high[w.pane])
    for window in range(low, high):
        result = w.results[window * w.n_keys + code]
        if result < 0:
            return False
        w.at[result] -= 1
    return True


cdef bint join_keys(
    Walk* w, const int64_t* times, const int32_t* codes, Py_ssize_t n
) noexcept nogil:
    """Count the ranges of rows with keys, all rows being counted already."""
    cdef Py_ssize_t i
    if w.code == codes[0] and not join(w, w.time, times[0], codes[0]):
        return False
    for i in range(1, n):
        if codes[i] == codes[i - 1] and not join(w, times[i - 1], times[i], codes[i]):
            return False
    w.row += n
    w.code, w.time = codes[n - 1], times[n - 1]
    return True


cdef class RowRanges:
    """The windows that ranges of rows are of.

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

    cdef object arrays  # that walks point into
    cdef Walk of        # before its first row

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
        self.arrays = edges, low, high, results
        self.of.edges, self.of.low, self.of.high = &edges[0], &low[0], &high[0]
        self.of.results = &results[0] if results.shape[0] else NULL
        self.of.n_panes, self.of.n_keys, self.of.n_results = n_panes, n_keys, n_results
        self.of.is_flat = n_keys == 1
        for i in range(n_panes):
            self.of.is_flat = self.of.is_flat and high[i] - low[i] < 2
        self.of.code = -1
        go_to(&self.of, -1)

    def walk(
        self,
        int64_t[::1] at not None,
        int64_t[::1] starts=None,
        int64_t[::1] stops=None,
        Py_ssize_t before=-1,
    ):
        """Begin a walk that counts the ranges of each result in `at`, or writes them from there on.

        Parameters
        ----------
        at : ndarray
            (n_results,) int64. To count: zeros, with keys the number of rows of each result. To
            write: where its next range begins, or where the one is that goes on.
        starts, stops : ndarray or None
            (n_ranges,) int64.
        before : int
            The pane of the row before the first one, without keys: its ranges go on.

        Returns
        -------
        RowWalk
        """
        cdef RowWalk walk = RowWalk.__new__(RowWalk)
        cdef Py_ssize_t window
        if at.shape[0] != self.of.n_results:
            raise ValueError("give one place for each result")
        if (starts is None) != (stops is None):
            raise ValueError("give starts and stops, or none of them")
        if starts is not None and starts.shape[0] != stops.shape[0]:
            raise ValueError("starts and stops differ in length")
        walk.arrays = self, at, starts, stops
        walk.of = self.of
        walk.of.writes = starts is not None
        walk.of.n_places = 0 if starts is None else starts.shape[0]
        if at.shape[0]:
            walk.of.at = &at[0]
        if walk.of.n_places:
            walk.of.starts, walk.of.stops = &starts[0], &stops[0]
        if 0 <= before < self.of.n_panes and self.of.n_keys == 1:
            walk.of.pane, walk.of.code = before, 0
            walk.of.from_, walk.of.upto = self.of.low[before], self.of.high[before]
            for window in range(walk.of.from_, walk.of.upto):
                if self.of.results[window] < 0 or (
                        walk.of.writes
                        and not 0 <= at[self.of.results[window]] < walk.of.n_places):
                    raise ValueError("a range that goes on has no place")
        return walk


cdef class RowWalk:
    """A walk through rows, from `RowRanges.walk`."""

    cdef object arrays  # that it points into
    cdef Walk of

    def take(self, const int64_t[::1] times not None, const int32_t[::1] codes not None):
        """Walk through rows with keys; tell whether there was a result for each window of each row.

        Parameters
        ----------
        times : ndarray
            (n_rows,) int64.
        codes : ndarray
            (n_rows,) int32 of the keys.
        """
        cdef Py_ssize_t i, n = times.shape[0]
        cdef bint done
        self.check_begun()
        if codes.shape[0] != n:
            raise ValueError("give one code for each row")
        if not n:
            return True
        for i in range(n):
            if not 0 <= codes[i] < self.of.n_keys:
                raise ValueError("a code is no key")
        with nogil:
            done = (walk_keys if self.of.writes else join_keys)(&self.of, &times[0], &codes[0], n)
        return done

    def take_changes(
        self,
        const int32_t[::1] rows not None,
        const int32_t[::1] panes not None,
        int64_t base,
        int64_t n_rows,
    ):
        """Walk through rows without keys; tell whether there was a result for each window.

        Parameters
        ----------
        rows, panes : ndarray
            (n_changes,) int32, from `pane_changes`.
        base, n_rows : int
            The first of the rows, and how many they are.
        """
        cdef Py_ssize_t n = rows.shape[0]
        cdef bint done = True
        self.check_begun()
        if panes.shape[0] != n or self.of.n_keys != 1:
            raise ValueError("give one pane for each change of rows without keys")
        if n:
            with nogil:
                done = (walk_flat if self.of.is_flat else walk)(
                    &self.of, &rows[0], &panes[0], n, base)
        self.of.row = base + n_rows
        return done

    def end_rows(self):
        """End the ranges that the last row is in."""
        self.check_begun()
        leave(&self.of, self.of.from_, self.of.upto)
        self.of.from_ = self.of.upto = 0
        self.of.code = -1

    cdef int check_begun(self) except -1:
        """Refuse a walk that `RowRanges.walk` did not begin."""
        if self.of.at == NULL:
            raise ValueError("no walk has begun: it begins with RowRanges.walk")
        return 0
