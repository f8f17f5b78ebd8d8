cdef extern from "Python.h":
    ctypedef void* PyCFunction
    ctypedef struct PyMethodDef:
        const char* ml_name
        PyCFunction ml_meth
        int ml_flags
        const char* ml_doc
    int METH_FASTCALL
    int METH_KEYWORDS


cdef class Method:
    cdef bytes name, doc
    cdef type base
    cdef object original
    cdef PyMethodDef definition


cdef Method in_place_of(object method, str signature, type base, PyCFunction function, int flags)
