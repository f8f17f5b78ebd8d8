"""Covariances, slopes and shapes of look-backs; see rolling_moments.pyx."""

from libc.stdint cimport int64_t

from tidegate._kernels.records cimport Acc
from tidegate._kernels.rolling_state cimport AccState, KeyState, Look, Moments, Scratch, View

cdef enum:
    LAST_AT = 36       # where a record has LAST, behind the longest accumulator

cdef Moments* moments_new() noexcept nogil
cdef void moments_free(Moments* moments) noexcept nogil
cdef int moment_results(
    Scratch* s, const View* view, const Look* look, KeyState* key, int a
) noexcept nogil
cdef bint moments_take_up(
    const Scratch* s, const View* view, const Look* look, int a, AccState* state, int64_t left,
    int64_t right,
) noexcept nogil
cdef bint moments_anew(
    const Scratch* s, const View* view, const Look* look, int a, AccState* state, int64_t left,
    int64_t right,
) noexcept nogil
