"""Protobuf messages into columns.

A field's operation is guessed to be the one behind the last; a tag that says otherwise is looked
up. Values go straight to their row, so that the last one wins, and the parts of a message that
comes in parts become one. A position that is NULL has failed: the cursor then says why.
"""

from libc.stdint cimport UINT32_MAX, int32_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from tidegate._kernels.builders cimport Column
from tidegate._kernels.cursor cimport (
    BAD_TAG, BAD_UTF8, FINE, TOO_DEEP, TOO_LONG, TOO_MANY, TRUNCATED, fail, is_utf8, load64,
    store32, store64, take_varint, unzigzag,
)
from tidegate._kernels.proto_program cimport (
    BOOL, BYTES, DOUBLE, FIXED32, FIXED64, FLOAT, INT64, MESSAGE, REPEATED, SFIXED32, SFIXED64,
    SINT32, SINT64, STRING, UINT64, WIRE_4, WIRE_8, WIRE_BEGIN, WIRE_END, WIRE_LENGTH, WIRE_VARINT,
    Op, find, is_known,
)
from tidegate._kernels.proto_rows cimport (
    Field, Frame, begin_row, cut, frame_room, text_room
)

cdef enum:
    SHORT = 16            # bytes of a text that are copied as two words

cdef extern from *:
    """
    /* Whether the first n bytes, 16 at most, of two words are ASCII. */
    static inline int tg_short_ascii(uint64_t a, uint64_t b, uint64_t n)
    {
        uint64_t high = 0x8080808080808080ULL;
        if (n < 8)
            return !(a & high & (((uint64_t)1 << 8 * n) - 1));
        return !(a & high) && !(n > 8 && (b & high & (~(uint64_t)0 >> 8 * (16 - n))));
    }
    """
    bint short_ascii "tg_short_ascii"(uint64_t, uint64_t, uint64_t) noexcept nogil


cdef inline const uint8_t* take_length(
    Decoder* d, const uint8_t* at, const uint8_t* end, uint64_t* n
) noexcept nogil:
    """Read a length, of bytes that are there."""
    cdef const uint8_t* then = take_varint(&d.cursor, at, n)
    if then == NULL:
        return NULL
    if then > end or n[0] > <uint64_t>(end - then):
        return fail(&d.cursor, at, TRUNCATED)
    return then


cdef const uint8_t* skip_group(
    Decoder* d, const uint8_t* at, const uint8_t* end, uint64_t number, int depth
) noexcept nogil:
    """Pass over the fields of an unknown group and its end."""
    cdef uint64_t tag = 0
    cdef const uint8_t* begin
    if depth >= d.depth:
        return fail(&d.cursor, at, TOO_DEEP)
    while at < end:
        begin = at
        at = take_varint(&d.cursor, at, &tag)
        if at == NULL:
            return NULL
        if tag & 7 == WIRE_END and tag >> 3 == number:
            return at if at <= end else fail(&d.cursor, begin, TRUNCATED)
        at = skip(d, begin, at, end, tag, depth + 1)
        if at == NULL:
            return NULL
    return fail(&d.cursor, at, TRUNCATED)


cdef const uint8_t* skip(
    Decoder* d, const uint8_t* begin, const uint8_t* at, const uint8_t* end, uint64_t tag, int depth
) noexcept nogil:
    """Pass over the value of an unknown field, whose tag stood at `begin`."""
    cdef uint64_t n = 0
    cdef int wire = <int>(tag & 7)
    if tag >> 3 == 0 or tag > UINT32_MAX:
        return fail(&d.cursor, begin, BAD_TAG)
    if wire == WIRE_VARINT:
        at = take_varint(&d.cursor, at, &n)
        if at == NULL:
            return NULL
    elif wire == WIRE_LENGTH:
        at = take_length(d, at, end, &n)
        return at + n if at != NULL else at
    elif wire == WIRE_BEGIN:
        return skip_group(d, at, end, tag >> 3, depth)
    elif wire == WIRE_8 or wire == WIRE_4:
        n = 8 if wire == WIRE_8 else 4
        if at > end or <uint64_t>(end - at) < n:
            return fail(&d.cursor, begin, TRUNCATED)
        return at + n
    else:
        return fail(&d.cursor, begin, BAD_TAG)
    return at if at <= end else fail(&d.cursor, begin, TRUNCATED)


cdef const uint8_t* fail_memory(Decoder* d, const uint8_t* at) noexcept nogil:
    """Say why the columns can't grow."""
    return fail(&d.cursor, at, d.rows.columns.status)


