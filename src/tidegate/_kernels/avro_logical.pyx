"""Values of Avro's logical types that are not kept as they are written."""

from libc.stdint cimport INT32_MAX, int64_t, uint8_t, uint64_t
from libc.string cimport memcpy

from tidegate._kernels.builders cimport Column
from tidegate._kernels.cursor cimport (
    BAD_VALUE, OUT_OF_RANGE, Cursor, fail, has, load32, store64
)

cdef enum:
    UUID_TEXT = 36
    UUID_BYTES = 16
    DURATION_BYTES = 12


cdef const uint8_t* take_decimal(
    Cursor* cursor, Column* c, const uint8_t* bound, const uint8_t* at, int64_t n
) noexcept nogil:
    """Append n bytes of two's complement, the most significant first, as a decimal."""
    cdef uint8_t* to = c.values + c.n * c.width
    cdef uint8_t sign = 0xFF if n and at[0] & 0x80 else 0
    cdef int64_t i
    cdef int carry = sign != 0
    cdef uint64_t magnitude
    cdef int below = 0
    for i in range(n - c.width):
        if at[i] != sign:
            return fail(cursor, at, OUT_OF_RANGE)
    for i in range(c.width):
        to[i] = at[n - 1 - i] if i < n else sign
    if (to[c.width - 1] ^ sign) & 0x80:
        return fail(cursor, at, OUT_OF_RANGE)
    for i in range(c.width):
        # The magnitude byte by byte, the least significant first; the last difference counts.
        magnitude = <uint8_t>(to[i] ^ sign) + carry
        carry = <int>(magnitude >> 8)
        if <uint8_t>magnitude != bound[i]:
            below = 1 if <uint8_t>magnitude < bound[i] else 0
    if not below:
        return fail(cursor, at, OUT_OF_RANGE)
    c.n = c.n + 1
    return at + n


cdef inline int nibble(uint8_t digit) noexcept nogil:
    """Read a hexadecimal digit; -1 where it is none."""
    if c"0" <= digit <= c"9":
        return digit - c"0"
    digit = digit | 0x20
    return digit - c"a" + 10 if c"a" <= digit <= c"f" else -1


cdef const uint8_t* take_uuid(
    Cursor* cursor, Column* c, const uint8_t* at, int64_t n
) noexcept nogil:
    """Append a UUID that is written as a text of n bytes."""
    cdef int i, high, low
    cdef const uint8_t* begin = at
    cdef uint8_t* to = c.values + UUID_BYTES * c.n
    if n != UUID_TEXT:
        return fail(cursor, begin, BAD_VALUE)
    for i in range(UUID_BYTES):
        if i == 4 or i == 6 or i == 8 or i == 10:
            if at[0] != c"-":
                return fail(cursor, begin, BAD_VALUE)
            at = at + 1
        high, low = nibble(at[0]), nibble(at[1])
        if high < 0 or low < 0:
            return fail(cursor, begin, BAD_VALUE)
        to[i] = <uint8_t>(16 * high + low)
        at = at + 2
    c.n = c.n + 1
    return at


cdef const uint8_t* take_duration(Cursor* cursor, Column* c, const uint8_t* at) noexcept nogil:
    """Append months, days and milliseconds as months, days and nanoseconds."""
    cdef uint8_t* to = c.values + 16 * c.n
    if not has(cursor, at, DURATION_BYTES):
        return NULL
    if load32(at) > INT32_MAX or load32(at + 4) > INT32_MAX:
        return fail(cursor, at, OUT_OF_RANGE)
    memcpy(to, at, 8)
    store64(to + 8, <uint64_t>load32(at + 8) * 1000000)
    c.n = c.n + 1
    return at + DURATION_BYTES
