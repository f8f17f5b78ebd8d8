"""Protobuf messages into columns.

Values go straight to their row, so that the last one wins, and the parts of a message that comes in
parts become one. A position that is NULL has failed: the cursor then says why.
"""

from libc.stdint cimport UINT32_MAX, int32_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from tidegate._kernels.builders cimport Column
from tidegate._kernels.cursor cimport (
    BAD_TAG, BAD_UTF8, TOO_LONG, TOO_MANY, TRUNCATED, fail, fail_varint, is_utf8, load64,
    store32, store64, take_varint, unzigzag, varint
)
from tidegate._kernels.proto_program cimport (
    BOOLS, HALVES, INTS, LONGS, REPEATED, SPECIAL, STRING, TEXTS, UNSIGNED_INTS, WIRE_4, WIRE_8,
    WIRE_LENGTH, WIRE_VARINT, WORDS, ZIGZAG_INTS, ZIGZAG_LONGS, Op, find, is_known
)
from tidegate._kernels.proto_rows cimport (
    Field, Frame, begin_row, cut, frame_room, text_room
)
from tidegate._kernels.proto_skip cimport skip, take_length

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

    /* Whether one of eight bytes ends a varint. */
    static inline int tg_ends(uint64_t word)
    {
        return (~word & 0x8080808080808080ULL) != 0;
    }

    /* A varint that ends within eight bytes; lengths that change at random cost no branch. */
    static inline const uint8_t *tg_short_varint(const uint8_t *at, uint64_t *value)
    {
        uint64_t word = tg_load64(at), stop = ~word & 0x8080808080808080ULL;
        *value = tg_draw_together(word & (stop ^ (stop - 1)) & 0x7f7f7f7f7f7f7f7fULL);
        return at + (__builtin_ctzll(stop) + 1) / 8;
    }

    /* How many bytes of eight are below 128. */
    static inline int tg_count_ends(uint64_t word)
    {
        word = (~word & 0x8080808080808080ULL) >> 7;
        return (int)(word * 0x0101010101010101ULL >> 56);
    }
    """
    bint ends "tg_ends"(uint64_t) noexcept nogil
    const uint8_t* short_varint "tg_short_varint"(const uint8_t*, uint64_t*) noexcept nogil
    int count_ends "tg_count_ends"(uint64_t) noexcept nogil
    bint short_ascii "tg_short_ascii"(uint64_t, uint64_t, uint64_t) noexcept nogil


cdef const uint8_t* fail_memory(Decoder* d, const uint8_t* at) noexcept nogil:
    """Say why the columns can't grow."""
    return fail(&d.cursor, at, d.rows.columns.status)


cdef const uint8_t* read_text(
    Decoder* d, const Op* op, Column* c, Py_ssize_t row, const uint8_t* at, const uint8_t* end
) noexcept nogil:
    """Read a string or bytes."""
    cdef uint64_t n = 0, a, b
    cdef const uint8_t* begin = at
    cdef uint8_t* to
    at = take_length(&d.cursor, at, end, &n)
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


cdef inline const uint8_t* read_plain(
    Decoder* d, int width, Column* c, Py_ssize_t row, const uint8_t* at, const uint8_t* end
) noexcept nogil:
    """Read a number of a fixed width."""
    if end - at < width:
        return fail(&d.cursor, at, TRUNCATED)
    memcpy(c.values + width * row, at, width)
    return at + width


cdef const uint8_t* fail_number(
    Decoder* d, const uint8_t* begin, const uint8_t* at
) noexcept nogil:
    """Say what is wrong with a varint; it ends behind its message where it has an end."""
    if at == NULL:
        return fail_varint(&d.cursor, begin)
    return fail(&d.cursor, begin, TRUNCATED)


