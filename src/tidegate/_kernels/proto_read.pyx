"""The columns of a batch, as Protobuf messages fill them."""

from libc.stdint cimport int32_t, uint8_t, uint64_t
from libc.stdlib cimport calloc, free, malloc

from tidegate._kernels.builders cimport Builder, Column, column_grow
from tidegate._kernels.cursor cimport FINE, TRUNCATED, cursor_init, fail, take_varint, varint
from tidegate._kernels.proto_block cimport (
    BLOCK_BYTES, BLOCK_ROWS, MARGIN, fits_blocks, read_block
)
from tidegate._kernels.proto_decode cimport LONG_MESSAGE, Choice, Decoder, read_fields
from tidegate._kernels.proto_program cimport REPEATED, Op, Program
from tidegate._kernels.proto_rows cimport Field, Frame, Rows, frame_room, rows_end

cdef enum:
    FEW = BLOCK_ROWS // 4  # messages of the usual kind, in a row
    MOST_PAUSE = 1 << 13   # messages that are read one by one where few are of the usual kind


cdef class Reader(Builder):
    """The columns of a batch, as messages fill them.

    Parameters
    ----------
    layout, n_roots, budget
        As `Builder` takes them.
    """

    cdef Decoder d
    cdef Program program
    cdef readonly int status
    cdef readonly Py_ssize_t bad      # byte where it went wrong
    cdef readonly Py_ssize_t bad_row

    def __dealloc__(self):
        free(self.d.rows.frames)
        free(self.d.rows.fields)
        free(self.d.rows.places)
        free(self.d.choices)
        free(self.d.scratch)

    def bind(self, Program program not None, list places not None, tuple limits not None):
        """Say which columns are whose.

        Parameters
        ----------
        program : Program
            The message type.
        places : list of tuple (column, values)
            Of each operation its column in the layout and that of one value, the same but for
            repeated fields; of the root anything.
        limits : tuple (depth, items, text_bytes, message_bytes)
            What is taken at most.
        """
        cdef Rows* rows = &self.d.rows
        if self.program is not None or len(places) != program.n_ops:
            raise ValueError("a reader is bound once, with a place for each operation")
        self.program = program
        self.d.depth, self.d.items, self.d.text_bytes, self.d.message_bytes = limits
        rows.columns = &self.t
        rows.n_fields = program.n_ops
        rows.fields = <Field*>calloc(program.n_ops, sizeof(Field))
        rows.frames = <Frame*>calloc(program.n_ops, sizeof(Frame))
        rows.places = <Column**>calloc(2 * program.n_ops, sizeof(Column*))
        self.d.choices = <Choice*>calloc(program.n_oneofs + 1, sizeof(Choice))
        self.d.scratch = <uint8_t*>malloc(BLOCK_BYTES + MARGIN)
        if rows.fields == NULL or rows.frames == NULL or rows.places == NULL \
                or self.d.choices == NULL or self.d.scratch == NULL:
            raise MemoryError
        self.d.has_blocks = fits_blocks(program.ops)
        self.place_fields(places)

    cdef int place_fields(self, list places) except -1:
        """Give each field its columns, and each frame its own."""
        cdef Rows* rows = &self.d.rows
        cdef Op* ops = self.program.ops
        cdef Field* field
        cdef int i, n_places = 0
        rows.n_frames = 1
        rows.fields[0].items = rows.fields[0].frame = &rows.frames[0]
        for i in range(1, rows.n_fields):
            field = &rows.fields[i]
            column, values = places[i]
            if not 0 <= column < self.t.n_columns or not 0 <= values < self.t.n_columns:
                raise ValueError("a place in the layout")
            field.column = &self.t.columns[<int>column]
            field.values = &self.t.columns[<int>values]
            field.frame = rows.fields[ops[i].parent].items
            field.items = field.frame
            if ops[i].label >= REPEATED:
                field.items = &rows.frames[rows.n_frames]
                rows.n_frames += 1
        for f in range(rows.n_frames):
            n_places = self.place_frame(&rows.frames[<int>f], n_places)
        return 0

    cdef int place_frame(self, Frame* frame, int n_places) noexcept:
        """List the columns of a frame."""
        cdef Rows* rows = &self.d.rows
        cdef int i
        frame.columns = rows.places + n_places
        for i in range(1, rows.n_fields):
            if rows.fields[i].frame == frame:
                frame.columns[frame.n_columns] = rows.fields[i].column
                frame.n_columns += 1
            if rows.fields[i].items == frame and rows.fields[i].frame != frame:
                frame.columns[frame.n_columns] = rows.fields[i].values
                frame.n_columns += 1
        return n_places + frame.n_columns

    def read_stream(
        self, const uint8_t[::1] source not None, Py_ssize_t start, Py_ssize_t max_rows,
        Py_ssize_t max_bytes, bint is_last,
    ):
        """Read messages, each behind its length, a row each.

        Parameters
        ----------
        source : buffer of bytes
            What is there of the stream.
        start : int
            Where to begin.
        max_rows, max_bytes : int
            Where to stop: at so many rows in the columns, or behind so many bytes.
        is_last : bool
            Whether nothing comes behind `source`: a part of a message is an error then.

        Returns
        -------
        int
            Where the first message begins that wasn't read, `status` is 0; or `status` says what is
            wrong, `bad` and `bad_row` say where.
        """
        cdef const uint8_t* first
        cdef const uint8_t* at
        if not 0 <= start <= source.shape[0]:
            raise ValueError("start is in the source")
        if start == source.shape[0]:
            return start
        first = &source[0]
        cursor_init(&self.d.cursor, first, source.shape[0])
        self.d.op = NULL
        with nogil:
            at = read_messages(&self.d, self.program.ops, first + start, max_rows, max_bytes,
                               is_last)
        return self.conclude(first, at)

    def measure(
        self, const uint8_t[::1] source not None, Py_ssize_t start, Py_ssize_t max_rows,
        Py_ssize_t max_bytes,
    ):
        """Count the messages that `read_stream` would read, and make room for as many rows.

        Returns
        -------
        tuple (stop, n_rows)
            Where it would stop, should no message be wrong.
        """
        cdef Py_ssize_t n_rows = 0, stop = start
        cdef Frame* frame = &self.d.rows.frames[0]
        cdef int i
        if not 0 <= start <= source.shape[0]:
            raise ValueError("start is in the source")
        if start < source.shape[0]:
            cursor_init(&self.d.cursor, &source[0], source.shape[0])
            with nogil:
                stop = start + hop(&self.d, &source[0] + start, max_rows, max_bytes, &n_rows)
        for i in range(frame.n_columns):
            if frame.columns[i].room < n_rows:
                column_grow(&self.t, frame.columns[i], n_rows)  # if not, it is told when it fills
        self.t.status = FINE
        return stop, n_rows

    def read_message(self, const uint8_t[::1] source not None):
        """Read one message, which fills all of `source`, into one row; see `read_stream`."""
        cdef const uint8_t* first = b""
        cdef const uint8_t* at
        if source.shape[0]:
            first = &source[0]
        cursor_init(&self.d.cursor, first, source.shape[0])
        self.d.op = NULL
        with nogil:
            at = read_row(&self.d, self.program.ops, first, self.d.cursor.end)
        self.conclude(first, at)

    cdef Py_ssize_t conclude(self, const uint8_t* first, const uint8_t* at) noexcept:
        """Note how it went."""
        self.status = self.d.cursor.status
        self.bad = self.d.cursor.bad - first
        self.bad_row = max(self.d.rows.frames[0].n - 1, 0)
        return at - first if self.status == FINE else self.bad

    def path(self):
        """Give the operations that lead to what went wrong, with the item of repeated fields.

        Returns
        -------
        list of tuple (operation, item)
            From the innermost to the root, which is not in it; -1: not repeated.
        """
        cdef const Op* op = self.d.op
        cdef Field* field
        steps = []
        while op != NULL and op.parent >= 0:
            field = &self.d.rows.fields[op.index]
            item = -1
            if op.label >= REPEATED and field.column.n == field.frame.n:  # this row's has begun
                item = field.items.n - (<int32_t*>field.column.values)[field.column.n - 1] - 1
            steps.append((op.index, max(item, -1)))
            op = &self.program.ops[op.parent]
        return steps

    def end(self):
        """Let all columns have all rows, to be taken; give the number of rows."""
        n = self.d.rows.frames[0].n
        for i in range(self.program.n_oneofs):
            self.d.choices[<int>i].op = NULL
        rows_end(&self.d.rows)
        return n


