"""The rows of some of the keys, close together: each thread takes its own out of all rows.

Of n parts, part p has the keys of which the last eight bits of the code, b, are p modulo n. Their
codes close up: part p knows the code ``256 * q + b`` as ``q * size + b // n``, `size` being how
many b are its own, so that what it keeps by code has no gaps.
"""

cimport cython
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from tidegate._kernels.partition cimport BINS, own_bins

cdef extern from "pick.h":
    ctypedef struct tg_part:
        uint32_t own[8]
        int32_t place[256]
        int32_t size

    enum:
        TG_SPARE

    Py_ssize_t tg_pick(
        const tg_part*, const int32_t*, Py_ssize_t, uint64_t*, int32_t*, int32_t*) nogil
    void tg_words(const uint64_t*, const int64_t*, Py_ssize_t, int64_t*) nogil


cdef struct Way:          # of a column into its copy; NULL: it has no values, or no flags
    const int64_t* values
    int64_t* values_out
    const uint8_t* valid
    uint8_t* valid_out


ctypedef fused Value:
    int64_t
    uint8_t


cdef void copy_some(
    const Value* values, const int32_t* rows, Py_ssize_t n, Value* out
) noexcept nogil:
    """Copy the words, or the flags, of some rows."""
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = values[rows[i]]


@cython.final
cdef class Picker:
    """Copies the rows of a part of the keys, so many at a time.

    Parameters
    ----------
    number, n : int
        Which of how many parts, at most 256.
    codes : (n_rows,) int32
        Of the keys, not negative.
    given : list of arrays
        (n_rows,) int64 or uint8: the columns, words and flags; None: nothing.
    rows : (size + SPARE,) int32
        OUT The numbers of rows of a chunk that are of the part, counted from its first.
    own : (size + SPARE,) int32
        OUT Their codes in the part.
    out : list of arrays
        OUT (size + SPARE,) their columns, of the types of `given`.
    """

    cdef tg_part part
    cdef const int32_t[::1] codes
    cdef int32_t[::1] rows
    cdef int32_t[::1] own
    cdef uint64_t* masks
    cdef Way* ways
    cdef int n_ways
    cdef Py_ssize_t size
    cdef list views              # what the ways point to

    def __cinit__(self, int32_t number, int32_t n, const int32_t[::1] codes not None,
                  list given not None, int32_t[::1] rows not None, int32_t[::1] own not None,
                  list out not None):
        cdef int i
        self.size = (rows.shape[0] - TG_SPARE) // 64 * 64
        if not 0 <= number < n <= BINS or self.size <= 0 or len(given) != len(out):
            raise ValueError("there is no such part, or no room for its rows")
        if own.shape[0] != rows.shape[0]:
            raise ValueError("the columns of a chunk differ in length")
        memset(&self.part, 0, sizeof(tg_part))
        self.part.size = own_bins(number, n)
        for i in range(number, BINS, n):
            self.part.own[i // 32] |= <uint32_t>1 << (i % 32)
            self.part.place[i] = i // n
        self.codes, self.rows, self.own = codes, rows, own
        self.masks = <uint64_t*>calloc(self.size // 64, sizeof(uint64_t))
        self.ways = <Way*>calloc(len(given) + 1, sizeof(Way))
        if self.masks == NULL or self.ways == NULL:
            raise MemoryError
        self.n_ways = <int>len(given)
        self.views = []
        for i in range(self.n_ways):
            if given[i] is not None:
                self.lay_way(&self.ways[i], given[i], out[i])

    def __dealloc__(self):
        free(self.masks)
        free(self.ways)

    cdef int lay_way(self, Way* way, object given, object out) except -1:
        """Point from a column to its copy."""
        cdef const int64_t[::1] words
        cdef int64_t[::1] words_out
        cdef const uint8_t[::1] flags
        cdef uint8_t[::1] flags_out
        if len(given) != self.codes.shape[0] or len(out) != self.rows.shape[0]:
            raise ValueError("the columns of a batch differ in length")
        if not len(given):
            return 0
        if memoryview(given).itemsize == 1:
            flags, flags_out = given, out
            way.valid, way.valid_out = &flags[0], &flags_out[0]
            self.views += [flags, flags_out]
        else:
            words, words_out = given, out
            way.values, way.values_out = &words[0], &words_out[0]
            self.views += [words, words_out]
        return 0

    def take(self, Py_ssize_t begin, Py_ssize_t end):
        """Copy the rows of the part out of a chunk; how many they are.

        Parameters
        ----------
        begin, end : int
            The first row of the chunk, and the one after its last: at most `size` of them. Codes
            of rows behind them are not looked at.

        Notes
        -----
        O(size), releases the GIL.
        """
        cdef Py_ssize_t n, n_own
        cdef int i
        if not 0 <= begin < end <= min(self.codes.shape[0], begin + self.size):
            raise ValueError("there are no such rows, or no room for them")
        n = end - begin
        with nogil:
            n_own = tg_pick(&self.part, &self.codes[begin], n, self.masks, &self.rows[0],
                            &self.own[0])
            for i in range(self.n_ways):
                if self.ways[i].values != NULL:
                    tg_words(self.masks, self.ways[i].values + begin, n, self.ways[i].values_out)
                elif self.ways[i].valid != NULL:
                    copy_some(self.ways[i].valid + begin, &self.rows[0], n_own,
                              self.ways[i].valid_out)
        return n_own

    def take_rows(self, const int32_t[::1] rows not None):
        """Copy some rows, by their numbers from the first of all; neither these nor codes."""
        cdef Py_ssize_t n = rows.shape[0], k
        cdef int i
        if n > self.size:
            raise ValueError("there is no room for all rows")
        for k in range(n):
            if not 0 <= rows[k] < self.codes.shape[0]:
                raise ValueError("there is no such row")
        with nogil:
            for i in range(self.n_ways):
                if n and self.ways[i].values != NULL:
                    copy_some(self.ways[i].values, &rows[0], n, self.ways[i].values_out)
                elif n and self.ways[i].valid != NULL:
                    copy_some(self.ways[i].valid, &rows[0], n, self.ways[i].valid_out)
