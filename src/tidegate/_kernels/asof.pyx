"""Rows of two sorted columns of times, brought together: for each left row the right row before it.

The left rows go in blocks that stay in the first cache: how many right times lie before each of
them, which right row that is, and then column after column what that row holds. Without keys the
right row follows from the count; with keys a table has the last row of each key that was passed.
Whether the times rise at all is looked at on the way, block by block, right before they are used.
"""

cimport cython
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.stdlib cimport free, malloc

from tidegate._kernels.asof_keys cimport fill, pass_down, pass_up
from tidegate._kernels.asof_near cimport (
    BACKWARD, FORWARD, NEAREST, Rule, drop_far, nearest, set_rule,
)
from tidegate._kernels.asof_places cimport (
    Times, find_block, rise, search, search_down, search_up, stride_of,
)
from tidegate._kernels.taking cimport BLOCK, Columns, Place, ask_for_rows, place_in, put_rows

cdef extern from *:
    """
    #include "lanes.h"

    TG_CLONES static void tg_neighbours(Py_ssize_t, int, Py_ssize_t, int64_t *);
    """

cdef enum:
    NEAR = 4          # right rows to a left one up to which all of them are worth asking for
    UNSORTED = -1


cdef struct Join:
    Rule rule
    Times right
    Times left
    Py_ssize_t n_keys
    int64_t* table         # (n_keys + 1,); NULL: no keys
    Py_ssize_t begin       # left rows that are not done
    Py_ssize_t end
    Py_ssize_t first       # right rows of which this share says whether they rise
    Py_ssize_t stop
    Py_ssize_t place       # where the last block came to on the right
    Py_ssize_t checked     # up, down to which right row it is known that they rise
    bint is_filled


cdef void neighbours "tg_neighbours"(
    Py_ssize_t n, bint forward, Py_ssize_t n_right, int64_t* rows
) noexcept nogil:
    """Without keys: places into the rows before them, or from them on."""
    cdef Py_ssize_t i
    if not forward:
        for i in range(n):
            rows[i] -= 1
        return
    for i in range(n):
        rows[i] = rows[i] if rows[i] < n_right else -1


cdef void nearest_block(
    const Join* join, const int64_t* left, Py_ssize_t n, Py_ssize_t low, Py_ssize_t high,
    int64_t* rows
) noexcept nogil:
    """Places after the rows before into the nearest rows."""
    cdef int64_t after[BLOCK]
    cdef Py_ssize_t first, last
    if join.rule.exact:  # a row at the very time is the row before
        nearest(&join.rule, &join.right, left, n, rows, rows)
        return
    first = search_up(join.right.at, low, join.right.n, left[0], False)
    last = search_up(join.right.at, max(first, high), join.right.n, left[n - 1], False)
    find_block(&join.right, left, n, first, last, False, after)
    nearest(&join.rule, &join.right, left, n, after, rows)


cdef Py_ssize_t join_block(
    Join* join, const Place* out, Py_ssize_t begin, Py_ssize_t n, Py_ssize_t low, Py_ssize_t high,
) noexcept nogil:
    """Match n left rows, the places of which go from low to high."""
    cdef int64_t rows[BLOCK]
    cdef const int64_t* left = join.left.at + begin
    cdef bint forward = join.rule.direction == FORWARD
    if join.table != NULL and high - low <= NEAR * n:
        ask_for_rows(out, low, high)
    find_block(&join.right, left, n, low, high, join.rule.exact == forward, rows)
    if join.rule.direction == NEAREST:
        nearest_block(join, left, n, low, high, rows)
        return put_rows(out, n, rows)
    if join.table == NULL:
        neighbours(n, forward, join.right.n, rows)
    elif forward:
        pass_down(&join.right, join.left.codes + begin, n, join.place, join.table, join.n_keys,
                  rows)
    else:
        pass_up(&join.right, join.left.codes + begin, n, join.place, join.table, join.n_keys, rows)
    if join.rule.bounded:
        drop_far(&join.rule, join.right.at, left, n, rows)
    return put_rows(out, n, rows)


