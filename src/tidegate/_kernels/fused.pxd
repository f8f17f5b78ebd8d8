"""All that is kept of one float column, brought up to date together."""

from libc.math cimport isnan
from libc.stdint cimport int32_t, int64_t

from tidegate._kernels.exact cimport exact_push, exact_push_square
from tidegate._kernels.lanes cimport add_both
from tidegate._kernels.records cimport (
    FLOAT, GREATEST, LEAST, ROW_SPAN, SQUARES, SUM, Acc, Column, Plan, Word,
)


cdef extern from "records.h" nogil:
    ctypedef struct Places "tg_places":
        bint counts          # the rows too, with one lane
        Py_ssize_t sum       # offsets in a record, -1: not kept
        Py_ssize_t squares   # only beside a sum
        Py_ssize_t least
        Py_ssize_t greatest
        # Of those who count the rows:
        Py_ssize_t span      # ROW_SPAN, -1: not kept
        int64_t first_row    # the number of row 0
        const int32_t* rows  # which rows they are, counted from there; NULL: one after the other


cdef inline bint is_fused(const Acc* acc, const Column* columns) noexcept nogil:
    """Whether an accumulator is one of those."""
    return acc.kind in (SUM, SQUARES, LEAST, GREATEST) and columns[acc.column].numeric == FLOAT


cdef inline bint places_of(const Plan* plan, int column, Places* places) noexcept nogil:
    """Where a plan keeps what of a float column; False where it keeps nothing."""
    places.counts = False
    places.sum = places.squares = places.least = places.greatest = places.span = -1
    for a in range(plan.n_accs):
        if plan.accs[a].column == column:
            if plan.accs[a].kind == SUM:
                places.sum = plan.accs[a].wide
            elif plan.accs[a].kind == SQUARES:
                places.squares = plan.accs[a].wide
            elif plan.accs[a].kind == LEAST:
                places.least = plan.accs[a].wide
            elif plan.accs[a].kind == GREATEST:
                places.greatest = plan.accs[a].wide
    return places.sum >= 0 or places.least >= 0 or places.greatest >= 0


cdef inline void number_from(
    const Plan* plan, Py_ssize_t base, const int32_t* rows, Places* places
) noexcept nogil:
    """Have whoever counts rows, from `base` on, tell records the numbers of these."""
    places.span = -1
    if plan.numbered >= 0 and plan.accs[plan.numbered].kind == ROW_SPAN:
        places.span = plan.accs[plan.numbered].wide
        places.first_row = plan.first_row + base
        places.rows = rows


cdef inline void count_row(
    const Places* places, bint numbers, Py_ssize_t i, Word* record
) noexcept nogil:
    """Count row i, and tell its record the number of it; rows come in order of their numbers."""
    cdef int64_t row
    record.i += 1
    if numbers:
        row = places.first_row + (i if places.rows == NULL else places.rows[i])
        if record.i == 1:
            record[places.span].i = row
        record[places.span + 1].i = row


cdef inline void float_row(
    const Places* places, bint sums, bint squares, bint low, bint high, int lanes, int lane,
    Word* record, double x
) noexcept nogil:
    """One tame value into all that is kept of its column; inlined, with constant flags."""
    cdef Word* at
    if squares and isnan(record[places.squares + 2 * lanes].f):
        record[places.squares + 2 * lanes].f = x
    if squares and lanes == 1:
        add_both(&record[places.sum].f, &record[places.squares].f, x)
    elif sums:
        at = record + places.sum
        exact_push(&at[lane].f, &at[lanes + lane].f, x)
    if squares and lanes > 1:
        at = record + places.squares
        exact_push_square(&at[lane].f, &at[lanes + lane].f, x, at[2 * lanes].f)
    if low:
        at = record + places.least
        at.f = x + 0.0 if x < at.f else at.f
    if high:
        at = record + places.greatest
        at.f = x + 0.0 if x > at.f else at.f
