"""Protobuf messages into columns, some dozens of messages at a time; proto_block.h has more."""

from libc.stdint cimport uint8_t, uint64_t

from tidegate._kernels.builders cimport Column
from tidegate._kernels.cursor cimport varint
from tidegate._kernels.proto_decode cimport Decoder
from tidegate._kernels.proto_program cimport BOOLS, LONGS, ZIGZAG_INTS, ZIGZAG_LONGS, Op

cdef enum:
    BLOCK_ROWS = 128
    BLOCK_BYTES = 1 << 16  # of the messages of a block
    MARGIN = 64            # bytes behind a block that may be looked at
    FORESIGHT = 1024       # rows that tell what all will need
    SHORT = 16             # bytes of a text or of packed numbers that are copied as two words

cdef extern from "proto_block.h":
    bint rare "tg_rare"(bint) noexcept nogil
    void ask_for "tg_ask_for"(const uint8_t*, uint64_t) noexcept nogil
    const uint8_t* short_length "tg_short_length"(const uint8_t*, uint64_t*) noexcept nogil
    int count_high "tg_count_high"(const uint8_t*, uint64_t) noexcept nogil
    bint any_high "tg_any_high"(const uint8_t*, uint64_t) noexcept nogil
    void copy16 "tg_copy16"(uint8_t*, const uint8_t*) noexcept nogil
    uint64_t first_varint "tg_first_varint"(uint64_t, uint64_t) noexcept nogil
    uint64_t varint_size "tg_varint_size"(uint64_t) noexcept nogil
    uint64_t ends_of "tg_ends_of"(const uint8_t*) noexcept nogil
    void put_longs "tg_put_longs"(
        const uint64_t*, const uint64_t*, int, uint8_t*) noexcept nogil
    void put_zigzag_longs "tg_put_zigzag_longs"(
        const uint64_t*, const uint64_t*, int, uint8_t*) noexcept nogil
    void put_ints "tg_put_ints"(const uint64_t*, int, uint8_t*) noexcept nogil
    void put_zigzag_ints "tg_put_zigzag_ints"(const uint64_t*, int, uint8_t*) noexcept nogil
    void put_bools "tg_put_bools"(const uint64_t*, const uint64_t*, int, uint8_t*) noexcept nogil
    const uint64_t CONTINUES "TG_CONTINUES"
    int lowest "__builtin_ctzll"(uint64_t) noexcept nogil


cdef struct Numbers:                      # of variable length, before their bits are together
    uint64_t words[BLOCK_ROWS]            # the first eight bytes, 0 behind the end
    uint64_t tops[BLOCK_ROWS]             # what the ninth and tenth byte add


cdef struct Block:
    int n
    Py_ssize_t row                        # of the first message
    Py_ssize_t n_bytes
    const uint8_t* at[BLOCK_ROWS]         # how far each message is read
    const uint8_t* ends[BLOCK_ROWS]
    uint8_t flags[BLOCK_ROWS]             # of fields that don't say whether they are there
    Numbers numbers


cdef bint fits_blocks(const Op* root) noexcept nogil
cdef const uint8_t* read_block(
    Decoder* d, const Op* root, const uint8_t* at, const uint8_t* stop, Py_ssize_t max_rows
) noexcept nogil


cdef inline uint64_t mask_of(const Op* op) noexcept nogil:
    """Give the bits of eight bytes that a tag takes."""
    return ~<uint64_t>0 >> (64 - 8 * op.n_tag_bytes)


cdef inline uint8_t* flags_of(Block* b, Column* c) noexcept nogil:
    """Give where it is noted whether a field is there."""
    return c.valid + b.row if c.valid != NULL else b.flags


cdef inline void lose(Block* b, int i) noexcept nogil:
    """Read no more of a message; it isn't at its end."""
    b.at[i] = b.ends[i] + 1


cdef inline int width_of(int form) noexcept nogil:
    """Give the bytes of a number in its column."""
    if form == LONGS or form == ZIGZAG_LONGS:
        return 8
    return 1 if form == BOOLS else 4


cdef inline void put_numbers(
    const Numbers* numbers, int n, int form, uint8_t* values
) noexcept nogil:
    """Put numbers of variable length into their places."""
    if form == LONGS:
        put_longs(numbers.words, numbers.tops, n, values)
    elif form == ZIGZAG_LONGS:
        put_zigzag_longs(numbers.words, numbers.tops, n, values)
    elif form == ZIGZAG_INTS:
        put_zigzag_ints(numbers.words, n, values)
    elif form == BOOLS:
        put_bools(numbers.words, numbers.tops, n, values)
    else:
        put_ints(numbers.words, n, values)


cdef inline const uint8_t* end_long(const uint8_t* at, uint64_t* top) noexcept nogil:
    """Read the ninth and tenth byte of a varint; NULL: it is too long."""
    if at[0] < 0x80:
        top[0] = <uint64_t>at[0] << 56
        return at + 1
    if at[1] > 1:
        return NULL
    top[0] = <uint64_t>(at[0] & 0x7f) << 56 | <uint64_t>at[1] << 63
    return at + 2


cdef inline const uint8_t* begin_content(
    Block* b, int i, const uint8_t* at, uint64_t is_there, uint64_t* size
) noexcept nogil:
    """Read a length, 0 where nothing is there; a message that has it wrong is lost."""
    cdef uint64_t n = at[0] & (0 - is_there)
    cdef const uint8_t* then = at + is_there
    if rare(n > 0x7f):
        then = varint(at, b.ends[i], &n)
    if rare(then == NULL or then > b.ends[i] or n > <uint64_t>(b.ends[i] - then)):
        size[0] = 0
        return NULL
    size[0] = n
    return then


cdef inline Py_ssize_t foreseen(
    Decoder* d, Block* b, Py_ssize_t used, Py_ssize_t more
) noexcept nogil:
    """Guess how much of something is needed for all rows that there is room for, and some more."""
    cdef Py_ssize_t n_rows = d.rows.fields[0].items.columns[0].room
    if b.row < FORESIGHT:
        return used + more
    return max(used + more, <Py_ssize_t>(<double>used / b.row * n_rows * 1.05))
