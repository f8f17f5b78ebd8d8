"""Columns that fill by row number, as Protobuf's fields come: in any order, twice, or not at all.

All values of a row are zero and null until they come, so that what doesn't come needs no work, and
what comes twice is written over. A frame is the rows of a message, with all messages in it; each
repeated field has a frame of its own. Only the last row of a frame is ever written to. Offsets
are written for the first byte or item of a row, those of the rows that were passed over with it.
"""

from libc.stdint cimport uint8_t
from libc.string cimport memset

from tidegate._kernels.builders cimport BYTES as TEXT
from tidegate._kernels.builders cimport BITS, FIXED, ITEMS, Column, column_grow
from tidegate._kernels.proto_program cimport MESSAGE, REPEATED, Op

cdef extern from "Python.h":
    Py_ssize_t PY_SSIZE_T_MAX

cdef enum:
    LEAST = 64
    MOST = 1024           # rows that are made zero at a time, to be in the cache when they come


cdef inline Py_ssize_t width_of(const Column* c) noexcept nogil:
    """Give the bytes of a value that are made zero."""
    return c.width if c.shape == FIXED else c.shape == BITS


cdef bint frame_reserve(Rows* rows, Frame* frame, Py_ssize_t n) noexcept nogil:
    """Make room for n rows in all, whatever is in them."""
    cdef Column* c
    cdef int i
    for i in range(frame.n_columns):
        c = frame.columns[i]
        if c.room >= n:
            continue
        if c.shape == TEXT:  # what grows keeps c.n rows, and all rows before are done
            begin_row(c, frame.n - 1, c.used)
        elif c.shape != ITEMS:
            c.n = frame.n
        if not column_grow(rows.columns, c, n):
            return False
    return True


cdef Py_ssize_t room_of(const Frame* frame) noexcept nogil:
    """Count the rows that all columns have room for."""
    cdef Py_ssize_t n = PY_SSIZE_T_MAX
    cdef int i
    for i in range(frame.n_columns):
        n = min(n, frame.columns[i].room)
    return n


cdef bint frame_grow(Rows* rows, Frame* frame, Py_ssize_t n) noexcept nogil:
    """Make n rows in all ready, and some more if there is room for them, or must be made anyway."""
    cdef Py_ssize_t ready = max(n, frame.ready + min(max(frame.ready, LEAST), MOST)), width
    cdef Py_ssize_t room = room_of(frame)
    cdef Column* c
    cdef int i
    if n <= room:  # as many as there will be, maybe
        ready = min(ready, room)
    if not frame_reserve(rows, frame, ready):
        return False
    for i in range(frame.n_columns):
        c = frame.columns[i]
        width = width_of(c)
        if width:
            memset(c.values + frame.ready * width, 0, (ready - frame.ready) * width)
        if c.valid != NULL:
            memset(c.valid + frame.ready, 0, ready - frame.ready)
    frame.ready = ready
    return True


cdef void cut_values(
    Rows* rows, const Op* op, Py_ssize_t first, Py_ssize_t last
) noexcept nogil:
    """Forget the last values of a field."""
    cdef Column* c = rows.fields[op.index].values
    cdef Py_ssize_t width = width_of(c)
    cdef int i
    if c.shape == TEXT and c.n > first:
        c.used = (<int*>c.values)[first]
        c.n = first
    if width:
        memset(c.values + first * width, 0, (last - first) * width)
    if c.valid != NULL:
        memset(c.valid + first, 0, last - first)
    if op.kind == MESSAGE:
        for i in range(op.n_fields):
            cut(rows, &op.fields[i], first, last)


cdef void cut(Rows* rows, const Op* op, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Forget what a field has in the last rows of its frame, from `first` to before `last`."""
    cdef Field* field = &rows.fields[op.index]
    cdef Column* c = field.column
    cdef Py_ssize_t begin
    if op.label < REPEATED:
        cut_values(rows, op, first, last)
    elif c.n > first:
        begin = (<int*>c.values)[first]
        c.n = first
        cut_values(rows, op, begin, field.items.n)
        field.items.n = begin


cdef Py_ssize_t count_valid(const uint8_t* valid, Py_ssize_t n) noexcept nogil:
    """Count the rows that have a value."""
    cdef Py_ssize_t i, total = 0
    for i in range(n):
        total += valid[i]
    return total


cdef void rows_end(Rows* rows) noexcept nogil:
    """Let all columns have all rows of their frames; they can be taken after that."""
    cdef Frame* frame
    cdef Column* c
    cdef Field* field
    cdef int f, i
    for f in range(1, rows.n_fields):
        field = &rows.fields[f]
        if field.column != field.values and field.column.room:
            begin_row(field.column, field.frame.n, field.items.n)
    for f in range(rows.n_frames):
        frame = &rows.frames[f]
        for i in range(frame.n_columns):
            c = frame.columns[i]
            if c.shape == TEXT and c.room:
                begin_row(c, frame.n, c.used)
            c.n = frame.n
            c.n_nulls = 0 if c.valid == NULL else c.n - count_valid(c.valid, c.n)
        frame.ready = 0
    for f in range(rows.n_frames):
        rows.frames[f].n = 0
