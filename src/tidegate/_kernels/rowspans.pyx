"""The first and the last row of each window and key, found from where windows begin and end.

Most keys of a window have a row among its first ones, and another among its last ones: the look
goes forward until every key has been seen, and backward likewise, and leaves out what is between.
"""

from libc.stdint cimport INT64_MAX, INT64_MIN, int32_t, int64_t
from libc.stdlib cimport calloc, free, malloc

cdef extern from *:
    """
    #include "lanes.h"
    /* Whether n times lie in [first, end). */
    TG_CLONES static int tg_lie_between(const int64_t *times, Py_ssize_t n, int64_t first,
                                        int64_t end) {
        int64_t outside = 0;
        for (Py_ssize_t i = 0; i < n; i++)
            outside |= (times[i] < first) | (times[i] >= end);
        return outside == 0;
    }
    /* Whether n codes lie in [0, end). */
    TG_CLONES static int tg_are_below(const int32_t *codes, Py_ssize_t n, int64_t end) {
        uint32_t most = end < UINT32_MAX ? (uint32_t)end : UINT32_MAX;
        int outside = 0;
        for (Py_ssize_t i = 0; i < n; i++)
            outside |= (uint32_t)codes[i] >= most;
        return outside == 0;
    }
    """
    bint lie_between "tg_lie_between"(
        const int64_t* times, Py_ssize_t n, int64_t first, int64_t end) noexcept nogil
    bint are_below "tg_are_below"(const int32_t* codes, Py_ssize_t n, int64_t end) noexcept nogil

cdef enum:
    AT_ONCE = 128  # rows
    HEAD = 4       # rows for each key, after which next to all have been seen


cdef struct Piece:
    int64_t begin          # its first row
    int64_t end
    const int64_t* times   # of its rows
    const int32_t* codes


cdef struct Window:
    int64_t low        # times [low, high)
    int64_t high
    int64_t begin      # its rows are among [begin, end)
    int64_t end
    bint has_all       # and no other rows are there


cdef struct Keys:
    int32_t* seats     # by code: which of the results of a window is not seen yet; -1: none
    int32_t* seen      # by code: a row; one more, for rows of other windows
    int64_t n


cdef struct Panes:
    const int64_t* edges
    Py_ssize_t n
    int64_t* first     # of each pane; -1: it has no rows yet
    int64_t* last


cdef inline bint is_new(
    const Piece* piece, Py_ssize_t i, const Window* window, const Keys* keys
) noexcept nogil:
    """Whether a row is of the window, and of a key that was not seen yet."""
    cdef int32_t code = piece.codes[i]
    return 0 <= code < keys.n and keys.seats[code] >= 0 and (
        window.has_all or window.low <= piece.times[i] < window.high)


cdef inline void write_down(
    const Piece* piece, Py_ssize_t i, const Window* window, const Keys* keys, bint is_within,
    Py_ssize_t base
) noexcept nogil:
    """Write a row down for its key, over what was there; no branch depends on it."""
    cdef int64_t code = piece.codes[i]
    if not is_within:
        code = code if window.low <= piece.times[i] < window.high else keys.n
    keys.seen[code] = <int32_t>(i - base)


cdef bint glance(
    const Piece* piece, Py_ssize_t first, Py_ssize_t n, const Window* window, const Keys* keys,
    bint from_end
) noexcept nogil:
    """Write down the first, or the last, of n rows of each key; False where a code is none.

    Row by row, in the order in which what is looked for comes last: no branch depends on a row.
    """
    cdef Py_ssize_t at, i, k = 0, size
    cdef bint is_within
    while k < n:
        size = min(<Py_ssize_t>AT_ONCE, n - k)
        at = first + k if from_end else first + n - k - size
        if not are_below(piece.codes + at, size, keys.n):
            return False
        is_within = window.has_all or lie_between(
            piece.times + at, size, window.low, window.high)
        if from_end and is_within:
            for i in range(at, at + size):
                write_down(piece, i, window, keys, True, first)
        elif from_end:
            for i in range(at, at + size):
                write_down(piece, i, window, keys, False, first)
        elif is_within:
            for i in range(at + size - 1, at - 1, -1):
                write_down(piece, i, window, keys, True, first)
        else:
            for i in range(at + size - 1, at - 1, -1):
                write_down(piece, i, window, keys, False, first)
        k += size
    return True


cdef Py_ssize_t seat_unseen(
    const Keys* keys, const int32_t* codes, Py_ssize_t n, int64_t row, int64_t* rows
) noexcept nogil:
    """Take over the rows that were written down; seat the keys without one, and count them."""
    cdef Py_ssize_t k, n_unseen = 0
    cdef int32_t seen
    for k in range(n):
        seen = keys.seen[codes[k]]
        rows[k] = row + seen
        keys.seats[codes[k]] = <int32_t>k if seen < 0 else -1
        n_unseen += seen < 0
    return n_unseen


