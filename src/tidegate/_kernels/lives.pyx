"""How long keys are remembered.

That a key is forgotten shows in one thing only: it takes a new place in the order of results when
it comes back. That place is told by the rows, so it is the same whenever its memory is given back.
"""

from libc.stdint cimport INT64_MIN, int64_t
from libc.stdlib cimport free

from tidegate._kernels.memory cimport grow
from tidegate._kernels.records cimport DONE, MOST_ROWS, NO_MEMORY


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


cdef bint lives_load(
    Lives* lives, const int64_t[::1] dies_at, const int64_t[::1] ranks, Py_ssize_t n_keys
) except -1:
    """Add lives behind those that are there; False where they cannot be."""
    cdef int64_t first = lives.next_rank
    cdef Py_ssize_t k, n = dies_at.shape[0]
    if ranks.shape[0] != n or n > n_keys:
        return False
    for k in range(n):
        if dies_at[k] == INT64_MIN:
            continue
        if not 0 <= ranks[k] < MOST_ROWS:
            return False
        if lives.dies_at[k] == INT64_MIN:
            lives.rank[k] = first + ranks[k]
            lives.next_rank = max(lives.next_rank, lives.rank[k] + 1)
        lives.dies_at[k] = max(lives.dies_at[k], dies_at[k])
    for k in range(lives.n):
        if lives.dies_at[k] != INT64_MIN:
            lives.disordered = lives.disordered or lives.rank[k] != k
    return True
