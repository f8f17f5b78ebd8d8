"""Protobuf messages into columns."""

from libc.stdint cimport int64_t, uint8_t, uint64_t

from tidegate._kernels.cursor cimport Cursor
from tidegate._kernels.proto_program cimport Op
from tidegate._kernels.proto_rows cimport Rows

# Statuses of protoreading.py, beside those of cursor.pxd.
cdef enum:
    WRONG_WIRE_TYPE = 32
    LONG_MESSAGE = 33


cdef struct Choice:
    const Op* op          # the field of a oneof that was set last
    Py_ssize_t row


cdef struct Decoder:
    Cursor cursor
    Rows rows
    Choice* choices       # of each oneof
    int depth
    int64_t items
    uint64_t text_bytes
    uint64_t message_bytes
    bint has_blocks       # messages are read in blocks, as far as they are of the usual kind
    bint is_usual         # the last block was, to its end
    uint8_t* scratch      # (BLOCK_BYTES + MARGIN,) of proto_block.pxd
    bint is_unknown       # an entry of a map has a value that its closed enum hasn't
    const Op* op          # where it went wrong


cdef const uint8_t* read_fields(
    Decoder* d, const Op* message, Py_ssize_t row, const uint8_t* at, const uint8_t* end
) noexcept nogil
cdef const uint8_t* read_known(
    Decoder* d, const Op* op, Py_ssize_t row, uint64_t tag, const uint8_t* at, const uint8_t* end
) noexcept nogil
