"""Sums of powers and of products of a run of rows; see moment_runs.pyx."""

from libc.stdint cimport int64_t

from tidegate._kernels.records cimport Acc, Column, Word

cdef void push_moments(
    const Acc* acc, const Column* columns, const int64_t* times, Py_ssize_t begin, Py_ssize_t end,
    Py_ssize_t n_rows, int lane, Word* at, Word* rare,
) noexcept nogil