cdef Py_ssize_t join_up(Join* join, Place* out, Py_ssize_t n_rows) noexcept nogil:
    """Match the next rows of a share, from its first row on."""
    cdef const int64_t* left = join.left.at
    cdef const int64_t* right = join.right.at
    cdef bint strict = join.rule.exact == (join.rule.direction == FORWARD)
    cdef Py_ssize_t end = join.begin + n_rows, n, low, high, ahead, n_matched = 0
    if not join.is_filled:
        join.place = search(right, join.first, join.right.n, left[join.begin], strict)
        if join.table != NULL:
            fill(&join.right, join.place - 1, -1, join.n_keys, join.table)
        join.is_filled = True
    while join.begin < end:
        n = min(BLOCK, end - join.begin)
        low = search_up(right, join.place, join.right.n, left[join.begin], strict)
        high = search_up(right, low, join.right.n, left[join.begin + n - 1], strict)
        ahead = high
        if join.rule.direction == NEAREST:  # rows at the last time are looked at, too
            ahead = search_up(right, high, join.right.n, left[join.begin + n - 1], False)
        ahead = min(ahead + stride_of(n, ahead - low), join.right.n)
        if not (
            rise(left, join.begin, join.begin + n) and rise(right, join.checked, ahead)
        ):
            return UNSORTED
        join.checked = max(join.checked, ahead)
        n_matched += join_block(join, out, join.begin, n, low, high)
        join.place = high
        join.begin += n
        out.at += n
    if join.begin == join.end and not rise(right, join.checked, join.stop):
        return UNSORTED
    return n_matched


cdef Py_ssize_t join_down(Join* join, Place* out, Py_ssize_t n_rows) noexcept nogil:
    """Match the next rows of a share, from its last row down."""
    cdef const int64_t* left = join.left.at
    cdef const int64_t* right = join.right.at
    cdef bint strict = join.rule.exact
    cdef Py_ssize_t base = join.end - n_rows, n, low, high, ahead, n_matched = 0
    if not join.is_filled:
        join.place = search(right, 0, join.right.n, left[join.end - 1], strict)
        fill(&join.right, join.place, 1, join.n_keys, join.table)
        join.is_filled = True
    while join.end > base:
        n = (join.end - base - 1) % BLOCK + 1
        high = search_down(right, join.place, left[join.end - 1], strict)
        low = search_down(right, high, left[join.end - n], strict)
        ahead = high + stride_of(n, high - low)
        if not (
            rise(left, join.end - n, join.end)
            and rise(right, low + 1, max(join.checked, min(ahead, join.right.n)))
        ):
            return UNSORTED
        join.checked = min(join.checked, low + 1)
        out.at = join.end - n - base
        n_matched += join_block(join, out, join.end - n, n, low, high)
        join.place = low
        join.end -= n
    if join.begin == join.end and not rise(right, join.first, join.checked):
        return UNSORTED
    return n_matched


# ------------------------------------------------------------------------------------- from Python

@cython.final
cdef class Matcher:
    """The right side of a join, and which of its rows a left one matches.

    Parameters
    ----------
    times : (n_right,) int64
        One or more.
    codes : (n_right,) int32 or None
        Of the keys, from 0 to n_keys - 1.
    n_keys : int
    direction : int
        0: the last row before; 1: the first row after; 2, without keys: the nearer of both.
    exact : bool
        Whether rows at the same time match.
    tolerance : int, float or None
        How far a row may be.
    is_float : bool
        Whether times are images of floats (`order_of_float`).
    """

    cdef Rule rule
    cdef Times right
    cdef Py_ssize_t n_keys
    cdef const int64_t[::1] _times
    cdef const int32_t[::1] _codes

    def __cinit__(self, const int64_t[::1] times not None, const int32_t[::1] codes,
                  Py_ssize_t n_keys, int direction, bint exact, tolerance, bint is_float):
        if not times.shape[0] or (codes is not None and codes.shape[0] != times.shape[0]):
            raise ValueError("there are no right rows, or the columns differ in length")
        if not 0 <= direction <= (NEAREST if codes is None else FORWARD):
            raise ValueError("no such direction")
        set_rule(&self.rule, direction, exact, tolerance, is_float)
        self._times, self._codes = times, codes
        self.right.at, self.right.n = &times[0], times.shape[0]
        self.right.codes = NULL if codes is None else &codes[0]
        self.n_keys = n_keys


