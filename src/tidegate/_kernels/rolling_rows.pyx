"""The rows of look-backs: from the number of the first to that of the last, or in several runs.

Where rows came in order of time, and no other row of their key between them, those of any window
are one run: two words say which they are. A view is looked at once; only where it has several runs
is it written down which row is of which.
"""

from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.stdlib cimport free, qsort

from tidegate._kernels.memory cimport grow
from tidegate._kernels.records cimport Word
from tidegate._kernels.rolling_state cimport View

cdef enum:
    AT_ONCE = 256  # rows that are looked at together
    FEW = 24       # ranges that are sorted by insertion

cdef struct Range:
    int64_t start
    int64_t stop


cdef bint list_grow(WordList* words, int64_t n) noexcept nogil:
    """Have room for n words in all; False without memory."""
    cdef int64_t room = max(n, 2 * words.room)
    if n <= words.room:
        return True
    if not grow(<void**>&words.at, room * sizeof(Word)):
        return False
    words.room = room
    return True


# --------------------------------------------------------------------------------------------- runs

cdef inline bint rise_by_one(const Word* x, int64_t first, int64_t end) noexcept nogil:
    """Whether words from `first` on, which is not 0, are each one more than the one before."""
    cdef uint64_t others = 0
    cdef int64_t i
    for i in range(first, end):
        others |= (x[i].u - x[i - 1].u) ^ 1
    return others == 0


cdef inline int64_t after(Word number) noexcept nogil:
    """The number after one; a damaged snapshot may have any."""
    return <int64_t>(number.u + 1)


cdef bint rows_find(LookRows* rows, const View* view, int64_t first) noexcept nogil:
    """Find the runs of the rows of a view from `first` on; False without memory.

    Columns may be missing where all rows that there are came in order of time, and none was left
    out: with keys that of the places, else that of the numbers.
    """
    cdef const Word* steps = view.columns[rows.column + rows.has_places].x
    cdef int64_t i, begin, end = first + 1
    rows.numbers = view.columns[rows.column].x
    rows.base = view.base
    rows.is_one = True
    if steps == NULL:  # all rows there are came in order
        return True
    while end < view.n and rows.is_one:
        begin, end = end, min(end + AT_ONCE, view.n)
        rows.is_one = rise_by_one(steps, begin, end)
    if rows.is_one:
        return True
    if view.n > rows.room:
        if not grow(<void**>&rows.run_of, view.n * sizeof(int32_t)):
            return False
        rows.room = view.n
    rows.n_runs = 0
    for i in range(first, view.n):
        if i == first or steps[i].u != steps[i - 1].u + 1:
            if not begin_run(rows, i):
                return False
        rows.run_of[i] = <int32_t>(rows.n_runs - 1)
    rows.begins[rows.n_runs] = view.n
    return True


cdef bint begin_run(LookRows* rows, int64_t at) noexcept nogil:
    """Begin a run at a row, with room for the end behind it; False without memory."""
    cdef int64_t room = max(<int64_t>64, 2 * rows.room_for_runs)
    if rows.n_runs + 1 >= rows.room_for_runs:
        if not grow(<void**>&rows.begins, room * sizeof(int64_t)):
            return False
        rows.room_for_runs = room
    rows.begins[rows.n_runs] = at
    rows.n_runs += 1
    return True


cdef void rows_free(LookRows* rows) noexcept nogil:
    """Give the memory back."""
    free(rows.run_of)
    free(rows.begins)


# ------------------------------------------------------------------------------------------ windows

