"""Records of lanes into folded records, and folded records of panes into one.

A folded record has one layout for all plans: `fold_records` makes it out of lanes in a fixed tree,
`merge_record` adds a later pane to an earlier one. Each is a pure function of the records, so
results cannot depend on when or where it runs.
"""

from libc.math cimport isnan
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memcpy

from tidegate._kernels.exact cimport (
    Exact, exact_add, exact_mul, exact_neg, exact_of, exact_of_int, exact_of_wide,
)
from tidegate._kernels.kept cimport KEPT_WORDS, RANGE_N, kept_fold
from tidegate._kernels.lanes cimport fold_lanes, prefetch_here, wide_hi, wide_lo, wide_of, wide_t
from tidegate._kernels.moment_groups cimport fold_moment, merge_moment
from tidegate._kernels.push cimport keep_nearest
from tidegate._kernels.records cimport (
    FIRST, GREATEST, GREATEST_AT, GREATEST_INT, GREATEST_TEXT, KEPT, KEPT_TIMES, LANES, LAST, LEAST,
    LEAST_AT, LEAST_INT, LEAST_TEXT, NULLS, PAIRS, POWERS, ROWS, ROW_RUNS, ROW_SPAN, ROW_SPANS,
    SQUARES,
    SQUARES_INT, SUM, SUM_INT, WEIGHTED, Acc, Arena, Plan, Word,
)
from tidegate._kernels.rowruns cimport RUN_WORDS, SPAN_WORDS, runs_join
from tidegate._kernels.texts cimport keep_extreme_text

cdef extern from *:
    """
    #include "lanes.h"
    #include "records.h"
    #undef CYTHON_INLINE
    #define CYTHON_INLINE TG_ALWAYS_INLINE
    """

cdef enum:
    SOON = 8  # records that are on their way

# ------------------------------------------------------------------------------------------- fold

cdef inline void fold_one(
    const Acc* acc, const Word* at, const Word* rare, Word* out
) noexcept nogil:
    """One accumulator of eight lanes."""
    if acc.kind == SUM:
        fold_lanes(&at[0].f, &at[LANES].f, &out[0].f, &out[1].f)
        memcpy(out + 2, rare, 3 * sizeof(Word))
    elif acc.kind == SQUARES:
        fold_lanes(&at[0].f, &at[LANES].f, &out[0].f, &out[1].f)
        out[2] = at[2 * LANES]
        memcpy(out + 3, rare, 4 * sizeof(Word))
    elif acc.kind == WEIGHTED:
        fold_lanes(&at[0].f, &at[LANES].f, &out[0].f, &out[1].f)
        fold_lanes(&at[2 * LANES].f, &at[3 * LANES].f, &out[2].f, &out[3].f)
        memcpy(out + 4, rare, 6 * sizeof(Word))
    elif acc.kind == NULLS:
        out[0] = rare[0]
    elif acc.kind == LEAST or acc.kind == GREATEST:
        out[0] = at[0]
        out[1] = rare[0]
    elif acc.kind in (ROWS, LEAST_INT, GREATEST_INT, LEAST_TEXT, GREATEST_TEXT):
        out[0] = at[0]
    elif acc.kind == SQUARES_INT:
        memcpy(out, at, 4 * sizeof(Word))
    elif acc.kind == PAIRS or acc.kind == POWERS:
        fold_moment(acc, at, rare, out)
    elif acc.kind == KEPT or acc.kind == KEPT_TIMES:
        memcpy(out, at, KEPT_WORDS * sizeof(Word))
    elif acc.kind == ROW_RUNS:
        memcpy(out, at, RUN_WORDS * sizeof(Word))
    elif acc.kind == ROW_SPANS:
        memcpy(out, at, SPAN_WORDS * sizeof(Word))
    else:  # SUM_INT, FIRST, LAST, LEAST_AT, GREATEST_AT, ROW_SPAN
        out[0] = at[0]
        out[1] = at[1]


