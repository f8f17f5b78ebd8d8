"""Arrow columns into the binary encoding of Avro, a row at a time, through a table of operations.

Before a block of rows is written, `bound_of` says how many bytes it can take at most, from the
offsets of strings and lists alone: what writes needs no checks.
"""

from libc.stdint cimport (
    INT64_MAX, int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
)
from libc.string cimport memcpy

from tidegate._kernels.cursor cimport (
    BAD_INDEX, NULL_VALUE, OUT_OF_RANGE, UNRESOLVED, put_varint, store32, zigzag
)

cdef enum:
    INT_BYTES = 5
    LONG_BYTES = 10
    COUNT_BYTES = 11   # of a list: how many, and the 0 behind them
    UUID_BYTES = 37
    MILLIS_NS = 1000000


cdef inline bint bit(const uint8_t* bits, int64_t at) noexcept nogil:
    """Read one bit."""
    return bits[at >> 3] >> (at & 7) & 1


cdef inline uint8_t* stop(Encoder* e, int node, int64_t row, int status) noexcept nogil:
    """Say what can't be written, and where."""
    e.status = status
    e.bad_node = node
    e.bad_row = row
    return NULL


cdef bint is_sound(const Encoder* e, int node) noexcept nogil:
    """Tell whether the offsets of a node never fall, and lead into its branches."""
    cdef const Source* s = &e.nodes[node]
    cdef const int32_t* ends = <const int32_t*>s.values
    cdef const int64_t* large_ends = <const int64_t*>s.values
    cdef const int32_t* places = <const int32_t*>s.content
    cdef int64_t i
    cdef int falls = 0, k
    if s.op == W_TEXT or s.op == W_LIST:
        for i in range(s.n_rows):
            falls |= ends[i + 1] < ends[i]
    elif s.op == W_LARGE_TEXT or s.op == W_LARGE_LIST:
        for i in range(s.n_rows):
            falls |= large_ends[i + 1] < large_ends[i]
    elif s.op == W_UNION:
        for i in range(s.n_rows):
            k = s.ends[s.values[i]]
            if k < 0 or k >= s.n_kids or places[i] < 0:
                return False
            falls |= places[i] >= e.nodes[e.kids[s.first + k]].n_rows
    return not falls


cdef int64_t bound_of(const Encoder* e, int node, int64_t row, int64_t n) noexcept nogil:
    """Give how many bytes n rows of a node can take."""
    cdef const Source* s = &e.nodes[node]
    cdef int64_t one = s.null_branch >= 0, more = 0, i, low, high
    cdef int k
    cdef const int32_t* ends = <const int32_t*>s.values
    cdef const int64_t* large_ends = <const int64_t*>s.values
    if s.op == W_NULL:
        pass
    elif s.op == W_BOOL:
        one = one + 1
    elif s.op in (W_INT8, W_INT16, W_INT32, W_UINT8, W_UINT16):
        one = one + INT_BYTES
    elif s.op in (W_INT64, W_UINT32, W_UINT64):
        one = one + LONG_BYTES
    elif s.op == W_FLOAT:
        one = one + 4
    elif s.op == W_DOUBLE or s.op == W_FLOAT_AS_DOUBLE:
        one = one + 8
    elif s.op == W_TEXT:
        one = one + INT_BYTES
        more = ends[row + n] - ends[row]
    elif s.op == W_LARGE_TEXT:
        one = one + LONG_BYTES
        more = large_ends[row + n] - large_ends[row]
    elif s.op == W_FIXED_AS_BYTES or s.op == W_DECIMAL:
        one = one + INT_BYTES + s.width
    elif s.op == W_FIXED or s.op == W_DECIMAL_FIXED or s.op == W_DURATION:
        one = one + s.size
    elif s.op == W_CODE:
        one = one + s.longest
    elif s.op == W_UUID:
        one = one + UUID_BYTES
    elif s.op == W_RECORD:
        for k in range(s.first, s.first + s.n_kids):
            more = more + bound_of(e, e.kids[k], row, n)
    elif s.op == W_UNION:
        one = one + INT_BYTES
        for i in range(row, row + n):
            k = s.ends[s.values[i]]
            if 0 <= k < s.n_kids:
                more = more + bound_of(
                    e, e.kids[s.first + k], (<const int32_t*>s.content)[i], 1)
    else:
        one = one + COUNT_BYTES
        if s.op == W_LIST:
            low, high = ends[row], ends[row + n]
        elif s.op == W_LARGE_LIST:
            low, high = large_ends[row], large_ends[row + n]
        else:
            low, high = row * s.width, (row + n) * s.width
        for k in range(s.first, s.first + s.n_kids):
            more = more + bound_of(e, e.kids[k], low, high - low)
    return one * n + more


