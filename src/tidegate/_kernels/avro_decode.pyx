"""The binary encoding of Avro into columns, a row at a time, through a table of operations.

What reads takes a position and gives the one behind, so that it stays in a register; NULL where
something is wrong, with the reason in the cursor and the way to it in `notes`.
"""

from libc.stdint cimport INT32_MAX, INT32_MIN, INT64_MIN, int32_t, int64_t, uint8_t, uint64_t
from libc.string cimport memcpy

from tidegate._kernels.avro_logical cimport take_decimal, take_duration, take_uuid
from tidegate._kernels.builders cimport (
    Column, append_null, content_room, end_fields, end_items, mark_valid, put4, put8, put_bool,
    put_branch, put_fixed, put_null, room
)
from tidegate._kernels.cursor cimport (
    BAD_INDEX, BAD_UTF8, BAD_VALUE, NEGATIVE, OUT_OF_RANGE, TOO_LONG, TOO_MANY, TOO_MANY_FREE,
    TRUNCATED, UNRESOLVED, cursor_init, Cursor, fail, has, is_utf8, load32, load64, store64,
    take_skip, take_zigzag
)


cdef inline const uint8_t* note(Decoder* d, int node, int64_t item) noexcept nogil:
    """Remember a step of the way to what is wrong."""
    if d.n_notes < MOST_NOTES:
        d.notes[d.n_notes].node = node
        d.notes[d.n_notes].item = item
        d.n_notes = d.n_notes + 1
    return NULL


cdef inline const uint8_t* no_room(Decoder* d, const uint8_t* at) noexcept nogil:
    """Say that the columns can't grow."""
    return fail(&d.c, at, d.t.status)


cdef bint count_free(Decoder* d, const uint8_t* at, int64_t n) noexcept nogil:
    """Count items that take no bytes; False where they are too many."""
    if n > d.limits.free_items - d.free_items:
        fail(&d.c, at, TOO_MANY_FREE)
        return False
    d.free_items = d.free_items + n
    return True


cdef inline const uint8_t* take_size(Decoder* d, const uint8_t* at, int64_t* n) noexcept nogil:
    """Read the length of a string or of bytes, which are there."""
    cdef const uint8_t* begin = at
    at = take_zigzag(&d.c, at, n)
    if at == NULL:
        return NULL
    if <uint64_t>n[0] > <uint64_t>(d.c.end - at) or n[0] > d.limits.text_bytes:
        if n[0] < 0:
            return fail(&d.c, begin, NEGATIVE)
        return fail(&d.c, begin, TOO_LONG if n[0] > d.limits.text_bytes else TRUNCATED)
    return at


cdef inline const uint8_t* take_text(
    Decoder* d, Column* c, bint is_text, const uint8_t* at
) noexcept nogil:
    """Append a string or bytes; there is room for the row."""
    cdef int64_t n = 0
    cdef uint64_t first, last
    cdef uint8_t* to
    at = take_size(d, at, &n)
    if at == NULL:
        return NULL
    if not content_room(d.t, c, n):
        return no_room(d, at)
    to = c.content + c.used
    if n <= 16 and d.c.end - at >= 16:
        # Two words, whatever the length: what is behind it, others write over.
        first, last = load64(at), load64(at + 8)
        store64(to, first)
        store64(to + 8, last)
        if is_text:
            first = first & high_bits(n)
            last = last & high_bits(n - 8)
            if (first | last) and not is_utf8(at, n):
                return fail(&d.c, at, BAD_UTF8)
    else:
        memcpy(to, at, n)
        if is_text and not is_utf8(at, n):
            return fail(&d.c, at, BAD_UTF8)
    c.used = c.used + n
    c.n = c.n + 1
    (<int32_t*>c.values)[c.n] = <int32_t>c.used
    return at + n


cdef inline uint64_t high_bits(int64_t n) noexcept nogil:
    """Give the top bits of the first n bytes of a word."""
    if n <= 0:
        return 0
    return <uint64_t>0x8080808080808080 >> (64 - 8 * min(n, 8))


