"""The rows of some keys out of a block, close together.

What is done with rows one by one is done with all of those: no branch asks for each, and for each
column, whether it is one of them.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.stdlib cimport calloc, free, malloc

from tidegate._kernels.records cimport DONE, NO_MEMORY, Column


cdef int excerpt_init(
    Excerpt* excerpt, const Column* columns, int n_columns, Py_ssize_t room
) noexcept nogil:
    """Make room for so many rows, once."""
    cdef int c
    if excerpt.room:
        return DONE
    excerpt.n_columns = n_columns
    excerpt.rows = <int32_t*>malloc(room * sizeof(int32_t))
    excerpt.times = <int64_t*>malloc(room * sizeof(int64_t))
    excerpt.columns = <Column*>calloc(n_columns + 1, sizeof(Column))
    excerpt.values = <int64_t**>calloc(n_columns + 1, sizeof(int64_t*))
    excerpt.flags = <uint8_t**>calloc(n_columns + 1, sizeof(uint8_t*))
    if (excerpt.rows == NULL or excerpt.times == NULL or excerpt.columns == NULL
            or excerpt.values == NULL or excerpt.flags == NULL):
        return NO_MEMORY
    for c in range(n_columns):
        excerpt.values[c] = <int64_t*>malloc(room * sizeof(int64_t))
        excerpt.flags[c] = <uint8_t*>malloc(room)
        if excerpt.values[c] == NULL or excerpt.flags[c] == NULL:
            return NO_MEMORY
        if columns[c].floats != NULL:
            excerpt.columns[c].floats = <double*>malloc(room * sizeof(double))
            if excerpt.columns[c].floats == NULL:
                return NO_MEMORY
    excerpt.room = room
    return DONE


cdef void excerpt_free(Excerpt* excerpt) noexcept nogil:
    """Give the memory back."""
    cdef int c
    for c in range(excerpt.n_columns):
        if excerpt.values != NULL:
            free(excerpt.values[c])
        if excerpt.flags != NULL:
            free(excerpt.flags[c])
        if excerpt.columns != NULL:
            free(excerpt.columns[c].floats)
    free(excerpt.values)
    free(excerpt.flags)
    free(excerpt.columns)
    free(excerpt.rows)
    free(excerpt.times)


cdef void excerpt_make(
    Excerpt* excerpt, const Column* columns, const int64_t* times, Py_ssize_t base, Py_ssize_t n
) noexcept nogil:
    """Copy n rows of the block that begins at `base`: those that `excerpt.rows` lists."""
    cdef const int32_t* rows = excerpt.rows
    cdef const int64_t* words
    cdef Column* column
    cdef double* floats
    cdef Py_ssize_t i
    cdef int c
    for i in range(n):
        excerpt.times[i] = times[base + rows[i]]
    for c in range(excerpt.n_columns):
        column = &excerpt.columns[c]
        floats = column.floats
        column[0] = columns[c]
        column.floats = floats
        if columns[c].values != NULL:
            words = <const int64_t*>columns[c].values + base
            for i in range(n):
                excerpt.values[c][i] = words[rows[i]]
            column.values = excerpt.values[c]
        if columns[c].valid != NULL:
            for i in range(n):
                excerpt.flags[c][i] = columns[c].valid[base + rows[i]]
            column.valid = excerpt.flags[c]
        elif floats != NULL:
            for i in range(n):
                floats[i] = columns[c].floats[rows[i]]
