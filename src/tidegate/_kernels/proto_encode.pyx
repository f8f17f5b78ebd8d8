"""Columns into Protobuf messages.

The room that some rows take at most is known from their offsets alone, so that nothing is checked
while they are written. A length is guessed to take as many bytes as the last one of its kind; where
it doesn't, what it counts is moved.
"""

from libc.stdint cimport INT32_MAX, int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memmove

from tidegate._kernels.cursor cimport (
    NULL_VALUE, OUT_OF_MEMORY, load32, load64, put_varint, store64, zigzag
)
from tidegate._kernels.proto_program cimport (
    BYTES, HALVES, IMPLICIT, INTS, LONGS, MESSAGE, MESSAGES, OPTIONAL, PACKED, REPEATED, STRING,
    TEXTS, UNSIGNED_INTS, WIRE_4, WIRE_8, WORDS, ZIGZAG_INTS, ZIGZAG_LONGS, Op
)
from tidegate._kernels.sink cimport sink_room

cdef enum:
    BLOCK = 1024          # rows that room is made for at a time
    MOST_VARINT = 10      # bytes
    SLOP = 32             # bytes behind the last one that may be written to
    SHORT = 16            # bytes of a text that are copied as two words


cdef inline int64_t offset(const uint8_t* offsets, int64_t i, bint is_wide) noexcept nogil:
    """Give an offset of either width."""
    return <int64_t>load64(offsets + 8 * i) if is_wide else <int32_t>load32(offsets + 4 * i)


cdef inline bint is_valid(const uint8_t* valid, int64_t i) noexcept nogil:
    """Read a bit."""
    return valid == NULL or valid[i >> 3] >> (i & 7) & 1


cdef int64_t bound(Encoder* e, const Op* op, int64_t first, int64_t last) noexcept nogil:
    """Give the bytes that a field takes at most in some rows of its message."""
    cdef Source* s = &e.sources[op.index]
    cdef int64_t total = (last - first) * (op.n_tag_bytes + MOST_VARINT), a, b
    if op.label >= REPEATED:
        if s.items == NULL:
            return 0
        a = offset(s.items, first + s.items_shift, s.items_are_wide)
        b = offset(s.items, last + s.items_shift, s.items_are_wide)
        first, last = a, b
        total += (last - first) * (op.n_tag_bytes + MOST_VARINT)
    if op.kind == MESSAGE:
        return total + bound_fields(e, op, first, last)
    if (op.kind == STRING or op.kind == BYTES) and s.values != NULL:
        a = offset(s.values, first + s.shift, s.is_wide)
        b = offset(s.values, last + s.shift, s.is_wide)
        total += b - a
    return total


cdef int64_t bound_fields(
    Encoder* e, const Op* message, int64_t first, int64_t last
) noexcept nogil:
    """Give the bytes that the fields of some messages take at most."""
    cdef int64_t total = 0
    cdef int i
    for i in range(message.n_fields):
        total += bound(e, &message.fields[i], first, last)
    return total


cdef inline uint8_t* put_tag(const Op* op, uint8_t* to) noexcept nogil:
    """Write the tag of a field."""
    store64(to, op.tag_bytes)
    return to + op.n_tag_bytes


cdef inline int n_varint(uint64_t value) noexcept nogil:
    """Give the bytes of a varint."""
    cdef int n = 1
    while value > 0x7f:
        value >>= 7
        n += 1
    return n


cdef inline uint8_t* put_length(Source* s, uint8_t* at, uint8_t* end) noexcept nogil:
    """Write at `at` the length of what lies from `at + guess` to `end`; give the new end."""
    cdef int64_t n = end - at - s.guess
    cdef int n_bytes = n_varint(n)
    cdef uint8_t spelt[16]
    if n_bytes != s.guess:
        memmove(at + n_bytes, at + s.guess, n)
        s.guess = n_bytes
    put_varint(spelt, n)
    memcpy(at, spelt, n_bytes)
    return at + n_bytes + n


cdef inline uint8_t* put_text(const Source* s, int64_t row, uint8_t* to) noexcept nogil:
    """Write a string or bytes behind its length."""
    cdef int64_t begin = offset(s.values, row, s.is_wide)
    cdef int64_t n = offset(s.values, row + 1, s.is_wide) - begin
    to = put_varint(to, n)
    if n <= SHORT and begin + SHORT <= s.size:
        store64(to, load64(s.content + begin))
        store64(to + 8, load64(s.content + begin + 8))
    else:
        memcpy(to, s.content + begin, n)
    return to + n


cdef inline uint64_t varint_of(int form, const uint8_t* values, int64_t i) noexcept nogil:
    """Give a value as it is written as a varint."""
    if form == LONGS:
        return load64(values + 8 * i)
    elif form == INTS:
        return <uint64_t><int64_t><int32_t>load32(values + 4 * i)
    elif form == ZIGZAG_LONGS:
        return zigzag(<int64_t>load64(values + 8 * i))
    elif form == ZIGZAG_INTS:
        return <uint32_t>zigzag(<int32_t>load32(values + 4 * i))
    elif form == UNSIGNED_INTS:
        return load32(values + 4 * i)
    return values[i >> 3] >> (i & 7) & 1


cdef uint8_t* fail(Encoder* e, const Op* op, int status) noexcept nogil:
    """Note what can't be written."""
    e.status = status
    e.op = op
    return NULL


