"""Memory of a kernel, handed to Python without a copy and freed with the last view of it."""

from cpython.buffer cimport PyBuffer_FillInfo
from libc.stdlib cimport free


cdef class Buffer:
    """A block of bytes that offers the buffer protocol, writable.

    Kernels make it; `numpy.frombuffer` and `pyarrow.py_buffer` read it.
    """

    def __dealloc__(self):
        free(self.memory)

    def __getbuffer__(self, Py_buffer* view, int flags):
        PyBuffer_FillInfo(view, self, self.memory, self.size, 0, flags)


cdef Buffer buffer_of(void* memory, Py_ssize_t size):
    """Take over malloc'ed memory, which may be NULL where size is 0."""
    cdef Buffer self = Buffer.__new__(Buffer)
    self.memory = memory
    self.size = size
    return self
