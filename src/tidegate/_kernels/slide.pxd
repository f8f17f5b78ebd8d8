"""Sliding windows out of panes."""

from libc.stdint cimport int32_t, int64_t

from tidegate._kernels.output cimport Results
from tidegate._kernels.route cimport Router
from tidegate._kernels.store cimport Store

cdef int close_sliding(
    Router* router, Store* store, Results* results, int32_t n_panes, int64_t watermark
) noexcept nogil