cdef inline uint8_t* put_text(
    const uint8_t* content, int64_t begin, int64_t end, uint8_t* out
) noexcept nogil:
    """Write a length and so many bytes."""
    cdef int64_t n = end - begin
    out = put_varint(out, zigzag(n))
    memcpy(out, content + begin, n)
    return out + n


cdef inline uint8_t* put_code(
    Encoder* e, const Source* s, int node, int64_t row, uint8_t* out
) noexcept nogil:
    """Write a value of a dictionary."""
    cdef int64_t code
    cdef int32_t begin, size
    if s.width == 4:
        code = (<const int32_t*>s.values)[row]
    elif s.width == 1:
        code = (<const int8_t*>s.values)[row]
    elif s.width == 2:
        code = (<const int16_t*>s.values)[row]
    else:
        code = (<const int64_t*>s.values)[row]
    if code < 0 or code >= s.n_values:
        return stop(e, node, row, BAD_INDEX)
    begin = s.ends[code]
    size = s.ends[code + 1] - begin
    if size == 0:
        return stop(e, node, row, UNRESOLVED)
    memcpy(out, s.content + begin, size)
    return out + size


cdef uint8_t* put_decimal(
    Encoder* e, const Source* s, int node, int64_t row, uint8_t* out
) noexcept nogil:
    """Write a decimal, the most significant byte first: as short as can be, or as a fixed."""
    cdef const uint8_t* value = s.values + row * s.width
    cdef uint8_t sign = 0xFF if value[s.width - 1] & 0x80 else 0
    cdef int n = s.width, i
    while n > 1 and value[n - 1] == sign and (value[n - 2] ^ sign) < 0x80:
        n = n - 1
    if s.op == W_DECIMAL:
        out = put_varint(out, zigzag(n))
    elif n > s.size:
        return stop(e, node, row, OUT_OF_RANGE)
    else:
        for i in range(s.size - n):
            out[i] = sign
        out = out + s.size - n
    for i in range(n):
        out[i] = value[n - 1 - i]
    return out + n


cdef uint8_t* put_uuid(const uint8_t* value, uint8_t* out) noexcept nogil:
    """Write a UUID as a text of 36 characters."""
    cdef const char* digits = "0123456789abcdef"
    cdef int i
    out = put_varint(out, zigzag(36))
    for i in range(16):
        if i == 4 or i == 6 or i == 8 or i == 10:
            out[0] = c"-"
            out = out + 1
        out[0] = digits[value[i] >> 4]
        out[1] = digits[value[i] & 15]
        out = out + 2
    return out


