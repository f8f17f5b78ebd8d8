"""Quantiles, modes and distinct values of look-backs; see rolling_ranks.pyx."""

from libc.stdint cimport int64_t

from tidegate._kernels.records cimport Word
from tidegate._kernels.rolling_state cimport AccState, Ranks, Scratch, View

cdef int needs_of(const Scratch* s, int a) noexcept nogil
cdef bint ranks_new(const Scratch* s, int a, AccState* state) noexcept nogil
cdef void ranks_free(AccState* state) noexcept nogil
cdef int rank_results(Scratch* s, const View* view, int a, AccState* state) noexcept nogil
