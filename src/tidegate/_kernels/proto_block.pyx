"""Protobuf messages into columns, some dozens of messages at a time.

The usual message has its fields in the order of their numbers. A block of messages is then read
field by field: all messages' first fields, their second ones ... Each field has one small loop
without branches, in which a field that is missing costs what one costs that is there, and nothing
waits for the message before. That takes a third of the time that reading message by message does.

Any message that isn't read to its end this way (unknown fields, another order, a field that comes
twice, bytes that are wrong) ends the block: what was read of it and behind it is forgotten, and
`read_fields` reads it and has the word on it.
"""

from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from tidegate._kernels.builders cimport SLACK, Column, Columns, content_room
from tidegate._kernels.cursor cimport FINE, is_utf8, load64, store32, store64
from tidegate._kernels.proto_decode cimport Decoder, read_known
from tidegate._kernels.proto_packed cimport read_packed_rows
from tidegate._kernels.proto_program cimport (
    HALVES, MESSAGES, PACKED, REPEATED, SPECIAL, STRING, TEXTS, WIRE_VARINT, WORDS, Op
)
from tidegate._kernels.proto_rows cimport Frame, begin_row, cut, frame_reserve

cdef enum:
    LEAST = 8             # messages that are worth a block
    AHEAD = 1 << 14       # bytes: those that the next block may begin with


cdef bint fits_blocks(const Op* root) noexcept nogil:
    """Tell whether a message can be read field by field: it has fields, and no oneof."""
    cdef int i
    for i in range(root.n_fields):
        if root.fields[i].oneof >= 0:
            return False  # the last one in a message counts, whatever its number
    return root.n_fields > 0


cdef const uint8_t* find_messages(
    Decoder* d, Block* b, const uint8_t* at, const uint8_t* stop, int max_rows
) noexcept nogil:
    """Find where the next messages begin and end; those that are long or near the end aren't."""
    cdef const uint8_t* first = at
    cdef const uint8_t* last = d.cursor.end - MARGIN
    cdef const uint8_t* then
    cdef uint64_t n = 0
    b.n = 0
    stop = min(stop, last)
    while b.n < max_rows and at < stop:
        then = short_length(at, &n)
        if then == NULL or n > d.message_bytes:
            break
        if <Py_ssize_t>n > last - then or then - first + <Py_ssize_t>n > BLOCK_BYTES:
            break
        b.at[b.n] = then
        at = then + n
        b.ends[b.n] = at
        ask_for(at + AHEAD, n)
        b.n = b.n + 1
    b.n_bytes = at - first
    return at


cdef inline void read_plains(Block* b, const Op* op, int width, Column* c) noexcept nogil:
    """Read numbers of a fixed width."""
    cdef uint64_t tag = op.tag_bytes, mask = mask_of(op), is_there, word
    cdef uint64_t n_tag = op.n_tag_bytes
    cdef const uint8_t* at
    cdef uint8_t* values = c.values + width * b.row
    cdef uint8_t* flags = flags_of(b, c)
    cdef int i, n = b.n
    for i in range(n):
        at = b.at[i]
        is_there = <uint64_t>(load64(at) & mask == tag) & <uint64_t>(at < b.ends[i])
        word = load64(at + n_tag) & (0 - is_there)
        if width == 8:
            store64(values + 8 * i, word)
        else:
            store32(values + 4 * i, <uint32_t>word)
        flags[i] = <uint8_t>is_there
        b.at[i] = at + (n_tag + width & (0 - is_there))


cdef void read_numbers(Block* b, const Op* op, Column* c) noexcept nogil:
    """Read numbers of variable length."""
    cdef uint64_t tag = op.tag_bytes, mask = mask_of(op), is_there, word, stops, top
    cdef uint64_t n_tag = op.n_tag_bytes
    cdef const uint8_t* at
    cdef const uint8_t* then
    cdef uint8_t* flags = flags_of(b, c)
    cdef int i, n = b.n
    for i in range(n):
        at = b.at[i]
        is_there = <uint64_t>(load64(at) & mask == tag) & <uint64_t>(at < b.ends[i])
        word = load64(at + n_tag)
        stops = ~word & CONTINUES
        then = at + (n_tag + varint_size(stops) & (0 - is_there))
        word = first_varint(word, stops) & (0 - is_there)
        top = 0
        if rare(stops == 0) and is_there:
            then = end_long(then, &top)
            if then == NULL:
                then = b.ends[i] + 1
        b.numbers.words[i] = word
        b.numbers.tops[i] = top
        flags[i] = <uint8_t>is_there
        b.at[i] = then
    put_numbers(&b.numbers, n, op.form, c.values + width_of(op.form) * b.row)


cdef bint texts_room(Decoder* d, Block* b, Column* c) noexcept nogil:
    """Make room for all that the block may have of texts."""
    cdef Columns* columns = d.rows.columns
    if c.used + b.n_bytes + SLACK <= c.size:
        return True
    if content_room(columns, c, foreseen(d, b, c.used, b.n_bytes) - c.used):
        return True
    columns.status = FINE
    return content_room(columns, c, b.n_bytes)