cdef inline void copy_record(
    const Plan* plan, const Word* record, const Word* cold, Word* out
) noexcept nogil:
    """Fold a record of one lane: no branch depends on what it holds."""
    cdef int k, n_hot = plan.narrow - plan.cold
    cdef const int* targets = plan.targets
    for k in range(n_hot):
        out[targets[k]] = record[k]
    for k in range(plan.cold):
        out[targets[n_hot + k]] = cold[k]


cdef void fold_records(
    const Plan* plan, const Arena* arena, const int32_t* slots, Py_ssize_t n, Word* out,
) noexcept nogil:
    """Fold the records `slots` into `out`, n records of `plan.narrow` words."""
    cdef Py_ssize_t i
    cdef const Acc* acc
    cdef const Word* record
    cdef const Word* cold
    for i in range(n):
        if i + SOON < n:
            prefetch_here(arena.records + slots[i + SOON] * arena.wide)
            prefetch_here(arena.colds + slots[i + SOON] * arena.cold)
        record = arena.records + slots[i] * arena.wide
        cold = arena.colds + slots[i] * arena.cold
        if plan.lanes == 1:
            copy_record(plan, record, cold, out)
        else:
            for a in range(plan.n_accs):
                acc = &plan.accs[a]
                fold_one(acc, record + acc.wide, cold + acc.rare, out + acc.narrow)
        if plan.keeps:
            kept_fold(plan, out)
        out += plan.narrow


cdef void fold_acc(const Acc* acc, const Word* at, const Word* rare, Word* out) noexcept nogil:
    """Fold one accumulator of eight lanes."""
    fold_one(acc, at, rare, out)


# ------------------------------------------------------------------------------------------ merge

cdef inline Exact moved(Exact squares, Exact drift, Exact by, int64_t n) noexcept nogil:
    """Squares around another shift: s + 2*by*drift + n*by**2, with drift = sum(x) - n*shift."""
    cdef Exact twice = exact_mul(by, drift)
    twice.hi *= 2.0
    twice.lo *= 2.0
    return exact_add(exact_add(squares, twice), exact_mul(exact_of_int(n), exact_mul(by, by)))


cdef inline void merge_squares(
    Word* squares, Word* shift, const Word* other, double other_shift, Exact other_sum, int64_t n,
) noexcept nogil:
    """Add squares around another shift, with their sum and number, to squares that have some."""
    cdef Exact by = exact_add(exact_of(other_shift), exact_of(-shift.f))
    cdef Exact drift = exact_add(
        other_sum, exact_neg(exact_mul(exact_of_int(n), exact_of(other_shift))))
    cdef Exact total = exact_add(pair_at(squares), moved(pair_at(other), drift, by, n))
    squares[0].f = total.hi
    squares[1].f = total.lo


cdef void merge_float_squares(
    const Plan* plan, const Acc* acc, Word* into, const Word* other
) noexcept nogil:
    """SQUARES of two records whose sums are still apart."""
    cdef Word* a = into + acc.narrow
    cdef const Word* b = other + acc.narrow
    cdef const Word* sum_b = other + plan.accs[acc.sum].narrow
    if isnan(a[2].f):
        memcpy(a, b, 3 * sizeof(Word))
    elif not isnan(b[2].f):
        merge_squares(a, a + 2, b, b[2].f, pair_at(sum_b), values_in(plan, acc, other) - b[3].i)
    if a[3].i == 0:
        memcpy(a + 3, b + 3, 4 * sizeof(Word))
    elif b[3].i:
        merge_squares(a + 5, a + 4, b + 5, b[4].f, pair_at(sum_b + 3), b[3].i)
        a[3].i += b[3].i


