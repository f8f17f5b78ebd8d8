"""Closing windows: records leave the store, results come out."""

from libc.stdint cimport int64_t

from tidegate._kernels.output cimport Results
from tidegate._kernels.route cimport Router
from tidegate._kernels.store cimport Store

cdef int64_t first_due(const Router* router, const Store* store) noexcept nogil
cdef int close_windows(
    Router* router, Store* store, Results* results, int64_t watermark
) noexcept nogil
