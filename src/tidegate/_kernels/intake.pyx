"""Batches on their shortest way into a `WindowState`, and its results out.

A push of a thousand rows takes about a microsecond in the kernels; everything else that a push
needs is gathered here, so that it takes little more than what Arrow itself needs for it.
"""

from cpython.object cimport PyObject
from libc.stdint cimport INT64_MIN, int32_t, int64_t, uintptr_t

from tidegate._kernels.arrays cimport Arrays
from tidegate._kernels.cdata cimport ArrowArray, plain_words
from tidegate._kernels.counts cimport Counts
from tidegate._kernels.methods cimport METH_FASTCALL, METH_KEYWORDS, PyCFunction, in_place_of
from tidegate._kernels.records cimport DONE
from tidegate._kernels.route cimport take_nat
from tidegate._kernels.row_buffer cimport RowTaker, tuple_of
from tidegate._kernels.slab cimport Slab
from tidegate._kernels.store cimport store_keys
from tidegate._kernels.window_state cimport WindowState

cdef enum:
    FEW = 4096  # rows: so many are taken in a few microseconds, not worth giving the GIL away


cdef class Intake:
    """Takes record batches of one schema, and dicts of arrays, into a `WindowState`.

    The rows are read where they stand.

    Parameters
    ----------
    state : WindowState
        Where the rows go.
    counts : Counts
        Counts them.
    ready : list
        Results that go before those of the state.
    tables : ResultTables
        Makes tables of results.
    schema : pyarrow.Schema
        Of the batches; its columns are of the types that the plan was made for.
    places : tuple of int
        Where the times and the input columns stand in it: words of 64 bits, all of them.
    kind : type
        Class of the batches.
    export : callable
        Called with a batch and the address of an ArrowArray of the Arrow C data interface, which
        it fills.
    max_rows : int
        Batches with more rows are left to others.
    keys : Keys or None
        Gives the codes of the keys of a batch.
    arrays : Arrays or None
        Finds the columns in dicts of arrays; None: others take these.
    """

    cdef readonly object schema
    cdef WindowState state
    cdef Counts counts
    cdef list ready
    cdef object tables, kind, export, equals, empty, cut, keys
    cdef Arrays arrays
    cdef Slab slab
    cdef tuple places
    cdef int64_t max_rows
    cdef const int64_t* times  # of the batch that is taken

    def __cinit__(self, WindowState state not None, Counts counts not None, list ready not None,
                  tables, schema, tuple places not None, kind, export, int64_t max_rows, keys,
                  Arrays arrays):
        if len(places) != state.n_columns + 1:
            raise ValueError("the columns are not those of the plan")
        if (keys is None) == (state.plan.lanes == 1):
            raise ValueError("a plan with keys takes key codes, and no other does")
        if arrays is not None and (keys is not None or len(arrays.names) != len(places)):
            raise ValueError("arrays are of the columns of a plan without keys")
        self.state = state
        self.counts = counts
        self.ready = ready
        self.tables = tables
        self.schema = schema
        self.equals = schema.equals
        self.places = places
        self.kind = kind
        self.export = export
        self.max_rows = max_rows
        self.keys = keys
        self.arrays = arrays
        self.empty = tables.empty
        self.follow()

    cdef object push(self, object batch, object run, bint hands_over):
        """Take a batch and hand over the results that are ready, an empty table if not asked to.

        None, and nothing taken, where `take` says False, and where results are ready already.
        """
        if self.ready or not self.take_batch(batch, run):
            return None
        return self.results() if hands_over else self.empty

    def take(self, batch, run):
        """Take a batch.

        Parameters
        ----------
        batch : object
            Whatever the user has.
        run : Run
            Deals with what goes wrong.

        Returns
        -------
        bool
            False, and nothing taken, where the batch is of another class or schema, where a column
            has nulls or is misaligned, and where it may open more windows than there may be.

        Notes
        -----
        O(n_rows), one pass without a copy; releases the GIL where that is worth it.
        """
        return self.take_batch(batch, run)

    cdef bint take_batch(self, object batch, object run) except -1:
        """Take a batch, or leave it to others."""
        cdef ArrowArray rows
        cdef bint taken
        if self.arrays is not None and type(batch) is dict:
            return self.take_arrays(batch, run)
        if type(batch) is not self.kind:
            return False
        schema = batch.schema
        if schema is not self.schema and not self.equals(schema):
            return False
        self.export(batch, <uintptr_t>&rows)
        try:
            taken = self.find_columns(&rows) and self.take_rows(batch, rows.length, run)
        finally:
            rows.release(&rows)
        return taken

    cdef bint take_arrays(self, dict batch, object run) except -1:
        """Take a dict of arrays, or leave it to others."""
        cdef WindowState state = self.state
        cdef Arrays arrays = self.arrays
        cdef int64_t n_rows = 0
        cdef Py_ssize_t i
        if not arrays.holds(batch):
            return False
        self.times = <const int64_t*>arrays.words(batch, 0, &n_rows)
        if self.times == NULL:
            return False
        for i in range(state.n_columns):
            state.columns[i].values = arrays.words(batch, i + 1, &n_rows)
            state.columns[i].valid = NULL
            if state.columns[i].values == NULL:
                return False
        if not arrays.has_nat:
            return self.take_rows(batch, n_rows, run)
        take_nat(&state.router, True)
        try:
            return self.take_rows(batch, n_rows, run)
        finally:
            take_nat(&state.router, False)

    cdef bint take_rows(self, object batch, int64_t n_rows, object run) except -1:
        """Take the rows of the columns that were found, or leave them to others."""
        cdef WindowState state = self.state
        cdef const int32_t[::1] codes
        cdef const int32_t* code = NULL
        cdef Py_ssize_t n_taken = 0
        cdef int status
        if n_rows > min(self.max_rows, state.headroom(0)):
            return False
        state.plan.first_row = self.counts.rows_in
        if self.keys is None:
            status = store_keys(&state.store, 1)
        elif not n_rows:
            return False
        else:
            codes = self.keys.encode_checked(batch)
            code = &codes[0]
            status = store_keys(&state.store, self.keys.n_keys)
        if status != DONE:
            raise MemoryError
        if n_rows > FEW:
            _held = [*batch.values()] if type(batch) is dict else batch
            with nogil:
                status = state.take_rows(self.times, NULL, code, n_rows, INT64_MIN, False, &n_taken)
        else:
            status = state.take_rows(self.times, NULL, code, n_rows, INT64_MIN, False, &n_taken)
        if status != DONE:
            run.fail(run.bound, status, n_taken)
        if state.left.n:
            run.put_left_aside(run.bound, batch)
        self.counts.rows_in += n_rows
        return True

    cdef bint find_columns(self, const ArrowArray* rows) noexcept:
        """Find the times and point the state at the columns; False where one is not plain."""
        cdef WindowState state = self.state
        cdef int i
        for i in range(state.n_columns):
            state.columns[i].values = plain_words(rows, <int64_t>self.places[i + 1])
            state.columns[i].valid = NULL
            if state.columns[i].values == NULL:
                return False
        self.times = <const int64_t*>plain_words(rows, <int64_t>self.places[0])
        return self.times != NULL

    cdef object results(self):
        """A table of the results that wait in the state."""
        cdef Py_ssize_t at = -1, n = self.state.results.n
        if not n:
            return self.empty
        self.counts.windows += n
        if n <= self.slab.most:
            at = self.state.move_into(self.slab)
        if at >= 0:
            return self.cut(at, n)
        table = self.tables.take(self.state, self.keys)
        self.follow()
        return table

    cdef int follow(self) except -1:
        """Use the slab that the tables use."""
        self.slab = self.tables.slab
        self.cut = self.tables.table.slice
        return 0