cdef Py_ssize_t hop(
    Decoder* d, const uint8_t* begin, Py_ssize_t max_rows, Py_ssize_t max_bytes, Py_ssize_t* n_rows
) noexcept nogil:
    """Go from length to length; give the bytes of the whole messages."""
    cdef const uint8_t* at = begin
    cdef const uint8_t* then
    cdef uint64_t n = 0
    while at < d.cursor.end and n_rows[0] < max_rows and at - begin < max_bytes:
        then = varint(at, d.cursor.end, &n)
        if then == NULL or n > <uint64_t>(d.cursor.end - then):
            break
        at = then + n
        n_rows[0] += 1
    return at - begin


cdef const uint8_t* read_row(
    Decoder* d, const Op* root, const uint8_t* at, const uint8_t* end
) noexcept nogil:
    """Read a message into the next row."""
    cdef Frame* frame = &d.rows.frames[0]
    if not frame_room(&d.rows, frame, 1):
        return fail(&d.cursor, at, d.rows.columns.status)
    frame.n = frame.n + 1
    return read_fields(d, root, frame.n - 1, at, end)


cdef const uint8_t* read_messages(
    Decoder* d, const Op* root, const uint8_t* at, Py_ssize_t max_rows, Py_ssize_t max_bytes,
    bint is_last
) noexcept nogil:
    """Read whole messages; see `Reader.read_stream`."""
    cdef Frame* frame = &d.rows.frames[0]
    cdef const uint8_t* begin = at
    cdef const uint8_t* then
    cdef const uint8_t* stop = at + min(max_bytes, d.cursor.end - at)
    cdef uint64_t n = 0
    cdef Py_ssize_t row, pause = 1, next_block = frame.n if d.has_blocks else max_rows
    while at < d.cursor.end and frame.n < max_rows and at - begin < max_bytes:
        if frame.n >= next_block:
            row = frame.n
            at = read_block(d, root, at, stop, max_rows - row)
            if d.is_usual:
                pause = 1
                continue
            pause = 1 if frame.n - row > FEW else min(2 * pause, MOST_PAUSE)
            next_block = frame.n + pause
        then = take_varint(&d.cursor, at, &n)
        if then == NULL and (is_last or d.cursor.status != TRUNCATED):
            return NULL
        if then != NULL and n > d.message_bytes:
            return fail(&d.cursor, at, LONG_MESSAGE)
        if then == NULL or n > <uint64_t>(d.cursor.end - then):
            d.cursor.status = FINE
            return fail(&d.cursor, at, TRUNCATED) if is_last else at
        at = read_row(d, root, then, then + n)
        if at == NULL:
            return NULL
    return at
