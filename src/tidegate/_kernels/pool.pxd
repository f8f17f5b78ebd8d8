"""Memory of Arrow's pool."""

from cpython.object cimport PyObject


cdef struct Block:
    void* at
    PyObject* owner    # the pyarrow.Buffer; NULL: no memory
    Py_ssize_t size


cdef bint block_grow(Block* block, Py_ssize_t used, Py_ssize_t size) noexcept nogil
cdef void block_free(Block* block) noexcept
cdef object block_take(Block* block, Py_ssize_t size)
