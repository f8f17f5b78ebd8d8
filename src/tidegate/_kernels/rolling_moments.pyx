"""Covariances, slopes and shapes of look-backs: sums without loss, and what they come to.

The sums are those of `moments`, around a row of the window each. Values whose powers would overflow
or vanish are rare: a window with one is summed up by itself, as that of a grid.
"""

from libc.math cimport NAN
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from tidegate._kernels.moment_groups cimport read_moment
from tidegate._kernels.moments cimport PAIR_HIGH, PAIR_LOW, POWER_HIGH, POWER_LOW, push_moment
from tidegate._kernels.records cimport (
    DONE, FLOAT, NO_MEMORY, OF_CORR, OF_COV, OF_SKEW, OF_SLOPE, OF_ZSCORE, PAIRS, SIGNED,
    Acc, Column, Output, Plan, Word,
)
from tidegate._kernels.rolling_state cimport (
    IS_APART, IS_ODD, AccState, KeyState, Look, Moments, Scratch, Series, Tile, Totals, View,
)

cdef extern from "rolling_moments.h" nogil:
    ctypedef struct Source "tg_source":
        const Series* x
        const Series* y
        const int64_t* times
        bint is_pair
        bint times_are_float
        double low
        double high

    enum:
        READ_COV "TG_COV"
        READ_CORR "TG_CORR"
        READ_SLOPE "TG_SLOPE"
        READ_ZSCORE "TG_ZSCORE"
        READ_SKEW "TG_SKEW"
        READ_KURT "TG_KURT"

    bint moments_tile "tg_moments_tile"(
        Moments*, const Source*, const Tile*, int64_t, Totals*)
    int take_up "tg_moments_take_up"(Moments*, const Source*, int64_t, int64_t, int64_t)
    bint begin_anew "tg_moments_anew"(Moments*, const Source*, int64_t, int64_t, int64_t)
    void read_totals "tg_read_totals"(
        const Totals*, int, const double*, double, bint, double, int, const Word*, int64_t,
        double*)
    bint has_value "tg_has"(const Series*, int64_t)

cdef enum:
    RECORD_WORDS = 38


cdef Moments* moments_new() noexcept nogil:
    """Sums of nothing; NULL where there is no memory."""
    cdef Moments* moments = <Moments*>calloc(1, sizeof(Moments))
    if moments != NULL:
        moments.anchor = moments.apart = moments.odd = -1
    return moments


cdef void moments_free(Moments* moments) noexcept nogil:
    """Give the memory back."""
    if moments != NULL:
        free(moments.older)
    free(moments)


cdef void source_of(
    const Acc* acc, const View* view, const Look* look, Source* of
) noexcept nogil:
    """What an accumulator reads."""
    of.is_pair = acc.kind == PAIRS
    of.x = &view.columns[acc.weight] if acc.weight >= 0 else NULL
    of.y = &view.columns[acc.column]
    of.times = view.times
    of.times_are_float = look.is_float
    of.low = PAIR_LOW if of.is_pair else POWER_LOW
    of.high = PAIR_HIGH if of.is_pair else POWER_HIGH


cdef int way_of(int op) noexcept nogil:
    """How an operation is read."""
    if op == OF_COV:
        return READ_COV
    if op == OF_CORR:
        return READ_CORR
    if op == OF_SLOPE:
        return READ_SLOPE
    if op == OF_ZSCORE:
        return READ_ZSCORE
    return READ_SKEW if op == OF_SKEW else READ_KURT


cdef inline Column column_of(const Series* c) noexcept nogil:
    """A column as grids have it."""
    cdef Column column
    column.values = c.x
    column.valid = c.valid
    column.numeric = c.numeric
    column.skip_nan = c.skip_nan
    column.floats = NULL
    return column


