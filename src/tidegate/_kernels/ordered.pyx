"""Rows in order of time, handed over as they are: what look-backs are computed of.

Which rows are late, which are rejected, and when a row has waited long enough is told by what bars
go by, `WaitingState`. Nothing is made of the rows here: those whose time has come are given on.
"""

cimport cython
from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t

from tidegate._kernels.origins cimport Origins
from tidegate._kernels.records cimport DONE
from tidegate._kernels.waiting cimport WaitingState


@cython.final
cdef class OrderedRows(WaitingState):
    """The watermark, the rows that wait for it, and those that it has let go.

    It is made as a `WindowState`, without a grid, and opens no windows.
    """

    cdef list given             # (times, codes, columns) of rows that were let go
    cdef Py_ssize_t n_given

    def __cinit__(self, *args):
        self.given = []

    cdef int take_views(
        self, object times, object codes, list columns, Py_ssize_t n_rows, Py_ssize_t n
    ) except -1:
        """Let the first n of some rows go."""
        if n:
            self.given.append((times, codes, columns, n))
            self.n_given = self.n_given + n
        return DONE

    cdef int take_line(self, Py_ssize_t n) except -1:
        """Let the first n of the rows that wait in line go."""
        times, codes, columns = self.line.copy(n)
        self.line.drop(n)
        return self.take_views(times, None if self.plan.lanes > 1 else codes, columns, n, n)

    def take(self):
        """Hand over the rows whose time has come.

        Returns
        -------
        list of (times, codes, [(values, valid), ...], n_rows)
            Parts, one behind the other; of each the first n_rows rows: int64 and int32 (None
            without keys), and of each column 8-byte words or None, and uint8 or None: all valid.
            Rows are in order of time; where each key has a watermark of its own, in the order in
            which their keys' rows let them go, those of a key in order of time.
        """
        given, self.given = self.given, []
        self.n_given = 0
        return given

    @property
    def n_ready(self):
        """How many rows wait for `take`."""
        return self.n_given

    def has_before(self, int64_t time):
        """Tell whether a row waits that is before a time; of one watermark for all keys."""
        return self.waiting.has_before(time)

    def line_of(self, Py_ssize_t code):
        """Tell how far the time of a key is, where each key has a watermark of its own.

        Returns
        -------
        tuple (largest, watermark, first)
            Its largest time, its watermark and the first of its rows that wait; None where there
            is none.
        """
        cdef int64_t largest = INT64_MIN, watermark = self.clocks.floor, first = INT64_MIN
        if 0 <= code < self.clocks.n:
            largest = self.clocks.lines[code].largest
            watermark = self.clocks.lines[code].watermark
        if 0 <= code < self.queues.n_roots and self.queues.roots[code] >= 0:
            first = self.queues.times[self.queues.roots[code]]
        return tuple([None if time == INT64_MIN else self.outside(time)
                      for time in (largest, watermark, first)])

    def largest_of(self, Py_ssize_t source):
        """Tell the largest time of a source, by its code; None before there is one."""
        cdef Origins* origins = &self.router.origins
        if not 0 <= source < origins.n or origins.largest[source] == INT64_MIN:
            return None
        return self.outside(origins.largest[source])

    def close(self, int64_t watermark):
        """Let the rows before a time go; the largest time is the end of input."""
        cdef bint is_end = watermark == INT64_MAX
        if not is_end:
            self.promise(watermark)
        return self.release(self.router.clock.watermark, is_end)

    # ------------------------------------------------------------------------------- state in, out

    @property
    def clock(self):
        """The largest time and the watermark, in the kernels' order."""
        return self.router.clock.largest, self.router.clock.watermark

    def come_to(self, int64_t largest, int64_t watermark):
        """Move the largest time, and the watermark, up; rows that wait stay where they are."""
        self.router.clock.largest = max(self.router.clock.largest, largest)
        self.promise(watermark)

    def count_keys(self, Py_ssize_t n_keys):
        """Make room for the codes of keys below n_keys."""
        self.make_room(n_keys)
