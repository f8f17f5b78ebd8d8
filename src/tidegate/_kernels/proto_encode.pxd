"""Columns into Protobuf messages."""

from libc.stdint cimport int64_t, uint8_t

from tidegate._kernels.proto_program cimport Op
from tidegate._kernels.sink cimport Sink

# Statuses of protowriting.py, beside those of cursor.pxd.
cdef enum:
    TWO_OF_ONEOF = 34
    TOO_MUCH = 35


cdef struct Source:
    const uint8_t* values     # of numbers; offsets of texts
    const uint8_t* valid      # bits; NULL: all are
    int64_t shift             # row 0 of a message is so many rows behind the start of its buffers
    const uint8_t* content    # of texts
    int64_t size              # bytes of content
    const uint8_t* items      # offsets of lists
    int64_t items_shift       # where row 0 is in them; `shift` is that of the items then
    const uint8_t* items_valid
    bint is_wide              # offsets of texts are int64
    bint items_are_wide       # offsets of lists are
    bint is_loose             # numbers that may be null, in no oneof
    int guess                 # bytes of the last length


cdef struct Encoder:
    Sink sink
    Source* sources           # of each operation
    int64_t* chosen           # of each oneof the message that has set one
    int64_t n_messages
    int status
    const Op* op              # where it went wrong


cdef int64_t put_rows(
    Encoder* e, const Op* root, int64_t first, int64_t last, bint is_delimited
) noexcept nogil
