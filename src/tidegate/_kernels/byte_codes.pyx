"""Strings of bytes of a key column -> dense codes in order of first appearance.

The table does not allocate: an encoder stops at the row for which there is no room, its caller
hands over larger arrays by `rebuild` and goes on from there. Hashes are seeded, so that nobody can
choose keys which collide; the codes do not depend on the seed.
"""

cimport cython
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

cdef extern from "hashing.h" nogil:
    uint64_t hash_bytes "tg_hash"(const uint8_t*, int64_t, uint64_t, uint64_t)
    bint equal_bytes "tg_equal"(const uint8_t*, const uint8_t*, int64_t)

ctypedef fused int_t:
    int32_t
    int64_t

cdef enum:
    NO_CODE = -1
    NO_ROOM = -2


cdef struct Bytes:
    int64_t* offsets    # (room + 1,) where the bytes of each code begin; of the next one: end
    uint8_t* content    # (capacity,) the bytes of all keys, one after the other
    uint64_t* slots     # (mask + 1,) upper half of the hash, code; EMPTY
    uint64_t mask
    uint64_t seed
    uint64_t odd
    int64_t capacity
    int64_t null_size   # as many zeros stand for null: the width of a fixed-size type
    Py_ssize_t room
    Py_ssize_t n_codes
    int32_t null_code

cdef uint64_t EMPTY = <uint64_t>-1
cdef uint64_t UPPER = <uint64_t>0xFFFFFFFF00000000


@cython.final
cdef class BytesTable:
    """Codes of strings of bytes: a hash table over one growing buffer of them."""

    cdef Bytes table
    cdef int64_t[::1] _offsets
    cdef uint8_t[::1] _content
    cdef uint64_t[::1] _slots

    def __cinit__(self, uint64_t seed, uint64_t odd, int64_t null_size):
        self.table.seed = seed
        self.table.odd = odd | 1
        self.table.null_size = null_size

    @property
    def n_codes(self):
        """How many codes there are."""
        return self.table.n_codes

    @property
    def null_code(self):
        """The code of null, or -1."""
        return self.table.null_code

    def rebuild(
        self,
        int64_t[::1] offsets not None,  # INOUT (room + 1,), the first n_codes + 1 set
        uint8_t[::1] content not None,  # INOUT (capacity,), capacity > 0
        Py_ssize_t n_codes,
        int32_t null_code,
        uint64_t[::1] slots not None,  # INOUT (n_slots,), all 2**64 - 1; a power of two of them
    ):
        """Take new arrays, which stay in use, and enter the first `n_codes` keys anew."""
        cdef Bytes* table = &self.table
        cdef Py_ssize_t n_slots = slots.shape[0], room = offsets.shape[0] - 1, i
        if (
            not 0 <= n_codes <= room < n_slots or n_slots & (n_slots - 1)
            or not 0 <= offsets[n_codes] <= content.shape[0] or not content.shape[0]
        ):
            raise ValueError("the arrays of a BytesTable do not fit each other")
        self._offsets, self._content, self._slots = offsets, content, slots
        table.offsets, table.content, table.slots = &offsets[0], &content[0], &slots[0]
        table.mask, table.capacity, table.room = n_slots - 1, content.shape[0], room
        table.n_codes, table.null_code = n_codes, null_code
        for i in range(n_codes):
            if i != null_code:
                enter_again(table, <int32_t>i)


cdef inline void enter_again(Bytes* table, int32_t code) noexcept nogil:
    """Enter a key that is known to be distinct from all others in the table."""
    cdef int64_t start = table.offsets[code]
    cdef uint64_t hashed = hash_bytes(
        table.content + start, table.offsets[code + 1] - start, table.seed, table.odd
    )
    cdef uint64_t place = hashed & table.mask
    while table.slots[place] != EMPTY:
        place = (place + 1) & table.mask
    table.slots[place] = (hashed & UPPER) | <uint32_t>code


cdef inline int32_t new_code(Bytes* table, const uint8_t* key, int64_t size) noexcept nogil:
    """Append a key (NULL: zeros) and return its code, or NO_ROOM."""
    cdef int64_t start = table.offsets[table.n_codes]
    cdef int32_t code = <int32_t>table.n_codes
    if table.n_codes == table.room or size > table.capacity - start:
        return NO_ROOM
    if key == NULL:
        memset(table.content + start, 0, size)
    else:
        memcpy(table.content + start, key, size)
    table.n_codes += 1
    table.offsets[table.n_codes] = start + size
    return code


cdef inline int32_t code_of_bytes(Bytes* table, const uint8_t* key, int64_t size) noexcept nogil:
    """Return the code of a key, which may be new, or NO_ROOM."""
    cdef uint64_t hashed = hash_bytes(key, size, table.seed, table.odd)
    cdef uint64_t place = hashed & table.mask, slot
    cdef int64_t start
    cdef int32_t code
    while True:
        slot = table.slots[place]
        if slot == EMPTY:
            break
        if (slot ^ hashed) & UPPER == 0:
            code = <int32_t><uint32_t>slot
            start = table.offsets[code]
            if table.offsets[code + 1] - start == size:
                if equal_bytes(table.content + start, key, size):
                    return code
        place = (place + 1) & table.mask
    code = new_code(table, key, size)
    if code != NO_ROOM:
        table.slots[place] = (hashed & UPPER) | <uint32_t>code
    return code


cdef Py_ssize_t bytes_rows(
    Bytes* table, const int_t* offsets, const uint8_t* content, int64_t n_bytes,
    const uint8_t* valid, int32_t* codes, Py_ssize_t row, Py_ssize_t n_rows,
) noexcept nogil:
    """Encode rows up to the first for which there is no room, or that lies outside of `content`."""
    cdef int64_t start, end
    cdef int32_t code
    while row < n_rows:
        start, end = offsets[row], offsets[row + 1]
        if valid != NULL and not valid[row]:
            if table.null_code == NO_CODE:
                table.null_code = max(new_code(table, NULL, table.null_size), <int32_t>NO_CODE)
            code = table.null_code
        elif start < 0 or end < start or end > n_bytes:
            break
        else:
            code = code_of_bytes(table, content + start, end - start)
        if code < 0:
            break
        codes[row] = code
        row += 1
    return row


def encode_bytes(
    BytesTable keys not None,
    const int_t[::1] offsets not None,  # IN (n_rows + 1,)
    const uint8_t[::1] content not None,  # IN (n_bytes,)
    const uint8_t[::1] valid,  # IN (n_rows,), 1 = valid; None = no nulls
    int32_t[::1] codes not None,  # OUT (n_rows,)
    Py_ssize_t start,
):
    """Encode the rows from `start` on; return where it stopped, or n_rows.

    It stops for lack of room, and at offsets that are not within `content`.
    """
    cdef Py_ssize_t n_rows = codes.shape[0], row = start
    cdef const uint8_t* is_valid = NULL
    cdef const uint8_t* first = NULL
    if keys.table.offsets == NULL:
        raise ValueError("the table has no arrays yet: call rebuild")
    if offsets.shape[0] != n_rows + 1 or (valid is not None and valid.shape[0] != n_rows):
        raise ValueError("offsets, valid and codes differ in length")
    if not 0 <= start < n_rows:
        return n_rows
    if valid is not None:
        is_valid = &valid[0]
    if content.shape[0]:
        first = &content[0]
    with nogil:
        row = bytes_rows(
            &keys.table, &offsets[0], first, content.shape[0], is_valid, &codes[0], start, n_rows
        )
    return row