cdef inline const uint8_t* take_branch(
    Decoder* d, const uint8_t* at, int64_t n_branches, int64_t* branch
) noexcept nogil:
    """Read which branch of a union comes."""
    cdef const uint8_t* begin = at
    at = take_zigzag(&d.c, at, branch)
    if at != NULL and <uint64_t>branch[0] >= <uint64_t>n_branches:
        return fail(&d.c, begin, BAD_INDEX)
    return at


cdef const uint8_t* take_block(
    Decoder* d, const uint8_t* at, int64_t least, int64_t before, int64_t* n, int64_t* size
) noexcept nogil:
    """Read the head of a block of items: how many, and of how many bytes; -1: not told."""
    cdef const uint8_t* begin = at
    size[0] = -1
    at = take_zigzag(&d.c, at, n)
    if at == NULL or n[0] == 0:
        return at
    if n[0] < 0:
        if n[0] == INT64_MIN:
            return fail(&d.c, begin, TOO_MANY)
        n[0] = -n[0]
        at = take_zigzag(&d.c, at, size)
        if at == NULL:
            return NULL
        if size[0] < 0:
            return fail(&d.c, begin, NEGATIVE)
        if not has(&d.c, at, size[0]):
            return NULL
    if n[0] > d.limits.items - before:
        return fail(&d.c, begin, TOO_MANY)
    if least == 0:
        return at if count_free(d, begin, n[0]) else NULL
    if n[0] > (d.c.end - at) // least:
        return fail(&d.c, begin, TRUNCATED)
    return at


cdef const uint8_t* take_items(Decoder* d, int node, const uint8_t* at) noexcept nogil:
    """Append an array or a map, or pass over it."""
    cdef const Target* r = &d.nodes[node]
    cdef const uint8_t* begin
    cdef int64_t n = 0, size = -1, done = 0, i, least = 0
    cdef int k
    for k in range(r.first, r.first + r.n_kids):
        least = least + d.nodes[d.kids[k]].least
    while True:
        at = take_block(d, at, least, done, &n, &size)
        if at == NULL:
            return NULL
        if n == 0:
            break
        if r.column < 0 and size >= 0:
            at = at + size
            done = done + n
            continue
        begin = at
        if r.op == R_ARRAY and r.column >= 0 and is_plain(d, d.kids[r.first]):
            at = take_plain(d, node, n, done, at)
            if at == NULL:
                return NULL
            n, done = 0, done + n
        for i in range(n):
            for k in range(r.first, r.first + r.n_kids):
                at = decode_node(d, d.kids[k], at)
                if at == NULL:
                    return note(d, node, done + i)
            if r.op == R_MAP and r.column >= 0:
                if not append_entry(d, r):
                    return no_room(d, begin)
        if size >= 0 and at - begin != size:
            return fail(&d.c, begin, BAD_VALUE)
        done = done + n
    if r.column >= 0:
        end_items(d.t, &d.t.columns[r.column])
    return at


cdef inline bint is_plain(Decoder* d, int node) noexcept nogil:
    """Tell whether values of a node take one row of one column each."""
    cdef const Target* r = &d.nodes[node]
    return r.null_branch < 0 and r.column >= 0 and R_NULL < r.op < R_RECORD


cdef const uint8_t* take_plain(
    Decoder* d, int node, int64_t n, int64_t before, const uint8_t* at
) noexcept nogil:
    """Append n items of an array without a look at the room for each; floats as they are."""
    cdef int kid = d.kids[d.nodes[node].first]
    cdef const Target* r = &d.nodes[kid]
    cdef Column* c = &d.t.columns[r.column]
    cdef int64_t i
    if not room(d.t, c, n):
        no_room(d, at)
        return note(d, node, before)
    if (r.op == R_DOUBLE or r.op == R_FLOAT) and c.valid == NULL:
        if not has(&d.c, at, n * c.width):
            return note(d, node, before)
        memcpy(c.values + c.width * c.n, at, n * c.width)
        c.n = c.n + n
        return at + n * c.width
    for i in range(n):
        at = decode_value(d, kid, at)
        if at == NULL:
            return note(d, node, before + i)
    return at