cdef inline const uint8_t* read_number(
    Decoder* d, int form, Column* c, Py_ssize_t row, const uint8_t* at, const uint8_t* end
) noexcept nogil:
    """Read a number of variable length."""
    cdef uint64_t word = 0
    cdef const uint8_t* then = varint(at, d.cursor.end, &word)
    if then == NULL or then > end:
        return fail_number(d, at, then)
    if form == LONGS:
        store64(c.values + 8 * row, word)
    elif form == INTS:
        store32(c.values + 4 * row, <uint32_t>word)
    elif form == ZIGZAG_LONGS:
        store64(c.values + 8 * row, <uint64_t>unzigzag(word))
    elif form == ZIGZAG_INTS:
        store32(c.values + 4 * row, <uint32_t>unzigzag(word & UINT32_MAX))
    else:
        c.values[row] = word != 0
    return then


cdef const uint8_t* read_value(
    Decoder* d, const Op* op, Column* c, Py_ssize_t row, const uint8_t* at, const uint8_t* end
) noexcept nogil:
    """Read one value of any kind into a row of a column."""
    if op.form == WORDS:
        return read_plain(d, 8, c, row, at, end)
    elif op.form == LONGS:
        return read_number(d, LONGS, c, row, at, end)
    elif op.form == ZIGZAG_INTS:
        return read_number(d, ZIGZAG_INTS, c, row, at, end)
    elif op.form == INTS or op.form == UNSIGNED_INTS:
        return read_number(d, INTS, c, row, at, end)
    elif op.form == HALVES:
        return read_plain(d, 4, c, row, at, end)
    elif op.form == BOOLS:
        return read_number(d, BOOLS, c, row, at, end)
    elif op.form == ZIGZAG_LONGS:
        return read_number(d, ZIGZAG_LONGS, c, row, at, end)
    elif op.form == TEXTS:
        return read_text(d, op, c, row, at, end)
    return read_message(d, op, row, at, end)


cdef const uint8_t* read_message(
    Decoder* d, const Op* op, Py_ssize_t row, const uint8_t* at, const uint8_t* end
) noexcept nogil:
    """Read a message behind its length."""
    cdef uint64_t n = 0
    at = take_length(&d.cursor, at, end, &n)
    return read_fields(d, op, row, at, at + n) if at != NULL else at


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


cdef inline Py_ssize_t count_numbers(const uint8_t* at, const uint8_t* end) noexcept nogil:
    """Count the bytes that end a varint."""
    cdef Py_ssize_t n = 0
    while end - at >= 8:
        n += count_ends(load64(at))
        at += 8
    while at < end:
        n += at[0] < 0x80
        at += 1
    return n


cdef const uint8_t* read_packed_known(
    Decoder* d, const Op* op, Field* field, const uint8_t* at, const uint8_t* end
) noexcept nogil:
    """Read the numbers of a closed enum up to the end, but for those that it doesn't have."""
    cdef const uint8_t* then
    while at < end:
        then = skip_unknown_number(d, op, at, end)
        if then == at:
            then = read_value(d, op, field.values, field.items.n, at, end)
            field.items.n = field.items.n + 1
        if then == NULL:
            return NULL
        at = then
    return at


cdef const uint8_t* read_packed(
    Decoder* d, const Op* op, Field* field, const uint8_t* at, const uint8_t* end
) noexcept nogil:
    """Read the values that fill up to the end, one behind the other."""
    cdef Column* c
    cdef Py_ssize_t width = 8 if op.wire == WIRE_8 else 4, n = (end - at) // width, row
    cdef uint64_t word = 0
    if op.wire == WIRE_VARINT:
        n = count_numbers(at, end)
    elif n * width != end - at:
        return fail(&d.cursor, at, TRUNCATED)
    if not frame_room(&d.rows, field.items, n + 1):  # one may be cut
        return fail_memory(d, at)
    if op.known != NULL:
        return read_packed_known(d, op, field, at, end)
    c = field.values
    row = field.items.n
    field.items.n = row + n
    if op.wire != WIRE_VARINT:
        memcpy(c.values + row * width, at, n * width)
        return end
    while at != NULL and at < end:
        if op.form == LONGS and d.cursor.end - at >= 8 and ends(load64(at)):
            at = short_varint(at, &word)
            if at > end:
                return fail(&d.cursor, end - 1, TRUNCATED)
            store64(c.values + 8 * row, word)
        else:
            at = read_value(d, op, c, row, at, end)
        row += 1
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
        at = take_length(&d.cursor, at, end, &n)
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


