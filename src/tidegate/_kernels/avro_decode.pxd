"""The binary encoding of Avro into columns, a row at a time, through a table of operations."""

from libc.stdint cimport int32_t, int64_t, uint8_t

from tidegate._kernels.builders cimport Columns
from tidegate._kernels.cursor cimport Cursor, Limits

# What a node reads; core/formats/avroprogram.py has the same numbers. All but SKIP_VARINT and those
# behind it append to a column, or, where a record, an array, a map or a union has none, to nothing.
cdef enum:
    R_NULL = 0
    R_BOOL = 1
    R_INT = 2
    R_LONG = 3
    R_LONG_AS_FLOAT = 4
    R_LONG_AS_DOUBLE = 5
    R_FLOAT = 6
    R_DOUBLE = 7
    R_FLOAT_AS_DOUBLE = 8
    R_BYTES = 9
    R_STRING = 10
    R_FIXED = 11
    R_DECIMAL = 12         # of bytes
    R_DECIMAL_FIXED = 13
    R_UUID = 14            # of a text
    R_DURATION = 15
    R_ENUM = 16
    R_RECORD = 17
    R_ARRAY = 18
    R_MAP = 19
    R_UNION = 20           # one kid a branch of the writer
    R_BRANCH = 21          # into a branch of a union of the reader
    R_NONE = 22            # null into a nullable column
    R_DEFAULT = 23         # what the writer doesn't have
    R_REFUSE = 24          # what the reader has no place for
    R_SKIP_VARINT = 25
    R_SKIP_BYTES = 26
    R_SKIP_FIXED = 27


cdef struct Target:
    int op
    int column             # where to; -1: nowhere
    int null_branch        # of a union of null and this: which is null; -1: no union
    int first              # kids[first : first + n_kids] are the nodes below
    int n_kids
    int64_t size           # bytes of a fixed; branch of the reader's union
    int64_t least          # bytes that a value takes at least
    const int32_t* symbols     # of an enum: the reader's; -1: none
    int64_t n_symbols
    const uint8_t* text    # a default, encoded; of a decimal what its magnitude stays below
    int64_t text_size


cdef struct Note:
    int node
    int64_t item           # of an array or a map; -1: a field


cdef enum:
    MOST_NOTES = 64


cdef struct Decoder:
    Cursor c
    Columns* t
    Target* nodes
    int* kids
    Limits limits
    int64_t free_items     # so many there were
    Note notes[MOST_NOTES]     # the way to what is wrong, from the inside out
    int n_notes


cdef const uint8_t* decode_node(Decoder* d, int node, const uint8_t* at) noexcept nogil
cdef const uint8_t* decode_value(Decoder* d, int node, const uint8_t* at) noexcept nogil
cdef const uint8_t* decode_rows(
    Decoder* d, int root, int64_t n, const uint8_t* at, int64_t enough, int64_t* done
) noexcept nogil
cdef bint count_free(Decoder* d, const uint8_t* at, int64_t n) noexcept nogil