cdef void merge_int_squares(
    const Plan* plan, const Acc* acc, Word* into, const Word* other
) noexcept nogil:
    """SQUARES_INT of two records whose sums are still apart."""
    cdef Word* a = into + acc.narrow
    cdef const Word* b = other + acc.narrow
    cdef const Word* sum_b = other + plan.accs[acc.sum].narrow
    cdef int64_t n = values_in(plan, acc, other)
    cdef wide_t from_a, from_b, drift
    cdef Exact total
    if b[3].i == 0:
        return
    if a[3].i == 0:
        memcpy(a, b, 4 * sizeof(Word))
        return
    from_a = shift_of(acc, a)
    from_b = shift_of(acc, b)
    drift = wide_of(sum_b[0].u, sum_b[1].i) - from_b * n
    total = exact_add(pair_at(a), moved(pair_at(b), exact_of_wide(drift),
                                        exact_of_wide(from_b - from_a), n))
    a[0].f = total.hi
    a[1].f = total.lo


cdef inline void merge_pair(Word* a, const Word* b) noexcept nogil:
    """Two accumulated pairs."""
    cdef Exact total = exact_add(pair_at(a), pair_at(b))
    a[0].f = total.hi
    a[1].f = total.lo


cdef inline void merge_one(const Acc* acc, Word* a, const Word* b) noexcept nogil:
    """Any accumulator but squares."""
    cdef wide_t total
    if acc.kind == ROWS or acc.kind == NULLS:
        a[0].i += b[0].i
    elif acc.kind == SUM:
        merge_pair(a, b)
        a[2].f += b[2].f
        merge_pair(a + 3, b + 3)
    elif acc.kind == SUM_INT:
        total = wide_of(a[0].u, a[1].i) + wide_of(b[0].u, b[1].i)
        a[0].u = wide_lo(total)
        a[1].i = wide_hi(total)
    elif acc.kind == LEAST or acc.kind == GREATEST:
        if (b[0].f < a[0].f) if acc.kind == LEAST else (b[0].f > a[0].f):
            a[0].f = b[0].f
        a[1].i += b[1].i
    elif acc.kind == LEAST_INT or acc.kind == GREATEST_INT:
        if (b[0].i < a[0].i) if acc.kind == LEAST_INT else (b[0].i > a[0].i):
            a[0].i = b[0].i
    elif acc.kind == FIRST or acc.kind == LAST:
        if (b[0].i < a[0].i) if acc.kind == FIRST else (b[0].i >= a[0].i):
            a[0] = b[0]
            a[1] = b[1]
    elif acc.kind == WEIGHTED:
        merge_pair(a, b)
        merge_pair(a + 2, b + 2)
        a[4].f += b[4].f
        a[5].f += b[5].f
        merge_pair(a + 6, b + 6)
        merge_pair(a + 8, b + 8)
    elif acc.kind == LEAST_AT or acc.kind == GREATEST_AT:
        keep_nearest(a, b[0].i, b[1].i)
    elif acc.kind == PAIRS or acc.kind == POWERS:
        merge_moment(acc, a, b)
    elif acc.kept != NULL:
        a[RANGE_N].i += b[RANGE_N].i
        if acc.kind == ROW_RUNS:
            runs_join(a, b)
    elif acc.kind == ROW_SPAN:
        a[0].i = min(a[0].i, b[0].i)
        a[1].i = max(a[1].i, b[1].i)
    elif acc.kind == LEAST_TEXT or acc.kind == GREATEST_TEXT:
        keep_extreme_text(a, acc.texts, b[0].i, acc.kind == LEAST_TEXT)


cdef void merge_record(const Plan* plan, Word* into, const Word* other) noexcept nogil:
    """Add the folded record of a later pane to that of an earlier one."""
    cdef const Acc* acc
    for a in range(plan.n_accs):  # squares first: they need the sums of both sides
        acc = &plan.accs[a]
        if acc.kind == SQUARES:
            merge_float_squares(plan, acc, into, other)
        elif acc.kind == SQUARES_INT:
            merge_int_squares(plan, acc, into, other)
    for a in range(plan.n_accs):
        acc = &plan.accs[a]
        merge_one(acc, into + acc.narrow, other + acc.narrow)
