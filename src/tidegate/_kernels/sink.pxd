"""Bytes that grow: a `bytes` object under construction."""

from libc.stdint cimport uint8_t
from cpython.object cimport PyObject


cdef struct Sink:
    PyObject* owner       # bytes; NULL: no memory
    uint8_t* begin
    Py_ssize_t used
    Py_ssize_t size


cdef bint sink_grow(Sink* sink, Py_ssize_t size) noexcept nogil
cdef void sink_free(Sink* sink) noexcept
cdef bytes sink_take(Sink* sink)


cdef inline uint8_t* sink_room(Sink* sink, Py_ssize_t n) noexcept nogil:
    """Give where the next n bytes go, NULL without memory; add what was written to `used`."""
    if sink.size - sink.used < n and not sink_grow(sink, sink.used + n):
        return NULL
    return sink.begin + sink.used
