"""How the accumulators of a plan lie in a record."""

from libc.math cimport INFINITY, NAN
from libc.stdint cimport INT64_MAX, INT64_MIN
from libc.stdlib cimport calloc, free

from tidegate._kernels.kept cimport KEPT_WORDS
from tidegate._kernels.moments cimport moment_rare_words, moment_words
from tidegate._kernels.records cimport (
    FIRST, FLOAT, GREATEST, GREATEST_AT, GREATEST_INT, GREATEST_TEXT, KEPT, KEPT_TIMES, LAST, LEAST,
    LEAST_AT, LEAST_INT, LEAST_TEXT, NULLS, PAIRS, POWERS, ROWS, ROW_RUNS, ROW_SPAN, ROW_SPANS,
    SIGNED, SQUARES, SQUARES_INT, SUM, WEIGHTED, Acc, Column, Kept, Plan, Word,
)
from tidegate._kernels.rowruns cimport RUN_BEGIN, RUN_END, RUN_WORDS, SPAN_WORDS, blank_spans

cdef enum:
    LINE = 8  # words in a cache line


cdef int words_of(int kind, int lanes) noexcept nogil:
    """Length of an accumulator in a record."""
    if kind == SUM:
        return 2 * lanes
    if kind == SQUARES:
        return 2 * lanes + 1
    if kind == WEIGHTED:
        return 4 * lanes
    if kind == SQUARES_INT:
        return 4
    if kind == PAIRS or kind == POWERS:
        return moment_words(kind, lanes)
    if kind == KEPT or kind == KEPT_TIMES:
        return KEPT_WORDS
    if kind == ROW_RUNS:
        return RUN_WORDS
    if kind == ROW_SPANS:
        return SPAN_WORDS
    if kind == NULLS:
        return 0
    return 1 if kind in (
        ROWS, LEAST, GREATEST, LEAST_INT, GREATEST_INT, LEAST_TEXT, GREATEST_TEXT) else 2


cdef int rare_words_of(int kind) noexcept nogil:
    """Length of an accumulator in the cold part of a record."""
    if kind == SUM:
        return 3
    if kind == SQUARES:
        return 4
    if kind == WEIGHTED:
        return 6
    if kind == PAIRS or kind == POWERS:
        return moment_rare_words(kind)
    return 1 if kind in (NULLS, LEAST, GREATEST) else 0


cdef void make_blank(const Acc* acc, int lanes, Word* at) noexcept nogil:
    """An accumulator that has seen nothing, where that is not 0."""
    if acc.kind == LEAST or acc.kind == GREATEST:
        at.f = INFINITY if acc.kind == LEAST else -INFINITY
    elif acc.kind == SQUARES:
        at[2 * lanes].f = NAN
    elif acc.kind == ROW_RUNS:
        at[RUN_BEGIN].i = at[RUN_END].i = INT64_MIN
    elif acc.kind == ROW_SPANS:
        blank_spans(at)
    elif acc.kind == ROW_SPAN:
        at[0].i = INT64_MAX
        at[1].i = INT64_MIN
    elif acc.kind == LEAST_INT or acc.kind == FIRST:
        at.i = INT64_MAX
    elif acc.kind == LEAST_AT or acc.kind == GREATEST_AT:
        at[0].i = INT64_MAX
        at[1].i = INT64_MAX
    elif acc.kind == GREATEST_INT or acc.kind == LAST:
        at.i = INT64_MIN
    elif acc.kind == LEAST_TEXT or acc.kind == GREATEST_TEXT:
        at.i = -1


cdef void list_targets(Plan* plan) noexcept nogil:
    """Where the words of a record of one lane go when it is folded; the rare ones come last."""
    cdef const Acc* acc
    cdef int k, n_words, n_hot = plan.narrow - plan.cold
    for a in range(plan.n_accs):
        acc = &plan.accs[a]
        n_words = words_of(acc.kind, 1)
        for k in range(n_words if plan.lanes == 1 else 0):
            plan.targets[acc.wide + k] = acc.narrow + k
        for k in range(rare_words_of(acc.kind)):
            plan.targets[n_hot + acc.rare + k] = acc.narrow + n_words + k


cdef int plan_init(
    Plan* plan, list accs, const Column* columns, int lanes, bint is_float
) except -1:
    """Lay the records of a plan out; `is_float` tells of the times."""
    cdef Acc* acc
    cdef int a
    plan.accs = <Acc*>calloc(len(accs), sizeof(Acc))
    if plan.accs == NULL:
        raise MemoryError
    plan.n_accs = len(accs)
    plan.lanes = lanes
    plan.numbered = -1
    for a in range(plan.n_accs):
        acc = &plan.accs[a]
        acc.kind, acc.column, acc.weight, acc.nulls, acc.sum, acc.numeric = accs[a]
        if acc.column >= 0:
            acc.texts = &columns[acc.column].texts
        if acc.weight >= 0:
            acc.numeric_x = columns[acc.weight].numeric
        else:
            acc.numeric_x = FLOAT if is_float else SIGNED
        if acc.kind in (ROW_SPAN, ROW_RUNS, ROW_SPANS):
            plan.numbered = a
            acc.first_row = &plan.first_row
        if acc.kind in (KEPT, KEPT_TIMES, ROW_RUNS, ROW_SPANS):
            plan.keeps = True
            acc.kept = <Kept*>calloc(1, sizeof(Kept))
            if acc.kept == NULL:
                raise MemoryError
        acc.wide = plan.wide
        acc.rare = plan.cold
        acc.narrow = plan.narrow
        plan.wide += words_of(acc.kind, lanes)
        plan.cold += rare_words_of(acc.kind)
        plan.narrow += words_of(acc.kind, 1) + rare_words_of(acc.kind)
    plan.wide = (plan.wide + LINE - 1) // LINE * LINE
    plan.targets = <int*>calloc(plan.narrow + 1, sizeof(int))
    plan.blank = <Word*>calloc(plan.wide, sizeof(Word))
    plan.blank_cold = <Word*>calloc(plan.cold + 1, sizeof(Word))
    if plan.blank == NULL or plan.blank_cold == NULL or plan.targets == NULL:
        raise MemoryError
    list_targets(plan)
    for a in range(plan.n_accs):
        make_blank(&plan.accs[a], lanes, plan.blank + plan.accs[a].wide)
    return 0


cdef void plan_free(Plan* plan) noexcept:
    """Give the memory back."""
    if plan.accs != NULL:
        for a in range(plan.n_accs):
            if plan.accs[a].kept != NULL:
                free(plan.accs[a].kept.scratch)
                free(plan.accs[a].kept.lists)
                free(plan.accs[a].kept)
    free(plan.accs)
    free(plan.targets)
    free(plan.blank)
    free(plan.blank_cold)
