"""Columns under construction, in memory that Arrow takes over without a copy.

They lie in a tree as Arrow's do, children of one column side by side. Validity and booleans take
a byte a row while they grow, and become bits where they lie when they are taken.
"""

from libc.stdint cimport INT32_MAX, int32_t, int64_t, uint8_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from tidegate._kernels.cursor cimport (
    FINE, OUT_OF_MEMORY, TOO_LARGE, load64
)
from tidegate._kernels.pool cimport Block, block_free, block_grow, block_take

cdef enum:
    LEAST_ROWS = 64
    LEAST_BYTES = 1024


cdef bint block_resize(
    Columns* t, Block* block, Py_ssize_t used, Py_ssize_t size
) noexcept nogil:
    """Grow one block within the budget."""
    if t.spent - block.size + size > t.budget:
        t.status = TOO_LARGE
        return False
    t.spent = t.spent - block.size + size
    if block_grow(block, used, size):
        return True
    t.spent = t.spent + block.size - size
    t.status = OUT_OF_MEMORY
    return False


cdef inline Py_ssize_t bytes_of(const Column* c, Py_ssize_t n) noexcept nogil:
    """Give the size of the values of n rows."""
    if c.shape == FIXED:
        return n * c.width + SLACK
    if c.shape == BYTES or c.shape == ITEMS:
        return 4 * (n + 1) + SLACK
    return n + SLACK if c.shape == BITS or c.shape == BRANCHES else 0


cdef bint column_grow(Columns* t, Column* c, Py_ssize_t n) noexcept nogil:
    """Make room for n rows in all."""
    cdef Py_ssize_t rows = max(n, 2 * c.room, LEAST_ROWS), size = bytes_of(c, rows)
    if n > INT32_MAX:
        t.status = TOO_LARGE
        return False
    if size and not block_resize(t, &c.memory[0], bytes_of(c, c.n) if c.room else 0, size):
        return False
    c.values = <uint8_t*>c.memory[0].at
    if c.room == 0 and (c.shape == BYTES or c.shape == ITEMS):
        (<int32_t*>c.values)[0] = 0
    if c.nullable:
        if not block_resize(t, &c.memory[1], c.n, rows + SLACK):
            return False
        c.valid = <uint8_t*>c.memory[1].at
    if c.shape == BRANCHES:
        if not block_resize(t, &c.memory[2], 4 * c.n, 4 * rows + SLACK):
            return False
        c.content = <uint8_t*>c.memory[2].at
    c.room = rows
    return True


cdef bint content_grow(Columns* t, Column* c, Py_ssize_t size) noexcept nogil:
    """Make room for so many bytes of content in all."""
    if size - SLACK > INT32_MAX:
        t.status = TOO_LARGE
        return False
    size = max(size, 2 * c.size, LEAST_BYTES)
    if not block_resize(t, &c.memory[2], c.used, size):
        return False
    c.content = <uint8_t*>c.memory[2].at
    c.size = size
    return True


cdef bint append_empty(Columns* t, Column* c) noexcept nogil:
    """Append a value that stands for none: zero, an empty list, the first branch."""
    cdef int i
    if not room(t, c, 1):
        return False
    mark_valid(c)
    if c.shape == FIXED:
        memset(c.values + c.n * c.width, 0, c.width)
    elif c.shape == BITS:
        c.values[c.n] = 0
    elif c.shape == BYTES:
        (<int32_t*>c.values)[c.n + 1] = <int32_t>c.used
    elif c.shape == ITEMS:
        (<int32_t*>c.values)[c.n + 1] = <int32_t>t.columns[c.first].n
    elif c.shape == FIELDS:
        for i in range(c.first, c.first + c.n_children):
            if not append_empty(t, &t.columns[i]):
                return False
    elif c.shape == BRANCHES:
        c.values[c.n] = 0
        (<int32_t*>c.content)[c.n] = <int32_t>t.columns[c.first].n
        if not append_empty(t, &t.columns[c.first]):
            return False
    c.n = c.n + 1
    return True


