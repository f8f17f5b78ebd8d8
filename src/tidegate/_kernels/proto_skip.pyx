"""Unknown fields of Protobuf messages: what they are is in their tag."""

from libc.stdint cimport UINT32_MAX, uint8_t, uint64_t

from tidegate._kernels.cursor cimport BAD_TAG, TOO_DEEP, TRUNCATED, Cursor, fail, take_varint
from tidegate._kernels.proto_program cimport (
    WIRE_4, WIRE_8, WIRE_BEGIN, WIRE_END, WIRE_LENGTH, WIRE_VARINT
)


cdef const uint8_t* skip_group(
    Cursor* c, const uint8_t* at, const uint8_t* end, uint64_t number, int levels
) noexcept nogil:
    """Pass over the fields of an unknown group and its end."""
    cdef uint64_t tag = 0
    cdef const uint8_t* begin
    if levels <= 0:
        return fail(c, at, TOO_DEEP)
    while at < end:
        begin = at
        at = take_varint(c, at, &tag)
        if at == NULL:
            return NULL
        if tag & 7 == WIRE_END and tag >> 3 == number:
            return at if at <= end else fail(c, begin, TRUNCATED)
        at = skip(c, begin, at, end, tag, levels - 1)
        if at == NULL:
            return NULL
    return fail(c, at, TRUNCATED)


cdef const uint8_t* skip(
    Cursor* c, const uint8_t* begin, const uint8_t* at, const uint8_t* end, uint64_t tag, int levels
) noexcept nogil:
    """Pass over the value of an unknown field, whose tag stood at `begin`."""
    cdef uint64_t n = 0
    cdef int wire = <int>(tag & 7)
    if tag >> 3 == 0 or tag > UINT32_MAX:
        return fail(c, begin, BAD_TAG)
    if wire == WIRE_VARINT:
        at = take_varint(c, at, &n)
        if at == NULL:
            return NULL
    elif wire == WIRE_LENGTH:
        at = take_length(c, at, end, &n)
        return at + n if at != NULL else at
    elif wire == WIRE_BEGIN:
        return skip_group(c, at, end, tag >> 3, levels)
    elif wire == WIRE_8 or wire == WIRE_4:
        n = 8 if wire == WIRE_8 else 4
        if at > end or <uint64_t>(end - at) < n:
            return fail(c, begin, TRUNCATED)
        return at + n
    else:
        return fail(c, begin, BAD_TAG)
    return at if at <= end else fail(c, begin, TRUNCATED)
