"""The rows of look-backs: from the number of the first to that of the last, or in several runs.

Where rows came in order of time, and no other row of their key between them, those of any window
are one run: two words say which they are. A view is looked at once; only where it has several runs
is it written down which row is of which. The runs of a window are sorted, and joined where one goes
on where another ends: rows that came in another order are few ranges, if they came close together.
"""

from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport free, qsort

from tidegate._kernels.memory cimport grow
from tidegate._kernels.pool cimport large_grow
from tidegate._kernels.records cimport Word
from tidegate._kernels.rolling_state cimport View

cdef enum:
    AT_ONCE = 256  # rows that are looked at together
    FEW_MOVES = 16  # of a span, to sort by insertion


cdef bint list_grow(WordList* words, int64_t n) noexcept nogil:
    """Have room for n words in all; False without memory."""
    cdef int64_t room = max(n, 2 * words.room)
    if n <= words.room:
        return True
    if not large_grow(<void**>&words.at, room * sizeof(Word)):
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
    rows.steps = steps
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
        if not grow(<void**>&rows.run_of, view.n * sizeof(int64_t)):
            return False
        rows.room = view.n
    rows.n_runs = 0
    for i in range(first, view.n):
        if i == first or steps[i].u != steps[i - 1].u + 1:
            if not begin_run(rows, i):
                return False
        rows.run_of[i] = rows.n_runs - 1
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
    free(rows.spans)


# ------------------------------------------------------------------------------------------ windows

cdef bint rows_write(
    LookRows* rows, const int64_t* l, const int64_t* r, int64_t n, const RowWords* out
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
    LookRows* rows, int64_t first, int64_t count, int64_t n, const RowWords* out
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
    LookRows* rows, int64_t l, int64_t r, Word* first, Word* upto, WordList* lists
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
    LookRows* rows, int64_t l, int64_t r, Word* first, Word* upto, WordList* lists
) noexcept nogil:
    """Write the rows of a window of several runs into the lists; False without memory."""
    cdef int64_t run = rows.run_of[l], n = rows.run_of[r - 1] - run + 1, begin = l, end, k
    cdef bint rises = True
    cdef Span* spans
    cdef Word* at
    if n > rows.room_for_spans:
        if not grow(<void**>&rows.spans, 2 * n * sizeof(Span)):
            return False
        rows.room_for_spans = 2 * n
    spans = rows.spans
    for k in range(n):
        end = min(r, rows.begins[run + k + 1])
        spans[k] = Span(rows.steps[begin].i, rows.numbers[begin].i, after(rows.numbers[end - 1]),
                        end - begin)
        rises = rises and (k == 0 or spans[k - 1].place < spans[k].place)
        begin = end
    if not rises:
        n = joined(spans, n)
    if n == 1:
        first.i, upto.i = spans[0].start, spans[0].stop
        return True
    if not list_grow(lists, lists.n + n * (2 + rows.has_places)):
        return False
    first.i = -1 - lists.n
    upto.i = n
    for k in range(n):
        at = lists.at + lists.n
        at[0].i, at[1].i = spans[k].start, spans[k].stop
        if rows.has_places:
            at[2].i = spans[k].rows
        lists.n += 2 + rows.has_places
    return True


cdef int64_t joined(Span* spans, int64_t n) noexcept nogil:
    """Sort spans by place, and join those that touch; return how many there are then."""
    cdef int64_t i, last = 0
    if not sort_near(spans, n):
        qsort(spans, n, sizeof(Span), by_place)
    for i in range(1, n):
        if <uint64_t>spans[i].place == <uint64_t>spans[last].place + spans[last].rows:
            spans[last].stop = spans[i].stop
            spans[last].rows += spans[i].rows
        else:
            last += 1
            spans[last] = spans[i]
    return last + 1


cdef bint sort_near(Span* spans, int64_t n) noexcept nogil:
    """Sort spans that lie near their places; False, and not sorted, where that takes long."""
    cdef int64_t i, at, moves = FEW_MOVES * n
    cdef Span one
    for i in range(1, n):
        if spans[i - 1].place < spans[i].place:
            continue
        one, at = spans[i], i
        while at and spans[at - 1].place > one.place:
            spans[at] = spans[at - 1]
            at -= 1
        spans[at] = one
        moves -= i - at
        if moves < 0:
            return False
    return True


cdef int by_place(const void* a, const void* b) noexcept nogil:
    cdef int64_t x = (<const Span*>a).place, y = (<const Span*>b).place
    return (x > y) - (x < y)
