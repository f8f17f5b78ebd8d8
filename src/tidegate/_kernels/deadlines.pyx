"""Which of many things are due, where nothing is asked about the past again.

A radix heap with bytes for digits: a deadline lies at the level of the highest byte in which it
differs from the time that was passed, in the place of that byte. When time passes, all places
before it are due, and those in its own place move to a lower level: at most eight times in all,
nearly always once or twice, whatever their number. A place is a chain of numbers.

References
----------
R. K. Ahuja, K. Mehlhorn, J. B. Orlin, R. E. Tarjan, Faster algorithms for the shortest path
problem, Journal of the ACM 37, 1990.
"""

from libc.stdint cimport INT64_MIN, int32_t, int64_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memset

from tidegate._kernels.memory cimport grow
from tidegate._kernels.records cimport DONE, NO_MEMORY

cdef extern from * nogil:
    int count_trailing_zeros "__builtin_ctzll" (unsigned long long)
    int count_leading_zeros "__builtin_clzll" (unsigned long long)

cdef enum:
    FIRST_ROOM = 64
    NONE = -1


cdef void deadlines_begin(Deadlines* self, int64_t passed) noexcept nogil:
    """None yet, and time is as far as that."""
    free(self.after)
    memset(self, 0, sizeof(Deadlines))
    self.passed = <uint64_t>passed ^ <uint64_t>INT64_MIN


cdef void deadlines_free(Deadlines* self) noexcept nogil:
    """Give all memory back."""
    free(self.after)
    self.after = NULL


cdef inline int level_of(uint64_t a, uint64_t b) noexcept nogil:
    """The highest byte in which two times differ."""
    return (63 - count_leading_zeros((a ^ b) | 1)) >> 3


cdef int deadlines_put(Deadlines* self, int32_t number, int64_t time) noexcept nogil:
    """Add one, which is in no place; if its time has passed, it is due when time passes next."""
    cdef uint64_t at = max(<uint64_t>time ^ <uint64_t>INT64_MIN, self.passed)
    cdef int level = level_of(at, self.passed)
    cdef int digit = (at >> (8 * level)) & (N_DIGITS - 1)
    cdef uint64_t bit = <uint64_t>1 << (digit & 63)
    cdef Py_ssize_t room = max(<Py_ssize_t>FIRST_ROOM, 2 * self.n_after, <Py_ssize_t>number + 1)
    if number >= self.n_after:
        if not grow(<void**>&self.after, room * sizeof(int32_t)):
            return NO_MEMORY
        self.n_after = room
    self.after[number] = self.heads[level][digit] if self.taken[level][digit >> 6] & bit else NONE
    self.heads[level][digit] = number
    self.taken[level][digit >> 6] |= bit
    return DONE


cdef inline Py_ssize_t empty(
    Deadlines* self, int level, int upto, Py_ssize_t n
) noexcept nogil:
    """Note the chains of a level up to a digit among those found, and forget them there."""
    cdef uint64_t bits
    cdef int word, last = upto >> 6
    for word in range(last + 1):
        bits = self.taken[level][word]
        if word == last:
            bits &= <uint64_t>-1 >> (63 - (upto & 63))
        self.taken[level][word] ^= bits
        while bits:
            self.found[n] = self.heads[level][64 * word + count_trailing_zeros(bits)]
            n += 1
            bits &= bits - 1
    return n


cdef Py_ssize_t deadlines_pass(Deadlines* self, int64_t time) noexcept nogil:
    """Move on to a time, and find all places with some that are due, in `found`; how many.

    Some that are found are not due yet; they have to be put again, before time passes next.
    """
    cdef uint64_t now = max(<uint64_t>time ^ <uint64_t>INT64_MIN, self.passed)
    cdef int highest = level_of(now, self.passed), level
    cdef Py_ssize_t n = 0
    for level in range(highest):
        n = empty(self, level, N_DIGITS - 1, n)
    n = empty(self, highest, (now >> (8 * highest)) & (N_DIGITS - 1), n)
    self.passed = now
    return n