cdef uint8_t* put_duration(
    Encoder* e, const uint8_t* value, int node, int64_t row, uint8_t* out
) noexcept nogil:
    """Write months, days and milliseconds, which Avro has without a sign."""
    cdef int32_t months, days
    cdef int64_t nanos
    memcpy(&months, value, 4)
    memcpy(&days, value + 4, 4)
    memcpy(&nanos, value + 8, 8)
    if months < 0 or days < 0 or nanos < 0 or nanos % MILLIS_NS:
        return stop(e, node, row, OUT_OF_RANGE)
    if nanos // MILLIS_NS > <int64_t>0xFFFFFFFF:
        return stop(e, node, row, OUT_OF_RANGE)
    store32(out, <uint32_t>months)
    store32(out + 4, <uint32_t>days)
    store32(out + 8, <uint32_t>(nanos // MILLIS_NS))
    return out + 12


cdef uint8_t* put_list(
    Encoder* e, const Source* s, int64_t low, int64_t high, uint8_t* out
) noexcept nogil:
    """Write the items of an array, or the keys and values of a map, as one block."""
    cdef const Source* kid
    cdef int64_t i
    cdef int k
    if high > low:
        out = put_varint(out, zigzag(high - low))
        kid = &e.nodes[e.kids[s.first]]
        if s.n_kids == 1 and kid.op == W_DOUBLE and kid.valid == NULL and kid.null_branch < 0:
            memcpy(out, kid.values + 8 * low, 8 * (high - low))
            out = out + 8 * (high - low)
        elif s.n_kids == 1:
            out = encode_rows(e, e.kids[s.first], low, high - low, out)
        else:
            for i in range(low, high):
                for k in range(s.first, s.first + s.n_kids):
                    out = encode_node(e, e.kids[k], i, out)
                    if out == NULL:
                        return NULL
        if out == NULL:
            return NULL
    out[0] = 0
    return out + 1


cdef uint8_t* put_union(
    Encoder* e, const Source* s, int node, int64_t row, uint8_t* out
) noexcept nogil:
    """Write a branch of a union and its value."""
    cdef int32_t k = s.ends[s.values[row]]
    if k < 0 or k >= s.n_kids:
        return stop(e, node, row, BAD_INDEX)
    out = put_varint(out, zigzag(k))
    return encode_node(e, e.kids[s.first + k], (<const int32_t*>s.content)[row], out)


cdef uint8_t* encode_node(Encoder* e, int node, int64_t row, uint8_t* out) noexcept nogil:
    """Write one value of a node; NULL where it can't be, with the reason in `e`."""
    cdef const Source* s = &e.nodes[node]
    if s.null_branch >= 0:
        if s.valid != NULL and not bit(s.valid, s.bit_offset + row):
            out[0] = <uint8_t>(2 * s.null_branch)
            return out + 1
        out[0] = <uint8_t>(2 - 2 * s.null_branch)
        out = out + 1
    elif s.valid != NULL and not bit(s.valid, s.bit_offset + row):
        return stop(e, node, row, NULL_VALUE)
    return encode_value(e, node, row, out)


cdef uint8_t* encode_value(Encoder* e, int node, int64_t row, uint8_t* out) noexcept nogil:
    """Write one value that is there; its branch, if it has one, is written."""
    cdef const Source* s = &e.nodes[node]
    cdef int k
    cdef double wide
    if s.op == W_NULL:
        return out
    elif s.op == W_INT64:
        return put_varint(out, zigzag((<const int64_t*>s.values)[row]))
    elif s.op == W_INT32:
        return put_varint(out, zigzag((<const int32_t*>s.values)[row]))
    elif s.op == W_DOUBLE:
        memcpy(out, s.values + 8 * row, 8)
        return out + 8
    elif s.op == W_TEXT:
        return put_text(s.content, (<const int32_t*>s.values)[row],
                        (<const int32_t*>s.values)[row + 1], out)
    elif s.op == W_CODE:
        return put_code(e, s, node, row, out)
    elif s.op == W_FLOAT:
        memcpy(out, s.values + 4 * row, 4)
        return out + 4
    elif s.op == W_BOOL:
        out[0] = bit(s.values, s.bit_offset + row)
        return out + 1
    elif s.op == W_INT8:
        return put_varint(out, zigzag((<const int8_t*>s.values)[row]))
    elif s.op == W_INT16:
        return put_varint(out, zigzag((<const int16_t*>s.values)[row]))
    elif s.op == W_UINT8:
        return put_varint(out, zigzag(s.values[row]))
    elif s.op == W_UINT16:
        return put_varint(out, zigzag((<const uint16_t*>s.values)[row]))
    elif s.op == W_UINT32:
        return put_varint(out, zigzag((<const uint32_t*>s.values)[row]))
    elif s.op == W_UINT64:
        if (<const uint64_t*>s.values)[row] > <uint64_t>INT64_MAX:
            return stop(e, node, row, OUT_OF_RANGE)
        return put_varint(out, zigzag(<int64_t>(<const uint64_t*>s.values)[row]))
    elif s.op == W_FLOAT_AS_DOUBLE:
        wide = (<const float*>s.values)[row]
        memcpy(out, &wide, 8)
        return out + 8
    elif s.op == W_LARGE_TEXT:
        return put_text(s.content, (<const int64_t*>s.values)[row],
                        (<const int64_t*>s.values)[row + 1], out)
    elif s.op == W_FIXED_AS_BYTES:
        return put_text(s.values, row * s.width, (row + 1) * s.width, out)
    elif s.op == W_FIXED:
        memcpy(out, s.values + row * s.size, s.size)
        return out + s.size
    elif s.op == W_DECIMAL or s.op == W_DECIMAL_FIXED:
        return put_decimal(e, s, node, row, out)
    elif s.op == W_UUID:
        return put_uuid(s.values + 16 * row, out)
    elif s.op == W_DURATION:
        return put_duration(e, s.values + 16 * row, node, row, out)
    elif s.op == W_LIST:
        return put_list(e, s, (<const int32_t*>s.values)[row],
                        (<const int32_t*>s.values)[row + 1], out)
    elif s.op == W_LARGE_LIST:
        return put_list(e, s, (<const int64_t*>s.values)[row],
                        (<const int64_t*>s.values)[row + 1], out)
    elif s.op == W_FIXED_LIST:
        return put_list(e, s, row * s.width, (row + 1) * s.width, out)
    elif s.op == W_UNION:
        return put_union(e, s, node, row, out)
    for k in range(s.first, s.first + s.n_kids):
        out = encode_node(e, e.kids[k], row, out)
        if out == NULL:
            return NULL
    return out


cdef uint8_t* encode_rows(
    Encoder* e, int root, int64_t row, int64_t n, uint8_t* out
) noexcept nogil:
    """Write n values of a node; a record of plain fields without a call for each."""
    cdef const Source* r = &e.nodes[root]
    cdef const Source* s
    cdef const int* kids = e.kids + r.first
    cdef int k, n_kids = r.n_kids
    cdef int64_t i
    if r.op != W_RECORD or r.null_branch >= 0 or r.valid != NULL:
        for i in range(row, row + n):
            out = encode_node(e, root, i, out)
            if out == NULL:
                return NULL
        return out
    for i in range(row, row + n):
        for k in range(n_kids):
            s = &e.nodes[kids[k]]
            if s.null_branch >= 0:
                if s.valid != NULL and not bit(s.valid, s.bit_offset + i):
                    out[0] = <uint8_t>(2 * s.null_branch)
                    out = out + 1
                    continue
                out[0] = <uint8_t>(2 - 2 * s.null_branch)
                out = out + 1
            elif s.valid != NULL and not bit(s.valid, s.bit_offset + i):
                return stop(e, kids[k], i, NULL_VALUE)
            if s.op == W_INT64:
                out = put_varint(out, zigzag((<const int64_t*>s.values)[i]))
            elif s.op == W_INT32:
                out = put_varint(out, zigzag((<const int32_t*>s.values)[i]))
            elif s.op == W_DOUBLE:
                memcpy(out, s.values + 8 * i, 8)
                out = out + 8
            elif s.op == W_FLOAT:
                memcpy(out, s.values + 4 * i, 4)
                out = out + 4
            elif s.op == W_TEXT:
                out = put_text(s.content, (<const int32_t*>s.values)[i],
                               (<const int32_t*>s.values)[i + 1], out)
            elif s.op == W_BOOL:
                out[0] = bit(s.values, s.bit_offset + i)
                out = out + 1
            elif s.op == W_CODE:
                out = put_code(e, s, kids[k], i, out)
                if out == NULL:
                    return NULL
            else:
                # The branch is written: the value alone is left.
                out = encode_value(e, kids[k], i, out)
                if out == NULL:
                    return NULL
    return out
