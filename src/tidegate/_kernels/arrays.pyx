"""Dicts of NumPy arrays, read where they stand.

The address of an array comes from its ``__array_struct__``, the C side of NumPy's array interface:
https://numpy.org/doc/stable/reference/arrays.interface.html. That takes a third of what a buffer of
the same array does, and is there for times too.
"""

from cpython.dict cimport PyDict_GetItemWithError, PyDict_Next
from cpython.object cimport Py_TYPE, PyObject, PyTypeObject
from cpython.pycapsule cimport PyCapsule_GetPointer
from cpython.unicode cimport PyUnicode_CheckExact
from libc.stdint cimport int64_t, intptr_t

cdef extern from "arrays.h" nogil:
    ctypedef struct ArrayStruct "tg_array_struct":
        int two
        int nd
        char typekind
        int itemsize  # bytes
        int flags
        intptr_t* shape
        void* data

cdef enum:
    PLAIN = 0x1 | 0x100 | 0x200  # contiguous, aligned, native
    WORD = 8  # bytes


cdef class Arrays:
    """The columns of a plan in dicts of arrays.

    Parameters
    ----------
    kind : type
        ``numpy.ndarray``; arrays of classes derived from it are left to others.
    names : tuple of str
        Of the times and of the input columns.
    dtypes : tuple of numpy.dtype
        Of their arrays, each of 64 bits. NaT may stand among the times only.
    """

    def __cinit__(self, kind, tuple names not None, tuple dtypes not None):
        if not names or len(names) != len(dtypes):
            raise ValueError("each column has a name and a type")
        self.kind = kind
        self.struct = kind.__array_struct__
        # To look that up in the class again costs as much as the call.
        self.get = (<PyTypeObject*>Py_TYPE(self.struct)).tp_descr_get
        self.unit = dtypes[0]
        self.names = names
        self.dtypes = dtypes
        self.kinds = "".join([dtype.kind for dtype in dtypes]).encode()
        self.has_nat = self.kinds[0] == b"M"

    cdef bint holds(self, dict columns) except -1:
        """Whether all columns have texts for names, as whoever copies them demands."""
        cdef PyObject* name = NULL
        cdef Py_ssize_t at = 0
        while PyDict_Next(columns, &at, &name, NULL):
            if not PyUnicode_CheckExact(<object>name):
                return False
        return True

    cdef const void* words(self, dict columns, Py_ssize_t at, int64_t* n_rows) except? NULL:
        """The values of a column, where they stand; NULL if they are not plain.

        Parameters
        ----------
        columns : dict
            It has to keep its arrays as long as the values are looked at.
        at : int
            Which of the columns.
        n_rows : pointer
            For the first column its length is written there; others have to have the same.
        """
        cdef PyObject* found = PyDict_GetItemWithError(columns, self.names[at])
        cdef const ArrayStruct* array
        if found == NULL or type(<object>found) is not self.kind:
            return NULL
        capsule = self.get(self.struct, <object>found, None)
        array = <const ArrayStruct*>PyCapsule_GetPointer(capsule, NULL)
        if array.two != 2 or array.nd != 1 or array.itemsize != WORD:
            return NULL
        if array.flags & PLAIN != PLAIN or array.typekind != self.kinds[at]:
            return NULL
        if self.has_nat and at == 0 and not self.is_unit(<object>found):
            return NULL
        if at == 0:
            n_rows[0] = array.shape[0]
        elif array.shape[0] != n_rows[0]:
            return NULL
        return array.data

    cdef bint is_unit(self, object times) except -1:
        """Whether times are in the unit of the plan."""
        dtype = times.dtype
        if dtype is not self.unit:
            if dtype != self.dtypes[0]:
                return False
            self.unit = dtype  # arrays of one source share it
        return True
