"""Unknown fields of Protobuf messages, and lengths."""

from libc.stdint cimport uint8_t, uint64_t

from tidegate._kernels.cursor cimport TRUNCATED, Cursor, fail, take_varint

cdef const uint8_t* skip(
    Cursor* c, const uint8_t* begin, const uint8_t* at, const uint8_t* end, uint64_t tag, int levels
) noexcept nogil


cdef inline const uint8_t* take_length(
    Cursor* c, const uint8_t* at, const uint8_t* end, uint64_t* n
) noexcept nogil:
    """Read a length, of bytes that are there."""
    cdef const uint8_t* then = take_varint(c, at, n)
    if then == NULL:
        return NULL
    if then > end or n[0] > <uint64_t>(end - then):
        return fail(c, at, TRUNCATED)
    return then