cdef class HasIntake:
    """Base of what batches go to.

    Attributes
    ----------
    intake : Intake or None
        Takes batches that are like those before.
    """

    cdef public Intake intake


cdef class BatchTaker(RowTaker):
    """Base of what takes batches, by an intake where there is one.

    Attributes
    ----------
    _run : HasIntake
        Where they go.
    """

    cdef public HasIntake _run


cdef object push(object taker, PyObject** given, Py_ssize_t n, PyObject* names):
    """Take a batch, as METH_FASTCALL with keywords calls it."""
    cdef BatchTaker self = <BatchTaker>taker
    cdef Intake intake  # held: the run may let go of it on the way
    cdef bint hands_over = True
    if names != NULL and n == 1 and len(<tuple>names) == 1 and (<tuple>names)[0] == "take":
        hands_over = <object>given[1]
        names = NULL
    if names == NULL and n == 1:
        intake = None if self._run is None or self._buffer is not None else self._run.intake
        if intake is not None:
            table = intake.push(<object>given[0], self._run, hands_over)
            if table is not None:
                return table
        return self._push_by_python(<object>given[0], take=hands_over)
    known = {} if names == NULL else {
        name: <object>given[n + i] for i, name in enumerate(<tuple>names)}
    return self._push_by_python(*tuple_of(given, n), **known)


def by_intake(method):
    """Make a method of a `BatchTaker` try its run's intake first.

    Parameters
    ----------
    method : function
        Takes a batch, and `take` by keyword: whether to hand over the results that are ready. It
        gets what the intake leaves, with the arguments as they came where they are others. Its name
        and its documentation stay.

    Notes
    -----
    A method in Python would cost a tenth of a push of a thousand rows.
    """
    return in_place_of(method, "($self, batch, /, *, take=True)", BatchTaker,
                       <PyCFunction><void*>push, METH_FASTCALL | METH_KEYWORDS)
