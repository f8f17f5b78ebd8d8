"""Rows that come one at a time, gathered into columns."""

from cpython.object cimport PyObject
from libc.stdint cimport int32_t, int64_t, uint8_t

from tidegate._kernels.buffer cimport Buffer
from tidegate._kernels.clock cimport Clock
from tidegate._kernels.grid cimport Pane
from tidegate._kernels.records cimport Word
from tidegate._kernels.window_state cimport WindowState

cdef enum:
    ROOM = 4096  # rows; they stay in the cache until they are taken


cdef class RowBuffer:
    cdef WindowState state
    cdef bint float_time
    cdef int n_columns
    cdef int n_keys
    cdef int* numerics
    cdef dict known
    cdef object code_of, time_of, refuse, drain
    cdef Py_ssize_t n
    cdef Py_ssize_t room
    cdef int64_t* times
    cdef uint8_t* time_valid
    cdef int32_t* codes
    cdef Word* values
    cdef uint8_t* valid
    cdef bint has_null_time
    cdef uint8_t* has_null
    cdef Clock clock
    cdef Pane pane
    cdef bint has_pane
    cdef int64_t due

    cdef bint take_row(self, PyObject** row, Py_ssize_t n) except -1
    cdef bint is_due(self, int64_t time) noexcept
    cdef int64_t as_time(self, object value, Py_ssize_t at) except? -1
    cdef int32_t as_code(self, tuple key) except? -1
    cdef int put(self, int column, Py_ssize_t at, object value) except -1
    cdef void lay_columns(self) noexcept
    cdef int put_other(self, int column, Py_ssize_t at, object value) except -1


cdef class RowTaker:
    cdef public RowBuffer _buffer


cdef Buffer copied(const void* source, Py_ssize_t size)
cdef tuple tuple_of(PyObject** items, Py_ssize_t n)
