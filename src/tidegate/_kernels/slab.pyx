"""Columns of results that fill bit by bit, and are handed out in slices.

Making Arrow columns costs far more than a window. A slab is made into a table once, and each take
is a slice of it: what is in a slice never changes, as only what is behind it is written to.
"""

from libc.stdint cimport int32_t, uint8_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memset

from tidegate._kernels.buffer cimport buffer_of
from tidegate._kernels.records cimport Word

# Arrow counts the nulls of the whole when its table is made, and takes a slice of a column without
# nulls, or with nothing else, to be the same: so there must be both before there are results.
cdef enum:
    MIXED = 0x55
    RUNS = 4  # of rows, a result


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
    runs : int
        Which output is runs of rows, -1: none; there is room for four runs a result.
    """

    def __cinit__(self, int n_outputs, Py_ssize_t capacity, Py_ssize_t most, int runs=-1):
        cdef int o
        self.n_outputs = n_outputs
        self.capacity = capacity
        self.most = most
        self.memory = []
        self.run_memory = []
        self.runs = runs
        self.run_capacity = 0 if runs < 0 else RUNS * capacity
        self.values = <Word**>calloc(n_outputs + 1, sizeof(Word*))
        self.bits = <uint8_t**>calloc(n_outputs + 1, sizeof(uint8_t*))
        if self.values == NULL or self.bits == NULL:
            raise MemoryError
        self.starts = <Word*>self.hold(self.memory, capacity * sizeof(Word), 0)
        self.ends = <Word*>self.hold(self.memory, capacity * sizeof(Word), 0)
        for o in range(n_outputs):
            self.values[o] = <Word*>self.hold(self.memory, (capacity + 1) * sizeof(Word), 0)
            self.bits[o] = <uint8_t*>self.hold(self.memory, (capacity + 7) // 8, MIXED)
        if runs >= 0:
            self.run_starts = <Word*>self.hold(self.run_memory, self.run_capacity * sizeof(Word), 0)
            self.run_stops = <Word*>self.hold(self.run_memory, self.run_capacity * sizeof(Word), 0)

    def __dealloc__(self):
        free(self.values)
        free(self.bits)

    cdef void* hold(self, list memory, Py_ssize_t size, int fill) except NULL:
        """Make memory that lives as long as anything that looks at it."""
        cdef void* block = malloc(size + 1)
        if block == NULL:
            raise MemoryError
        memset(block, fill, size)
        memory.append(buffer_of(block, size))
        return block

    cdef bint put_runs(self, const Word* places, const Word* lists, Py_ssize_t n) noexcept:
        """Write down the runs of rows of n results; False, and nothing, where there is no room."""
        cdef int32_t* offsets = <int32_t*>self.values[self.runs] + self.n + 1
        cdef Py_ssize_t i, k, n_runs = 0
        cdef const Word* at
        for i in range(n):
            n_runs += lists[places[i].i].i // 2
        if n_runs > self.run_capacity - self.n_runs:
            return False
        for i in range(n):
            at = lists + places[i].i + 1
            for k in range(lists[places[i].i].i // 2):
                self.run_starts[self.n_runs] = at[2 * k]
                self.run_stops[self.n_runs] = at[2 * k + 1]
                self.n_runs += 1
            offsets[i] = <int32_t>self.n_runs
        return True

    def columns(self):
        """Give the memory of the columns.

        Returns
        -------
        tuple (starts, ends, [(values, bits), ...])
            Buffers of (capacity,) int64 (float64 for float times) and of each output (capacity,)
            8-byte words and a bitmap; of runs of rows (capacity + 1,) int32, where they begin.
        """
        cdef list memory = self.memory
        return memory[0], memory[1], list(zip(memory[2::2], memory[3::2], strict=True))

    def columns_of_runs(self):
        """Give the memory of the runs of rows.

        Returns
        -------
        tuple (run_capacity, starts, stops)
            Buffers of (run_capacity,) int64.
        """
        return (self.run_capacity, *self.run_memory)
