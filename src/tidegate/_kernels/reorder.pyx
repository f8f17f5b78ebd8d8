"""Rows that wait for the watermark, in order of time; of one time, in order of arrival."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memmove, memset

from tidegate._kernels.buffer cimport Buffer, buffer_of
from tidegate._kernels.lanes cimport all_rise
from tidegate._kernels.memory cimport grow

cdef extern from *:
    """
    #include "lanes.h"
    TG_CLONES static int tg_never_falls(const int64_t *, Py_ssize_t);
    """

cdef enum:
    FIRST_ROOM = 64   # rows

ctypedef fused Unit:  # of a column, of key codes, of flags
    int64_t
    int32_t
    uint8_t


cdef bint never_falls "tg_never_falls"(const int64_t* times, Py_ssize_t n) noexcept nogil:
    """Whether n times never fall."""
    return all_rise(times + 1, n - 1)


def rises(const int64_t[::1] times not None):
    """Tell whether times never fall; O(n_rows), vectors."""
    cdef bint yes = True
    if times.shape[0] > 1:
        with nogil:
            yes = never_falls(&times[0], times.shape[0])
    return yes


cdef class ReorderBuffer:
    """Rows that wait, sorted.

    Parameters
    ----------
    n_columns : int
        Columns of 8-byte words, each with flags.

    Notes
    -----
    A row that comes costs the rows that it has to pass by, so O(1) for rows roughly in order;
    a row that leaves costs O(1).
    """

    cdef int n_columns
    cdef int64_t* times
    cdef int32_t* codes
    cdef int64_t** values
    cdef uint8_t** valid       # of a column in which a value is missing
    cdef uint8_t* has_null
    cdef Py_ssize_t begin      # rows [begin, end) wait
    cdef Py_ssize_t end
    cdef Py_ssize_t room

    def __cinit__(self, int n_columns):
        self.n_columns = n_columns
        self.values = <int64_t**>calloc(n_columns + 1, sizeof(int64_t*))
        self.valid = <uint8_t**>calloc(n_columns + 1, sizeof(uint8_t*))
        self.has_null = <uint8_t*>calloc(n_columns + 1, 1)
        if self.values == NULL or self.valid == NULL or self.has_null == NULL:
            raise MemoryError

    def __dealloc__(self):
        cdef int c
        for c in range(self.n_columns):
            free(NULL if self.values == NULL else self.values[c])
            free(NULL if self.valid == NULL else self.valid[c])
        free(self.values)
        free(self.valid)
        free(self.has_null)
        free(self.times)
        free(self.codes)

    def __len__(self):
        return self.end - self.begin

    def push(self, const int64_t[::1] times not None, codes, list columns not None):
        """Take rows.

        Parameters
        ----------
        times : (n_rows,) int64
            Never falling; of one time, in order of arrival.
        codes : (n_rows,) int32 or None
            Key codes.
        columns : list of (values, valid)
            (n_rows,) 8-byte values or None, and (n_rows,) uint8 or None.
        """
        cdef Py_ssize_t n = times.shape[0], first
        cdef int64_t* sources
        cdef int c
        if len(columns) != self.n_columns:
            raise ValueError("the columns are not those of the buffer")
        if n == 0:
            return
        self.make_room(n)
        sources = <int64_t*>malloc((n + self.end - self.begin) * sizeof(int64_t))
        if sources == NULL:
            raise MemoryError
        try:
            first = self.places_up_to(times[0])
            self.merge(times, first, sources)
            self.place(self.codes, codes, sources, first, n, 0)
            for c in range(self.n_columns):
                self.place_column(c, columns[c][0], columns[c][1], sources, first, n)
            self.end += n
        finally:
            free(sources)

    cdef int make_room(self, Py_ssize_t n) except -1:
        """Make room for n rows more."""
        cdef Py_ssize_t room = max(FIRST_ROOM, self.room)
        cdef int c
        if self.end + n <= self.room:
            return 0
        if self.begin:
            self.move_down()
        while room < self.end + n:
            room *= 2
        if not (grow(<void**>&self.times, room * 8) and grow(<void**>&self.codes, room * 4)):
            raise MemoryError
        for c in range(self.n_columns):
            if not (grow(<void**>&self.values[c], room * 8)
                    and grow(<void**>&self.valid[c], room)):
                raise MemoryError
        self.room = room
        return 0

    cdef void move_down(self) noexcept:
        """Move the rows to the beginning of the memory."""
        cdef Py_ssize_t n = self.end - self.begin
        cdef int c
        memmove(self.times, self.times + self.begin, n * 8)
        memmove(self.codes, self.codes + self.begin, n * 4)
        for c in range(self.n_columns):
            memmove(self.values[c], self.values[c] + self.begin, n * 8)
            if self.has_null[c]:
                memmove(self.valid[c], self.valid[c] + self.begin, n)
        self.begin = 0
        self.end = n

    cdef void merge(self, const int64_t[::1] times, Py_ssize_t first, int64_t* sources) noexcept:
        """Merge new times with those that wait from the place `first` on.

        `sources` tells from there on where each row comes from: the place of one that waits, or
        ~k of new row k.
        """
        cdef Py_ssize_t old = self.end - 1, new = times.shape[0] - 1, at
        for at in range(self.end + new, first - 1, -1):
            if old >= first and (new < 0 or self.times[old] > times[new]):
                sources[at - first] = old
                self.times[at] = self.times[old]
                old -= 1
            else:
                sources[at - first] = ~new
                self.times[at] = times[new]
                new -= 1

    cdef Py_ssize_t places_up_to(self, int64_t time) noexcept:
        """The first place of a time above this one."""
        cdef Py_ssize_t low = self.begin, high = self.end, middle
        while low < high:
            middle = (low + high) // 2
            if self.times[middle] <= time:
                low = middle + 1
            else:
                high = middle
        return low

    cdef int place_column(
        self, int c, values, flags, const int64_t* sources, Py_ssize_t first, Py_ssize_t n
    ) except -1:
        """Bring a column into the merged order; flags are written where a value is missing."""
        if flags is not None and not self.has_null[c]:
            memset(self.valid[c] + self.begin, 1, self.end - self.begin)
            self.has_null[c] = True
        self.place(self.values[c], values, sources, first, n, 0)
        if self.has_null[c]:
            self.place(self.valid[c], flags, sources, first, n, 1)
        return 0

    cdef int place(self, Unit* column, source, const int64_t* sources, Py_ssize_t first,
                   Py_ssize_t n, Unit blank) except -1:
        """Bring one part into the merged order; `blank` is what it has where it is not given."""
        cdef Py_buffer view
        cdef const Unit* new = NULL
        cdef Py_ssize_t at
        cdef int64_t given
        if source is not None:
            PyObject_GetBuffer(source, &view, PyBUF_SIMPLE)
            if view.len != n * <Py_ssize_t>sizeof(Unit):
                PyBuffer_Release(&view)
                raise ValueError("the columns of a batch differ in length")
            new = <const Unit*>view.buf
        for at in range(self.end + n - 1, first - 1, -1):
            given = sources[at - first]
            if given >= 0:
                column[at] = column[given]
            else:
                column[at] = blank if new == NULL else new[~given]
        if source is not None:
            PyBuffer_Release(&view)
        return 0

    def has_before(self, int64_t watermark):
        """Tell whether a row waits that is before the watermark."""
        return self.begin < self.end and self.times[self.begin] < watermark

    def release(self, int64_t watermark, bint is_end):
        """Hand over the rows before the watermark, or all, in order.

        Returns
        -------
        tuple (times, codes, [(values, valid), ...])
            Buffers of (n_rows,) int64, int32, and of each column 8-byte words and uint8; None: all
            valid.
        """
        cdef Py_ssize_t n = self.end - self.begin
        if not is_end:
            n = self.places_before(watermark) - self.begin
        given = self.copy(n)
        self.begin += n
        if self.begin == self.end:
            self.begin = 0
            self.end = 0
            memset(self.has_null, 0, self.n_columns + 1)
        elif self.begin > self.end - self.begin and self.begin > FIRST_ROOM:
            self.move_down()
        return given

    cdef Py_ssize_t places_before(self, int64_t time) noexcept:
        """The first place of a time that is not below this one."""
        cdef Py_ssize_t low = self.begin, high = self.end, middle
        while low < high:
            middle = (low + high) // 2
            if self.times[middle] < time:
                low = middle + 1
            else:
                high = middle
        return low

    def peek(self):
        """Copy all rows out, as `release` does, and keep them."""
        return self.copy(self.end - self.begin)

    def mark_codes(self, int column, uint8_t[::1] used not None):
        """Mark the codes that the values of a column are; False where one is of nothing.

        Parameters
        ----------
        column : int
        used : (n_codes + 1,) uint8
            OUT: 1 where a row has the code; the last one is not looked at.
        """
        cdef const int64_t* codes
        cdef const uint8_t* valid
        cdef Py_ssize_t i, n_codes = used.shape[0] - 1
        if not 0 <= column < self.n_columns or n_codes < 0:
            raise ValueError("there is no such column")
        codes = self.values[column]
        valid = self.valid[column]
        for i in range(self.begin, self.end):
            if self.has_null[column] and not valid[i]:
                continue
            if not 0 <= codes[i] < n_codes:
                return False
            used[codes[i]] = 1
        return True

    def replace_codes(self, int column, const int32_t[::1] by not None):
        """Replace the codes that `mark_codes` marks, each by that at its place.

        Parameters
        ----------
        column : int
        by : (n_codes + 1,) int32
        """
        cdef int64_t* codes
        cdef const uint8_t* valid
        cdef Py_ssize_t i
        if not 0 <= column < self.n_columns:
            raise ValueError("there is no such column")
        codes = self.values[column]
        valid = self.valid[column]
        for i in range(self.begin, self.end):
            codes[i] = by[codes[i]] if not self.has_null[column] or valid[i] else 0

    cdef tuple copy(self, Py_ssize_t n):
        """Copy the first n rows out."""
        cdef int c
        columns = [
            (copied(self.values[c] + self.begin, n * 8),
             copied(self.valid[c] + self.begin, n) if self.has_null[c] else None)
            for c in range(self.n_columns)]
        return (copied(self.times + self.begin, n * 8), copied(self.codes + self.begin, n * 4),
                columns)


cdef Buffer copied(const void* source, Py_ssize_t size):
    """Copy bytes into memory of their own."""
    cdef void* memory = malloc(size + 1)
    if memory == NULL:
        raise MemoryError
    if size:
        memcpy(memory, source, size)
    return buffer_of(memory, size)