@cython.final
cdef class Walk:
    """One way through a share of the left rows, in steps.

    Parameters
    ----------
    matcher : Matcher
        The right side.
    times : (n_left,) int64
    codes : (n_left,) int32 or None
    share : tuple (begin, end, first, stop)
        Left rows, and the right rows of which this share says whether they rise. Those before
        `first` lie before the first left row.
    table : (n_keys + 1,) int64, inout, optional
        The last row of each key before `first`, or -1; it is moved on. By default it is made.
    """

    cdef Join join
    cdef int64_t* own
    cdef Matcher _matcher
    cdef const int64_t[::1] _times
    cdef const int32_t[::1] _codes
    cdef int64_t[::1] _table

    def __cinit__(self, Matcher matcher not None, const int64_t[::1] times not None,
                  const int32_t[::1] codes, tuple share not None, int64_t[::1] table=None):
        cdef Join* join = &self.join
        cdef Py_ssize_t n = times.shape[0]
        self._matcher, self._times, self._codes = matcher, times, codes
        join.begin, join.end, join.first, join.stop = share
        if (codes is None) != (matcher.right.codes == NULL):
            raise ValueError("both sides have keys, or none")
        if codes is not None and codes.shape[0] != n:
            raise ValueError("the columns differ in length")
        if not (
            0 <= join.begin <= join.end <= n and 0 <= join.first <= join.stop <= matcher.right.n
        ):
            raise ValueError("a share of rows that are not there")
        join.rule, join.right, join.n_keys = matcher.rule, matcher.right, matcher.n_keys
        join.left.at, join.left.n = &times[0] if n else NULL, n
        join.left.codes = &codes[0] if n and codes is not None else NULL
        join.checked = join.first if self.goes_up() else join.stop
        if table is not None:
            if codes is None or not self.goes_up() or table.shape[0] <= join.n_keys:
                raise ValueError("a table for no keys, for too few, or for the way down")
            self._table, join.table = table, &table[0]
            join.place, join.is_filled = join.first, True
        elif codes is not None:
            self.own = <int64_t*>malloc((join.n_keys + 1) * sizeof(int64_t))
            if self.own == NULL:
                raise MemoryError
            join.table = self.own

    def __dealloc__(self):
        free(self.own)

    cdef bint goes_up(self):
        return self.join.rule.direction == BACKWARD or self._codes is None

    def step(self, Py_ssize_t n, int64_t[::1] index, uint8_t[::1] matched not None,
             Columns columns not None):
        """Find the right rows of the next n left ones, and take what they hold.

        They are the next ones from the first row of the share on, or, for the row after with keys,
        from the last row down.

        Parameters
        ----------
        n : int
            From 1 to the rows that are left.
        index : (n,) int64 or None, out
            The right row, or -1.
        matched : (n,) bits, out
        columns : Columns
            With room for n rows.

        Returns
        -------
        int
            How many rows have matched; -1: the times of a side fall somewhere, and what was
            written means nothing.

        Notes
        -----
        O(n + right rows between them), one pass over both; releases the GIL.
        """
        cdef Place out
        cdef Py_ssize_t n_matched
        cdef bint is_up = self.goes_up()
        if not 0 < n <= self.join.end - self.join.begin:
            raise ValueError("a step over rows that are not there")
        place_in(&out, n, index, matched, columns)
        if columns.n and columns.n_right != self.join.right.n:
            raise ValueError("the columns differ from the right side in length")
        with nogil:
            if is_up:
                n_matched = join_up(&self.join, &out, n)
            else:
                n_matched = join_down(&self.join, &out, n)
        return n_matched