cdef bint rows_write(
    const LookRows* rows, const int64_t* l, const int64_t* r, int64_t n, const RowWords* out
) noexcept nogil:
    """Write which rows n windows have, [l, r) of the view; False without memory."""
    cdef int64_t i
    if not rows.is_one:
        for i in range(n):
            if not write_one(rows, l[i], r[i], &out.first[i], &out.upto[i], out.lists):
                return False
        return True
    if rows.numbers == NULL:
        for i in range(n):
            out.first[i].i = rows.base + l[i] if l[i] < r[i] else 0
            out.upto[i].i = rows.base + r[i] if l[i] < r[i] else 0
        return True
    for i in range(n):
        out.first[i].i = out.upto[i].i = 0
        if l[i] < r[i]:
            out.first[i] = rows.numbers[l[i]]
            out.upto[i].i = after(rows.numbers[r[i] - 1])
    return True


cdef bint rows_write_even(
    const LookRows* rows, int64_t first, int64_t count, int64_t n, const RowWords* out
) noexcept nogil:
    """Write the rows of n windows of as many rows each, which begin one after the other."""
    cdef int64_t i
    if not rows.is_one:
        for i in range(n):
            if not write_one(rows, first + i, first + i + count, &out.first[i], &out.upto[i],
                             out.lists):
                return False
        return True
    if rows.numbers == NULL:
        for i in range(n):
            out.first[i].i = rows.base + first + i
        for i in range(n):
            out.upto[i].i = rows.base + first + count + i
        return True
    for i in range(n):
        out.first[i] = rows.numbers[first + i]
    for i in range(n):
        out.upto[i].i = after(rows.numbers[first + count - 1 + i])
    return True


cdef inline bint write_one(
    const LookRows* rows, int64_t l, int64_t r, Word* first, Word* upto, WordList* lists
) noexcept nogil:
    """Write which rows a window has; False without memory."""
    first.i = upto.i = 0
    if l >= r:
        return True
    if rows.run_of[l] != rows.run_of[r - 1]:
        return write_runs(rows, l, r, first, upto, lists)
    first[0] = rows.numbers[l]
    upto.i = after(rows.numbers[r - 1])
    return True


cdef bint write_runs(
    const LookRows* rows, int64_t l, int64_t r, Word* first, Word* upto, WordList* lists
) noexcept nogil:
    """Write the rows of a window of several runs into the lists; False without memory."""
    cdef int width = 2 + rows.has_places
    cdef int64_t run = rows.run_of[l], n = rows.run_of[r - 1] - run + 1, begin = l, end, k
    cdef bint rises = True
    cdef Word* at
    if not list_grow(lists, lists.n + n * width):
        return False
    at = lists.at + lists.n
    for k in range(n):
        end = min(r, rows.begins[run + k + 1])
        at[width * k] = rows.numbers[begin]
        at[width * k + 1].i = after(rows.numbers[end - 1])
        if rows.has_places:
            at[width * k + 2].i = end - begin
        elif k and at[2 * k].i <= at[2 * k - 1].i:
            rises = False
        begin = end
    if not rises:
        lay_in_order(<Range*>at, &n)
    first.i = -1 - lists.n
    upto.i = n
    lists.n += n * width
    return True


cdef void lay_in_order(Range* ranges, int64_t* n) noexcept nogil:
    """Sort ranges, and join those that touch."""
    cdef int64_t i, last = 0
    if n[0] <= FEW:
        sort_few(ranges, n[0])
    else:
        qsort(ranges, n[0], sizeof(Range), by_start)
    for i in range(1, n[0]):
        if ranges[i].start == ranges[last].stop:
            ranges[last].stop = ranges[i].stop
        else:
            last += 1
            ranges[last] = ranges[i]
    n[0] = last + 1


cdef void sort_few(Range* ranges, int64_t n) noexcept nogil:
    """Sort ranges by where they start."""
    cdef int64_t i, at
    cdef Range one
    for i in range(1, n):
        one, at = ranges[i], i
        while at and ranges[at - 1].start > one.start:
            ranges[at] = ranges[at - 1]
            at -= 1
        ranges[at] = one


cdef int by_start(const void* a, const void* b) noexcept nogil:
    cdef int64_t x = (<const Range*>a).start, y = (<const Range*>b).start
    return (x > y) - (x < y)
