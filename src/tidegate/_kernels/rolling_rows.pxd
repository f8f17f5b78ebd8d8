"""The rows of look-backs: from the number of the first to that of the last, or in several runs."""

from libc.stdint cimport int64_t

from tidegate._kernels.records cimport Word
from tidegate._kernels.rolling_state cimport View

cdef struct WordList:
    # Words that grow in number
    Word* at
    int64_t n
    int64_t room


cdef struct Span:
    int64_t place      # of its first row
    int64_t start
    int64_t stop
    int64_t rows       # how many rows are its own


cdef struct LookRows:
    # Where the rows of a view follow each other. A run goes on with the next row of all, or with
    # keys with the next row of its key, whatever rows of others are between.
    int column         # with the numbers of the rows; -1: nobody asks for them
    bint has_places    # the column behind it tells which of the rows of its key each is
    const Word* numbers  # NULL: from `base` on
    const Word* steps    # places, or else numbers: what rises by one within a run
    int64_t base
    bint is_one        # all rows are of one run
    int64_t* run_of    # of each row
    int64_t room
    int64_t* begins    # of each run, and the end of the last one
    int64_t n_runs
    int64_t room_for_runs
    Span* spans        # of one window
    int64_t room_for_spans


cdef struct RowWords:
    # Where the rows of windows go. Of one run: the number of the first row, and that of the last
    # and one more. Of several: -1 less where they are in `lists`, and how many; there each is such
    # a pair, and with places how many rows are the window's.
    Word* first
    Word* upto
    WordList* lists


cdef bint list_grow(WordList* words, int64_t n) noexcept nogil
cdef bint rows_find(LookRows* rows, const View* view, int64_t first) noexcept nogil
cdef void rows_free(LookRows* rows) noexcept nogil
cdef bint rows_write(
    LookRows* rows, const int64_t* l, const int64_t* r, int64_t n, const RowWords* out
) noexcept nogil
cdef bint rows_write_even(
    LookRows* rows, int64_t first, int64_t count, int64_t n, const RowWords* out
) noexcept nogil
