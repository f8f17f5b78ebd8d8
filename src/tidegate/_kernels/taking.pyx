"""What rows of a side hold, column after column: the rows of a match put where they belong."""

cimport cython
from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

cdef extern from *:
    """
    #include "lanes.h"
    #undef CYTHON_INLINE
    #define CYTHON_INLINE TG_ALWAYS_INLINE

    static inline void tg_ask_for(const void *p) { __builtin_prefetch(p, 0, 2); }

    TG_CLONES static Py_ssize_t tg_missing(const int64_t *, Py_ssize_t);
    TG_CLONES static void tg_flag_rows(
        const int64_t *, const uint8_t *, Py_ssize_t, uint8_t *);
    TG_CLONES static void tg_copy_words(
        const uint64_t *, const int64_t *, Py_ssize_t, int, uint64_t *);
    """

    void ask_for "tg_ask_for"(const void*) noexcept nogil

ctypedef fused word_t:
    uint8_t
    uint16_t
    uint32_t
    uint64_t

cdef enum:
    LINE = 64         # bytes that come together


cdef Py_ssize_t count_missing "tg_missing"(const int64_t* rows, Py_ssize_t n) noexcept nogil:
    """How many rows are -1."""
    cdef Py_ssize_t i
    cdef int64_t missing = 0
    for i in range(n):
        missing += rows[i] < 0
    return missing


