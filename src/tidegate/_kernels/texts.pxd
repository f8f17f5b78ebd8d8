"""The order of values that rows carry codes of; see texts.pyx."""

from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcmp, memcpy

from tidegate._kernels.records cimport Texts, Word


cdef inline bint number_before(const Texts* texts, int64_t a, int64_t b) noexcept nogil:
    """Whether one two's complement number is less than another."""
    cdef int64_t width = texts.offsets[a + 1] - texts.offsets[a], at = width - 8, top_a, top_b
    cdef const unsigned char* x = texts.content + texts.offsets[a]
    cdef const unsigned char* y = texts.content + texts.offsets[b]
    cdef uint64_t word_a, word_b
    memcpy(&top_a, x + at, 8)
    memcpy(&top_b, y + at, 8)
    if top_a != top_b:
        return top_a < top_b
    while at > 0:
        at = at - 8
        memcpy(&word_a, x + at, 8)
        memcpy(&word_b, y + at, 8)
        if word_a != word_b:
            return word_a < word_b
    return False


cdef inline bint text_before(const Texts* texts, int64_t a, int64_t b) noexcept nogil:
    """Whether the value of one code is less than that of another: by bytes, or as numbers."""
    cdef int64_t n_a = texts.offsets[a + 1] - texts.offsets[a]
    cdef int64_t n_b = texts.offsets[b + 1] - texts.offsets[b]
    cdef int order
    if texts.is_number:
        return number_before(texts, a, b)
    order = memcmp(texts.content + texts.offsets[a], texts.content + texts.offsets[b],
                   <size_t>min(n_a, n_b))
    return order < 0 or (order == 0 and n_a < n_b)


cdef inline void keep_extreme_text(
    Word* at, const Texts* texts, int64_t code, bint low
) noexcept nogil:
    """LEAST_TEXT or GREATEST_TEXT of one more code, -1: none."""
    if code == at.i or code < 0:
        return
    if at.i < 0 or text_before(texts, code, at.i) == low:
        at.i = code
