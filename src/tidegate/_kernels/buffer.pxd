"""Memory of a kernel, handed to Python."""


cdef class Buffer:
    cdef void* memory
    cdef Py_ssize_t size


cdef Buffer buffer_of(void* memory, Py_ssize_t size)
