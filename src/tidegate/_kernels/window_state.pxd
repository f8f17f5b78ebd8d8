"""The running state of one windowed aggregation."""

from libc.stdint cimport int32_t, int64_t, uint8_t

from tidegate._kernels.deal cimport Dealer
from tidegate._kernels.excerpt cimport Excerpt
from tidegate._kernels.key_clocks cimport KeyClocks
from tidegate._kernels.output cimport Results
from tidegate._kernels.records cimport Column, Output, Plan, Run, Word
from tidegate._kernels.route cimport Left, LeftRows, Offer, Router
from tidegate._kernels.slab cimport Slab
from tidegate._kernels.store cimport Store
from tidegate._kernels.whole cimport Scratch
from tidegate._kernels.whole_keys cimport Whole


cdef struct Batch:         # the arrays of one
    const int64_t* times
    const uint8_t* valid
    const int32_t* codes


cdef class WindowState:
    cdef Plan plan
    cdef Router router
    cdef Store store
    cdef KeyClocks clocks
    cdef Results results
    cdef LeftRows left
    cdef Column* columns
    cdef Output* outputs
    cdef Py_buffer* views      # what is held while a batch is taken
    cdef int n_views
    cdef Run* runs
    cdef Run* wholes
    cdef int64_t* windows
    cdef Scratch scratch
    cdef Dealer dealer
    cdef Excerpt excerpt
    cdef int32_t* slots
    cdef int n_columns
    cdef Py_ssize_t spill_at
    cdef int64_t max_kept
    cdef const int64_t[::1] edges  # what the grid points to
    cdef dict texts  # what the columns point to
    cdef public bint guesses  # a watermark that waits may close what only disorder would reach

    cdef int view_batch(
        self, Batch* batch, times, time_valid, codes, list columns, sources
    ) except -1
    cdef void end_views(self) noexcept
    cdef void* view(self, object array, Py_ssize_t size) except? NULL
    cdef int take_rows(
        self, const int64_t* times, const uint8_t* valid, const int32_t* codes,
        Py_ssize_t n_rows, int64_t later, bint knows, Py_ssize_t* n_taken
    ) noexcept nogil
    cdef int take_buffered(
        self, const int64_t* times, const uint8_t* valid, const int32_t* codes,
        Py_ssize_t n_rows, Py_ssize_t* n_taken
    ) except -1
    cdef int take_last(
        self, const int64_t* times, const uint8_t* valid, const int32_t* codes,
        Py_ssize_t n_rows, Py_ssize_t* n_taken
    ) except -1
    cdef int take_rest(
        self, const int64_t* times, const uint8_t* valid, const int32_t* codes,
        Py_ssize_t n_rows, Py_ssize_t* n_taken
    ) except -1
    cdef int64_t kept_of_row(self) noexcept
    cdef int64_t headroom(self, Py_ssize_t n_keys) noexcept
    cdef int take_by_key(
        self, const int64_t* times, const uint8_t* valid, const int32_t* codes,
        Py_ssize_t n_rows, Py_ssize_t* n_taken
    ) noexcept nogil
    cdef Py_ssize_t write_record(
        self, int32_t slot, Py_ssize_t i, Word* records, Word* kept
    ) noexcept nogil
    cdef int find_record(self, int64_t pane, int32_t code, int32_t* slot) noexcept nogil
    cdef void make_floats(self, Py_ssize_t base, Py_ssize_t n_rows) noexcept nogil
    cdef int expect(self, int64_t first, int64_t last, Py_ssize_t n_rows) noexcept nogil
    cdef int take_wholes(
        self, const int64_t* times, Py_ssize_t n, Py_ssize_t base, Py_ssize_t n_rows
    ) noexcept nogil
    cdef int route_keys(
        self, const int64_t* times, const uint8_t* valid, const int32_t* codes, Py_ssize_t at,
        Py_ssize_t size, Py_ssize_t* n_taken, Py_ssize_t* n_seated, Offer* offer
    ) noexcept nogil
    cdef int take_whole_keys(
        self, Whole* rows, int64_t largest, Py_ssize_t* n_taken
    ) noexcept nogil
    cdef int close_older_half(self) noexcept nogil
    cdef int spill(
        self, const int64_t* times, const uint8_t* valid, Py_ssize_t n_rows, Py_ssize_t at,
        int64_t later, int64_t** ahead
    ) noexcept nogil
    cdef int64_t next_due(self) noexcept
    cdef bint move_runs(self, Slab slab) noexcept
    cdef Py_ssize_t move_into(self, Slab slab) noexcept
    cdef void write_edges(self, Word* starts, Word* ends) noexcept nogil
    cdef int make_room(self, Py_ssize_t n_keys) except -1
    cdef tuple describe(self, const Left* row)
    cdef object outside(self, int64_t time)
