"""Bytes that grow: a `bytes` object under construction.

It is written to where it stands and cut to its length in the end: nothing is copied but by the
allocator, which moves large blocks by moving their pages.
"""

from cpython.object cimport PyObject
from cpython.ref cimport Py_XDECREF

from tidegate._kernels.pool cimport MUCH, ask_for_large_pages

cdef extern from "Python.h":
    int resize "_PyBytes_Resize"(PyObject** owner, Py_ssize_t size) except -1
    PyObject* new "PyBytes_FromStringAndSize"(const char*, Py_ssize_t) except NULL
    char* content "PyBytes_AS_STRING"(PyObject*)

cdef enum:
    LEAST = 256


cdef bint sink_grow(Sink* sink, Py_ssize_t size) noexcept nogil:
    """Make room for so many bytes in all; False, and all as it was, without memory."""
    cdef Py_ssize_t before = sink.size
    size = max(size, before + before // 2, LEAST)
    with gil:
        try:
            if sink.owner == NULL:
                sink.owner = new(NULL, size)
            else:
                resize(&sink.owner, size)
        except MemoryError:
            if sink.owner == NULL:  # a bytes object that can't be resized is gone
                sink.begin = NULL
                sink.used = sink.size = 0
            return False
        sink.begin = <uint8_t*>content(sink.owner)
        sink.size = size
    if size - before >= MUCH:
        ask_for_large_pages(sink.begin + before, size - before)
    return True


cdef void sink_free(Sink* sink) noexcept:
    """Give the memory back."""
    Py_XDECREF(sink.owner)
    sink.owner = NULL
    sink.begin = NULL
    sink.used = sink.size = 0


cdef bytes sink_take(Sink* sink):
    """Hand over what was written; the sink is empty after that."""
    if sink.owner == NULL:
        return b""
    resize(&sink.owner, sink.used)
    taken = <bytes>sink.owner
    sink_free(sink)
    return taken
