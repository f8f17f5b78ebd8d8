"""Avro into record batches: blocks of a container, rows, single values."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uintptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp

from tidegate._kernels.avro_decode cimport Decoder, Target, count_free, decode_rows
from tidegate._kernels.builders cimport Builder, room
from tidegate._kernels.cursor cimport (
    BAD_VALUE, FINE, LEFT_OVER, NEGATIVE, TOO_LONG, TOO_MANY, TRUNCATED, cursor_init, fail,
    take_zigzag
)

cdef enum:
    SYNC = 16  # bytes

# What `scan` came to.
cdef enum:
    FULL = 0           # the batch has all the rows that it may have
    HUNGRY = 1         # a block that is not whole comes next, or nothing
    WRONG = 2          # `failure` tells what


cdef class Reader(Builder):
    """Reads rows into the columns of a batch.

    Parameters
    ----------
    layout : list of tuple
        The columns, as `Builder` takes them.
    n_roots : int
        How many are columns of the batch.
    budget : int
        How many bytes they may take in all.
    nodes : list of tuple
        (op, column, null_branch, kids, size, least, symbols, n_symbols, text, text_size):
        addresses are integers, 0 is none; kids are places in the list, before their parents. The
        last node is the record.
    memory : object
        Keeps alive what the addresses point to.
    limits : tuple of int
        As `Limits` has them.
    enough : int
        A batch ends behind the row with which its columns take so many bytes.
    """

    cdef Decoder d
    cdef object memory
    cdef const uint8_t[::1] content
    cdef int root
    cdef int64_t enough
    cdef bint is_whole            # the batches are parts of one table
    cdef const uint8_t* at        # what comes next
    cdef int64_t rows_left        # of the block that `at` is in
    cdef const uint8_t* block_end
    cdef readonly int64_t n_rows  # in the batch

    def __cinit__(self, list layout not None, int n_roots, int64_t budget, list nodes not None,
                  memory, tuple limits not None, int64_t enough):
        cdef int i, n_kids = 0, k
        cdef Target* r
        self.memory = memory
        self.enough = enough
        self.root = len(nodes) - 1
        self.d.t = &self.t
        lim = limits
        self.d.limits.depth, self.d.limits.items, self.d.limits.free_items = lim[:3]
        self.d.limits.text_bytes, self.d.limits.batch_bytes = lim[3:]
        for node in nodes:
            n_kids += len(node[3])
        self.d.nodes = <Target*>calloc(len(nodes) + 1, sizeof(Target))
        self.d.kids = <int*>calloc(n_kids + 1, sizeof(int))
        if self.d.nodes == NULL or self.d.kids == NULL:
            raise MemoryError
        n_kids = 0
        for i, node in enumerate(nodes):
            r = &self.d.nodes[i]
            r.op, r.column, r.null_branch, kids, r.size, r.least = node[:6]
            r.symbols = <const int32_t*><uintptr_t>node[6]
            r.n_symbols = node[7]
            r.text = <const uint8_t*><uintptr_t>node[8]
            r.text_size = node[9]
            r.first = n_kids
            r.n_kids = len(kids)
            if not -1 <= r.column < len(layout):
                raise ValueError("there is no such column")
            for k in kids:
                if not 0 <= k < i:
                    raise ValueError("kids come before their parents")
                self.d.kids[n_kids] = k
                n_kids += 1

    def __dealloc__(self):
        free(self.d.nodes)
        free(self.d.kids)

    def feed(self, const uint8_t[::1] content not None, int64_t skip=0):
        """Read on in other bytes, from `skip` on; what the last ones had left is in them."""
        if not 0 <= skip <= len(content):
            raise ValueError("there is nothing to skip")
        self.content = content
        cursor_init(&self.d.c, &content[0] if len(content) else <const uint8_t*>b"", len(content))
        self.at = self.d.c.begin + skip
        self.rows_left = 0
        self.d.n_notes = 0

    @property
    def position(self):
        """Where in the bytes it reads on."""
        return self.at - self.d.c.begin

    def begin_block(self, int64_t n_rows):
        """Take all the bytes to be rows of one block, as many as said."""
        self.enter(self.at, n_rows, self.d.c.end)
        return self.d.c.status

    def scan(self, bytes sync not None, int64_t max_rows, int64_t block_bytes):
        """Read blocks of a container without compression.

        Parameters
        ----------
        sync : bytes
            16, behind each block.
        max_rows : int
            So many rows a batch has at most.
        block_bytes : int
            The most that a block may have.

        Returns
        -------
        int
            0: the batch is full. 1: the rest of the bytes is no whole block. 2: `failure` tells.
        """
        cdef const uint8_t* marker = <const uint8_t*>sync
        cdef int outcome
        if len(sync) != SYNC:
            raise ValueError("a sync marker has 16 bytes")
        with nogil:
            outcome = self.scan_blocks(marker, max_rows, block_bytes)
        return outcome

    def rows(self, int64_t max_rows):
        """Read rows of the block that was begun.

        Returns
        -------
        int
            0: the batch is full. 1: the block is read. 2: `failure` tells.
        """
        with nogil:
            self.read_rows(max_rows)
        if self.d.c.status != FINE:
            return WRONG
        return FULL if self.rows_left else HUNGRY

    cdef int scan_blocks(
        self, const uint8_t* sync, int64_t max_rows, int64_t block_bytes
    ) noexcept nogil:
        """Read block after block; the cursor ends where the bytes do, rows with their block."""
        cdef const uint8_t* end = self.d.c.end
        cdef const uint8_t* at
        cdef int64_t n = 0, size = 0
        while True:
            if self.rows_left:
                self.d.c.end = self.block_end
                self.read_rows(max_rows)
                self.d.c.end = end
                if self.d.c.status != FINE:
                    return WRONG
                if self.rows_left:
                    return FULL
                self.at = self.block_end + SYNC
            at = take_zigzag(&self.d.c, self.at, &n)
            if at != NULL:
                at = take_zigzag(&self.d.c, at, &size)
            if at == NULL:
                if self.d.c.status != TRUNCATED:
                    return WRONG
                self.d.c.status = FINE
                return HUNGRY
            if n < 0 or size < 0:
                fail(&self.d.c, self.at, NEGATIVE)
                return WRONG
            if size > block_bytes:
                fail(&self.d.c, self.at, TOO_LONG)
                return WRONG
            if end - at < size + SYNC:
                return HUNGRY
            if memcmp(at + size, sync, SYNC) != 0:
                fail(&self.d.c, at + size, BAD_VALUE)
                return WRONG
            if not self.enter(at, n, at + size):
                return WRONG
            if n == 0:
                self.at = at + size + SYNC

    cdef bint enter(self, const uint8_t* at, int64_t n, const uint8_t* end) noexcept nogil:
        """Stand before the first row of a block."""
        cdef int64_t least = self.d.nodes[self.root].least
        self.at = at
        self.block_end = end
        self.rows_left = 0
        if n < 0:
            fail(&self.d.c, at, NEGATIVE)
        elif n > self.d.limits.items:
            fail(&self.d.c, at, TOO_MANY)
        elif least == 0:
            count_free(&self.d, at, n)
        elif n > (end - at) // least:
            fail(&self.d.c, at, TRUNCATED)
        if n == 0 and at != end:
            fail(&self.d.c, at, LEFT_OVER)
        if self.d.c.status != FINE:
            return False
        self.rows_left = n
        return True

    cdef void read_rows(self, int64_t max_rows) noexcept nogil:
        """Read rows of the block until it ends or the batch is full."""
        cdef int i
        cdef int64_t n, done = 0
        cdef const uint8_t* at = self.at
        while self.rows_left and self.n_rows < max_rows:
            n = min(self.rows_left, max_rows - self.n_rows)
            for i in range(self.t.n_roots):
                if not room(&self.t, &self.t.columns[i], n):
                    fail(&self.d.c, at, self.t.status)
                    return
            if self.t.spent > self.enough and self.n_rows:
                return
            at = decode_rows(&self.d, self.root, n, at, max(self.enough, self.t.spent), &done)
            self.n_rows = self.n_rows + done
            if at == NULL:
                return
            self.at = at
            self.rows_left = self.rows_left - done
            if done < n:
                return
        if self.rows_left == 0 and at != self.block_end:
            fail(&self.d.c, at, LEFT_OVER)

    def take_rows(self):
        """Hand over the columns of the batch, and begin the next.

        Returns
        -------
        tuple (n_rows, columns)
            As `Builder.take` gives them.
        """
        n, self.n_rows = self.n_rows, 0
        if not self.is_whole:
            self.d.free_items = 0
        return n, self.take()

    def begin(self, bint is_whole):
        """Begin with other bytes.

        Parameters
        ----------
        is_whole : bool
            Whether the batches are parts of one table, whose free items are counted together.
        """
        self.is_whole = is_whole
        self.d.free_items = 0

    def failure(self):
        """Tell what is wrong.

        Returns
        -------
        tuple (status, offset, row, notes)
            The byte among those that were fed; the row in the batch; the way to the value, from
            the outside in: (node, item), item -1 for a field.
        """
        cdef int i
        notes = [(self.d.notes[i].node, self.d.notes[i].item) for i in range(self.d.n_notes)]
        return self.d.c.status, self.d.c.bad - self.d.c.begin, self.n_rows, notes[::-1]
