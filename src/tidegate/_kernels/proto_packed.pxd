"""Lists of packed numbers, of many Protobuf messages at once."""

from tidegate._kernels.proto_block cimport Block
from tidegate._kernels.proto_decode cimport Decoder
from tidegate._kernels.proto_program cimport Op


cdef bint read_packed_rows(Decoder* d, Block* b, const Op* op) noexcept nogil
