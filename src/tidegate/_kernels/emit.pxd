"""Closing windows: records leave the store, results come out."""

from libc.stdint cimport int32_t, int64_t

from tidegate._kernels.output cimport Results
from tidegate._kernels.route cimport Router
from tidegate._kernels.store cimport Store

cdef struct Member:
    int32_t code
    int32_t slot


cdef Py_ssize_t members_of(
    const Store* store, int32_t place, Member** members, Py_ssize_t* capacity
) noexcept nogil
cdef int64_t first_due(const Router* router, const Store* store) noexcept nogil
cdef int close_windows(
    Router* router, Store* store, Results* results, int64_t watermark
) noexcept nogil