cdef bint look_forward(
    const Piece* piece, const Window* window, const Keys* keys, const int32_t* codes,
    int64_t* starts, Py_ssize_t n
) noexcept nogil:
    """Find the first row of each of n keys; False where one has none.

    The piece is the one with the first row of the window.
    """
    cdef int64_t row = window.begin
    cdef Py_ssize_t i, k, size = min(HEAD * n, min(piece.end, window.end) - row)
    for k in range(n):
        keys.seen[codes[k]] = -1
    if not glance(piece, row - piece.begin, size, window, keys, False):
        return False
    n = seat_unseen(keys, codes, n, row, starts)
    row += size
    while n and row < window.end:
        while row >= piece.end:
            piece += 1
        for i in range(row - piece.begin, min(piece.end, window.end) - piece.begin):
            if is_new(piece, i, window, keys):
                starts[keys.seats[piece.codes[i]]] = piece.begin + i
                keys.seats[piece.codes[i]] = -1
                n -= 1
                if not n:
                    break
        row = min(piece.end, window.end)
    return n == 0


cdef bint look_backward(
    const Piece* piece, const Window* window, const Keys* keys, const int32_t* codes,
    int64_t* stops, Py_ssize_t n
) noexcept nogil:
    """Find the row after the last one of each of n keys; False where one has none.

    The piece is the one with the last row of the window.
    """
    cdef int64_t row = window.end
    cdef Py_ssize_t i, k, size = min(HEAD * n, row - max(piece.begin, window.begin))
    for k in range(n):
        keys.seen[codes[k]] = -1
    row -= size
    if not glance(piece, row - piece.begin, size, window, keys, True):
        return False
    n = seat_unseen(keys, codes, n, row + 1, stops)
    while n and row > window.begin:
        while row <= piece.begin:
            piece -= 1
        i = row - piece.begin
        row = max(piece.begin, window.begin)
        while n and i > row - piece.begin:
            i -= 1
            if is_new(piece, i, window, keys):
                stops[keys.seats[piece.codes[i]]] = piece.begin + i + 1
                keys.seats[piece.codes[i]] = -1
                n -= 1
    return n == 0


cdef Py_ssize_t pane_of(const Panes* panes, int64_t time, Py_ssize_t near) noexcept nogil:
    """The pane of a time, which often is close to another one; -1: none."""
    cdef Py_ssize_t low = 0, high = panes.n, at
    if time < panes.edges[0] or time >= panes.edges[panes.n]:
        return -1
    for at in range(max(near - 1, 0), min(near + 2, panes.n)):
        if panes.edges[at] <= time < panes.edges[at + 1]:
            return at
    while high - low > 1:
        at = (low + high) >> 1
        if time < panes.edges[at]:
            high = at
        else:
            low = at
    return low


cdef void look_at_panes(
    const Panes* panes, const int64_t* times, int64_t row, Py_ssize_t n
) noexcept nogil:
    """Note the first and the last row of each pane, of n rows from a row on."""
    cdef Py_ssize_t i = 0, stop, pane = -1
    cdef int64_t first = INT64_MAX, end = INT64_MIN  # of the pane where it is
    while i < n:
        if i + AT_ONCE <= n and pane >= 0 and lie_between(times + i, AT_ONCE, first, end):
            i += AT_ONCE
            panes.last[pane] = row + i - 1
            continue
        stop = min(i + AT_ONCE, n)
        while i < stop:
            if not first <= times[i] < end:
                pane = pane_of(panes, times[i], pane)
                first = panes.edges[pane] if pane >= 0 else INT64_MAX
                end = panes.edges[pane + 1] if pane >= 0 else INT64_MIN
            if pane >= 0:
                if panes.first[pane] < 0:
                    panes.first[pane] = row + i
                panes.last[pane] = row + i
            i += 1