cdef inline bint append_entry(Decoder* d, const Target* r) noexcept nogil:
    """Append the struct of a key and a value that are there."""
    cdef Column* entries = &d.t.columns[d.t.columns[r.column].first]
    if not room(d.t, entries, 1):
        return False
    end_fields(entries)
    return True


cdef const uint8_t* take_default(Decoder* d, const Target* r, const uint8_t* at) noexcept nogil:
    """Append what stands for a field that the writer doesn't have."""
    cdef Cursor outer = d.c
    cdef const uint8_t* end
    cursor_init(&d.c, r.text, r.text_size)
    end = decode_node(d, d.kids[r.first], r.text)
    if end == NULL:
        outer.status = d.c.status
        outer.bad = at
    d.c = outer
    return at if end != NULL else NULL


cdef const uint8_t* decode_node(Decoder* d, int node, const uint8_t* at) noexcept nogil:
    """Append one value, or pass over it."""
    cdef const Target* r = &d.nodes[node]
    cdef int64_t branch = 0
    if r.null_branch >= 0:
        at = take_branch(d, at, 2, &branch)
        if at == NULL:
            return NULL
        if branch == r.null_branch:
            if r.column >= 0 and not append_null(d.t, &d.t.columns[r.column]):
                return no_room(d, at)
            return at
    if r.column >= 0 and not room(d.t, &d.t.columns[r.column], 1):
        return no_room(d, at)
    return decode_value(d, node, at)


cdef const uint8_t* decode_value(Decoder* d, int node, const uint8_t* at) noexcept nogil:
    """Append one value that is there, for which there is room, or pass over it."""
    cdef const Target* r = &d.nodes[node]
    cdef Column* c = &d.t.columns[max(r.column, 0)]
    cdef int64_t value = 0
    cdef const uint8_t* begin = at
    cdef int k
    cdef float narrow
    cdef double wide
    if r.column >= 0 and r.op < R_UNION:
        mark_valid(c)
    if r.op == R_LONG or r.op == R_INT:
        at = take_zigzag(&d.c, at, &value)
        if at == NULL:
            return NULL
        if r.op == R_LONG:
            put8(c, <uint64_t>value)
        elif INT32_MIN <= value <= INT32_MAX:
            put4(c, <int32_t>value)
        else:
            return fail(&d.c, begin, OUT_OF_RANGE)
        return at
    elif r.op == R_DOUBLE:
        if not has(&d.c, at, 8):
            return NULL
        put8(c, load64(at))
        return at + 8
    elif r.op == R_FLOAT:
        if not has(&d.c, at, 4):
            return NULL
        put4(c, <int32_t>load32(at))
        return at + 4
    elif r.op == R_STRING or r.op == R_BYTES:
        return take_text(d, c, r.op == R_STRING, at)
    elif r.op == R_BOOL:
        if not has(&d.c, at, 1):
            return NULL
        if at[0] > 1:
            return fail(&d.c, at, BAD_VALUE)
        put_bool(c, at[0])
        return at + 1
    elif r.op == R_ENUM:
        at = take_branch(d, at, r.n_symbols, &value)
        if at == NULL:
            return NULL
        if r.symbols[value] < 0:
            return fail(&d.c, begin, UNRESOLVED)
        put4(c, r.symbols[value])
        return at
    elif r.op == R_NULL:
        if r.column >= 0:
            c.n = c.n + 1
        return at
    elif r.op == R_RECORD:
        for k in range(r.first, r.first + r.n_kids):
            at = decode_node(d, d.kids[k], at)
            if at == NULL:
                return note(d, d.kids[k], -1)
        if r.column >= 0:
            end_fields(c)
        return at
    elif r.op == R_ARRAY or r.op == R_MAP:
        return take_items(d, node, at)
    elif r.op == R_UNION:
        at = take_branch(d, at, r.n_kids, &value)
        return NULL if at == NULL else decode_node(d, d.kids[r.first + value], at)
    elif r.op == R_BRANCH:
        put_branch(d.t, c, <int>r.size)
        return decode_node(d, d.kids[r.first], at)
    elif r.op == R_NONE:
        return at if append_null(d.t, c) else no_room(d, at)
    elif r.op == R_DEFAULT:
        return take_default(d, r, at)
    elif r.op == R_LONG_AS_DOUBLE or r.op == R_LONG_AS_FLOAT:
        at = take_zigzag(&d.c, at, &value)
        if at == NULL:
            return NULL
        narrow, wide = <float>value, <double>value
        put_fixed(c, <const uint8_t*>&wide if r.op == R_LONG_AS_DOUBLE else <const uint8_t*>&narrow)
        return at
    elif r.op == R_FLOAT_AS_DOUBLE:
        if not has(&d.c, at, 4):
            return NULL
        memcpy(&narrow, at, 4)
        wide = narrow
        put_fixed(c, <const uint8_t*>&wide)
        return at + 4
    elif r.op == R_FIXED:
        if not has(&d.c, at, c.width):
            return NULL
        put_fixed(c, at)
        return at + c.width
    elif r.op == R_DECIMAL:
        at = take_size(d, at, &value)
        return NULL if at == NULL else take_decimal(&d.c, c, r.text, at, value)
    elif r.op == R_DECIMAL_FIXED:
        return take_decimal(&d.c, c, r.text, at, r.size) if has(&d.c, at, r.size) else NULL
    elif r.op == R_UUID:
        at = take_size(d, at, &value)
        return NULL if at == NULL else take_uuid(&d.c, c, at, value)
    elif r.op == R_DURATION:
        return take_duration(&d.c, c, at)
    elif r.op == R_SKIP_VARINT:
        return take_zigzag(&d.c, at, &value)
    elif r.op == R_SKIP_BYTES:
        at = take_size(d, at, &value)
        return NULL if at == NULL else at + value
    elif r.op == R_SKIP_FIXED:
        return take_skip(&d.c, at, r.size)
    return fail(&d.c, at, UNRESOLVED)


