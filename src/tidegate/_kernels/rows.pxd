"""Rows into records one by one."""

from libc.stdint cimport int32_t, int64_t

from tidegate._kernels.excerpt cimport Excerpt
from tidegate._kernels.records cimport Arena, Column, Plan

cdef void reduce_rows(
    const Plan* plan, const Column* columns, int n_columns, const int64_t* times,
    const int32_t* slots, Py_ssize_t base, Py_ssize_t n_rows, const Arena* arena,
) noexcept nogil
cdef void reduce_excerpt(
    const Plan* plan, const Excerpt* excerpt, const int32_t* slots, Py_ssize_t base,
    Py_ssize_t n_rows, const Arena* arena,
) noexcept nogil