cdef const uint8_t* read_known(
    Decoder* d, const Op* op, Py_ssize_t row, uint64_t tag, const uint8_t* at, const uint8_t* end
) noexcept nogil:
    """Read a known field of any label."""
    cdef Column* c
    cdef const uint8_t* then
    if op.known != NULL and tag & 7 == WIRE_VARINT:
        then = skip_unknown_number(d, op, at, end)
        if then != at:
            return then
    if op.label >= REPEATED:
        return read_items(d, op, row, tag, at, end)
    if op.oneof >= 0:
        choose(d, op, row)
    c = d.rows.fields[op.index].values
    if c.valid != NULL:
        c.valid[row] = 1
    return read_value(d, op, c, row, at, end)


cdef const uint8_t* read_any(
    Decoder* d, const Op* message, Py_ssize_t row, const uint8_t* begin, const uint8_t* end
) noexcept nogil:
    """Read a field of any tag and any label, or skip it."""
    cdef const Op* op
    cdef uint64_t tag = 0, wire
    cdef const uint8_t* at = take_varint(&d.cursor, begin, &tag)
    if at == NULL:
        return NULL
    if at > end or tag > UINT32_MAX:
        return fail(&d.cursor, begin, TRUNCATED if at > end else BAD_TAG)
    op = find(message, tag >> 3)
    wire = tag & 7
    if op == NULL:
        return skip(&d.cursor, begin, at, end, tag, d.depth)
    d.op = op
    if wire != <uint64_t>op.wire and (wire != WIRE_LENGTH or op.label < REPEATED):
        return fail(&d.cursor, begin, BAD_TAG if wire > WIRE_4 else WRONG_WIRE_TYPE)
    d.op = NULL
    at = read_known(d, op, row, tag, at, end)
    return at if at != NULL else blame(d, op)


cdef const uint8_t* read_fields(
    Decoder* d, const Op* message, Py_ssize_t row, const uint8_t* at, const uint8_t* end
) noexcept nogil:
    """Read the fields of a message into a row of its frame.

    Tags of one and two bytes are looked up, even where the next field could be guessed: a null
    that comes at random then costs no wrong guess, as long as the next field is of the same form.
    """
    cdef const Op* op
    cdef Column* c
    cdef const uint8_t* begin
    cdef uint64_t tag
    while at < end:
        begin = at
        tag = at[0]
        if tag < 0x80:
            op = message.by_tag[tag]
            at += 1
        elif end - at > 1 and at[1] < 0x80:
            tag = tag & 0x7f | <uint64_t>at[1] << 7
            op = find(message, tag >> 3)
            op = op if op != NULL and op.tag == tag else NULL
            at += 2
        else:
            op = NULL
        if op == NULL:
            at = read_any(d, message, row, begin, end)
            if at == NULL:
                return blame(d, message)
            continue
        c = d.rows.fields[op.index].values
        if op.way == SPECIAL:
            at = read_known(d, op, row, tag, at, end)
        else:
            if c.valid != NULL:
                c.valid[row] = 1
            if op.way == WORDS:  # the usual ones here: a call would cost as much as the value
                at = read_plain(d, 8, c, row, at, end)
            elif op.way == LONGS:
                at = read_number(d, LONGS, c, row, at, end)
            elif op.way == INTS or op.way == UNSIGNED_INTS:
                at = read_number(d, INTS, c, row, at, end)
            elif op.way == ZIGZAG_INTS:
                at = read_number(d, ZIGZAG_INTS, c, row, at, end)
            elif op.way == TEXTS:
                at = read_text(d, op, c, row, at, end)
            else:
                at = read_value(d, op, c, row, at, end)
        if at == NULL:
            return blame(d, op)
    return at


cdef const uint8_t* blame(Decoder* d, const Op* op) noexcept nogil:
    """Note the innermost field that something went wrong in."""
    if d.op == NULL:
        d.op = op
    return NULL