cdef bint append_null(Columns* t, Column* c) noexcept nogil:
    """Append a null to a column that may have some."""
    if not append_empty(t, c):
        return False
    if c.valid != NULL:
        c.valid[c.n - 1] = 0
        c.n_nulls = c.n_nulls + 1
    return True


cdef void pack_bits(uint8_t* flags, Py_ssize_t n) noexcept nogil:
    """Turn n bytes of 0 or 1 into bits, where they are; up to 7 bytes behind them are read."""
    cdef Py_ssize_t i
    memset(flags + n, 0, -n & 7)
    for i in range((n + 7) // 8):
        flags[i] = <uint8_t>(load64(flags + 8 * i) * <uint64_t>0x0102040810204080 >> 56)


cdef object take_values(Column* c):
    """Hand over the values of a column."""
    cdef Py_ssize_t size = bytes_of(c, c.n) - SLACK
    if c.shape == NOTHING or c.shape == FIELDS:
        return None
    if c.room == 0 and (c.shape == BYTES or c.shape == ITEMS):
        return b"\0\0\0\0"
    if c.shape == BITS:
        if c.n:
            pack_bits(c.values, c.n)
        size = (c.n + 7) // 8
    return block_take(&c.memory[0], size)


cdef tuple take_column(Column* c):
    """Hand over one column, which is empty after that."""
    cdef Py_ssize_t n = c.n, n_nulls = c.n_nulls
    values = take_values(c)
    valid = None
    if n_nulls:
        pack_bits(c.valid, n)
        valid = block_take(&c.memory[1], (n + 7) // 8)
    content = None
    if c.shape == BYTES:
        content = block_take(&c.memory[2], c.used)
    elif c.shape == BRANCHES:
        content = block_take(&c.memory[2], 4 * n)
    forget(c)
    return n, n_nulls, valid, values, content


cdef void forget(Column* c) noexcept:
    """Give the memory of a column back."""
    cdef int i
    for i in range(3):
        block_free(&c.memory[i])
    c.n = c.room = c.n_nulls = c.used = c.size = 0
    c.values = c.valid = c.content = NULL


cdef class Builder:
    """The columns of a batch, and all that is in them.

    Parameters
    ----------
    layout : list of tuple (shape, width, first, n_children, nullable)
        The columns: those of the batch first, children after their parents.
    n_roots : int
        How many are columns of the batch.
    budget : int
        How many bytes they may take in all.
    rest
        What a class that stands on this one takes.
    """

    def __cinit__(self, list layout not None, int n_roots, int64_t budget, *rest):
        cdef int i
        cdef Column* c
        self.t.n_columns = len(layout)
        self.t.n_roots = n_roots
        self.t.budget = budget
        self.t.status = FINE
        self.t.columns = <Column*>calloc(len(layout) + 1, sizeof(Column))
        if self.t.columns == NULL:
            raise MemoryError
        for i, (shape, width, first, n_children, nullable) in enumerate(layout):
            c = &self.t.columns[i]
            c.shape, c.width, c.first, c.n_children = shape, width, first, n_children
            c.nullable = nullable
            if n_children and not i < first <= len(layout) - n_children:
                raise ValueError("children come after their parents")

    def __dealloc__(self):
        cdef int i
        if self.t.columns != NULL:
            for i in range(self.t.n_columns):
                forget(&self.t.columns[i])
        free(self.t.columns)

    def take(self):
        """Hand over all columns, and begin anew.

        Returns
        -------
        list of tuple (n, n_nulls, valid, values, content)
            Of each column of the layout the rows, the nulls, and buffers as Arrow has them, or
            None: validity bits; values, offsets or branches; bytes or offsets into branches.
        """
        cdef int i
        taken = [take_column(&self.t.columns[i]) for i in range(self.t.n_columns)]
        self.t.spent = 0
        self.t.status = FINE
        return taken
