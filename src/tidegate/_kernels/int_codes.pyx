"""Values of a key column that fit 64 bits -> dense codes in order of first appearance.

The table does not allocate: an encoder stops at the row for which there is no room, its caller
hands over larger arrays by `rebuild` and goes on from there. Hashes are seeded, so that nobody can
choose keys which collide; the codes do not depend on the seed.
"""

cimport cython
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t

from tidegate._kernels.pool cimport Block, block_grow, block_take

cdef extern from "hashing.h" nogil:
    uint64_t mix "tg_mix"(uint64_t, uint64_t)

ctypedef fused int_t:
    int32_t
    int64_t

cdef enum:
    NO_CODE = -1
    NO_ROOM = -2


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


def take_ints(const int64_t[::1] values not None, const int32_t[::1] codes not None):
    """Look up the values of codes.

    Parameters
    ----------
    values : (n_codes,) int64
    codes : (n,) int32

    Returns
    -------
    pyarrow.Buffer
        (n,) int64.

    Raises
    ------
    IndexError
        If there is no such code.

    Notes
    -----
    O(n), releases the GIL.
    """
    cdef Py_ssize_t n = codes.shape[0], i
    cdef uint64_t n_codes = values.shape[0]
    cdef bint is_known = True
    cdef Block block = Block(NULL, NULL, 0)
    cdef int64_t* out
    if not n:
        return block_take(&block, 0)
    if not block_grow(&block, 0, n * sizeof(int64_t)):
        raise MemoryError
    out = <int64_t*>block.at
    with nogil:
        for i in range(n):
            if <uint64_t>codes[i] >= n_codes:
                is_known = False
                break
            out[i] = values[codes[i]]
    taken = block_take(&block, n * sizeof(int64_t))
    if not is_known:
        raise IndexError(f"there are {n_codes} codes, and {codes[i]} is none of them")
    return taken
