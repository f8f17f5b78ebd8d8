"""Lists of packed numbers, of many Protobuf messages at once.

The numbers of all messages are put side by side first. Then the lists, some of which are empty and
some long, are one list, and where one of them ends costs no wrong guess.
"""

from libc.stdint cimport int32_t, uint8_t, uint64_t
from libc.string cimport memcpy

from tidegate._kernels.builders cimport Column
from tidegate._kernels.cursor cimport FINE, load64
from tidegate._kernels.proto_block cimport (
    SHORT, Block, Numbers, begin_content, copy16, count_high, end_long, ends_of, foreseen, lose,
    lowest, mask_of, put_numbers, rare, width_of
)
from tidegate._kernels.proto_decode cimport Decoder
from tidegate._kernels.proto_program cimport Op
from tidegate._kernels.proto_rows cimport Field, Frame, begin_row, frame_reserve

cdef enum:
    CHUNK = 64            # bytes that are looked at at once


cdef inline Py_ssize_t count_numbers(const uint8_t* at, uint64_t n) noexcept nogil:
    """Count the varints that end within some bytes."""
    cdef Py_ssize_t n_numbers = 0
    while n > SHORT:
        n_numbers += SHORT - count_high(at, SHORT)
        at += SHORT
        n -= SHORT
    return n_numbers + <Py_ssize_t>n - count_high(at, n)


cdef Py_ssize_t gather_packed(
    Decoder* d, Block* b, const Op* op, Column* lists, Py_ssize_t first, uint8_t** gathered
) noexcept nogil:
    """Put the bytes of all packed numbers side by side, and note where each list begins.

    Returns
    -------
    Py_ssize_t
        How many numbers there are; the first one is the item `first`.
    """
    cdef uint64_t tag = op.tag_bytes, mask = mask_of(op), is_there, size = 0
    cdef uint64_t n_tag = op.n_tag_bytes
    cdef const uint8_t* at
    cdef const uint8_t* then
    cdef uint8_t* to = d.scratch
    cdef int32_t* offsets = <int32_t*>lists.values + b.row
    cdef Py_ssize_t n_items = 0, n_here
    cdef int i, n = b.n
    for i in range(n):
        at = b.at[i]
        offsets[i] = <int32_t>(first + n_items)
        is_there = <uint64_t>(load64(at) & mask == tag) & <uint64_t>(at < b.ends[i])
        if rare(at > b.ends[i]):
            continue
        then = begin_content(b, i, at + (n_tag & (0 - is_there)), is_there, &size)
        if rare(then == NULL) or rare(is_there and size and then[size - 1] > 0x7f):
            lose(b, i)
            continue
        n_here = count_numbers(then, size)
        if rare(n_here > d.items):
            lose(b, i)
            continue
        if size <= SHORT:
            copy16(to, then)
        else:
            memcpy(to, then, size)
        to += size
        n_items += n_here
        b.at[i] = then + size
    gathered[0] = to
    return n_items


cdef bint spread_packed(
    Numbers* numbers, const uint8_t* at, const uint8_t* end, int form, uint8_t* values
) noexcept nogil:
    """Read varints that stand side by side; False: one of them is too long.

    Where they end is known for 64 bytes at a time, so that no number waits for the one before.
    """
    cdef const uint8_t* chunk = at
    cdef const uint8_t* then
    cdef uint64_t ends, size
    cdef int n
    while chunk < end:
        ends = ends_of(chunk)
        if end - chunk < CHUNK:
            ends &= (<uint64_t>1 << (end - chunk)) - 1
        n = 0
        while ends:
            then = chunk + lowest(ends) + 1
            ends &= ends - 1
            size = then - at
            numbers.tops[n] = 0
            numbers.words[n] = load64(at)
            if rare(size > 8):
                if end_long(at + 8, &numbers.tops[n]) != then:
                    return False
            else:
                numbers.words[n] &= ~<uint64_t>0 >> (64 - 8 * size)
            at = then
            n += 1
        put_numbers(numbers, n, form, values)
        values += n * width_of(form)
        chunk += CHUNK
    return True


cdef bint items_room(Decoder* d, Block* b, Frame* items, Py_ssize_t n) noexcept nogil:
    """Make room for n more items, whatever is in it, and for those of as many rows as there are."""
    cdef Py_ssize_t wanted = foreseen(d, b, items.n, n)
    if frame_reserve(&d.rows, items, wanted):
        return True
    d.rows.columns.status = FINE
    return frame_reserve(&d.rows, items, items.n + n)


cdef bint read_packed_rows(Decoder* d, Block* b, const Op* op) noexcept nogil:
    """Read lists of packed numbers of variable length; False: message by message, then."""
    cdef Field* field = &d.rows.fields[op.index]
    cdef Frame* items = field.items
    cdef Py_ssize_t n
    cdef uint8_t* end = NULL
    begin_row(field.column, b.row, items.n)
    n = gather_packed(d, b, op, field.column, items.n, &end)
    field.column.n = b.row + b.n
    if not items_room(d, b, items, n):
        return False
    items.n = items.n + n
    items.ready = max(items.ready, items.n)
    return spread_packed(&b.numbers, d.scratch, end, op.form,
                         field.values.values + width_of(op.form) * (items.n - n))
