from cpython.object cimport descrgetfunc
from libc.stdint cimport int64_t


cdef class Arrays:
    cdef readonly tuple names, dtypes
    cdef object kind, struct, unit
    cdef descrgetfunc get
    cdef bytes kinds
    cdef bint has_nat  # among the times

    cdef bint holds(self, dict columns) except -1
    cdef const void* words(self, dict columns, Py_ssize_t at, int64_t* n_rows) except? NULL
    cdef bint is_unit(self, object times) except -1