cdef inline uint8_t* put_value(
    Encoder* e, const Op* op, int64_t row, uint8_t* to, bint is_needed
) noexcept nogil:
    """Write a field with one value; where it isn't needed, nothing for zero."""
    cdef Source* s = &e.sources[op.index]
    cdef int64_t at = row + s.shift
    cdef uint64_t word
    if op.form == WORDS:
        word = load64(s.values + 8 * at)
        if is_needed or word:
            to = put_tag(op, to)
            store64(to, word)
            to += 8
    elif op.form == HALVES:
        word = load32(s.values + 4 * at)
        if is_needed or word:
            to = put_tag(op, to)
            store64(to, word)
            to += 4
    elif op.form == TEXTS:
        if is_needed or offset(s.values, at, s.is_wide) != offset(s.values, at + 1, s.is_wide):
            to = put_text(s, at, put_tag(op, to))
    elif op.form == MESSAGES:
        to = put_message(e, op, row, put_tag(op, to))
    else:
        word = varint_of(op.form, s.values, at)
        if is_needed or word:
            to = put_varint(put_tag(op, to), word)
    return to


cdef uint8_t* put_packed(
    Encoder* e, const Op* op, int64_t first, int64_t last, uint8_t* to
) noexcept nogil:
    """Write values one behind the other, behind the length of all."""
    cdef Source* s = &e.sources[op.index]
    cdef int64_t i, width = 8 if op.wire == WIRE_8 else 4
    cdef uint8_t* begin
    to = put_tag(op, to)
    if op.wire == WIRE_8 or op.wire == WIRE_4:
        to = put_varint(to, (last - first) * width)
        memcpy(to, s.values + (first + s.shift) * width, (last - first) * width)
        return to + (last - first) * width
    begin = to
    to += s.guess
    for i in range(first + s.shift, last + s.shift):
        to = put_varint(to, varint_of(op.form, s.values, i))
    return put_length(s, begin, to)


cdef uint8_t* put_items(Encoder* e, const Op* op, int64_t row, uint8_t* to) noexcept nogil:
    """Write a repeated field."""
    cdef Source* s = &e.sources[op.index]
    cdef int64_t at = row + s.items_shift, first, last, i
    if s.items == NULL:
        return to
    if not is_valid(s.items_valid, at):
        return fail(e, op, NULL_VALUE)
    first = offset(s.items, at, s.items_are_wide)
    last = offset(s.items, at + 1, s.items_are_wide)
    if s.valid != NULL:
        for i in range(first, last):
            if not is_valid(s.valid, i + s.shift):
                return fail(e, op, NULL_VALUE)
    if op.label == PACKED:
        return put_packed(e, op, first, last, to) if first < last else to
    for i in range(first, last):
        to = put_value(e, op, i, to, True)
        if to == NULL:
            return NULL
    return to


cdef inline uint8_t* put_optional(
    const Op* op, const Source* s, int64_t at, uint8_t* to
) noexcept nogil:
    """Write a number that may be null: write it, and go on behind it only where it is there."""
    cdef uint8_t* end = put_tag(op, to)
    if op.form == WORDS:
        store64(end, load64(s.values + 8 * at))
        end += 8
    elif op.form == HALVES:
        store64(end, load32(s.values + 4 * at))
        end += 4
    else:
        end = put_varint(end, varint_of(op.form, s.values, at))
    return to + (end - to) * is_valid(s.valid, at)


cdef uint8_t* put_fields(Encoder* e, const Op* message, int64_t row, uint8_t* to) noexcept nogil:
    """Write the fields of a message; NULL, with the reason, where one can't be."""
    cdef const Op* op = message.fields
    cdef const Op* end = op + message.n_fields
    cdef Source* s
    cdef int64_t number
    e.n_messages = e.n_messages + 1
    number = e.n_messages
    while op < end:
        s = &e.sources[op.index]
        if s.is_loose:
            to = put_optional(op, s, row + s.shift, to)
            op += 1
            continue
        if op.label >= REPEATED:
            to = put_items(e, op, row, to)
        elif s.valid != NULL and not is_valid(s.valid, row + s.shift):
            if op.label != OPTIONAL:
                return fail(e, op, NULL_VALUE)
        elif s.values != NULL:
            if op.oneof >= 0:
                if e.chosen[op.oneof] == number:
                    return fail(e, op, TWO_OF_ONEOF)
                e.chosen[op.oneof] = number
            to = put_value(e, op, row, to, op.label != IMPLICIT or message.is_entry)
        if to == NULL:
            return NULL
        op += 1
    return to


cdef inline uint8_t* put_message(
    Encoder* e, const Op* op, int64_t row, uint8_t* to
) noexcept nogil:
    """Write a message behind its length."""
    cdef Source* s = &e.sources[op.index]
    cdef int guess = s.guess
    cdef uint8_t* end = put_fields(e, op, row, to + guess)
    if end == NULL:
        return NULL
    s.guess = guess  # a message of the same kind never lies in this one
    return put_length(s, to, end)


cdef int64_t put_rows(
    Encoder* e, const Op* root, int64_t first, int64_t last, bint is_delimited
) noexcept nogil:
    """Write some rows; give the row that can't be written, or `last`."""
    cdef int64_t row = first, stop, most
    cdef uint8_t* to
    cdef uint8_t* end
    while row < last:
        stop = min(row + BLOCK, last)
        most = bound_fields(e, root, row, stop) + (stop - row) * MOST_VARINT + SLOP
        to = sink_room(&e.sink, most)
        if to == NULL:
            e.status = OUT_OF_MEMORY
            return row
        while row < stop:
            if is_delimited:
                end = put_message(e, root, row, to)
            else:
                end = put_fields(e, root, row, to)
            if end != NULL and end - to > INT32_MAX:
                end = fail(e, root, TOO_MUCH)
            if end == NULL:
                return row
            e.sink.used = e.sink.used + (end - to)
            to = end
            row += 1
    return last