cdef inline const uint8_t* read_text(
    Decoder* d, const Op* op, Column* c, Py_ssize_t row, const uint8_t* at, const uint8_t* end
) noexcept nogil:
    """Read a string or bytes."""
    cdef uint64_t n = 0, a, b
    cdef const uint8_t* begin = at
    cdef uint8_t* to
    at = take_length(d, at, end, &n)
    if at == NULL:
        return NULL
    if n > d.text_bytes:
        return fail(&d.cursor, begin, TOO_LONG)
    to = text_room(&d.rows, c, row, n)
    if to == NULL:
        return fail_memory(d, begin)
    if n <= SHORT and d.cursor.end - at >= SHORT:
        a = load64(at)
        b = load64(at + 8)
        store64(to, a)
        store64(to + 8, b)
        if op.kind == STRING and not short_ascii(a, b, n) and not is_utf8(at, n):
            return fail(&d.cursor, at, BAD_UTF8)
        return at + n
    memcpy(to, at, n)
    if op.kind == STRING and not is_utf8(at, n):
        return fail(&d.cursor, at, BAD_UTF8)
    return at + n


cdef inline const uint8_t* read_value(
    Decoder* d, const Op* op, Column* c, Py_ssize_t row, const uint8_t* at, const uint8_t* end
) noexcept nogil:
    """Read one value of any kind into a row of a column."""
    cdef uint64_t word = 0
    cdef const uint8_t* begin = at
    if op.kind == DOUBLE or op.kind == FIXED64 or op.kind == SFIXED64:
        if end - at < 8:
            return fail(&d.cursor, at, TRUNCATED)
        memcpy(c.values + 8 * row, at, 8)
        return at + 8
    if op.kind == FLOAT or op.kind == FIXED32 or op.kind == SFIXED32:
        if end - at < 4:
            return fail(&d.cursor, at, TRUNCATED)
        memcpy(c.values + 4 * row, at, 4)
        return at + 4
    if op.kind == STRING or op.kind == BYTES:
        return read_text(d, op, c, row, at, end)
    if op.kind == MESSAGE:
        at = take_length(d, at, end, &word)
        return read_fields(d, op, row, at, at + word) if at != NULL else at
    at = take_varint(&d.cursor, at, &word)
    if at == NULL:
        return NULL
    if at > end:
        return fail(&d.cursor, begin, TRUNCATED)
    if op.kind == INT64 or op.kind == UINT64:
        store64(c.values + 8 * row, word)
    elif op.kind == SINT64:
        store64(c.values + 8 * row, <uint64_t>unzigzag(word))
    elif op.kind == SINT32:
        store32(c.values + 4 * row, <uint32_t>unzigzag(word & UINT32_MAX))
    elif op.kind == BOOL:
        c.values[row] = word != 0
    else:
        store32(c.values + 4 * row, <uint32_t>word)
    return at


cdef const uint8_t* skip_unknown_number(
    Decoder* d, const Op* op, const uint8_t* at, const uint8_t* end
) noexcept nogil:
    """Pass over a number that a closed enum doesn't have; where it has it, stay."""
    cdef uint64_t word = 0
    cdef const uint8_t* then = take_varint(&d.cursor, at, &word)
    if then == NULL:
        return NULL
    if is_known(op, <int32_t>word):
        return at
    d.is_unknown = True
    return then if then <= end else fail(&d.cursor, at, TRUNCATED)


cdef const uint8_t* read_packed(
    Decoder* d, const Op* op, Field* field, const uint8_t* at, const uint8_t* end
) noexcept nogil:
    """Read the values that fill up to the end, one behind the other."""
    cdef Frame* items = field.items
    cdef Column* c = field.values
    cdef Py_ssize_t width, n
    cdef const uint8_t* then
    if op.wire != WIRE_VARINT:
        width = 8 if op.wire == WIRE_8 else 4
        n = (end - at) // width
        if n * width != end - at:
            return fail(&d.cursor, at, TRUNCATED)
        if not frame_room(&d.rows, items, n):
            return fail_memory(d, at)
        memcpy(c.values + items.n * width, at, n * width)
        items.n = items.n + n
        return end
    while at < end:
        if op.known != NULL:
            then = skip_unknown_number(d, op, at, end)
            if then != at:
                if then == NULL:
                    return NULL
                at = then
                continue
        if not frame_room(&d.rows, items, 1):
            return fail_memory(d, at)
        at = read_value(d, op, c, items.n, at, end)
        if at == NULL:
            return NULL
        items.n = items.n + 1
    return at


cdef const uint8_t* read_items(
    Decoder* d, const Op* op, Py_ssize_t row, uint64_t tag, const uint8_t* at, const uint8_t* end
) noexcept nogil:
    """Read one value of a repeated field, or a packed row of them."""
    cdef Field* field = &d.rows.fields[op.index]
    cdef Frame* items = field.items
    cdef uint64_t n = 0
    cdef const uint8_t* begin = at
    begin_row(field.column, row, items.n)
    if tag & 7 != <uint64_t>op.wire:
        at = take_length(d, at, end, &n)
        if at != NULL:
            at = read_packed(d, op, field, at, at + n)
    else:
        if not frame_room(&d.rows, items, 1):
            return fail_memory(d, at)
        items.n = items.n + 1
        d.is_unknown = False
        at = read_value(d, op, field.values, items.n - 1, at, end)
        if d.is_unknown and op.is_entry:  # the specification: all of the entry is unknown
            cut_entry(d, op)
    if items.n - (<int32_t*>field.column.values)[row] > d.items:
        return fail(&d.cursor, begin, TOO_MANY)
    return at


