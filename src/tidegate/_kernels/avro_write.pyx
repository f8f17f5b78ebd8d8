"""Record batches into Avro: rows, blocks of a container, single values."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uintptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memmove, memset

from tidegate._kernels.avro_encode cimport (
    Encoder, Source, bound_of, encode_rows, is_sound
)
from tidegate._kernels.cursor cimport FINE, OUT_OF_MEMORY, put_varint, zigzag
from tidegate._kernels.sink cimport Sink, sink_free, sink_room, sink_take

cdef enum:
    SYNC = 16            # bytes
    HEAD = 20            # bytes of two varints
    SLACK = 16           # bytes behind the last value that may be written to


cdef class Writer:
    """Writes the rows of one batch.

    Parameters
    ----------
    nodes : list of tuple
        (op, null_branch, kids, width, size, bit_offset, valid, values, content, ends, n_rows,
        n_values, longest): addresses are integers, 0 is none; kids are places in the list. The
        last node is the record.
    memory : object
        Keeps alive what the addresses point to.
    """

    cdef Encoder e
    cdef Sink sink
    cdef object memory
    cdef int root

    def __cinit__(self, list nodes not None, memory):
        cdef int i, k, n_kids = 0
        cdef Source* s
        self.memory = memory
        self.root = len(nodes) - 1
        for node in nodes:
            n_kids += len(node[2])
        self.e.nodes = <Source*>calloc(len(nodes) + 1, sizeof(Source))
        self.e.kids = <int*>calloc(n_kids + 1, sizeof(int))
        if self.e.nodes == NULL or self.e.kids == NULL:
            raise MemoryError
        n_kids = 0
        for i, node in enumerate(nodes):
            s = &self.e.nodes[i]
            s.op, s.null_branch, kids, s.width, s.size, s.bit_offset = node[:6]
            s.valid = <const uint8_t*><uintptr_t>node[6]
            s.values = <const uint8_t*><uintptr_t>node[7]
            s.content = <const uint8_t*><uintptr_t>node[8]
            s.ends = <const int32_t*><uintptr_t>node[9]
            s.n_rows, s.n_values, s.longest = node[10:]
            s.first = n_kids
            s.n_kids = len(kids)
            for k in kids:
                if not 0 <= k < i:
                    raise ValueError("kids come before their parents")
                self.e.kids[n_kids] = k
                n_kids += 1

    def __dealloc__(self):
        free(self.e.nodes)
        free(self.e.kids)
        sink_free(&self.sink)

    def unsound(self):
        """Give the first node whose offsets are none; -1: there is none."""
        cdef int i, bad = -1
        with nogil:
            for i in range(self.root + 1):
                if bad < 0 and not is_sound(&self.e, i):
                    bad = i
        return bad

    def append(self, bytes head not None):
        """Write bytes as they are."""
        cdef uint8_t* out = sink_room(&self.sink, len(head) + SLACK)
        if out == NULL:
            raise MemoryError
        memcpy(out, <const uint8_t*>head, len(head))
        self.sink.used += len(head)

    def go_on(self, Writer other not None):
        """Write behind what another has written, which is empty after that."""
        sink_free(&self.sink)
        self.sink = other.sink
        memset(&other.sink, 0, sizeof(Sink))

    def fit(self, int64_t row, int64_t n, int64_t block_bytes):
        """Give how many of n rows, at least 1, take no more than so many bytes."""
        return self.fitting(row, n, block_bytes)

    def rows(self, int64_t row, int64_t n):
        """Write n rows, one behind the other.

        Returns
        -------
        int
            A status of cursor.pxd; `failure` tells where, if it is not 0.
        """
        with nogil:
            self.write_rows(row, n)
        return self.e.status

    def blocks(self, int64_t row, int64_t n, int64_t block_bytes, bytes sync not None):
        """Write n rows as blocks of a container without compression.

        Parameters
        ----------
        row, n : int
            Which rows.
        block_bytes : int
            So many bytes a block takes at most, unless one row takes more.
        sync : bytes
            16, behind each block.

        Returns
        -------
        int
            A status of cursor.pxd; `failure` tells where, if it is not 0.
        """
        cdef const uint8_t* marker = <const uint8_t*>sync
        cdef int64_t end = row + n, m
        if len(sync) != SYNC:
            raise ValueError("a sync marker has 16 bytes")
        with nogil:
            while row < end and self.e.status == FINE:
                m = self.fitting(row, end - row, block_bytes)
                self.write_block(row, m, marker)
                row += m
        return self.e.status

    cdef int64_t fitting(self, int64_t row, int64_t n, int64_t block_bytes) noexcept nogil:
        """Give how many rows, at least 1, take no more than so many bytes."""
        cdef int64_t m = min(n, block_bytes // 4 + 1), size
        size = bound_of(&self.e, self.root, row, m)
        while m > 1 and size > block_bytes:
            m = max(1, min(m - 1, m * block_bytes // size))
            size = bound_of(&self.e, self.root, row, m)
        return m

    cdef void write_rows(self, int64_t row, int64_t n) noexcept nogil:
        """Write rows behind what is there."""
        cdef uint8_t* out = sink_room(
            &self.sink, bound_of(&self.e, self.root, row, n) + SLACK)
        cdef uint8_t* end
        if out == NULL:
            self.e.status = OUT_OF_MEMORY
            return
        end = encode_rows(&self.e, self.root, row, n, out)
        if end != NULL:
            self.sink.used = self.sink.used + (end - out)

    cdef void write_block(self, int64_t row, int64_t n, const uint8_t* sync) noexcept nogil:
        """Write one block: its rows at a distance, its head before them, closed up."""
        cdef uint8_t* out = sink_room(
            &self.sink, bound_of(&self.e, self.root, row, n) + 2 * HEAD + SYNC + SLACK)
        cdef uint8_t* end
        cdef uint8_t* body
        cdef int64_t size
        if out == NULL:
            self.e.status = OUT_OF_MEMORY
            return
        end = encode_rows(&self.e, self.root, row, n, out + HEAD)
        if end == NULL:
            return
        size = end - out - HEAD
        body = put_varint(put_varint(out, zigzag(n)), zigzag(size))
        memmove(body, out + HEAD, size)
        memcpy(body + size, sync, SYNC)
        self.sink.used = self.sink.used + (body + size + SYNC - out)

    def take(self):
        """Hand over the bytes that were written, and begin anew."""
        return sink_take(&self.sink)

    def failure(self):
        """Tell what could not be written.

        Returns
        -------
        tuple (status, node, row)
            The row is counted in the column of that node.
        """
        return self.e.status, self.e.bad_node, self.e.bad_row
