"""Columns under construction, in memory that Arrow takes over without a copy.

A decoder appends to `Column`s by the inline functions; `Builder` owns them. Rows are appended depth
first: of a struct the children, then the struct itself; of a list the items, then `end_items`.
"""

from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t, uint64_t
from libc.string cimport memcpy, memset

from tidegate._kernels.pool cimport Block

# How a column lies in memory.
cdef enum:
    NOTHING = 0     # type null: a number of rows
    FIXED = 1       # values of `width` bytes
    BITS = 2        # booleans; a byte a row until they are taken
    BYTES = 3       # int32 offsets and content
    ITEMS = 4       # list or map: int32 offsets, one child
    FIELDS = 5      # struct: children of as many rows
    BRANCHES = 6    # dense union: a branch a row (values, int8), where in it (content, int32)

cdef enum:
    SLACK = 32      # bytes behind content and values that may be written to


cdef struct Column:
    int shape
    int width
    int first             # its children are columns[first : first + n_children]
    int n_children
    bint nullable
    Py_ssize_t n          # rows
    Py_ssize_t room       # rows that there is memory for
    uint8_t* values       # (room, width); offsets: (room + 1,) int32
    uint8_t* valid        # (room,) 0 or 1; NULL where it is not nullable
    Py_ssize_t n_nulls
    uint8_t* content      # (size,) bytes; of a union (room,) int32
    Py_ssize_t used
    Py_ssize_t size
    Block memory[3]       # of values, valid, content


cdef struct Columns:
    Column* columns
    int n_columns
    int n_roots           # the first of them: the columns of the batch
    int64_t spent         # bytes
    int64_t budget        # bytes: limit batch_bytes
    int status            # why something could not grow


cdef bint column_grow(Columns* t, Column* c, Py_ssize_t n) noexcept nogil
cdef bint content_grow(Columns* t, Column* c, Py_ssize_t size) noexcept nogil
cdef bint append_empty(Columns* t, Column* c) noexcept nogil
cdef bint append_null(Columns* t, Column* c) noexcept nogil


cdef inline bint room(Columns* t, Column* c, Py_ssize_t n) noexcept nogil:
    """Make room for n more rows; False with the reason in `t.status`."""
    return c.n + n <= c.room or column_grow(t, c, c.n + n)


cdef inline bint content_room(Columns* t, Column* c, Py_ssize_t n) noexcept nogil:
    """Make room for n more bytes of content, and slack behind them."""
    return c.used + n + SLACK <= c.size or content_grow(t, c, c.used + n + SLACK)


cdef inline void mark_valid(Column* c) noexcept nogil:
    """Say that the row that comes next has a value; there is room for it."""
    if c.valid != NULL:
        c.valid[c.n] = 1


cdef inline void put8(Column* c, uint64_t word) noexcept nogil:
    """Append a value of 8 bytes; there is room for it."""
    memcpy(c.values + 8 * c.n, &word, 8)
    c.n = c.n + 1


cdef inline void put4(Column* c, int32_t word) noexcept nogil:
    """Append a value of 4 bytes; there is room for it."""
    memcpy(c.values + 4 * c.n, &word, 4)
    c.n = c.n + 1


cdef inline bint put_null(Columns* t, Column* c) noexcept nogil:
    """Append a null to a column that may have some; there is room for it."""
    if c.valid == NULL:
        return append_null(t, c)
    if c.shape == FIXED and c.width == 8:
        memset(c.values + 8 * c.n, 0, 8)
    elif c.shape == FIXED and c.width == 4:
        memset(c.values + 4 * c.n, 0, 4)
    elif c.shape == BYTES:
        (<int32_t*>c.values)[c.n + 1] = <int32_t>c.used
    else:
        return append_null(t, c)
    c.valid[c.n] = 0
    c.n = c.n + 1
    c.n_nulls = c.n_nulls + 1
    return True


cdef inline void put_fixed(Column* c, const uint8_t* at) noexcept nogil:
    """Append a value of `width` bytes; there is room for it."""
    memcpy(c.values + c.width * c.n, at, c.width)
    c.n = c.n + 1


cdef inline void put_bool(Column* c, bint value) noexcept nogil:
    """Append a boolean; there is room for it."""
    c.values[c.n] = value
    c.n = c.n + 1


cdef inline bint put_bytes(
    Columns* t, Column* c, const uint8_t* at, Py_ssize_t n
) noexcept nogil:
    """Append a string or bytes; there is room for the row."""
    if not content_room(t, c, n):
        return False
    memcpy(c.content + c.used, at, n)
    c.used = c.used + n
    c.n = c.n + 1
    (<int32_t*>c.values)[c.n] = <int32_t>c.used
    return True


cdef inline void end_items(Columns* t, Column* c) noexcept nogil:
    """Append a list of the items that its child got since the last one; there is room for it."""
    c.n = c.n + 1
    (<int32_t*>c.values)[c.n] = <int32_t>t.columns[c.first].n


cdef inline void end_fields(Column* c) noexcept nogil:
    """Append a struct whose children have their values; there is room for it."""
    c.n = c.n + 1


cdef inline void put_branch(Columns* t, Column* c, int branch) noexcept nogil:
    """Append a value of a union that comes next in a branch; there is room for it."""
    c.values[c.n] = <uint8_t>branch
    (<int32_t*>c.content)[c.n] = <int32_t>t.columns[c.first + branch].n
    c.n = c.n + 1


cdef class Builder:
    cdef Columns t
