"""Which input rows a record has: entries of rows that came one after the other.

    ROW_RUNS    consecutive rows
    ROW_SPANS   of bars of a key: all rows of the key from one number to another whose times lie
                between those of the first and the last of them, and how many they are. Rows come in
                order of time; a span ends where the numbers fall, and where a row of the key came
                between them that was late

The last entry stands in the record, so that a pane whose rows come together needs no memory of its
own; those before it stand beside it, and fill room for a power of two. Rows of panes come in order
of their numbers: so the runs of a record rise, and only those of several panes, and of bars, have
to be put in order.
"""

from libc.stdint cimport INT64_MAX, int64_t
from libc.stdlib cimport free, qsort
from libc.string cimport memcpy

from tidegate._kernels.grid cimport float_of_order
from tidegate._kernels.memory cimport grow
from tidegate._kernels.records cimport Acc, Word

cdef enum:
    FEW = 4  # runs: least room beside a record


cdef struct RowRun:
    int64_t begin
    int64_t end


cdef bint runs_more(const Acc* acc, Word* at) noexcept nogil:
    """Put the last entry with those before it; False where there is no memory."""
    cdef void* memory = at[MORE_AT].p
    cdef int64_t n = at[MORE_N].i
    cdef int size = entry_words(acc)
    if n == 0 or (n >= FEW and n & (n - 1) == 0):
        if not grow(&memory, max(<int64_t>FEW, 2 * n) * size * sizeof(Word)):
            acc.kept.failed = True
            return False
        at[MORE_AT].p = memory
    memcpy(<Word*>at[MORE_AT].p + n * size, at + RUN_BEGIN, size * sizeof(Word))
    at[MORE_N].i = n + 1
    acc.kept.n += size
    return True


cdef void runs_drop(const Acc* acc, Word* at) noexcept nogil:
    """Give the memory of the entries before the last back."""
    free(at[MORE_AT].p)
    acc.kept.n -= entry_words(acc) * at[MORE_N].i
    at[MORE_AT].p = NULL
    at[MORE_N].i = 0


cdef void runs_extend(const Acc* acc, Word* at, const Word* other) noexcept nogil:
    """Add the runs of another record, which may lie before or between those that are there."""
    cdef const RowRun* more = <const RowRun*>other[MORE_AT].p
    cdef int64_t k
    for k in range(other[MORE_N].i):
        runs_push(acc, at, more[k].begin, more[k].end)
    if other[RUN_BEGIN].i >= 0:
        runs_push(acc, at, other[RUN_BEGIN].i, other[RUN_END].i)


cdef Py_ssize_t runs_out(const Acc* acc, Word* at, Word* out) noexcept nogil:
    """Write down the entries before the last; how many words. The record has no address then."""
    cdef Py_ssize_t n = entry_words(acc) * at[MORE_N].i
    if n:
        memcpy(out, at[MORE_AT].p, n * sizeof(Word))
    at[PANES_AT].i = at[MORE_AT].i = 0
    return n


cdef bint runs_fit(const Word* at, int64_t n_rows) noexcept nogil:
    """Whether a record that was written down can have its entries: one at least, none without rows.
    """
    return 0 <= at[RUN_BEGIN].i < at[RUN_END].i and 0 <= at[MORE_N].i < n_rows


cdef void runs_load(const Acc* acc, Word* at, const Word* runs) noexcept nogil:
    """Give a record that was written down the entries before its last."""
    cdef int64_t n = at[MORE_N].i, room = FEW
    cdef Py_ssize_t size = entry_words(acc) * sizeof(Word)
    cdef void* memory = NULL
    at[MORE_AT].p = NULL
    at[MORE_N].i = 0
    if not n:
        return
    while room < n:
        room *= 2
    if not grow(&memory, room * size):
        acc.kept.failed = True
        return
    memcpy(memory, runs, n * size)
    at[MORE_AT].p = memory
    at[MORE_N].i = n
    acc.kept.n += n * entry_words(acc)


cdef inline Py_ssize_t run_add(
    RowRun* runs, Py_ssize_t n, int64_t begin, int64_t end, bint* rises
) noexcept nogil:
    """Write one run down behind n others."""
    if n and runs[n - 1].end == begin:
        runs[n - 1].end = end
        return n
    rises[0] = rises[0] and (n == 0 or runs[n - 1].begin < begin)
    runs[n].begin = begin
    runs[n].end = end
    return n + 1


cdef int by_begin(const void* a, const void* b) noexcept nogil:
    """Order of two runs for qsort."""
    cdef int64_t x = (<const RowRun*>a).begin, y = (<const RowRun*>b).begin
    return (x > y) - (x < y)


cdef Py_ssize_t runs_add(const Word* pane, Word* out, Py_ssize_t n, bint* rises) noexcept nogil:
    """Write the runs of a folded pane down behind n others; how many there are then.

    There must be room for `runs_in` more. A run that goes on where the one before ends becomes part
    of it. `rises` becomes false where one begins before that.
    """
    cdef RowRun* runs = <RowRun*>out
    cdef const RowRun* more = <const RowRun*>pane[MORE_AT].p
    cdef int64_t k
    for k in range(pane[MORE_N].i):
        n = run_add(runs, n, more[k].begin, more[k].end, rises)
    return run_add(runs, n, pane[RUN_BEGIN].i, pane[RUN_END].i, rises)


cdef Py_ssize_t runs_sort(Word* out, Py_ssize_t n) noexcept nogil:
    """Put n > 0 runs in order; how many there are when those that touch have become one."""
    cdef RowRun* runs = <RowRun*>out
    cdef Py_ssize_t i, k = 0
    cdef bint rises = True
    qsort(runs, n, sizeof(RowRun), by_begin)
    for i in range(n):
        k = run_add(runs, k, runs[i].begin, runs[i].end, &rises)
    return k


cdef void spans_add(const Word* at, Word* out) noexcept nogil:
    """Write all spans of a record down; there must be room for `runs_in` of them."""
    cdef Py_ssize_t n = ENTRY_WORDS * at[MORE_N].i
    if n:
        memcpy(out, at[MORE_AT].p, n * sizeof(Word))
    memcpy(out + n, at + RUN_BEGIN, ENTRY_WORDS * sizeof(Word))


cdef void show_spans(Word** columns, Py_ssize_t n, bint is_float) noexcept nogil:
    """Turn the words of n spans, column by column, into what is shown.

    Numbers lose their turns, times leave the kernels' order; in the place of the last row's comes
    the next time. INT64_MAX has none, and stays.
    """
    cdef int64_t mask = (<int64_t>1 << NUMBER_BITS) - 1
    cdef Word* froms = columns[SPAN_FROM - RUN_BEGIN]
    cdef Word* tos = columns[SPAN_TO - RUN_BEGIN]
    cdef Py_ssize_t i
    for i in range(n):
        columns[0][i].i &= mask
        columns[1][i].i &= mask
        tos[i].i += tos[i].i < INT64_MAX
        if is_float:
            froms[i].f = float_of_order(froms[i].i)
            tos[i].f = float_of_order(tos[i].i)
