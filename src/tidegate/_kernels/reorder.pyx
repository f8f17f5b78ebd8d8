"""Rows that wait for the watermark, in order of time; of one time, in order of arrival."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memmove, memset

from tidegate._kernels.buffer cimport Buffer, buffer_of
from tidegate._kernels.pool cimport large_grow, large_malloc
from tidegate._kernels.records cimport DONE, NO_MEMORY, Column

cdef enum:
    FIRST_ROOM = 64   # rows

ctypedef fused Unit:  # of a column, of key codes, of flags
    int64_t
    int32_t
    uint8_t


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
        cdef Py_ssize_t n = times.shape[0], n_views = 0
        cdef Column* given = <Column*>calloc(self.n_columns + 1, sizeof(Column))
        cdef Py_buffer* views = <Py_buffer*>malloc((2 * self.n_columns + 1) * sizeof(Py_buffer))
        cdef const int32_t* code = NULL
        cdef int status = DONE, c
        try:
            if given == NULL or views == NULL:
                raise MemoryError
            if len(columns) != self.n_columns:
                raise ValueError("the columns are not those of the buffer")
            if n == 0:
                return
            code = <const int32_t*>view_of(codes, n * 4, views, &n_views)
            for c in range(self.n_columns):
                given[c].values = view_of(columns[c][0], n * 8, views, &n_views)
                given[c].valid = <const uint8_t*>view_of(columns[c][1], n, views, &n_views)
            with nogil:
                status = self.merge_rows(&times[0], code, given, NULL, n)
        finally:
            for c in range(n_views):
                PyBuffer_Release(&views[c])
            free(views)
            free(given)
        if status != DONE:
            raise MemoryError

    cdef int merge_rows(
        self, const int64_t* times, const int32_t* codes, const Column* columns,
        const int64_t* rows, Py_ssize_t n
    ) noexcept nogil:
        """Take n of some rows, whose times do not fall: those with the numbers `rows`; NULL: all.
        """
        cdef int64_t* sources
        cdef Py_ssize_t first
        cdef int c
        if n == 0:
            return DONE
        if not self.make_room(n):
            return NO_MEMORY
        first = self.places_up_to(times[0 if rows == NULL else rows[0]])
        sources = <int64_t*>large_malloc((n + self.end - first) * sizeof(int64_t))
        if sources == NULL:
            return NO_MEMORY
        self.merge(times, rows, n, first, sources)
        place(self.codes, codes, sources, first, self.end + n, 0)
        for c in range(self.n_columns):
            if columns[c].valid != NULL and not self.has_null[c]:
                memset(self.valid[c] + self.begin, 1, self.end - self.begin)
                self.has_null[c] = True
            place(self.values[c], <const int64_t*>columns[c].values, sources, first, self.end + n,
                  0)
            if self.has_null[c]:
                place(self.valid[c], columns[c].valid, sources, first, self.end + n, 1)
        self.end = self.end + n
        free(sources)
        return DONE

    cdef bint make_room(self, Py_ssize_t n) noexcept nogil:
        """Make room for n rows more; False where there is no memory."""
        cdef Py_ssize_t room = max(<Py_ssize_t>FIRST_ROOM, self.room)
        cdef int c
        if self.end + n <= self.room:
            return True
        if self.begin:
            self.move_down()
        while room < self.end + n:
            room *= 2
        if not (large_grow(<void**>&self.times, room * 8)
                and large_grow(<void**>&self.codes, room * 4)):
            return False
        for c in range(self.n_columns):
            if not (large_grow(<void**>&self.values[c], room * 8)
                    and large_grow(<void**>&self.valid[c], room)):
                return False
        self.room = room
        return True

    cdef void move_down(self) noexcept nogil:
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

    cdef void merge(
        self, const int64_t* times, const int64_t* rows, Py_ssize_t n, Py_ssize_t first,
        int64_t* sources
    ) noexcept nogil:
        """Merge new times with those that wait from the place `first` on.

        `sources` tells from there on where each row comes from: the place of one that waits, or
        ~number of a new one.
        """
        cdef Py_ssize_t old = self.end - 1, new = n - 1, at
        cdef int64_t row
        for at in range(self.end + new, first - 1, -1):
            row = new if rows == NULL or new < 0 else rows[new]
            if old >= first and (new < 0 or self.times[old] > times[row]):
                sources[at - first] = old
                self.times[at] = self.times[old]
                old -= 1
            else:
                sources[at - first] = ~row
                self.times[at] = times[row]
                new -= 1

    cdef Py_ssize_t places_up_to(self, int64_t time) noexcept nogil:
        """The first place of a time above this one."""
        cdef Py_ssize_t low = self.begin, high = self.end, middle
        while low < high:
            middle = (low + high) // 2
            if self.times[middle] <= time:
                low = middle + 1
            else:
                high = middle
        return low

    def has_before(self, int64_t watermark):
        """Tell whether a row waits that is before the watermark."""
        return self.begin < self.end and self.times[self.begin] < watermark

    cdef Py_ssize_t n_before(self, int64_t watermark, bint is_end) noexcept nogil:
        """How many rows are before the watermark, or all."""
        cdef Py_ssize_t low = self.begin, high = self.end, middle
        if is_end:
            return self.end - self.begin
        while low < high:
            middle = (low + high) // 2
            if self.times[middle] < watermark:
                low = middle + 1
            else:
                high = middle
        return low - self.begin

    cdef void lay(self, Column* columns) noexcept nogil:
        """Let columns be those of the rows that wait, until others come or some are dropped."""
        cdef int c
        for c in range(self.n_columns):
            columns[c].values = self.values[c] + self.begin
            columns[c].valid = self.valid[c] + self.begin if self.has_null[c] else NULL

    cdef void drop(self, Py_ssize_t n) noexcept nogil:
        """Forget the first n rows."""
        self.begin = self.begin + n
        if self.begin == self.end:
            self.begin = 0
            self.end = 0
            memset(self.has_null, 0, self.n_columns + 1)
        elif self.begin > self.end - self.begin and self.begin > FIRST_ROOM:
            self.move_down()

    def peek(self):
        """Copy all rows out, and keep them.

        Returns
        -------
        tuple (times, codes, [(values, valid), ...])
            Buffers of (n_rows,) int64, int32, and of each column 8-byte words and uint8; None: all
            valid.
        """
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


cdef void place(
    Unit* column, const Unit* new, const int64_t* sources, Py_ssize_t first, Py_ssize_t end,
    Unit blank
) noexcept nogil:
    """Bring one part into the merged order; `blank` is what it has where it is not given."""
    cdef Py_ssize_t at
    cdef int64_t source
    for at in range(end - 1, first - 1, -1):
        source = sources[at - first]
        if source >= 0:
            column[at] = column[source]
        else:
            column[at] = blank if new == NULL else new[~source]


cdef const void* view_of(
    object part, Py_ssize_t size, Py_buffer* views, Py_ssize_t* n_views
) except? NULL:
    """View bytes that may not be there."""
    if part is None:
        return NULL
    PyObject_GetBuffer(part, &views[n_views[0]], PyBUF_SIMPLE)
    n_views[0] += 1
    if views[n_views[0] - 1].len != size:
        raise ValueError("the columns of a batch differ in length")
    return views[n_views[0] - 1].buf


cdef Buffer copied(const void* source, Py_ssize_t size):
    """Copy bytes into memory of their own."""
    cdef void* memory = large_malloc(size + 1)
    if memory == NULL:
        raise MemoryError
    if size:
        memcpy(memory, source, size)
    return buffer_of(memory, size)
