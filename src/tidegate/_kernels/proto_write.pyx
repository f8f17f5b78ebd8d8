"""What writes the Protobuf messages of one type."""

from libc.stdint cimport int64_t, uint8_t, uintptr_t
from libc.stdlib cimport calloc, free

from tidegate._kernels.cursor cimport FINE
from tidegate._kernels.proto_encode cimport Encoder, Source, put_rows
from tidegate._kernels.proto_program cimport BOOLS, OPTIONAL, Op, Program
from tidegate._kernels.sink cimport sink_free, sink_take


cdef class Writer:
    """What writes messages of one type.

    Parameters
    ----------
    program : Program
        The message type.
    """

    cdef Encoder e
    cdef Program program
    cdef readonly int status
    cdef readonly int64_t bad_row
    cdef readonly int bad_op

    def __cinit__(self, Program program not None):
        cdef int i
        self.program = program
        self.e.sources = <Source*>calloc(program.n_ops, sizeof(Source))
        self.e.chosen = <int64_t*>calloc(program.n_oneofs + 1, sizeof(int64_t))
        if self.e.sources == NULL or self.e.chosen == NULL:
            raise MemoryError
        for i in range(program.n_ops):
            self.e.sources[i].guess = 1

    def __dealloc__(self):
        sink_free(&self.e.sink)
        free(self.e.sources)
        free(self.e.chosen)

    def bind(self, list sources not None):
        """Say where the columns of a batch are; they stay there until all rows were written.

        Parameters
        ----------
        sources : list of tuple
            Of each operation (values, valid, shift, content, size, items, items_shift,
            items_valid, is_wide, items_are_wide): addresses, 0 where there is nothing. Of messages
            `values` is anything but 0 where they are there.
        """
        cdef Source* s
        cdef Op* op
        if len(sources) != self.program.n_ops:
            raise ValueError("a source for each operation")
        for i in range(1, self.program.n_ops):
            s = &self.e.sources[<int>i]
            (values, valid, shift, content, size, items, items_shift, items_valid, is_wide,
             items_are_wide) = sources[i]
            s.values = <const uint8_t*><uintptr_t>values
            s.valid = <const uint8_t*><uintptr_t>valid
            s.content = <const uint8_t*><uintptr_t>content
            s.items = <const uint8_t*><uintptr_t>items
            s.items_valid = <const uint8_t*><uintptr_t>items_valid
            s.shift, s.size, s.items_shift = shift, size, items_shift
            s.is_wide, s.items_are_wide = is_wide, items_are_wide
            op = &self.program.ops[<int>i]
            s.is_loose = op.label == OPTIONAL and op.oneof < 0 and op.form <= BOOLS \
                and s.values != NULL

    def write(self, int64_t first, int64_t last, bint is_delimited):
        """Write rows [first, last), each behind its length if so wanted.

        Returns
        -------
        int
            `last`; or the row that can't be written: `status` says why, `bad_op` which field.
        """
        cdef int64_t row
        self.e.status = FINE
        self.e.op = NULL
        with nogil:
            row = put_rows(&self.e, self.program.ops, first, last, is_delimited)
        self.status = self.e.status
        self.bad_row = row
        self.bad_op = self.e.op.index if self.e.op != NULL else 0
        return row

    @property
    def n_bytes(self):
        """How many bytes wait to be taken."""
        return self.e.sink.used

    def take(self):
        """Hand over what was written."""
        return sink_take(&self.e.sink)
