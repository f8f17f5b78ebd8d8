"""Arrow columns into the binary encoding of Avro, a row at a time, by a table of operations."""

from libc.stdint cimport int32_t, int64_t, uint8_t

# What a node writes; core/formats/avroencoding.py has the same numbers.
cdef enum:
    W_NULL = 0
    W_BOOL = 1
    W_INT8 = 2
    W_INT16 = 3
    W_INT32 = 4
    W_INT64 = 5
    W_UINT8 = 6
    W_UINT16 = 7
    W_UINT32 = 8
    W_UINT64 = 9
    W_FLOAT = 10
    W_DOUBLE = 11
    W_FLOAT_AS_DOUBLE = 12
    W_TEXT = 13           # int32 offsets
    W_LARGE_TEXT = 14     # int64 offsets
    W_FIXED_AS_BYTES = 15
    W_FIXED = 16
    W_CODE = 17           # of a dictionary, whose values are encoded already
    W_DECIMAL = 18        # as bytes
    W_DECIMAL_FIXED = 19
    W_UUID = 20           # as text
    W_DURATION = 21
    W_RECORD = 22
    W_LIST = 23           # int32 offsets
    W_LARGE_LIST = 24     # int64 offsets
    W_FIXED_LIST = 25
    W_UNION = 26


cdef struct Source:
    int op
    int null_branch        # of a union of null and this: which is null; -1: no union
    int first              # kids[first : first + n_kids] are the nodes below
    int n_kids
    int width              # bytes of a value, of a code, of a decimal; items of a fixed list
    int size               # bytes of a fixed
    int64_t bit_offset     # of the row 0 in `valid`, and in the values of booleans
    const uint8_t* valid   # bits; NULL: all are
    const uint8_t* values  # at row 0: values, offsets, codes, type codes
    const uint8_t* content  # bytes; of a dictionary its encoded values; of a union its offsets
    const int32_t* ends    # of a dictionary: (n_values + 1,); of a union: branch of a type code
    int64_t n_rows         # that `values` and `valid` have, from row 0 on
    int64_t n_values       # of a dictionary
    int64_t longest        # encoded value of it


cdef struct Encoder:
    Source* nodes
    int* kids
    int status
    int bad_node
    int64_t bad_row


cdef bint is_sound(const Encoder* e, int node) noexcept nogil
cdef int64_t bound_of(const Encoder* e, int node, int64_t row, int64_t n) noexcept nogil
cdef uint8_t* encode_node(Encoder* e, int node, int64_t row, uint8_t* out) noexcept nogil
cdef uint8_t* encode_rows(
    Encoder* e, int root, int64_t row, int64_t n, uint8_t* out
) noexcept nogil
