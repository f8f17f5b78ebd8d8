"""Runs of rows into records."""

from libc.stdint cimport int64_t

from tidegate._kernels.records cimport Arena, Column, Plan, Run

cdef void reduce_runs(
    const Plan* plan, const Column* columns, int n_columns, const int64_t* times,
    const Run* runs, Py_ssize_t n_runs, Py_ssize_t base, Py_ssize_t n_rows, const Arena* arena,
) noexcept nogil
