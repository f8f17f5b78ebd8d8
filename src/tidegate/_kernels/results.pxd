"""Records into results."""

from libc.stdint cimport int32_t, uint8_t

from tidegate._kernels.records cimport Acc, Arena, Output, Plan, Word

cdef void fold_records(
    const Plan* plan, const Arena* arena, const int32_t* slots, Py_ssize_t n, Word* out,
) noexcept nogil

cdef void fold_acc(const Acc* acc, const Word* at, const Word* rare, Word* out) noexcept nogil

cdef double ratio_in(const Word* at) noexcept nogil

cdef void merge_record(const Plan* plan, Word* into, const Word* other) noexcept nogil

cdef Py_ssize_t read_results(
    const Plan* plan, const Output* output, const Word* records, Py_ssize_t n, Word* values,
    uint8_t* valid, bint* has_nulls,
) noexcept nogil