cdef void cut_entry(Decoder* d, const Op* op) noexcept nogil:
    """Forget the entry of a map that was read last."""
    cdef Frame* items = d.rows.fields[op.index].items
    cdef int i
    for i in range(op.n_fields):
        cut(&d.rows, &op.fields[i], items.n - 1, items.n)
    items.n = items.n - 1


cdef inline void choose(Decoder* d, const Op* op, Py_ssize_t row) noexcept nogil:
    """Make a field the one of its oneof that is set: the last one wins."""
    cdef Choice* choice = &d.choices[op.oneof]
    if choice.op != op and choice.op != NULL and choice.row == row:
        cut(&d.rows, choice.op, row, row + 1)
    choice.op = op
    choice.row = row


cdef inline const Op* lookup(
    Decoder* d, const Op* message, uint64_t tag, const uint8_t* at
) noexcept nogil:
    """Find the field of a tag, NULL where it is unknown or, with a status, of a wrong wire type."""
    cdef const Op* op = find(message, tag >> 3)
    cdef uint64_t wire = tag & 7
    if op == NULL or wire == <uint64_t>op.wire:
        return op
    if wire == WIRE_LENGTH and op.label >= REPEATED:
        return op
    fail(&d.cursor, at, BAD_TAG if wire > WIRE_4 else WRONG_WIRE_TYPE)
    d.op = op
    return NULL


cdef const uint8_t* read_fields(
    Decoder* d, const Op* message, Py_ssize_t row, const uint8_t* at, const uint8_t* end
) noexcept nogil:
    """Read the fields of a message into a row of its frame."""
    cdef const Op* op = message.fields
    cdef const Op* found
    cdef Column* c
    cdef const uint8_t* begin
    cdef uint64_t tag = 0
    while at < end:
        begin = at
        tag = at[0]
        at += 1
        if tag >= 0x80:
            at = take_varint(&d.cursor, begin, &tag)
            if at == NULL:
                return blame(d, message)
            if at > end or tag > UINT32_MAX:
                fail(&d.cursor, begin, TRUNCATED if at > end else BAD_TAG)
                return blame(d, message)
        if op == NULL or op.tag != tag:
            found = lookup(d, message, tag, begin)
            if found == NULL:
                if d.cursor.status == FINE:
                    at = skip(d, begin, at, end, tag, 0)
                if d.cursor.status != FINE:
                    return blame(d, message)
                continue
            op = found
        if op.known != NULL and tag & 7 == WIRE_VARINT:
            begin = at
            at = skip_unknown_number(d, op, at, end)
            if at != begin:
                if at == NULL:
                    return blame(d, op)
                continue
        if op.label >= REPEATED:
            at = read_items(d, op, row, tag, at, end)
        else:
            if op.oneof >= 0:
                choose(d, op, row)
            c = d.rows.fields[op.index].values
            if c.valid != NULL:
                c.valid[row] = 1
            at = read_value(d, op, c, row, at, end)
        if at == NULL:
            return blame(d, op)
        op = op.following
    return at


cdef const uint8_t* blame(Decoder* d, const Op* op) noexcept nogil:
    """Note the innermost field that something went wrong in."""
    if d.op == NULL:
        d.op = op
    return NULL


cdef const uint8_t* read_row(
    Decoder* d, const Op* root, const uint8_t* at, const uint8_t* end
) noexcept nogil:
    """Read a message into the next row."""
    cdef Frame* frame = &d.rows.frames[0]
    if not frame_room(&d.rows, frame, 1):
        return fail_memory(d, at)
    frame.n = frame.n + 1
    return read_fields(d, root, frame.n - 1, at, end)


cdef const uint8_t* read_messages(
    Decoder* d, const Op* root, const uint8_t* at, Py_ssize_t max_rows, Py_ssize_t max_bytes,
    bint is_last
) noexcept nogil:
    """Read whole messages; see `Reader.read_stream`."""
    cdef Frame* frame = &d.rows.frames[0]
    cdef const uint8_t* begin = at
    cdef const uint8_t* then
    cdef uint64_t n = 0
    while at < d.cursor.end and frame.n < max_rows and at - begin < max_bytes:
        then = take_varint(&d.cursor, at, &n)
        if then == NULL and (is_last or d.cursor.status != TRUNCATED):
            return NULL
        if then != NULL and n > d.message_bytes:
            return fail(&d.cursor, at, LONG_MESSAGE)
        if then == NULL or n > <uint64_t>(d.cursor.end - then):
            d.cursor.status = FINE
            return fail(&d.cursor, at, TRUNCATED) if is_last else at
        at = read_row(d, root, then, then + n)
        if at == NULL:
            return NULL
    return at
