"""Arrays that grow."""

from libc.stdlib cimport realloc


cdef inline bint grow(void** array, Py_ssize_t size) noexcept nogil:
    """Give an array another size; False (and the array as it was) where there is no memory."""
    cdef void* grown = realloc(array[0], size)
    if grown == NULL:
        return False
    array[0] = grown
    return True