cdef void flag_rows "tg_flag_rows"(
    const int64_t* rows, const uint8_t* valid, Py_ssize_t n, uint8_t* bits
) noexcept nogil:
    """Set a bit for each row that is there and valid."""
    cdef Py_ssize_t i, k
    cdef unsigned int byte
    cdef int64_t row
    for i in range(0, n, 8):
        byte = 0
        if valid == NULL:
            for k in range(min(8, n - i)):
                byte |= <unsigned int>(rows[i + k] >= 0) << k
        else:
            for k in range(min(8, n - i)):
                row = rows[i + k] if rows[i + k] > 0 else 0
                byte |= <unsigned int>((rows[i + k] >= 0) & (valid[row] != 0)) << k
        bits[i // 8] = <uint8_t>byte


cdef inline void copy_rows(
    const word_t* values, const int64_t* rows, Py_ssize_t n, bint all_there, word_t* out
) noexcept nogil:
    """Values of rows; 0 for those that are not there."""
    cdef Py_ssize_t i
    cdef word_t value
    if all_there:
        for i in range(n):
            out[i] = values[rows[i]]
        return
    for i in range(n):
        value = values[rows[i] if rows[i] > 0 else 0]
        out[i] = value if rows[i] >= 0 else 0


cdef void copy_words "tg_copy_words"(
    const uint64_t* values, const int64_t* rows, Py_ssize_t n, bint all_there, uint64_t* out
) noexcept nogil:
    """The same, of words."""
    copy_rows(values, rows, n, all_there, out)


cdef void take_rows(
    const Taken* column, const int64_t* rows, Py_ssize_t n, bint all_there, Py_ssize_t at
) noexcept nogil:
    """Put what rows hold in a column at a place of its output."""
    cdef const uint64_t* values
    cdef uint64_t* out
    cdef Py_ssize_t i, row
    if column.values == NULL:
        memset(column.out + at * column.width, 0, n * column.width)
    elif column.width == 8:
        copy_words(<const uint64_t*>column.values, rows, n, all_there, <uint64_t*>column.out + at)
    elif column.width == 4:
        copy_rows(<const uint32_t*>column.values, rows, n, all_there, <uint32_t*>column.out + at)
    elif column.width == 2:
        copy_rows(<const uint16_t*>column.values, rows, n, all_there, <uint16_t*>column.out + at)
    elif column.width == 1:
        copy_rows(column.values, rows, n, all_there, column.out + at)
    else:
        values = <const uint64_t*>column.values
        out = <uint64_t*>column.out + 2 * at
        for i in range(n):
            row = max(rows[i], 0)
            out[2 * i] = values[2 * row] if rows[i] >= 0 else 0
            out[2 * i + 1] = values[2 * row + 1] if rows[i] >= 0 else 0
    if column.bits != NULL:
        flag_rows(rows, column.valid, n, column.bits + at // 8)


cdef Py_ssize_t put_rows(const Place* out, Py_ssize_t n, const int64_t* rows) noexcept nogil:
    """Write what n left rows match; how many do."""
    cdef Py_ssize_t missing = count_missing(rows, n), i
    if out.index != NULL:
        memcpy(out.index + out.at, rows, n * sizeof(int64_t))
    if missing:
        flag_rows(rows, NULL, n, out.matched + out.at // 8)
    else:
        memset(out.matched + out.at // 8, 0xFF, (n + 7) // 8)
    for i in range(out.n_taken):
        take_rows(&out.taken[i], rows, n, not missing, out.at)
    return n - missing


cdef void ask_for_rows(
    const Place* out, Py_ssize_t begin, Py_ssize_t end
) noexcept nogil:
    """Ask for right rows of all columns that are about to be read here and there.

    The CPU foresees only what is read one after the other.
    """
    cdef Py_ssize_t i, at
    cdef const Taken* column
    for i in range(out.n_taken):
        column = &out.taken[i]
        at = begin * column.width
        while at < end * column.width:
            ask_for(column.values + at)
            at += LINE


@cython.final
cdef class Columns:
    """Fixed-width columns of the right side, and where what is taken from them goes."""

    def __cinit__(self, list columns not None, Py_ssize_t n_right, Py_ssize_t n_left):
        """Take (width, values, valid, out, bits) of each: bytes, flags, bytes, bits."""
        cdef const uint8_t[::1] values, valid
        cdef uint8_t[::1] out, bits
        cdef Taken* column
        self.kept, self.n_right, self.n_left = columns, n_right, n_left
        self.taken = <Taken*>malloc(max(len(columns), 1) * sizeof(Taken))
        if self.taken == NULL:
            raise MemoryError
        for width, values, valid, out, bits in columns:
            column = &self.taken[self.n]
            if width not in (1, 2, 4, 8, 16) or (valid is None) != (bits is None):
                raise ValueError("a column of another width, or flags without a place for them")
            if values.shape[0] != n_right * width or out.shape[0] != n_left * width:
                raise ValueError("the columns differ in length")
            column.width = width
            column.values = &values[0] if values.shape[0] else NULL
            column.out = &out[0] if out.shape[0] else NULL
            column.valid, column.bits = NULL, NULL
            if valid is not None:
                if valid.shape[0] != n_right or bits.shape[0] != (n_left + 7) // 8:
                    raise ValueError("the flags differ from their column in length")
                column.valid = &valid[0] if n_right else NULL
                column.bits = &bits[0] if n_left else NULL
            self.n += 1

    def __dealloc__(self):
        free(self.taken)


cdef int place_in(
    Place* out, Py_ssize_t n, int64_t[::1] index, uint8_t[::1] matched, Columns columns
) except -1:
    """Check where results go."""
    if matched.shape[0] != (n + 7) // 8 or (index is not None and index.shape[0] != n):
        raise ValueError("the bits or the index differ from the rows in length")
    if columns.n and columns.n_left != n:
        raise ValueError("the columns differ from the rows in length")
    out.index = NULL if index is None else &index[0]
    out.matched, out.at = &matched[0], 0
    out.taken, out.n_taken = columns.taken, <int>columns.n
    return 0


def take(const int64_t[::1] index not None, uint8_t[::1] matched not None,
         Columns columns not None):
    """Take what rows hold, where the index is known already.

    Parameters
    ----------
    index : (n_left,) int64
        Right rows, or -1.
    matched : (n_left,) bits, out
    columns : Columns

    Returns
    -------
    int
        How many rows are there.
    """
    cdef Py_ssize_t n = index.shape[0], n_rows, n_matched = 0
    cdef Place out
    if not n:
        return 0
    place_in(&out, n, None, matched, columns)
    if not all_within(&index[0], n, columns.n_right if columns.n else INT64_MAX):
        raise ValueError("a row that is not there")
    with nogil:
        while out.at < n:
            n_rows = min(BLOCK, n - out.at)
            n_matched += put_rows(&out, n_rows, &index[out.at])
            out.at += n_rows
    return n_matched


cdef bint all_within(const int64_t* index, Py_ssize_t n, int64_t n_right) noexcept nogil:
    """Whether all rows lie in [-1, n_right)."""
    cdef Py_ssize_t i
    cdef bint outside = False
    for i in range(n):
        outside |= (index[i] < -1) | (index[i] >= n_right)
    return not outside
