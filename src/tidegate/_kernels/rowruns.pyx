"""Which input rows a record has: runs of rows that came one after the other.

The last run stands in the record, so that a pane whose rows come together needs no memory of its
own; those before it stand beside it, and fill room for a power of two. Rows come in order of their
numbers: so the runs of a record rise, and only those of several panes have to be put in order.
"""

from libc.stdint cimport int64_t
from libc.stdlib cimport free, qsort
from libc.string cimport memcpy

from tidegate._kernels.memory cimport grow
from tidegate._kernels.records cimport Acc, Word

cdef enum:
    FEW = 4  # runs: least room beside a record


cdef struct RowRun:
    int64_t begin
    int64_t end


cdef bint runs_more(const Acc* acc, Word* at) noexcept nogil:
    """Put the last run with those before it; False where there is no memory."""
    cdef void* memory = at[MORE_AT].p
    cdef int64_t n = at[MORE_N].i
    cdef RowRun* run
    if n == 0 or (n >= FEW and n & (n - 1) == 0):
        if not grow(&memory, max(<int64_t>FEW, 2 * n) * sizeof(RowRun)):
            acc.kept.failed = True
            return False
        at[MORE_AT].p = memory
    run = <RowRun*>at[MORE_AT].p + n
    run.begin = at[RUN_BEGIN].i
    run.end = at[RUN_END].i
    at[MORE_N].i = n + 1
    acc.kept.n += 2
    return True


cdef void runs_drop(const Acc* acc, Word* at) noexcept nogil:
    """Give the memory of the runs before the last back."""
    free(at[MORE_AT].p)
    acc.kept.n -= 2 * at[MORE_N].i
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


cdef Py_ssize_t runs_out(Word* at, Word* out) noexcept nogil:
    """Write down the runs before the last; how many words. The record has no address then."""
    cdef Py_ssize_t n = 2 * at[MORE_N].i
    if n:
        memcpy(out, at[MORE_AT].p, n * sizeof(Word))
    at[PANES_AT].i = at[MORE_AT].i = 0
    return n


cdef bint runs_fit(const Word* at, int64_t n_rows) noexcept nogil:
    """Whether a record that was written down can have its runs: one at least, none without rows."""
    return 0 <= at[RUN_BEGIN].i < at[RUN_END].i and 0 <= at[MORE_N].i < n_rows


cdef void runs_load(const Acc* acc, Word* at, const Word* runs) noexcept nogil:
    """Give a record that was written down the runs before its last."""
    cdef int64_t n = at[MORE_N].i, room = FEW
    cdef void* memory = NULL
    at[MORE_AT].p = NULL
    at[MORE_N].i = 0
    if not n:
        return
    while room < n:
        room *= 2
    if not grow(&memory, room * sizeof(RowRun)):
        acc.kept.failed = True
        return
    memcpy(memory, runs, n * sizeof(RowRun))
    at[MORE_AT].p = memory
    at[MORE_N].i = n
    acc.kept.n += 2 * n


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
