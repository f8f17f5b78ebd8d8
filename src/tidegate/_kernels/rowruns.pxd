"""The runs of input rows in a record; see rowruns.pyx."""

from libc.stdint cimport int64_t

from tidegate._kernels.records cimport Acc, Column, Word

cdef enum:
    # Words of ROW_RUNS in a record. The first two are those of the values that `kept` has.
    PANES_AT
    PANES_N
    RUN_BEGIN   # of the last run; INT64_MIN: there is none
    RUN_END
    MORE_AT     # the runs before it
    MORE_N      # of a sum of panes: 0 where it is one run after all, -1 where only the panes know
    RUN_WORDS

cdef bint runs_more(const Acc* acc, Word* at) noexcept nogil
cdef void runs_drop(const Acc* acc, Word* at) noexcept nogil
cdef void runs_extend(const Acc* acc, Word* at, const Word* other) noexcept nogil
cdef Py_ssize_t runs_out(Word* at, Word* out) noexcept nogil
cdef bint runs_fit(const Word* at, int64_t n_rows) noexcept nogil
cdef void runs_load(const Acc* acc, Word* at, const Word* runs) noexcept nogil
cdef Py_ssize_t runs_add(const Word* pane, Word* out, Py_ssize_t n, bint* rises) noexcept nogil
cdef Py_ssize_t runs_sort(Word* out, Py_ssize_t n) noexcept nogil


cdef inline void runs_push(const Acc* acc, Word* at, int64_t begin, int64_t end) noexcept nogil:
    """Add rows [begin, end)."""
    if at[RUN_END].i != begin:
        if at[RUN_BEGIN].i >= 0 and not runs_more(acc, at):
            return
        at[RUN_BEGIN].i = begin
    at[RUN_END].i = end


cdef inline void runs_push_row(
    const Acc* acc, const Column* columns, Py_ssize_t row, Word* at
) noexcept nogil:
    """Add a row of a batch: a column has the numbers, or they are counted from that of the first.
    """
    cdef int64_t number
    if acc.column >= 0:
        number = (<const int64_t*>columns[acc.column].values)[row]
    else:
        number = acc.first_row[0] + row
    runs_push(acc, at, number, number + 1)


cdef inline Py_ssize_t runs_in(const Word* at) noexcept nogil:
    """How many runs a record with rows has."""
    return at[MORE_N].i + 1


cdef inline void runs_join(Word* a, const Word* b) noexcept nogil:
    """Add the runs of a later pane to those of panes before: those in order are one run."""
    if a[MORE_N].i == 0 and b[MORE_N].i == 0 and a[RUN_END].i == b[RUN_BEGIN].i:
        a[RUN_END].i = b[RUN_END].i
    else:
        a[MORE_N].i = -1


cdef inline void span_push(const Acc* acc, Word* at, int64_t row) noexcept nogil:
    """ROW_SPAN of one row, counted in its batch; it comes after those that are there."""
    row += acc.first_row[0]
    at[0].i = min(at[0].i, row)
    at[1].i = row
