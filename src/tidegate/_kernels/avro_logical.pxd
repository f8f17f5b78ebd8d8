"""Values of Avro's logical types that are not kept as they are written; there is room for them."""

from libc.stdint cimport int64_t, uint8_t

from tidegate._kernels.builders cimport Column
from tidegate._kernels.cursor cimport Cursor


cdef const uint8_t* take_decimal(
    Cursor* cursor, Column* c, const uint8_t* bound, const uint8_t* at, int64_t n
) noexcept nogil
cdef const uint8_t* take_uuid(
    Cursor* cursor, Column* c, const uint8_t* at, int64_t n
) noexcept nogil
cdef const uint8_t* take_duration(Cursor* cursor, Column* c, const uint8_t* at) noexcept nogil
