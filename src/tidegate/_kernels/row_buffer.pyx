"""Rows that come one at a time, gathered into columns."""

from cpython.object cimport PyObject
from libc.stdint cimport INT64_MIN, int32_t, int64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

from tidegate._kernels.buffer cimport Buffer, buffer_of
from tidegate._kernels.clock cimport see
from tidegate._kernels.grid cimport Pane, has_to_grow, locate, order_of_float
from tidegate._kernels.methods cimport METH_FASTCALL, PyCFunction, in_place_of
from tidegate._kernels.records cimport FLOAT, SIGNED, UNSIGNED, Word
from tidegate._kernels.window_state cimport WindowState

cdef extern from "Python.h":
    int64_t PyLong_AsLongLongAndOverflow(object value, int* overflow) except? -1

cdef enum:
    OTHER = 3    # in place of a Numeric: values are read by Python


cdef class RowBuffer:
    """A few thousand rows in columns, on their way into a `WindowState`.

    Parameters
    ----------
    state : WindowState
        Where the rows go: its clock tells when a row closes a window.
    float_time : bool
        Times are floats.
    numerics : list of int
        FLOAT, SIGNED or UNSIGNED of each input column; -1 where only nulls count, 3 where
        `refuse` makes an int of every value.
    n_keys : int
        How many key values a row has.
    known : dict
        From key tuples to codes.
    code_of : callable
        Gives the code of a key that is not in `known`.
    time_of : callable
        Gives the int (float for float times) of a time that is no int or float; raises a named
        error.
    refuse : callable
        Called with the number of a column and a value that is not simply of its kind; gives a
        number, or raises a named error.
    drain : callable
        Called without arguments when rows must be taken: when there is no more room and when a
        window is due.
    """

    def __cinit__(self, WindowState state not None, bint float_time, list numerics not None,
                  int n_keys, dict known not None, code_of, time_of, refuse, drain):
        cdef int i
        self.state = state
        self.float_time = float_time
        self.n_columns = len(numerics)
        self.n_keys = n_keys
        self.known = known
        self.code_of = code_of
        self.time_of = time_of
        self.refuse = refuse
        self.drain = drain
        self.numerics = <int*>malloc((self.n_columns + 1) * sizeof(int))
        self.times = <int64_t*>malloc(ROOM * 8)
        self.time_valid = <uint8_t*>malloc(ROOM)
        self.codes = <int32_t*>calloc(ROOM, 4)
        self.values = <Word*>calloc(ROOM * (self.n_columns + 1), 8)
        self.valid = <uint8_t*>malloc(ROOM * (self.n_columns + 1))
        self.has_null = <uint8_t*>malloc(self.n_columns + 1)
        if (self.numerics == NULL or self.times == NULL or self.time_valid == NULL
                or self.codes == NULL or self.values == NULL or self.valid == NULL
                or self.has_null == NULL):
            raise MemoryError
        for i in range(self.n_columns):
            self.numerics[i] = numerics[i]
        self.clear()

    def __dealloc__(self):
        free(self.numerics)
        free(self.times)
        free(self.time_valid)
        free(self.codes)
        free(self.values)
        free(self.valid)
        free(self.has_null)

    cdef bint take_row(self, PyObject** row, Py_ssize_t n) except -1:
        """Take one event."""
        cdef Py_ssize_t at = self.n
        cdef int i, first = 1 + self.n_keys
        cdef int64_t time
        if n != first + self.n_columns:
            self.refuse(-1, tuple_of(row, n))
        time = self.as_time(<object>row[0], at)
        if self.n_keys:
            self.codes[at] = self.as_code(tuple_of(row + 1, self.n_keys))
        for i in range(self.n_columns):
            self.put(i, at, <object>row[first + i])
        self.times[at] = time
        self.n = at + 1
        if self.time_valid[at] != 1:
            self.has_null_time = True
        elif self.is_due(time):
            self.drain()
            return self.state.results.n > 0
        if self.n >= self.room:
            self.drain()
        return self.state.results.n > 0

    cdef bint is_due(self, int64_t time) noexcept:
        """Whether a window may have to be closed, now that this time was seen."""
        cdef Pane pane
        if not self.has_pane or time < self.pane.first or time > self.pane.last:
            if not locate(&self.state.router.grid, time, &pane):
                return has_to_grow(&self.state.router.grid, time)
            self.pane = pane
            self.has_pane = True
            if pane.closes_at > self.clock.watermark and pane.opens_at < self.due:
                self.due = pane.opens_at
        see(&self.clock, time)
        return self.clock.watermark >= self.due

    cdef int64_t as_time(self, object value, Py_ssize_t at) except? -1:
        """The time of a row, in the kernels' order."""
        cdef double x
        self.time_valid[at] = 1
        if value is None:
            self.time_valid[at] = 0
            return 0
        if self.float_time:
            x = value if type(value) is float else self.time_of(value)
            if x != x:
                self.time_valid[at] = 2
                return 0
            return order_of_float(x)
        return value if type(value) is int else self.time_of(value)

    cdef int32_t as_code(self, tuple key) except? -1:
        """The code of a key."""
        try:
            code = self.known.get(key)
        except TypeError:  # it has no hash
            code = None
        return self.code_of(key) if code is None else code

    cdef int put(self, int column, Py_ssize_t at, object value) except -1:
        """Put down one value."""
        cdef Word* word = &self.values[column * ROOM + at]
        cdef int overflow = 0
        if type(value) is float and self.numerics[column] == FLOAT:
            word.f = value
        elif type(value) is int and self.numerics[column] == SIGNED:
            word.i = PyLong_AsLongLongAndOverflow(value, &overflow)
            if overflow:
                self.refuse(column, value)
        else:
            return self.put_other(column, at, value)
        self.valid[column * ROOM + at] = 1
        return 0

    cdef int put_other(self, int column, Py_ssize_t at, object value) except -1:
        """Put down a value that is not simply of its column's kind."""
        cdef Word* word = &self.values[column * ROOM + at]
        cdef int numeric = self.numerics[column]
        self.valid[column * ROOM + at] = value is not None
        if value is None:
            self.has_null[column] = 1
        word.i = 0
        if value is None or numeric < 0:
            return 0
        if numeric == OTHER:
            word.i = self.refuse(column, value)
            return 0
        try:
            if numeric == FLOAT:
                if type(value) is not float and type(value) is not int:
                    value = self.refuse(column, value)
                word.f = value
            else:
                if type(value) is not int and type(value) is not bool:
                    value = self.refuse(column, value)
                if numeric == UNSIGNED:
                    word.u = value
                else:
                    word.i = value
        except OverflowError:
            self.refuse(column, value)
        return 0

    def __len__(self):
        return self.n

    def clear(self):
        """Forget the rows, which have been taken, and look at the clock of the state again."""
        self.n = 0
        # Never more rows than surely pass no limit: no row that was taken can be refused.
        self.room = max(1, min(<int64_t>ROOM, self.state.headroom(0)))
        self.has_null_time = False
        self.has_pane = False
        self.clock = self.state.router.clock
        self.due = self.state.next_due()
        memset(self.has_null, 0, self.n_columns + 1)

    cdef void lay_columns(self) noexcept:
        """Let the state find the columns here."""
        cdef WindowState state = self.state
        cdef int i
        for i in range(self.n_columns):
            state.columns[i].values = self.values + i * ROOM
            state.columns[i].valid = self.valid + i * ROOM if self.has_null[i] else NULL

    def flush(self, Py_ssize_t n_all_keys, Py_ssize_t start=0):
        """Push the rows into the state; `clear` comes after.

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
        cdef Py_ssize_t n_taken = start
        cdef int status
        state.make_room(n_all_keys)
        self.lay_columns()
        with nogil:
            status = state.take_rows(
                self.times, self.time_valid if self.has_null_time else NULL,
                self.codes if self.n_keys else NULL, self.n, INT64_MIN, True, &n_taken)
        return status, n_taken

    def time_at(self, Py_ssize_t row):
        """Look at the time of a row, in the kernels' order."""
        if not 0 <= row < self.n:
            raise IndexError(row)
        return self.times[row]

    def columns(self):
        """Copy the rows out.

        Returns
        -------
        tuple (times, time_valid, codes, [(values, valid), ...])
            Buffers of (n_rows,) int64, uint8, int32, and of each column 8-byte words and uint8.
        """
        cdef int i
        columns = [(copied(self.values + i * ROOM, self.n * 8),
                    copied(self.valid + i * ROOM, self.n)) for i in range(self.n_columns)]
        return (copied(self.times, self.n * 8), copied(self.time_valid, self.n),
                copied(self.codes, self.n * 4), columns)


