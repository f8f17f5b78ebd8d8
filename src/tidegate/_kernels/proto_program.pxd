"""A message type as a flat program: a field an operation, those of one message side by side."""

from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint32_t, uint64_t

# Kinds of values, numbered as descriptor.proto numbers them.
cdef enum:
    DOUBLE = 1
    FLOAT = 2
    INT64 = 3
    UINT64 = 4
    INT32 = 5
    FIXED64 = 6
    FIXED32 = 7
    BOOL = 8
    STRING = 9
    MESSAGE = 11
    BYTES = 12
    UINT32 = 13
    ENUM = 14
    SFIXED32 = 15
    SFIXED64 = 16
    SINT32 = 17
    SINT64 = 18

# Whether a field says that it is there, and how it repeats.
cdef enum:
    IMPLICIT = 0
    OPTIONAL = 1
    REQUIRED = 2
    REPEATED = 3
    PACKED = 4

# Wire types.
cdef enum:
    WIRE_VARINT = 0
    WIRE_8 = 1
    WIRE_LENGTH = 2
    WIRE_BEGIN = 3
    WIRE_END = 4
    WIRE_4 = 5

# How one value is read and written.
cdef enum:
    WORDS = 0
    HALVES = 1
    LONGS = 2
    INTS = 3
    ZIGZAG_LONGS = 4
    ZIGZAG_INTS = 5
    BOOLS = 6
    TEXTS = 7
    MESSAGES = 8
    UNSIGNED_INTS = 9     # only written: read they are INTS
    SPECIAL = 10          # it repeats, is one of a oneof, or of a closed enum

cdef enum:
    N_SHORT_TAGS = 128
    MOST_LOW = 2048       # field numbers below are found by a table


cdef struct Op:
    int index
    int parent            # the operation whose message it is a field of; -1: the root
    int number
    int kind
    int label
    int form
    int wire              # of one value, when it isn't packed
    uint32_t tag          # that it is written with
    int n_tag_bytes
    uint64_t tag_bytes
    int oneof             # -1: in none
    const int32_t* known  # (n_known,) numbers of a closed enum, sorted; NULL: all are
    int n_known
    bint is_entry         # the message is the entry of a map
    int way               # `form`, or SPECIAL
    Op* fields            # (n_fields,) of its message, by number
    int n_fields
    int16_t* low          # (n_low,) place of a field number in `fields`, -1: none
    int n_low
    Op** by_tag           # (N_SHORT_TAGS,) field of a tag of one byte, as it is written


cdef class Program:
    cdef Op* ops          # (n_ops,) the root message first
    cdef readonly int n_ops
    cdef readonly int n_oneofs
    cdef int32_t* numbers  # of all closed enums

    cdef list keep_numbers(self, list enums)
    cdef int adopt(self, Op* op) except -1
    cdef int order(self, Op* message) except -1


cdef inline int wire_of(int kind) noexcept nogil:
    """Give the wire type of a kind."""
    if kind == DOUBLE or kind == FIXED64 or kind == SFIXED64:
        return WIRE_8
    if kind == FLOAT or kind == FIXED32 or kind == SFIXED32:
        return WIRE_4
    if kind == STRING or kind == BYTES or kind == MESSAGE:
        return WIRE_LENGTH
    return WIRE_VARINT


cdef inline Op* find(const Op* message, uint64_t number) noexcept nogil:
    """Find a field of a message by its number; NULL: unknown."""
    cdef int low = 0, high, middle
    if number < <uint64_t>message.n_low:
        low = message.low[number]
        return &message.fields[low] if low >= 0 else NULL
    high = message.n_fields
    while low < high:
        middle = (low + high) // 2
        if <uint64_t>message.fields[middle].number < number:
            low = middle + 1
        else:
            high = middle
    if low < message.n_fields and <uint64_t>message.fields[low].number == number:
        return &message.fields[low]
    return NULL


cdef inline bint is_known(const Op* op, int32_t number) noexcept nogil:
    """Tell whether a closed enum has a number."""
    cdef int low = 0, high = op.n_known, middle
    while low < high:
        middle = (low + high) // 2
        if op.known[middle] < number:
            low = middle + 1
        else:
            high = middle
    return low < op.n_known and op.known[low] == number
