"""The Arrow C data interface, as far as it is read here.

https://arrow.apache.org/docs/format/CDataInterface.html
"""

from libc.stdint cimport int64_t, uintptr_t

cdef extern from *:
    """
    #ifndef ARROW_C_DATA_INTERFACE
    #define ARROW_C_DATA_INTERFACE
    struct ArrowArray {
        int64_t length;
        int64_t null_count;
        int64_t offset;
        int64_t n_buffers;
        int64_t n_children;
        const void **buffers;
        struct ArrowArray **children;
        struct ArrowArray *dictionary;
        void (*release)(struct ArrowArray *);
        void *private_data;
    };
    #endif
    """
    ctypedef struct ArrowArray "struct ArrowArray":
        int64_t length
        int64_t null_count
        int64_t offset
        int64_t n_buffers
        int64_t n_children
        const void** buffers
        ArrowArray** children
        void (*release)(ArrowArray*) noexcept


cdef inline const void* plain_words(const ArrowArray* batch, int64_t child) noexcept nogil:
    """The 8-byte values of a column without nulls, where they stand; NULL if it is not that."""
    cdef const ArrowArray* column
    cdef const void* words
    if child < 0 or child >= batch.n_children:
        return NULL
    column = batch.children[child]
    if column.n_buffers != 2 or column.length < batch.offset + batch.length:
        return NULL
    if column.buffers[0] != NULL and column.null_count != 0:
        return NULL
    words = column.buffers[1]
    if words == NULL or <uintptr_t>words % 8 != 0:
        return NULL
    return <const int64_t*>words + column.offset + batch.offset
