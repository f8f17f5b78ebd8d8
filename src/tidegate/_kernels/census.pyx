"""How many different values there are, and which of them is there most often.

Values are looked at as keys, see ranks.pyx, or as codes of texts.
"""

from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memset

from tidegate._kernels.ranks cimport ROUNDS, sort
from tidegate._kernels.texts cimport text_before

cdef extern from * nogil:
    """
    #define TG_CENSUS_GOLDEN UINT64_C(0x9E3779B97F4A7C15)
    """
    const uint64_t GOLDEN "TG_CENSUS_GOLDEN"  # 2**64 over the golden ratio: to hash by

cdef enum Counted:
    IS_COUNTED
    IS_FULL
    COLLIDES

cdef enum:
    FIRST_BITS = 7


cdef int bits_for(Py_ssize_t n) noexcept nogil:
    """So many bits that a table of n keys is at most half full."""
    cdef int bits = 3
    while (<Py_ssize_t>1 << bits) < 2 * n:
        bits += 1
    return bits


cdef inline void begin_census(Census* census) noexcept nogil:
    """No key yet."""
    census.n_distinct = 0
    census.most = 0
    census.mode = 0


cdef inline bint is_less(const Census* census, int64_t key) noexcept nogil:
    """Whether a key stands before the most frequent."""
    if census.texts != NULL:
        return text_before(census.texts, key, census.mode)
    return key < census.mode


cdef inline void note(const Tally* entry, Census* census) noexcept nogil:
    """Follow the number of keys and the most frequent, as the number of one rises."""
    census.n_distinct += entry.n == 1
    if entry.n > census.most or (entry.n == census.most and is_less(census, entry.key)):
        census.most = entry.n
        census.mode = entry.key


cdef int tally(
    const int64_t* keys, Py_ssize_t n, Tally* table, int bits, Census* census
) noexcept nogil:
    """Count keys in a table, unless it is too small or the keys were made to collide."""
    cdef Py_ssize_t i, at, budget = 8 * n + 64
    cdef Py_ssize_t mask = (<Py_ssize_t>1 << bits) - 1
    memset(table, 0, (mask + 1) * sizeof(Tally))
    begin_census(census)
    for i in range(n):
        at = <Py_ssize_t>((<uint64_t>keys[i] * GOLDEN) >> (64 - bits))
        while table[at].n and table[at].key != keys[i]:
            at = (at + 1) & mask
            budget -= 1
        if budget < 0:
            return COLLIDES
        table[at].key = keys[i]
        table[at].n += 1
        note(&table[at], census)
        if 2 * census.n_distinct > mask + 1:
            return IS_FULL
    return IS_COUNTED


cdef void count_sorted(int64_t* keys, Py_ssize_t n, Census* census) noexcept nogil:
    """The same by sorting, where keys were made to collide."""
    cdef Tally entry
    cdef Py_ssize_t i
    begin_census(census)
    sort(keys, n, ROUNDS)
    entry.n = 0
    for i in range(n):
        entry.n = entry.n + 1 if i > 0 and keys[i] == keys[i - 1] else 1
        entry.key = keys[i]
        note(&entry, census)


cdef void count_keys(int64_t* keys, Py_ssize_t n, Tally* table, Census* census) noexcept nogil:
    """Count the different keys, and find the most frequent, of several the smallest.

    Begins with a table that is small, as often there are few different ones.
    """
    cdef int most = bits_for(n), bits = min(most, <int>FIRST_BITS)
    cdef int status = tally(keys, n, table, bits, census)
    while status == IS_FULL:
        bits = min(most, bits + 3)
        status = tally(keys, n, table, bits, census)
    if status == COLLIDES:
        count_sorted(keys, n, census)