cdef tuple tuple_of(PyObject** items, Py_ssize_t n):
    """A tuple of an array of objects."""
    cdef Py_ssize_t i
    return tuple([<object>items[i] for i in range(n)])


cdef class RowTaker:
    """Base of what takes events one at a time, from a buffer where there is one.

    Attributes
    ----------
    _buffer : RowBuffer or None
        Where events go. None: they go to ``_push_slowly``, which takes a tuple.
    """


cdef object push_row(object taker, PyObject** row, Py_ssize_t n):
    """Take one event, as METH_FASTCALL calls it."""
    cdef RowBuffer buffer = (<RowTaker>taker)._buffer
    if buffer is None:
        return taker._push_slowly(tuple_of(row, n))
    return buffer.take_row(row, n)


def by_array(method):
    """Make a method of a `RowTaker` take its arguments as an array, on their way to the buffer.

    Parameters
    ----------
    method : function
        Gives an event, which comes as positional arguments, to ``_push_slowly`` as a tuple. Its
        name and its documentation stay.

    Notes
    -----
    A tuple of arguments costs a quarter of the whole. A method of the class is found without a look
    at the instance, which costs a sixth.
    """
    return in_place_of(method, "($self, /, *row)", RowTaker, <PyCFunction><void*>push_row,
                       METH_FASTCALL)


cdef Buffer copied(const void* source, Py_ssize_t size):
    """Copy bytes into memory of their own."""
    cdef void* memory = malloc(size + 1)
    if memory == NULL:
        raise MemoryError
    memcpy(memory, source, size)
    return buffer_of(memory, size)
