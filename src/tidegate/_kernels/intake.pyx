"""Record batches on their shortest way into a `WindowState`, and its results out.

A push of a thousand rows takes about a microsecond in the kernels; everything else that a push
needs is gathered here, so that it takes little more than what Arrow itself needs for it.
"""

from libc.stdint cimport INT64_MIN, int32_t, int64_t, uintptr_t

from tidegate._kernels.cdata cimport ArrowArray, plain_words
from tidegate._kernels.records cimport DONE
from tidegate._kernels.slab cimport Slab
from tidegate._kernels.store cimport live_slots, store_keys
from tidegate._kernels.window_state cimport WindowState

cdef enum:
    FEW = 4096  # rows: so many are taken in a few microseconds, not worth giving the GIL away


cdef class Counts:
    """What a run counts beside its state.

    Attributes
    ----------
    rows_in, late, rejected : int
        Rows.
    windows : int
        Results handed out.
    """

    cdef public int64_t rows_in, late, rejected, windows

    def __cinit__(self, int64_t rows_in=0, int64_t late=0, int64_t rejected=0, int64_t windows=0):
        self.rows_in = rows_in
        self.late = late
        self.rejected = rejected
        self.windows = windows

    def as_tuple(self):
        """Give the counts in the order in which a new object takes them."""
        return self.rows_in, self.late, self.rejected, self.windows


cdef class Intake:
    """Takes the record batches of one schema into a `WindowState`, where they stand.

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
    """

    cdef readonly object schema
    cdef WindowState state
    cdef Counts counts
    cdef list ready
    cdef object tables, kind, export, equals, empty, cut, keys
    cdef Slab slab
    cdef tuple places
    cdef int64_t max_rows

    def __cinit__(self, WindowState state not None, Counts counts not None, list ready not None,
                  tables, schema, tuple places not None, kind, export, int64_t max_rows, keys):
        if len(places) != state.n_columns + 1:
            raise ValueError("the columns are not those of the plan")
        if (keys is None) == (state.plan.lanes == 1):
            raise ValueError("a plan with keys takes key codes, and no other does")
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
        self.empty = tables.empty
        self.follow()

    def push(self, batch, run, bint hands_over):
        """Take a batch and hand over the results that are ready.

        Parameters
        ----------
        batch : object
            Whatever the user has.
        run : Run
            Deals with what goes wrong.
        hands_over : bool
            False: an empty table; the results stay where they are.

        Returns
        -------
        pyarrow.Table or None
            None, and nothing taken, where `take` says False, and where results are ready already.
        """
        if self.ready or not self.take_batch(batch, run):
            return None
        return self.results() if hands_over else self.empty

    def take(self, batch, run):
        """Take a batch.

        Parameters
        ----------
        batch, run
            As for `push`.

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
        cdef int64_t n_rows
        cdef bint taken
        if type(batch) is not self.kind:
            return False
        schema = batch.schema
        if schema is not self.schema and not self.equals(schema):
            return False
        self.export(batch, <uintptr_t>&rows)
        n_rows = rows.length
        try:
            taken = self.take_rows(batch, &rows, run)
        finally:
            rows.release(&rows)
        if not taken:
            return False
        if self.state.left.n:
            run.put_aside(run.bound, batch)
        self.counts.rows_in += n_rows
        return True

    cdef bint take_rows(self, object batch, const ArrowArray* rows, object run) except -1:
        """Take the rows of a batch that stand there, or leave them to others."""
        cdef WindowState state = self.state
        cdef const int64_t* times
        cdef const int32_t[::1] codes
        cdef const int32_t* code = NULL
        cdef int64_t n_rows = rows.length
        cdef Py_ssize_t n_taken = 0
        cdef int status
        if n_rows > self.max_rows or live_slots(&state.store) + n_rows > state.store.max_slots:
            return False
        times = self.find_columns(rows)
        if times == NULL:
            return False
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
            with nogil:
                status = state.take_rows(times, NULL, code, n_rows, INT64_MIN, False, &n_taken)
        else:
            status = state.take_rows(times, NULL, code, n_rows, INT64_MIN, False, &n_taken)
        if status != DONE:
            run.fail(run.bound, status, n_taken)
        return True

    cdef const int64_t* find_columns(self, const ArrowArray* rows) noexcept:
        """Point the state at the columns and give the times; NULL where one is not plain."""
        cdef WindowState state = self.state
        cdef int i
        for i in range(state.n_columns):
            state.columns[i].values = plain_words(rows, <int64_t>self.places[i + 1])
            state.columns[i].valid = NULL
            if state.columns[i].values == NULL:
                return NULL
        return <const int64_t*>plain_words(rows, <int64_t>self.places[0])

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
