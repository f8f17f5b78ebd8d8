"""Folded records into results; see results.pyx."""

from libc.stdint cimport uint8_t

from tidegate._kernels.records cimport Output, Plan, Word

cdef double ratio_in(const Word* at) noexcept nogil

cdef Py_ssize_t read_results(
    const Plan* plan, const Output* output, const Word* records, Py_ssize_t n, Word* values,
    uint8_t* valid, bint* has_nulls,
) noexcept nogil
