"""Rows that come one at a time and are taken one at a time, out of a buffer.

Where it cannot be foreseen which row closes a window, each row goes into the state as it comes; its
columns stay in the buffer until somebody looks, since late rows are copied out of them.
"""

cimport cython
from cpython.object cimport PyObject
from libc.math cimport fabs, isnan
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport calloc, free

from tidegate._kernels.counts cimport Counts
from tidegate._kernels.gate cimport is_far
from tidegate._kernels.records cimport DONE, FLOAT, TAME, UNSIGNED
from tidegate._kernels.row_buffer cimport ROOM, RowBuffer, copied, tuple_of
from tidegate._kernels.window_state cimport WindowState

cdef enum:
    FAR = 3  # what stands in the flags of a row whose time is too far ahead


@cython.final
cdef class RowSteps(RowBuffer):
    """A `RowBuffer` whose rows are taken at once; made as one, then told what is asked of a row.

    Examples
    --------
    See `tidegate.core.rowwise.make_buffer`.
    """

    cdef object alone, source_of
    cdef Counts counts
    cdef list ready
    cdef Py_ssize_t n_taken      # rows that the state has, of those that are here
    cdef int status              # of the last of them
    cdef Py_ssize_t n_all_keys
    cdef Py_ssize_t source_at    # where in a row its source stands, -1: there are none
    cdef Py_ssize_t n_apart      # values of a row that are only its source
    cdef int32_t* sources
    cdef dict known_sources
    cdef bint jumps
    cdef int64_t jump
    cdef double jump_f
    cdef int n_amounts
    cdef int[2] amounts          # columns whose product is added up
    cdef bint skip_nan
    cdef double most_amount
    cdef Py_ssize_t most_waiting

    def __cinit__(self, *args):
        self.source_at = -1
        self.most_waiting = -1
        self.ready = []
        self.sources = <int32_t*>calloc(ROOM, sizeof(int32_t))
        if self.sources == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.sources)

    def set_out(self, alone not None, list ready not None, Py_ssize_t n_all_keys,
                Counts counts not None):
        """Say who takes the rows that need a closer look.

        Parameters
        ----------
        alone : callable
            Called with a row, as a tuple, that is not taken here; tells whether results wait.
        ready : list
            Results that have left the state.
        n_all_keys : int
            How many key codes there are.
        counts : Counts
            Of the run: how many rows came before those that are here.
        """
        self.alone = alone
        self.counts = counts
        self.ready = ready
        self.n_all_keys = n_all_keys
        self.state.make_room(n_all_keys)

    def reject_far(self, int64_t jump, double jump_f):
        """Reject times that are further than this ahead, for int times and for float times."""
        self.jumps = True
        self.jump = jump
        self.jump_f = jump_f

    def follow(self, Py_ssize_t at, bint is_apart, dict known not None, source_of not None):
        """Read the source of a row.

        Parameters
        ----------
        at : int
            Where it stands in a row.
        is_apart : bool
            It is neither a key nor an input column: it stands behind the keys.
        known : dict
            From sources, as tuples, to codes.
        source_of : callable
            Gives the code of a source that is not in `known`.
        """
        self.source_at = at
        self.n_apart = 1 if is_apart else 0
        self.known_sources = known
        self.source_of = source_of

    def look_at_amounts(self, tuple columns not None, bint skip_nan, double most):
        """Leave rows to others whose product of some columns needs a closer look.

        Parameters
        ----------
        columns : tuple of int
            One or two.
        skip_nan : bool
            A NaN is a missing value.
        most : float
            Products from here on do.
        """
        cdef int i
        if not 1 <= len(columns) <= 2:
            raise ValueError("amounts are of one column or of two")
        self.n_amounts = len(columns)
        for i in range(self.n_amounts):
            if not 0 <= columns[i] < self.n_columns:
                raise ValueError("there is no such column")
            self.amounts[i] = columns[i]
        self.skip_nan = skip_nan
        self.most_amount = most

    def wait_for(self, Py_ssize_t most):
        """Leave rows to others where more than so many would wait for the watermark."""
        self.most_waiting = most

    # -------------------------------------------------------------------------------------- a row

    cdef bint take_row(self, PyObject** row, Py_ssize_t n) except -1:
        """Take one event."""
        cdef Py_ssize_t at = self.n
        cdef Py_ssize_t first = 1 + self.n_keys + self.n_apart
        cdef int32_t code
        cdef int i
        if n != first + self.n_columns:
            self.refuse(-1, tuple_of(row, n))
        self.times[at] = self.as_time(<object>row[0], at)
        for i in range(self.n_columns):
            self.put(i, at, <object>row[first + i])
        if self.n_keys:
            code = self.as_code(tuple_of(row + 1, self.n_keys))
            if code < 0:
                return self.leave(row, n)
            if code >= self.n_all_keys:
                self.n_all_keys = code + 1
                self.state.make_room(self.n_all_keys)
            self.codes[at] = code
        if self.source_at >= 0:
            self.sources[at] = self.as_source(<object>row[self.source_at])
        if self.needs_care(at):
            return self.leave(row, n)
        return self.step(at)

    cdef bint leave(self, PyObject** row, Py_ssize_t n) except -1:
        """Leave a row to others, who take those before it first."""
        return self.alone(tuple_of(row, n))

    cdef bint needs_care(self, Py_ssize_t at) except -1:
        """Whether a limit is near, or the amount of a row cannot simply be added up."""
        cdef int64_t n_waiting = 0
        if self.most_waiting >= 0:
            n_waiting = self.n_waiting(at)
            if n_waiting >= self.most_waiting:
                return True
        if self.state.headroom(self.n_all_keys) <= n_waiting:
            return True
        return self.n_amounts > 0 and not self.is_tame(at)

    cdef Py_ssize_t n_waiting(self, Py_ssize_t at) except -1:
        """How many rows wait for the watermark, here and in the state."""
        cdef Py_ssize_t n_there = self.state.n_waiting
        return n_there + at - self.n_taken

    cdef bint is_tame(self, Py_ssize_t at) noexcept:
        """Whether the amount of a row can be added up, and is not too large."""
        cdef double amount = 1.0, x
        cdef Py_ssize_t place
        cdef int i, numeric
        for i in range(self.n_amounts):
            place = self.amounts[i] * ROOM + at
            numeric = self.numerics[self.amounts[i]]
            x = 0.0
            if self.valid[place]:
                if numeric == FLOAT:
                    x = self.values[place].f
                    if self.skip_nan and isnan(x):
                        x = 0.0
                    elif not fabs(x) < TAME:
                        return False
                else:
                    x = <double>self.values[place].u if numeric == UNSIGNED else (
                        <double>self.values[place].i)
            amount *= x
        return amount < self.most_amount

    cdef int32_t as_source(self, object value) except? -1:
        """The code of a source."""
        cdef int32_t source
        code = self.known_sources.get((value,))
        source = self.source_of((value,)) if code is None else code
        self.state.origins_upto(source + 1)
        return source

    cdef bint step(self, Py_ssize_t at) except -1:
        """Let the state take the row that is written down."""
        cdef WindowState state = self.state
        cdef Py_ssize_t n_taken = self.n_taken
        cdef bint is_timed = self.time_valid[at] == 1
        cdef int status
        if self.jumps and is_timed and is_far(
                self.float_time, self.times[at], state.router.clock.largest, self.jump,
                self.jump_f):
            self.time_valid[at] = FAR
            is_timed = False
        if not is_timed:
            self.has_null_time = True
        self.n = at + 1
        self.lay_columns()
        state.plan.first_row = self.counts.rows_in
        status = state.take_last(
            self.times, NULL if is_timed else self.time_valid,
            self.codes if self.n_keys else NULL, self.n, &n_taken)
        self.n_taken = n_taken
        self.status = status
        if status != DONE or self.n == self.room:
            self.drain()
        return state.results.n > 0 or len(self.ready) > 0

    # ----------------------------------------------------------------------------------- all rows

    cdef void lay_columns(self) noexcept:
        """Let the state find the columns here, and the sources."""
        RowBuffer.lay_columns(self)
        if self.source_at >= 0:
            self.state.router.origins.of_row = self.sources

    def sources_of_rows(self):
        """Copy the codes of the sources of the rows: a buffer of (n_rows,) int32."""
        return copied(self.sources, self.n * 4)

    def clear(self):
        """Forget the rows, which have been taken."""
        self.n = 0
        self.n_taken = 0
        self.status = DONE
        self.room = ROOM
        self.has_null_time = False
        for i in range(self.n_columns):
            self.has_null[i] = 0

    def flush(self, Py_ssize_t n_all_keys, Py_ssize_t start=0):
        """Tell what became of the last row, and push it where the state does not have it yet.

        Parameters
        ----------
        n_all_keys : int
            How many codes there are.
        start : int
            Rows before it have been taken already.

        Returns
        -------
        tuple (status, n_taken)
            As `WindowState.push`.
        """
        cdef WindowState state = self.state
        cdef Py_ssize_t n_taken = max(start, self.n_taken)
        cdef int status = self.status
        self.status = DONE
        if status != DONE or n_taken == self.n:
            return status, n_taken
        state.make_room(n_all_keys)
        self.lay_columns()
        status = state.take_rest(
            self.times, self.time_valid if self.has_null_time else NULL,
            self.codes if self.n_keys else NULL, self.n, &n_taken)
        self.n_taken = n_taken
        return status, n_taken