cdef void sum_with_care(
    const Scratch* s, const View* view, const Look* look, int a, int64_t left, int64_t right,
    Word* record,
) noexcept nogil:
    """Sum up rows [left, right), some of which are too large or too small, as grids do."""
    cdef Acc acc = s.accs[a]
    cdef Column[2] columns
    cdef int64_t i
    columns[0] = column_of(&view.columns[acc.column])
    columns[1] = column_of(&view.columns[acc.weight if acc.weight >= 0 else acc.column])
    acc.numeric_x = FLOAT if look.is_float else SIGNED
    if acc.weight >= 0:
        acc.numeric_x = columns[1].numeric
        acc.weight = 1
    acc.column = 0
    memset(record, 0, RECORD_WORDS * sizeof(Word))
    for i in range(left, right):
        if has_value(&view.columns[s.accs[a].column], i) and (
                s.accs[a].weight < 0 or has_value(&view.columns[s.accs[a].weight], i)):
            push_moment(&acc, columns, i, view.times[i], 1, 0, record,
                        record + s.accs[a].rare)


cdef void answer_with_care(
    const Scratch* s, const View* view, const Look* look, int a, int64_t i
) noexcept nogil:
    """The results of one window of a tile."""
    cdef Word[RECORD_WORDS] record
    cdef Plan plan
    cdef const Output* output
    cdef int64_t n = <int64_t>s.hi[s.accs[a].nulls][i]
    cdef int o
    memset(&plan, 0, sizeof(plan))
    plan.accs = s.accs
    sum_with_care(s, view, look, a, s.tile.l[i], s.tile.r[i], record)
    for o in range(s.n_outputs):
        output = &s.outputs[o]
        if output.acc == a and n > output.ddof:
            if output.op == OF_ZSCORE:
                record[LAST_AT + 1] = (<Word*>s.hi[output.other])[i]
            s.made[o][i].f = read_moment(&plan, output, record, n)


cdef int moment_results(
    Scratch* s, const View* view, const Look* look, KeyState* key, int a
) noexcept nogil:
    """PAIRS and POWERS of a tile, and all results that are read from them."""
    cdef const Acc* acc = &s.accs[a]
    cdef Moments* moments = key.accs[a].moments
    cdef const Output* output
    cdef const Word* last
    cdef int64_t i
    cdef Source of
    cdef int o
    source_of(acc, view, look, &of)
    if not moments_tile(moments, &of, &s.tile, view.base, s.totals):
        return NO_MEMORY
    for o in range(s.n_outputs):
        output = &s.outputs[o]
        if output.acc == a:
            last = <Word*>s.hi[output.other] if output.op == OF_ZSCORE else NULL
            read_totals(s.totals, way_of(output.op), s.hi[acc.nulls], output.ddof, output.how,
                        output.by, view.columns[acc.column].numeric, last, s.tile.n,
                        &s.made[o][0].f)
    for i in range(s.tile.n if s.totals.has_care else 0):
        if s.totals.care[i] == IS_APART:
            answer_with_care(s, view, look, a, i)
        elif s.totals.care[i] == IS_ODD:
            for o in range(s.n_outputs):
                if s.outputs[o].acc == a:
                    s.made[o][i].f = NAN
    return DONE


cdef bint moments_take_up(
    const Scratch* s, const View* view, const Look* look, int a, AccState* state, int64_t left,
    int64_t right,
) noexcept nogil:
    """Go on from a snapshot, in which rows [left, right) are the window; False where not."""
    cdef Source of
    source_of(&s.accs[a], view, look, &of)
    return take_up(state.moments, &of, left, right, view.base) == 1


cdef bint moments_anew(
    const Scratch* s, const View* view, const Look* look, int a, AccState* state, int64_t left,
    int64_t right,
) noexcept nogil:
    """Begin with rows [left, right) as the window; False where there is no memory."""
    cdef Source of
    source_of(&s.accs[a], view, look, &of)
    return begin_anew(state.moments, &of, left, right, view.base)
