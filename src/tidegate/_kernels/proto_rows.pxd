"""Columns that fill by row number, as Protobuf's fields come."""

from libc.stdint cimport int32_t, int64_t, uint8_t

from tidegate._kernels.builders cimport Column, Columns, content_room
from tidegate._kernels.proto_program cimport Op


cdef struct Frame:
    Py_ssize_t n          # rows
    Py_ssize_t ready      # rows whose values are 0 and null until they come
    int n_columns
    Column** columns      # (n_columns,) whose rows these are


cdef struct Field:
    Column* column        # of the field: a list where it is repeated
    Column* values        # of one value
    Frame* frame          # the rows of `column`
    Frame* items          # the rows of `values`: the same, but where it is repeated


cdef struct Rows:
    Columns* columns
    int n_frames
    Frame* frames
    int n_fields
    Field* fields         # (n_fields,) of each operation; of the root the frame only
    Column** places       # what the frames' lists of columns lie in


cdef bint frame_reserve(Rows* rows, Frame* frame, Py_ssize_t n) noexcept nogil
cdef bint frame_grow(Rows* rows, Frame* frame, Py_ssize_t n) noexcept nogil
cdef void cut(Rows* rows, const Op* op, Py_ssize_t first, Py_ssize_t last) noexcept nogil
cdef void rows_end(Rows* rows) noexcept nogil


cdef inline bint frame_room(Rows* rows, Frame* frame, Py_ssize_t n) noexcept nogil:
    """Make room for n more rows; False with the reason in the columns' status."""
    return frame.n + n <= frame.ready or frame_grow(rows, frame, frame.n + n)


cdef inline void begin_row(Column* c, Py_ssize_t row, Py_ssize_t used) noexcept nogil:
    """Let a string or list of a row begin behind what was used, if it hasn't yet."""
    cdef int32_t* offsets = <int32_t*>c.values
    while c.n <= row:
        offsets[c.n] = <int32_t>used
        c.n = c.n + 1


cdef inline uint8_t* text_room(
    Rows* rows, Column* c, Py_ssize_t row, Py_ssize_t n
) noexcept nogil:
    """Give where the text of a row goes, instead of any that it had; NULL without memory."""
    cdef uint8_t* to
    if c.n > row:
        c.used = (<int32_t*>c.values)[row]
    else:
        begin_row(c, row, c.used)
    if not content_room(rows.columns, c, n):
        return NULL
    to = c.content + c.used
    c.used = c.used + n
    return to
