"""Sliding windows out of panes."""

from libc.stdint cimport int32_t, int64_t

from tidegate._kernels.grid cimport Grid
from tidegate._kernels.output cimport Results
from tidegate._kernels.route cimport Router
from tidegate._kernels.store cimport Store

cdef struct Leaf:
    int64_t pane
    int32_t code
    int32_t slot


cdef int close_sliding(
    Router* router, Store* store, Results* results, int32_t first, int32_t n_panes,
    int64_t watermark,
) noexcept nogil
cdef int slide_leaves(
    const Grid* grid, const Store* store, Results* results, const Leaf* leaves, Py_ssize_t n,
    int64_t after, int64_t upto,
) noexcept nogil