cdef class RowSpans:
    """Rows, as they came, of which windows and keys the first and the last are looked for.

    Parameters
    ----------
    pieces : list of (times, codes)
        (n,) int64, and (n,) int32 of the keys, of rows that follow each other.
    n_keys : int
        Rows with a code that is not below are of no key.
    """

    cdef list arrays  # that the pieces point into
    cdef Piece* pieces
    cdef Py_ssize_t n_pieces
    cdef int64_t n_rows
    cdef int64_t n_keys

    def __cinit__(self, list pieces not None, int64_t n_keys):
        cdef const int64_t[::1] times
        cdef const int32_t[::1] codes
        self.pieces = <Piece*>calloc(len(pieces) + 1, sizeof(Piece))
        if self.pieces == NULL:
            raise MemoryError
        self.arrays = []
        self.n_keys = n_keys
        for times, codes in pieces:
            if times.shape[0] != codes.shape[0]:
                raise ValueError("give one code for each row")
            if not times.shape[0]:
                continue
            self.arrays.append((times, codes))
            self.pieces[self.n_pieces] = Piece(
                self.n_rows, self.n_rows + times.shape[0], &times[0], &codes[0])
            self.n_rows += times.shape[0]
            self.n_pieces += 1

    def __dealloc__(self):
        free(self.pieces)

    cdef const Piece* piece_of(self, int64_t row) noexcept nogil:
        """The piece of a row."""
        cdef Py_ssize_t low = 0, high = self.n_pieces, middle
        while high - low > 1:
            middle = (low + high) >> 1
            if row < self.pieces[middle].begin:
                high = middle
            else:
                low = middle
        return self.pieces + low

    def of_panes(
        self,
        const int64_t[::1] edges not None,
        int64_t[::1] first not None,
        int64_t[::1] last not None,
        int64_t begin,
        int64_t end,
    ):
        """Find the first and the last of the rows [begin, end) in each pane.

        Parameters
        ----------
        edges : (n_panes + 1,) int64
            Where panes begin, and where the last one ends, rising.
        first, last : (n_panes,) int64
            Get the rows; -1 where there are none.

        Notes
        -----
        O(end - begin), one pass over their times; releases the GIL.
        """
        cdef Panes panes
        cdef Py_ssize_t i
        cdef const Piece* piece
        cdef int64_t row = begin, stop
        panes.n = edges.shape[0] - 1
        if panes.n < 1 or first.shape[0] != panes.n or last.shape[0] != panes.n:
            raise ValueError("give a first and a last row for each pane")
        if not 0 <= begin <= end <= self.n_rows:
            raise ValueError("there are no such rows")
        panes.edges, panes.first, panes.last = &edges[0], &first[0], &last[0]
        for i in range(panes.n):
            if edges[i] >= edges[i + 1]:
                raise ValueError("edges fall")
            first[i] = last[i] = -1
        with nogil:
            while row < end:
                piece = self.piece_of(row)
                stop = min(end, piece.end)
                look_at_panes(&panes, piece.times + (row - piece.begin), row, stop - row)
                row = stop

    def of_keys(
        self,
        const int64_t[:, ::1] windows not None,
        const int64_t[::1] offsets not None,
        const int32_t[::1] codes not None,
        int64_t[::1] starts not None,
        int64_t[::1] stops not None,
    ):
        """Find where the rows of each key begin and end in windows.

        Parameters
        ----------
        windows : (n_windows, 5) int64
            Of each the times that it begins and ends with, two rows between which all its rows
            are, and 1 where they are all of these rows, else 0.
        offsets : (n_windows + 1,) int64
            Where its keys begin among the codes.
        codes : (n_results,) int32
            Of the keys that have rows in it, each once.
        starts, stops : (n_results,) int64
            Get the first row, and the one after the last.

        Returns
        -------
        bool
            False where a key has no row there.

        Notes
        -----
        O(n_rows of the windows) at most; releases the GIL.
        """
        cdef Py_ssize_t n_windows = windows.shape[0], n_results = codes.shape[0], i
        cdef Keys keys
        cdef bint done = True, has_memory
        cdef const int64_t* window
        if offsets.shape[0] != n_windows + 1 or offsets[0] != 0 or offsets[n_windows] != n_results:
            raise ValueError("windows and codes do not fit each other")
        if starts.shape[0] != n_results or stops.shape[0] != n_results:
            raise ValueError("give a start and a stop for each result")
        if n_windows and windows.shape[1] != 5:
            raise ValueError("a window has five numbers")
        for i in range(n_windows):
            if not 0 <= windows[i, 2] <= windows[i, 3] <= self.n_rows or (
                    offsets[i] > offsets[i + 1]):
                raise ValueError("there are no such rows")
        for i in range(n_results):
            if not 0 <= codes[i] < self.n_keys:
                raise ValueError("a code is no key")
        if not n_results:
            return True
        keys.n = self.n_keys
        keys.seats = <int32_t*>malloc((self.n_keys + 1) * sizeof(int32_t))
        keys.seen = <int32_t*>malloc((self.n_keys + 1) * sizeof(int32_t))
        if keys.seats != NULL and keys.seen != NULL:
            with nogil:
                for i in range(self.n_keys):
                    keys.seats[i] = -1
                for i in range(n_windows):
                    window = &windows[i, 0]
                    done = self.look(
                        Window(window[0], window[1], window[2], window[3], window[4] != 0),
                        &keys, &codes[0] + offsets[i], &starts[0] + offsets[i],
                        &stops[0] + offsets[i], offsets[i + 1] - offsets[i])
                    if not done:
                        break
        has_memory = keys.seats != NULL and keys.seen != NULL
        free(keys.seats)
        free(keys.seen)
        if not has_memory:
            raise MemoryError
        return done

    cdef bint look(
        self, Window window, const Keys* keys, const int32_t* codes, int64_t* starts,
        int64_t* stops, Py_ssize_t n
    ) noexcept nogil:
        """Find where the rows of n keys of a window begin and end; False where one has none."""
        if not n:
            return True
        if window.begin == window.end:
            return False
        return (
            look_forward(self.piece_of(window.begin), &window, keys, codes, starts, n)
            and look_backward(self.piece_of(window.end - 1), &window, keys, codes, stops, n))