cdef const uint8_t* decode_rows(
    Decoder* d, int root, int64_t n, const uint8_t* at, int64_t enough, int64_t* done
) noexcept nogil:
    """Append up to n records, until the columns have `enough` bytes; plain fields without a call.

    There is room for n rows in the columns of the batch.
    """
    cdef const Target* record = &d.nodes[root]
    cdef const int* kids = d.kids + record.first
    cdef const Target* r
    cdef const uint8_t* begin
    cdef Column* c
    cdef int k, n_kids = record.n_kids
    cdef int64_t i, value = 0
    done[0] = 0
    for i in range(n):
        if d.t.spent > enough:
            break
        for k in range(n_kids):
            r = &d.nodes[kids[k]]
            c = &d.t.columns[max(r.column, 0)]
            begin = at
            if r.null_branch >= 0:
                at = take_branch(d, at, 2, &value)
                if at == NULL:
                    return note(d, kids[k], -1)
                if value == r.null_branch:
                    if r.column >= 0 and not put_null(d.t, c):
                        no_room(d, at)
                        return note(d, kids[k], -1)
                    continue
                begin = at
                if r.column >= 0 and c.valid != NULL:
                    c.valid[c.n] = 1
            if r.op == R_LONG:
                at = take_zigzag(&d.c, at, &value)
                put8(c, <uint64_t>value)
            elif r.op == R_DOUBLE:
                at = at + 8 if has(&d.c, at, 8) else NULL
                if at != NULL:
                    put8(c, load64(at - 8))
            elif r.op == R_STRING:
                at = take_text(d, c, True, at)
            elif r.op == R_INT:
                at = take_zigzag(&d.c, at, &value)
                if at != NULL and not INT32_MIN <= value <= INT32_MAX:
                    at = fail(&d.c, begin, OUT_OF_RANGE)
                put4(c, <int32_t>value)
            elif r.op == R_FLOAT:
                at = at + 4 if has(&d.c, at, 4) else NULL
                if at != NULL:
                    put4(c, <int32_t>load32(at - 4))
            elif r.op == R_SKIP_VARINT:
                at = take_zigzag(&d.c, at, &value)
            else:
                at = decode_value(d, kids[k], at)
            if at == NULL:
                return note(d, kids[k], -1)
        done[0] = i + 1
    return at
