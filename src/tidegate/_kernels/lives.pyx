"""How long keys are remembered.

That a key is forgotten shows in one thing only: it takes a new place in the order of results when
it comes back. That place is told by the rows, so it is the same whenever its memory is given back.
"""

from libc.stdint cimport INT64_MIN, int64_t
from libc.stdlib cimport free

from tidegate._kernels.memory cimport grow
from tidegate._kernels.records cimport DONE, NO_MEMORY


cdef void lives_free(Lives* lives) noexcept nogil:
    """Give all memory back."""
    free(lives.dies_at)
    free(lives.rank)


cdef int lives_codes(Lives* lives, Py_ssize_t n) noexcept nogil:
    """Make room for the codes below n."""
    cdef Py_ssize_t k, capacity
    if n > lives.capacity:
        capacity = max(n, 2 * lives.capacity)
        if not (grow(<void**>&lives.dies_at, capacity * sizeof(int64_t))
                and grow(<void**>&lives.rank, capacity * sizeof(int64_t))):
            return NO_MEMORY
        lives.capacity = capacity
    for k in range(lives.n, n):
        lives.dies_at[k] = INT64_MIN
        lives.rank[k] = k
    lives.n = max(lives.n, n)
    return DONE
