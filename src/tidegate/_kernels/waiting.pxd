"""Rows that wait for the watermark, and are taken in order of time."""

from libc.stdint cimport int32_t, int64_t, uint8_t

from tidegate._kernels.inorder cimport Sorter
from tidegate._kernels.key_queues cimport KeyQueues
from tidegate._kernels.records cimport Column
from tidegate._kernels.reorder cimport ReorderBuffer
from tidegate._kernels.row_state cimport RowState


cdef class WaitingState(RowState):
    cdef object waiting       # the line, or the queues
    cdef ReorderBuffer line
    cdef KeyQueues queues     # where each key has a watermark of its own
    cdef Column* held         # where the columns were before those that wait took their place
    cdef int64_t* lates       # by key code, for ROW_SPANS: see `turn_of`
    cdef Py_ssize_t n_lates
    cdef bint has_lates       # some are not 0
    cdef int n_waited         # columns of the rows that wait: those of the plan, and their numbers
    cdef int64_t* numbers     # of the rows of a batch, where they are not counted
    cdef Py_ssize_t cap_numbers
    cdef Sorter sorter

    cdef int make_keys(self, Py_ssize_t n_keys) except -1
    cdef int take_bars(
        self, const int64_t* times, const int32_t* codes, Py_ssize_t n, Py_ssize_t n_rows
    ) noexcept nogil
    cdef int forget_quiet(self, int64_t upto) noexcept nogil
    cdef int write_numbers(self, Py_ssize_t begin, Py_ssize_t end) noexcept nogil
    cdef bint has_turns(self) noexcept nogil
    cdef int make_lates(self, Py_ssize_t n_keys) except -1
    cdef int take_by_clock(
        self, const int64_t* times, const uint8_t* valid, const int32_t* codes, Py_ssize_t start,
        Py_ssize_t n_rows
    ) noexcept nogil
    cdef int take_last_in_line(
        self, const int64_t* times, const uint8_t* valid, const int32_t* codes,
        Py_ssize_t n_rows, Py_ssize_t* n_taken
    ) except -1
    cdef int take_ready(self) except -1
    cdef int take_passed(
        self, const int64_t* times, const int32_t* codes, Py_ssize_t n_rows, int64_t mark,
        Py_ssize_t* n_taken
    ) noexcept
    cdef int lay_by(
        self, const int64_t* times, const int32_t* codes, Py_ssize_t n_rows, Py_ssize_t* n_taken
    ) except -1
    cdef void move_columns(self, Py_ssize_t start) noexcept
    cdef int take_in(
        self, const int64_t* times, const uint8_t* valid, const int32_t* codes,
        Py_ssize_t n_rows, int64_t before, bint* waits
    ) noexcept nogil
    cdef int screen(
        self, const int64_t* times, const uint8_t* valid, const int32_t* codes, Py_ssize_t begin,
        Py_ssize_t n_rows, int64_t* kept, Py_ssize_t* n_kept, bint* rises
    ) noexcept nogil
    cdef int take_ordered(self, object times, object codes, list columns) except -1
    cdef int release(self, int64_t upto, bint is_end) except -1
    cdef int take_line(self, Py_ssize_t n) except -1
    cdef int take_views(
        self, object times, object codes, list columns, Py_ssize_t n_rows, Py_ssize_t n
    ) except -1
    cdef tuple with_waiting(self, tuple state, Py_ssize_t n)
    cdef object waiting_in(
        self, const int64_t[::1] kept, const int32_t[::1] codes, Py_ssize_t first,
        Py_ssize_t first_code, Py_ssize_t n
    )
