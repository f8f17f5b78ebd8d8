"""The runs of input rows in a record; see rowruns.pyx."""

from libc.stdint cimport INT64_MAX, int64_t

from tidegate._kernels.records cimport ROW_SPANS, Acc, Column, Word

cdef enum:
    # Words of ROW_RUNS in a record. The first two are those of the values that `kept` has.
    PANES_AT
    PANES_N
    MORE_AT     # the entries before the last
    MORE_N      # of a sum of panes: 0 where it is one run after all, -1 where only the panes know
    RUN_BEGIN   # from here on the last entry; INT64_MIN: there is none
    RUN_END
    RUN_WORDS
    # ROW_SPANS has more in an entry, and beside it
    SPAN_ROWS = RUN_WORDS
    SPAN_FROM   # times of its first row and of its last
    SPAN_TO
    SPAN_WORDS
    ENTRY_WORDS = SPAN_WORDS - RUN_BEGIN  # at most
    NUMBER_BITS = 40  # of a row, in the column of ROW_SPANS; above them its turn, see `turn_of`

cdef bint runs_more(const Acc* acc, Word* at) noexcept nogil
cdef void runs_drop(const Acc* acc, Word* at) noexcept nogil
cdef void runs_extend(const Acc* acc, Word* at, const Word* other) noexcept nogil
cdef Py_ssize_t runs_out(const Acc* acc, Word* at, Word* out) noexcept nogil
cdef bint runs_fit(const Word* at, int64_t n_rows) noexcept nogil
cdef void runs_load(const Acc* acc, Word* at, const Word* runs) noexcept nogil
cdef Py_ssize_t runs_add(const Word* pane, Word* out, Py_ssize_t n, bint* rises) noexcept nogil
cdef Py_ssize_t runs_sort(Word* out, Py_ssize_t n) noexcept nogil
cdef void spans_add(const Word* at, Word* out) noexcept nogil
cdef void show_spans(Word** columns, Py_ssize_t n, bint is_float) noexcept nogil


cdef inline int entry_words(const Acc* acc) noexcept nogil:
    """How many words an entry has: where it begins and ends, of a span also rows and times."""
    return ENTRY_WORDS if acc.kind == ROW_SPANS else RUN_WORDS - RUN_BEGIN


cdef inline void runs_push(const Acc* acc, Word* at, int64_t begin, int64_t end) noexcept nogil:
    """Add rows [begin, end)."""
    if at[RUN_END].i != begin:
        if at[RUN_BEGIN].i >= 0 and not runs_more(acc, at):
            return
        at[RUN_BEGIN].i = begin
    at[RUN_END].i = end


cdef inline const int64_t* numbers_of(const Acc* acc, const Column* columns) noexcept nogil:
    """The numbers of the rows of a batch; NULL where they are counted from that of the first."""
    return <const int64_t*>columns[acc.column].values if acc.column >= 0 else NULL


cdef inline int64_t number_of_row(
    const Acc* acc, const int64_t* numbers, Py_ssize_t row
) noexcept nogil:
    """The number of a row of a batch, by what `numbers_of` gives."""
    return acc.first_row[0] + row if numbers == NULL else numbers[row]


cdef inline bint in_turn(const int64_t* numbers, Py_ssize_t n) noexcept nogil:
    """Whether n numbers go up by one from row to row."""
    cdef int64_t odd = 0
    cdef Py_ssize_t i
    for i in range(1, n):
        odd |= numbers[i] - numbers[i - 1] - 1
    return odd == 0


cdef inline Py_ssize_t runs_in(const Word* at) noexcept nogil:
    """How many runs a record with rows has."""
    return at[MORE_N].i + 1


cdef inline void runs_join(Word* a, const Word* b) noexcept nogil:
    """Add the runs of a later pane to those of panes before: those in order are one run."""
    if a[MORE_N].i == 0 and b[MORE_N].i == 0 and a[RUN_END].i == b[RUN_BEGIN].i:
        a[RUN_END].i = b[RUN_END].i
    else:
        a[MORE_N].i = -1


cdef inline void spans_push(const Acc* acc, Word* at, int64_t number, int64_t time) noexcept nogil:
    """Add a row, in order of time: to the last span if its number is higher, and its turn the same.
    """
    if number >= at[RUN_END].i and (number ^ at[RUN_BEGIN].i) >> NUMBER_BITS == 0:
        at[SPAN_ROWS].i += 1
    else:
        if at[RUN_BEGIN].i >= 0 and not runs_more(acc, at):
            return
        at[RUN_BEGIN].i = number
        at[SPAN_ROWS].i = 1
        at[SPAN_FROM].i = time
    at[RUN_END].i = number + 1
    at[SPAN_TO].i = time


cdef inline int64_t turn_of(int64_t* lates) noexcept nogil:
    """The turn of the next row that is used of a key: another one after each that was late.

    `lates` is what is kept of the key: twice the turn, and 1 more since a row was late.
    """
    lates[0] += lates[0] & 1
    return lates[0] >> 1 << NUMBER_BITS & INT64_MAX


cdef inline void blank_spans(Word* at) noexcept nogil:
    """ROW_SPANS without a row, where that is not 0."""
    at[RUN_BEGIN].i = -INT64_MAX - 1
    at[RUN_END].i = INT64_MAX


cdef inline void span_push(const Acc* acc, Word* at, int64_t row) noexcept nogil:
    """ROW_SPAN of one row, counted in its batch; it comes after those that are there."""
    row += acc.first_row[0]
    at[0].i = min(at[0].i, row)
    at[1].i = row
