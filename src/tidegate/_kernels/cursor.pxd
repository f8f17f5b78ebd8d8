"""A cursor over hostile bytes, its limits, and what may be wrong with them.

The position travels in a register: what reads takes it, and gives what comes after, or NULL; then
the status and the place stand in the cursor. Nothing is read at or behind the end.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

# What can be wrong; core/formats/decoding.py has the words for it.
cdef enum:
    FINE = 0
    TRUNCATED = 1       # the bytes end before the value does
    LONG_VARINT = 2     # more than 10 bytes or 64 bits
    OUT_OF_RANGE = 3    # a number that its type can't hold
    NEGATIVE = 4        # a length or a count below 0
    TOO_LONG = 5        # more bytes than limit text_bytes
    TOO_MANY = 6        # more than limit items
    TOO_MANY_FREE = 7   # more items without bytes than limit free_items
    TOO_DEEP = 8        # deeper than limit depth
    TOO_LARGE = 9       # columns larger than limit batch_bytes
    BAD_UTF8 = 10
    BAD_INDEX = 11      # of a branch or symbol
    BAD_VALUE = 12      # a boolean that is neither, a UUID that is none ...
    UNRESOLVED = 13     # a branch or symbol that the reader's schema doesn't have
    OUT_OF_MEMORY = 14
    LEFT_OVER = 15      # bytes behind the last value
    NULL_VALUE = 16     # a null where the schema has none
    BAD_TAG = 17        # a field number or a wire type that can't be

cdef extern from "cursor.h":
    uint64_t load64 "tg_load64"(const uint8_t*) noexcept nogil
    uint32_t load32 "tg_load32"(const uint8_t*) noexcept nogil
    void store64 "tg_store64"(uint8_t*, uint64_t) noexcept nogil
    void store32 "tg_store32"(uint8_t*, uint32_t) noexcept nogil
    const uint8_t* varint "tg_varint"(
        const uint8_t* at, const uint8_t* end, uint64_t* value) noexcept nogil
    uint8_t* put_varint "tg_put_varint"(uint8_t* at, uint64_t value) noexcept nogil
    uint64_t zigzag "tg_zigzag"(int64_t) noexcept nogil
    int64_t unzigzag "tg_unzigzag"(uint64_t) noexcept nogil
    bint is_utf8 "tg_is_utf8"(const uint8_t*, size_t) noexcept nogil


cdef struct Limits:
    int depth
    int64_t items         # of one array or map, rows of one block
    int64_t free_items    # without bytes, in one batch
    int64_t text_bytes    # of one string or one value of bytes
    int64_t batch_bytes   # of the columns of one batch


cdef struct Cursor:
    const uint8_t* begin
    const uint8_t* end
    const uint8_t* bad    # where it went wrong
    int status


cdef inline void cursor_init(Cursor* c, const uint8_t* begin, Py_ssize_t size) noexcept nogil:
    """Stand before the first byte."""
    c.begin = begin
    c.end = begin + size
    c.bad = begin
    c.status = FINE


cdef inline const uint8_t* fail(Cursor* c, const uint8_t* at, int status) noexcept nogil:
    """Say what is wrong, and where; the first word counts."""
    if c.status == FINE:
        c.status = status
        c.bad = at
    return NULL


cdef inline bint has(Cursor* c, const uint8_t* at, uint64_t n) noexcept nogil:
    """Tell whether n more bytes are there; else it has failed."""
    if <uint64_t>(c.end - at) >= n:
        return True
    fail(c, at, TRUNCATED)
    return False


cdef inline const uint8_t* take_varint(
    Cursor* c, const uint8_t* at, uint64_t* value
) noexcept nogil:
    """Read a varint of at most 10 bytes."""
    cdef const uint8_t* then = varint(at, c.end, value)
    if then == NULL:
        return fail_varint(c, at)
    return then


cdef inline const uint8_t* fail_varint(Cursor* c, const uint8_t* at) noexcept nogil:
    """Tell a varint that is cut from one that is too long."""
    cdef Py_ssize_t i
    for i in range(min(c.end - at, 10)):
        if at[i] < 0x80:
            return fail(c, at, LONG_VARINT)
    return fail(c, at, TRUNCATED if c.end - at < 10 else LONG_VARINT)


cdef inline const uint8_t* take_zigzag(Cursor* c, const uint8_t* at, int64_t* value) noexcept nogil:
    """Read a signed varint."""
    cdef uint64_t word = 0
    at = take_varint(c, at, &word)
    value[0] = unzigzag(word)
    return at


cdef inline const uint8_t* take_skip(Cursor* c, const uint8_t* at, uint64_t n) noexcept nogil:
    """Pass over n bytes."""
    return at + n if has(c, at, n) else NULL
