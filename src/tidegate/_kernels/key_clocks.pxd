"""A watermark for each key."""

from libc.stdint cimport int32_t, int64_t, uint8_t

from tidegate._kernels.output cimport Results
from tidegate._kernels.route cimport LeftRows, Router
from tidegate._kernels.store cimport Store


cdef struct Seat:          # a record of a key
    int64_t pane
    int32_t slot


cdef struct Line:          # of a key
    int64_t largest        # its largest time; INT64_MIN: no row yet
    int64_t watermark      # all its windows that end up to here are closed
    int64_t due            # no other one ends before
    Seat* seats            # [begin, end), in order of time
    int32_t begin, end, capacity


cdef struct KeyClocks:
    bint on
    Line* lines            # by key code
    Py_ssize_t n
    Py_ssize_t capacity
    int64_t floor          # what was promised for all keys
    int64_t closing        # where the watermark of the key was whose windows are due
    bint jumps             # times too far ahead of the largest of their key are rejected
    int64_t jump
    double jump_f


cdef void clocks_free(KeyClocks* clocks) noexcept nogil
cdef int clocks_keys(KeyClocks* clocks, Py_ssize_t n_keys) noexcept nogil
cdef int clocks_seat(
    const Router* router, Store* store, Line* line, int64_t pane, int32_t code, int32_t* slot
) noexcept nogil
cdef bint clocks_have(const KeyClocks* clocks, int64_t pane, int32_t code) noexcept nogil
cdef void clocks_settle(const Router* router, KeyClocks* clocks) noexcept nogil
cdef int route_by_key(
    Router* router, Store* store, KeyClocks* clocks, LeftRows* left, const int64_t* times,
    const uint8_t* valid, const int32_t* codes, Py_ssize_t base, Py_ssize_t n_rows,
    int32_t* slots, Py_ssize_t* n_taken,
) noexcept nogil
cdef int close_key(
    Router* router, Store* store, KeyClocks* clocks, Results* results, int32_t code
) noexcept nogil
cdef int correct_key(
    Router* router, Store* store, KeyClocks* clocks, Results* results, int32_t code
) noexcept nogil
cdef int close_keys(
    Router* router, Store* store, KeyClocks* clocks, Results* results, int64_t watermark
) noexcept nogil
cdef tuple clocks_dump(const KeyClocks* clocks)
cdef bint clocks_load(
    const Router* router, KeyClocks* clocks, const int64_t[::1] largest,
    const int64_t[::1] watermarks, Py_ssize_t n_keys
) except -1
