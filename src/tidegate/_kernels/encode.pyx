"""Values of a key column -> dense codes in order of first appearance.

`IntTable` takes whatever fits 64 bits, `BytesTable` anything longer. Neither allocates: an encoder
stops at the row for which there is no room, its caller hands over larger arrays by `rebuild` and
goes on from there. Hashes are seeded, so that nobody can choose keys which collide; the codes do
not depend on the seed.
"""

cimport cython
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>

    static inline uint64_t tg_mix(uint64_t a, uint64_t b) {
        __uint128_t product = (__uint128_t)a * b;
        return (uint64_t)product ^ (uint64_t)(product >> 64);
    }

    static inline uint64_t tg_word(const uint8_t *at, size_t n_bytes) {
        uint64_t word = 0;
        memcpy(&word, at, n_bytes);
        return word;
    }

    /* Reads words that overlap, so that no byte outside of the value is touched. */
    static inline uint64_t tg_hash(const uint8_t *at, int64_t size, uint64_t seed, uint64_t odd) {
        uint64_t a, b, state = seed ^ (uint64_t)size;
        if (size >= 8) {
            int64_t i = 0;
            for (; i + 16 < size; i += 16)
                state = tg_mix(tg_word(at + i, 8) ^ odd, tg_word(at + i + 8, 8) ^ state);
            a = tg_word(at + (i + 8 <= size ? i : size - 8), 8);
            b = tg_word(at + size - 8, 8);
        } else if (size >= 4) {
            a = tg_word(at, 4);
            b = tg_word(at + size - 4, 4);
        } else if (size > 0) {
            a = at[0];
            b = ((uint64_t)at[size >> 1] << 8) | at[size - 1];
        } else {
            a = b = 0;
        }
        return tg_mix(odd, tg_mix(a ^ odd, b ^ state));
    }

    static inline int tg_equal(const uint8_t *a, const uint8_t *b, int64_t size) {
        if (size > 16)
            return memcmp(a, b, (size_t)size) == 0;
        if (size >= 8)
            return tg_word(a, 8) == tg_word(b, 8)
                && tg_word(a + size - 8, 8) == tg_word(b + size - 8, 8);
        if (size >= 4)
            return tg_word(a, 4) == tg_word(b, 4)
                && tg_word(a + size - 4, 4) == tg_word(b + size - 4, 4);
        for (int64_t i = 0; i < size; i++)
            if (a[i] != b[i])
                return 0;
        return 1;
    }
    """
    uint64_t mix "tg_mix"(uint64_t, uint64_t) nogil
    uint64_t hash_bytes "tg_hash"(const uint8_t*, int64_t, uint64_t, uint64_t) nogil
    bint equal_bytes "tg_equal"(const uint8_t*, const uint8_t*, int64_t) nogil

ctypedef fused int_t:
    int32_t
    int64_t

ctypedef fused index_t:
    uint8_t
    uint16_t
    uint32_t
    uint64_t

cdef enum:
    NO_CODE = -1
    NO_ROOM = -2


# ----------------------------------------------------------------------------------- 64-bit values

cdef struct Ints:
    int64_t* values     # (room,) the value of each code
    int32_t* window     # (width,) the code of base + i, or NO_CODE
    int64_t* slots      # (mask + 1, 2) value and code of what lies outside of the window
    uint64_t base
    uint64_t width
    uint64_t mask
    uint64_t seed
    uint64_t odd
    Py_ssize_t hash_room
    Py_ssize_t n_hashed
    Py_ssize_t n_codes
    int32_t null_code


@cython.final
cdef class IntTable:
    """Codes of 64-bit values: a table over a window of values, a hash table for all others."""

    cdef Ints table
    cdef int64_t[::1] _values
    cdef int32_t[::1] _window
    cdef int64_t[::1] _slots

    def __cinit__(self, uint64_t seed, uint64_t odd):
        self.table.seed = seed
        self.table.odd = odd | 1

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
        int64_t[::1] values not None,  # INOUT (width + hash_room + 1,), the first n_codes set
        Py_ssize_t n_codes,
        int32_t null_code,
        int32_t[::1] window not None,  # INOUT (width,), all -1
        int64_t base,
        int64_t[::1] slots not None,  # INOUT (2 * n_slots,), all -1; n_slots is a power of two
    ):
        """Take new arrays, which stay in use, and enter the first `n_codes` of `values` anew."""
        cdef Ints* table = &self.table
        cdef Py_ssize_t n_slots = slots.shape[0] // 2, i
        cdef Py_ssize_t hash_room = values.shape[0] - window.shape[0] - 1
        if not 0 <= hash_room < n_slots or n_slots & (n_slots - 1) or n_codes > values.shape[0]:
            raise ValueError("the arrays of an IntTable do not fit each other")
        self._values, self._window, self._slots = values, window, slots
        table.values = &values[0]
        table.window = &window[0] if window.shape[0] else NULL
        table.slots = &slots[0]
        table.base, table.width, table.mask = <uint64_t>base, window.shape[0], n_slots - 1
        table.hash_room, table.n_hashed, table.n_codes = hash_room, 0, 0
        table.null_code = null_code
        for i in range(n_codes):
            if i == null_code:
                table.n_codes += 1
            elif code_of_int(table, values[i]) != i:
                raise ValueError("the values of an IntTable are not distinct or do not fit")


cdef inline int32_t code_of_int(Ints* table, int64_t value) noexcept nogil:
    """Return the code of a value, which may be new, or NO_ROOM."""
    cdef uint64_t place = <uint64_t>value - table.base
    cdef int32_t code
    if place < table.width:
        code = table.window[place]
        if code == NO_CODE:
            code = table.window[place] = <int32_t>table.n_codes
            table.values[code] = value
            table.n_codes += 1
        return code
    place = mix(<uint64_t>value ^ table.seed, table.odd) & table.mask
    while table.slots[2 * place + 1] != NO_CODE:
        if table.slots[2 * place] == value:
            return <int32_t>table.slots[2 * place + 1]
        place = (place + 1) & table.mask
    if table.n_hashed == table.hash_room:
        return NO_ROOM
    code = <int32_t>table.n_codes
    table.slots[2 * place] = value
    table.slots[2 * place + 1] = code
    table.values[code] = value
    table.n_hashed += 1
    table.n_codes += 1
    return code


cdef inline Py_ssize_t known_rows(
    const Ints* table, const int_t* values, int32_t* codes, Py_ssize_t row, Py_ssize_t n_rows
) noexcept nogil:
    """Encode rows up to the first whose value has no code in the window."""
    cdef const int32_t* window = table.window
    cdef uint64_t base = table.base, width = table.width, place
    cdef int32_t code
    while row < n_rows:
        place = <uint64_t><int64_t>values[row] - base
        if place >= width:
            break
        code = window[place]
        if code == NO_CODE:
            break
        codes[row] = code
        row += 1
    return row


cdef Py_ssize_t int_rows(
    Ints* table, const int_t* values, const uint8_t* valid, int32_t* codes,
    Py_ssize_t row, Py_ssize_t n_rows,
) noexcept nogil:
    """Encode rows up to the first for which there is no room."""
    cdef int32_t code
    while row < n_rows:
        if valid == NULL and table.width:
            row = known_rows(table, values, codes, row, n_rows)
            if row == n_rows:
                break
        if valid != NULL and not valid[row]:
            if table.null_code == NO_CODE:
                table.null_code = <int32_t>table.n_codes
                table.values[table.n_codes] = 0
                table.n_codes += 1
            code = table.null_code
        else:
            code = code_of_int(table, values[row])
            if code == NO_ROOM:
                break
        codes[row] = code
        row += 1
    return row


def encode_ints(
    IntTable keys not None,
    const int_t[::1] values not None,  # IN (n_rows,)
    const uint8_t[::1] valid,  # IN (n_rows,), 1 = valid; None = no nulls
    int32_t[::1] codes not None,  # OUT (n_rows,)
    Py_ssize_t start,
):
    """Encode the rows from `start` on; return where it stopped for lack of room, or n_rows."""
    cdef Py_ssize_t n_rows = values.shape[0], row = start
    cdef const uint8_t* is_valid = NULL
    if keys.table.values == NULL:
        raise ValueError("the table has no arrays yet: call rebuild")
    if codes.shape[0] != n_rows or (valid is not None and valid.shape[0] != n_rows):
        raise ValueError("values, valid and codes differ in length")
    if not 0 <= start < n_rows:
        return n_rows
    if valid is not None:
        is_valid = &valid[0]
    with nogil:
        row = int_rows(&keys.table, &values[0], is_valid, &codes[0], start, n_rows)
    return row


# --------------------------------------------------------------------------------- strings of bytes

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


# ------------------------------------------------------------------------------------ dictionaries

cdef Py_ssize_t remap_rows(
    const index_t* indices, const uint8_t* valid, int32_t* code_of, Py_ssize_t n_entries,
    int32_t* codes, int32_t* fresh, Py_ssize_t n_rows,
) noexcept nogil:
    """Translate indices; collect the entries without a code in order of first appearance."""
    cdef Py_ssize_t row, n_fresh = 0
    cdef uint64_t entry
    cdef int32_t code
    for row in range(n_rows):
        entry = indices[row]
        if valid != NULL and not valid[row]:
            entry = n_entries
        elif entry >= <uint64_t>n_entries:
            return -1 - row
        code = code_of[entry]
        if code == NO_CODE:
            code_of[entry] = -2
            fresh[n_fresh] = <int32_t>entry
            n_fresh += 1
        codes[row] = code
    return n_fresh


def remap(
    const index_t[::1] indices not None,  # IN (n_rows,)
    const uint8_t[::1] valid,  # IN (n_rows,), 1 = valid; None = no nulls
    int32_t[::1] code_of not None,  # INOUT (n_entries + 1,), -1 = no code yet; the last: null
    int32_t[::1] codes not None,  # OUT (n_rows,)
    int32_t[::1] fresh not None,  # OUT (n_entries + 1,), entries without a code
):
    """Translate dictionary indices to codes.

    Returns
    -------
    int
        How many entries without a code were found. They are marked -2 in `code_of` and stand in
        `fresh` in order of first appearance: give them codes and call again. If negative, the index
        in row ``-1 - result`` is not in the dictionary.
    """
    cdef Py_ssize_t n_rows = indices.shape[0], n_entries = code_of.shape[0] - 1, result = 0
    cdef const uint8_t* is_valid = NULL
    if codes.shape[0] != n_rows or fresh.shape[0] <= n_entries or n_entries < 0:
        raise ValueError("the arrays do not fit each other")
    if valid is not None and valid.shape[0] != n_rows:
        raise ValueError("indices and valid differ in length")
    if n_rows == 0:
        return 0
    if valid is not None:
        is_valid = &valid[0]
    with nogil:
        result = remap_rows(
            &indices[0], is_valid, &code_of[0], n_entries, &codes[0], &fresh[0], n_rows
        )
    return result