cdef bint read_texts(Decoder* d, Block* b, const Op* op, Column* c) noexcept nogil:
    """Read strings or bytes; False without memory."""
    cdef uint64_t tag = op.tag_bytes, mask = mask_of(op), is_there, size = 0
    cdef uint64_t n_tag = op.n_tag_bytes
    cdef const uint8_t* at
    cdef const uint8_t* then
    cdef uint8_t* to
    cdef uint8_t* flags = flags_of(b, c)
    cdef int32_t* offsets
    cdef bint is_text = op.kind == STRING
    cdef int i, n = b.n
    if not texts_room(d, b, c):
        return False
    begin_row(c, b.row, c.used)
    to = c.content + c.used
    offsets = <int32_t*>c.values + b.row
    for i in range(n):
        at = b.at[i]
        offsets[i] = <int32_t>(to - c.content)
        is_there = <uint64_t>(load64(at) & mask == tag) & <uint64_t>(at < b.ends[i])
        flags[i] = <uint8_t>is_there
        if rare(at > b.ends[i]):
            continue
        then = begin_content(b, i, at + (n_tag & (0 - is_there)), is_there, &size)
        if rare(then == NULL or size > d.text_bytes):
            lose(b, i)
            continue
        if size <= SHORT:
            copy16(to, then)
            if is_text and any_high(then, size) and not is_utf8(then, size):
                lose(b, i)
                continue
        else:
            memcpy(to, then, size)
            if is_text and not is_utf8(then, size):
                lose(b, i)
                continue
        to += size
        b.at[i] = then + size
    c.used = to - c.content
    c.n = b.row + n
    return True


cdef void read_others(Decoder* d, Block* b, const Op* op) noexcept nogil:
    """Read a field of any kind, message by message."""
    cdef uint64_t tag = op.tag_bytes, mask = mask_of(op)
    cdef const uint8_t* at
    cdef int i
    if op.label < REPEATED:
        cut(&d.rows, op, b.row, b.row + b.n)
    for i in range(b.n):
        at = b.at[i]
        while at < b.ends[i] and load64(at) & mask == tag:
            at = read_known(d, op, b.row + i, op.tag, at + op.n_tag_bytes, b.ends[i])
            if at == NULL:
                at = b.ends[i] + 1
        b.at[i] = at


cdef bint read_field(Decoder* d, Block* b, const Op* op) noexcept nogil:
    """Read one field of all messages; False: none of the block can be kept."""
    cdef Column* c = d.rows.fields[op.index].values
    if op.label == PACKED and op.wire == WIRE_VARINT and op.known == NULL:
        return read_packed_rows(d, b, op)
    if op.way == WORDS:
        read_plains(b, op, 8, c)
    elif op.way == HALVES:
        read_plains(b, op, 4, c)
    elif op.way == TEXTS:
        return read_texts(d, b, op, c)
    elif op.way == SPECIAL or op.way == MESSAGES:
        read_others(d, b, op)
    else:
        read_numbers(b, op, c)
    return True


cdef int count_whole(const Block* b) noexcept nogil:
    """Count the messages before the first that isn't read to its end."""
    cdef int i = 0
    while i < b.n and b.at[i] == b.ends[i]:
        i += 1
    return i


cdef void forget(Decoder* d, const Op* root, Block* b, int first) noexcept nogil:
    """Forget what was read of the messages from one on, and what was wrong with them."""
    cdef int i
    for i in range(root.n_fields):
        cut(&d.rows, &root.fields[i], b.row + first, b.row + b.n)
    d.cursor.status = d.rows.columns.status = FINE
    d.op = NULL


cdef const uint8_t* read_block(
    Decoder* d, const Op* root, const uint8_t* at, const uint8_t* stop, Py_ssize_t max_rows
) noexcept nogil:
    """Read messages, each behind its length, as far as they are of the usual kind.

    Returns
    -------
    const uint8_t*
        Where the first message begins that wasn't read; `is_usual` is false if it isn't of the
        usual kind, and has to be read by itself.
    """
    cdef Block b
    cdef Frame* frame = &d.rows.frames[0]
    cdef int i, n_whole
    cdef const uint8_t* first = at
    cdef bint is_good = True
    b.row = frame.n
    d.is_usual = False
    at = find_messages(d, &b, at, stop, <int>min(max_rows, <Py_ssize_t>BLOCK_ROWS))
    if b.n < LEAST:
        return first
    if not frame_reserve(&d.rows, frame, frame.n + b.n):
        d.rows.columns.status = FINE
        return first
    frame.n = frame.n + b.n
    for i in range(root.n_fields):
        if not read_field(d, &b, &root.fields[i]):
            is_good = False
            break
    n_whole = count_whole(&b) if is_good else 0
    if n_whole < b.n:
        forget(d, root, &b, n_whole)
        frame.n = b.row + n_whole
        at = b.ends[n_whole - 1] if n_whole else first
    frame.ready = frame.n
    d.is_usual = n_whole == b.n
    return at
