"""Rows that wait, each for the watermark of its key: in order of time, of one time as they came.

Rows lie in one store, by slot; those of a key are a pairing heap. A row that comes costs O(1), one
that leaves O(log rows of its key), however disordered they are.

References
----------
M. L. Fredman, R. Sedgewick, D. D. Sleator, R. E. Tarjan, The pairing heap: a new form of
self-adjusting heap, Algorithmica 1, 1986.
"""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.stdlib cimport calloc, free, malloc, qsort
from libc.string cimport memset

from tidegate._kernels.buffer cimport Buffer, buffer_of
from tidegate._kernels.memory cimport grow
from tidegate._kernels.records cimport DONE, NO_MEMORY, Column

cdef enum:
    FIRST_ROOM = 64


cdef struct Placed:
    int64_t time
    int64_t number
    int32_t slot


cdef int by_time(const void* a, const void* b) noexcept nogil:
    """Order of two rows: by time, then by arrival."""
    cdef const Placed* x = <const Placed*>a
    cdef const Placed* y = <const Placed*>b
    if x.time != y.time:
        return 1 if x.time > y.time else -1
    return (x.number > y.number) - (x.number < y.number)


@cython.final
cdef class KeyQueues:
    """Rows that wait for their keys.

    Parameters
    ----------
    n_columns : int
        Columns of 8-byte words, each with flags.
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
        free(self.numbers)
        free(self.codes)
        free(self.below)
        free(self.beside)
        free(self.waits)
        free(self.spare)
        free(self.ready)
        free(self.roots)

    def __len__(self):
        return self.n

    cdef int make_keys(self, Py_ssize_t n_keys) noexcept nogil:
        """Make room for the codes below n_keys."""
        cdef Py_ssize_t room = max(n_keys, 2 * self.n_roots)
        if n_keys <= self.n_roots:
            return DONE
        if not grow(<void**>&self.roots, room * sizeof(int32_t)):
            return NO_MEMORY
        memset(self.roots + self.n_roots, 0xFF, (room - self.n_roots) * sizeof(int32_t))
        self.n_roots = room
        return DONE

    cdef bint make_slots(self) noexcept nogil:
        """Make room for more rows."""
        cdef Py_ssize_t room = max(<Py_ssize_t>FIRST_ROOM, 2 * self.room)
        cdef int c
        if not (grow(<void**>&self.times, room * 8) and grow(<void**>&self.numbers, room * 8)
                and grow(<void**>&self.codes, room * 4) and grow(<void**>&self.below, room * 4)
                and grow(<void**>&self.beside, room * 4) and grow(<void**>&self.waits, room)
                and grow(<void**>&self.spare, room * 4) and grow(<void**>&self.ready, room * 4)):
            return False
        for c in range(self.n_columns):
            if not (grow(<void**>&self.values[c], room * 8)
                    and grow(<void**>&self.valid[c], room)):
                return False
        self.room = room
        return True

    # ------------------------------------------------------------------------------------ rows in

    cdef int put(
        self, int64_t time, int32_t code, const Column* columns, Py_ssize_t row
    ) noexcept nogil:
        """Let a row of some columns wait."""
        cdef int32_t slot
        cdef int c
        if self.n_spare:
            self.n_spare = self.n_spare - 1
            slot = self.spare[self.n_spare]
        else:
            if self.n_slots == self.room and not self.make_slots():
                return NO_MEMORY
            slot = <int32_t>self.n_slots
            self.n_slots = self.n_slots + 1
        for c in range(self.n_columns):
            self.values[c][slot] = (0 if columns[c].values == NULL
                                    else (<const int64_t*>columns[c].values)[row])
            self.valid[c][slot] = 1 if columns[c].valid == NULL else columns[c].valid[row]
            self.has_null[c] = self.has_null[c] or self.valid[c][slot] == 0
        self.times[slot] = time
        self.numbers[slot] = self.next_number
        self.next_number = self.next_number + 1
        self.codes[slot] = code
        self.below[slot] = -1
        self.beside[slot] = -1
        self.waits[slot] = 1
        self.roots[code] = slot if self.roots[code] < 0 else self.meld(self.roots[code], slot)
        self.n = self.n + 1
        return DONE

    cdef inline int32_t meld(self, int32_t a, int32_t b) noexcept nogil:
        """Make one heap of two, by their roots."""
        cdef int32_t first = a, second = b
        if self.times[b] < self.times[a] or (
                self.times[b] == self.times[a] and self.numbers[b] < self.numbers[a]):
            first = b
            second = a
        self.beside[second] = self.below[first]
        self.below[first] = second
        return first

    cdef int32_t without_root(self, int32_t root) noexcept nogil:
        """Make one heap of those below a root; -1 where there is none."""
        cdef int32_t at = self.below[root], pairs = -1, out = -1, other, following
        while at >= 0:  # pair by pair,
            other = self.beside[at]
            following = -1
            self.beside[at] = -1
            if other >= 0:
                following = self.beside[other]
                self.beside[other] = -1
                at = self.meld(at, other)
            self.beside[at] = pairs
            pairs = at
            at = following
        while pairs >= 0:  # then all of them, from the last one on
            following = self.beside[pairs]
            self.beside[pairs] = -1
            out = pairs if out < 0 else self.meld(out, pairs)
            pairs = following
        return out

    def push(self, const int64_t[::1] times not None, const int32_t[::1] codes not None,
             list columns not None):
        """Let rows wait, in order of arrival.

        Parameters
        ----------
        times : (n_rows,) int64
        codes : (n_rows,) int32
            Key codes.
        columns : list of (values, valid)
            (n_rows,) 8-byte values or None, and (n_rows,) uint8 or None.
        """
        cdef Py_ssize_t n = times.shape[0], i
        cdef Column* given = <Column*>calloc(self.n_columns + 1, sizeof(Column))
        cdef Py_buffer* views = <Py_buffer*>calloc(2 * self.n_columns + 1, sizeof(Py_buffer))
        cdef int n_views = 0, c, k, status = DONE
        try:
            if given == NULL or views == NULL:
                raise MemoryError
            if len(columns) != self.n_columns or codes.shape[0] != n:
                raise ValueError("the columns are not those of the queues")
            for c in range(self.n_columns):
                for k in range(2):
                    part = columns[c][k]
                    if part is None:
                        continue
                    PyObject_GetBuffer(part, &views[n_views], PyBUF_SIMPLE)
                    n_views += 1
                    if views[n_views - 1].len != (n if k else 8 * n):
                        raise ValueError("the columns of a batch differ in length")
                    if k:
                        given[c].valid = <const uint8_t*>views[n_views - 1].buf
                    else:
                        given[c].values = views[n_views - 1].buf
            for i in range(n):
                if codes[i] < 0:
                    raise ValueError("a key code is below 0")
                if status == DONE:
                    status = self.make_keys(codes[i] + 1)
                if status == DONE:
                    status = self.put(times[i], codes[i], given, i)
            if status != DONE:
                raise MemoryError
        finally:
            for k in range(n_views):
                PyBuffer_Release(&views[k])
            free(given)
            free(views)

    # ----------------------------------------------------------------------------------- rows out

    cdef void release_key(self, int32_t code, int64_t upto, bint is_end) noexcept nogil:
        """Note the rows of a key before a time, or all, as ready."""
        cdef int32_t root = self.roots[code]
        while root >= 0 and (is_end or self.times[root] < upto):
            self.ready[self.n_ready] = root
            self.n_ready = self.n_ready + 1
            root = self.without_root(root)
        self.roots[code] = root

    cdef int release_all(self, int64_t upto, bint is_end) noexcept nogil:
        """Note the rows of all keys before a time, or all, as ready, in order of time."""
        cdef Py_ssize_t k, first = self.n_ready, n
        cdef Placed* placed
        for k in range(self.n_roots):
            self.release_key(<int32_t>k, upto, is_end)
        n = self.n_ready - first
        placed = <Placed*>malloc((n + 1) * sizeof(Placed))
        if placed == NULL:
            return NO_MEMORY
        for k in range(n):
            placed[k].slot = self.ready[first + k]
            placed[k].time = self.times[placed[k].slot]
            placed[k].number = self.numbers[placed[k].slot]
        qsort(placed, n, sizeof(Placed), by_time)
        for k in range(n):
            self.ready[first + k] = placed[k].slot
        free(placed)
        return DONE

    cdef tuple take_ready(self):
        """Hand over the rows that are ready, as `peek` does."""
        cdef Py_ssize_t i
        out = self.copy(self.ready, self.n_ready)
        for i in range(self.n_ready):
            self.waits[self.ready[i]] = 0
            self.spare[self.n_spare] = self.ready[i]
            self.n_spare = self.n_spare + 1
        self.n = self.n - self.n_ready
        self.n_ready = 0
        if self.n == 0:
            memset(self.has_null, 0, self.n_columns + 1)
        return out

    def peek(self):
        """Copy all rows out, in order of arrival.

        Returns
        -------
        tuple (times, codes, [(values, valid), ...])
            Buffers of (n_rows,) int64, int32, and of each column 8-byte words and uint8; None: all
            valid.
        """
        cdef Placed* placed = <Placed*>malloc((self.n + 1) * sizeof(Placed))
        cdef int32_t* slots = <int32_t*>malloc((self.n + 1) * sizeof(int32_t))
        cdef Py_ssize_t i, n = 0
        try:
            if placed == NULL or slots == NULL:
                raise MemoryError
            for i in range(self.n_slots):
                if self.waits[i]:
                    placed[n].time = 0
                    placed[n].number = self.numbers[i]
                    placed[n].slot = <int32_t>i
                    n += 1
            qsort(placed, n, sizeof(Placed), by_time)
            for i in range(n):
                slots[i] = placed[i].slot
            return self.copy(slots, n)
        finally:
            free(placed)
            free(slots)

    cdef tuple copy(self, const int32_t* slots, Py_ssize_t n):
        """Copy some rows out."""
        cdef int32_t* codes = <int32_t*>malloc((n + 1) * 4)
        cdef uint8_t* flags
        cdef Py_ssize_t i
        cdef int c
        columns = []
        if codes == NULL:
            raise MemoryError
        for i in range(n):
            codes[i] = self.codes[slots[i]]
        all_codes = buffer_of(codes, n * 4)
        times = words_at(self.times, slots, n)
        for c in range(self.n_columns):
            valid = None
            if self.has_null[c]:
                flags = <uint8_t*>malloc(n + 1)
                if flags == NULL:
                    raise MemoryError
                for i in range(n):
                    flags[i] = self.valid[c][slots[i]]
                valid = buffer_of(flags, n)
            columns.append((words_at(self.values[c], slots, n), valid))
        return times, all_codes, columns

    # ------------------------------------------------------------------------------- what they say

    def mark_codes(self, int column, uint8_t[::1] used not None):
        """Mark the codes that the values of a column are, as `ReorderBuffer.mark_codes` does."""
        cdef Py_ssize_t i, n_codes = used.shape[0] - 1
        cdef int64_t code
        if not 0 <= column < self.n_columns or n_codes < 0:
            raise ValueError("there is no such column")
        for i in range(self.n_slots):
            if self.waits[i] and self.valid[column][i]:
                code = self.values[column][i]
                if not 0 <= code < n_codes:
                    return False
                used[code] = 1
        return True

    def replace_codes(self, int column, const int32_t[::1] by not None):
        """Replace the codes that `mark_codes` marks, each by that at its place."""
        cdef Py_ssize_t i
        if not 0 <= column < self.n_columns:
            raise ValueError("there is no such column")
        for i in range(self.n_slots):
            if self.waits[i]:
                self.values[column][i] = (
                    by[self.values[column][i]] if self.valid[column][i] else 0)


cdef Buffer words_at(const int64_t* values, const int32_t* slots, Py_ssize_t n):
    """Copy 8-byte words of some rows."""
    cdef int64_t* out = <int64_t*>malloc((n + 1) * 8)
    cdef Py_ssize_t i
    if out == NULL:
        raise MemoryError
    for i in range(n):
        out[i] = values[slots[i]]
    return buffer_of(out, n * 8)
