"""Sums of powers and of products: folded, added up, read; see moment_groups.pyx."""

from libc.stdint cimport int64_t

from tidegate._kernels.records cimport Acc, Output, Plan, Word

cdef void fold_moment(const Acc* acc, const Word* at, const Word* rare, Word* out) noexcept nogil
cdef void merge_moment(const Acc* acc, Word* a, const Word* b) noexcept nogil
cdef double read_moment(
    const Plan* plan, const Output* output, const Word* record, int64_t n
) noexcept nogil
