"""Columns of results that fill bit by bit, and are handed out in slices.

Making Arrow columns costs far more than a window. A slab is made into a table once, and each take
is a slice of it: what is in a slice never changes, as only what is behind it is written to.
"""

from libc.stdint cimport uint8_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memset

from tidegate._kernels.buffer cimport buffer_of
from tidegate._kernels.records cimport Word

# Arrow counts the nulls of the whole when its table is made, and takes a slice of a column without
# nulls, or with nothing else, to be the same: so there must be both before there are results.
cdef enum:
    MIXED = 0x55


cdef class Slab:
    """Room for a fixed number of results.

    Parameters
    ----------
    n_outputs : int
        How many columns there are beside start and end.
    capacity : int
        How many results.
    most : int
        How many at a time are worth moving; more are better handed over where they are.
    """

    def __cinit__(self, int n_outputs, Py_ssize_t capacity, Py_ssize_t most):
        cdef int o
        self.n_outputs = n_outputs
        self.capacity = capacity
        self.most = most
        self.memory = []
        self.values = <Word**>calloc(n_outputs + 1, sizeof(Word*))
        self.bits = <uint8_t**>calloc(n_outputs + 1, sizeof(uint8_t*))
        if self.values == NULL or self.bits == NULL:
            raise MemoryError
        self.starts = <Word*>self.hold(capacity * sizeof(Word), 0)
        self.ends = <Word*>self.hold(capacity * sizeof(Word), 0)
        for o in range(n_outputs):
            self.values[o] = <Word*>self.hold(capacity * sizeof(Word), 0)
            self.bits[o] = <uint8_t*>self.hold((capacity + 7) // 8, MIXED)

    def __dealloc__(self):
        free(self.values)
        free(self.bits)

    cdef void* hold(self, Py_ssize_t size, int fill) except NULL:
        """Make memory that lives as long as anything that looks at it."""
        cdef void* block = malloc(size + 1)
        if block == NULL:
            raise MemoryError
        memset(block, fill, size)
        self.memory.append(buffer_of(block, size))
        return block

    def columns(self):
        """Give the memory of the columns.

        Returns
        -------
        tuple (starts, ends, [(values, bits), ...])
            Buffers of (capacity,) int64 (float64 for float times) and of each output (capacity,)
            8-byte words and a bitmap.
        """
        cdef list memory = self.memory
        return memory[0], memory[1], list(zip(memory[2::2], memory[3::2], strict=True))
