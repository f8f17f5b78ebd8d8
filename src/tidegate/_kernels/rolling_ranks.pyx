"""Quantiles, distances from the median, modes and distinct values of look-backs.

Which rank is asked for, and what lies between two, is as `kept` has it for grids.
"""

from libc.math cimport NAN, fabs, isfinite
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from tidegate._kernels.grid cimport float_of_order, order_of_float
from tidegate._kernels.ranks cimport between, far_from_middle, quantile_rank, value_of_key
from tidegate._kernels.records cimport (
    DONE, FLOAT, NO_MEMORY, OF_LIST, OF_MAD, OF_MODE, OF_NUNIQUE, OF_QUANTILE, OF_RANK, Output,
    Word,
)
from tidegate._kernels.rolling_state cimport (
    NEEDS_COUNTS, NEEDS_MODES, NEEDS_SELECTS, AccState, Ranks, Scratch, Seeker, Series, Tile, View,
)

cdef extern from "rolling_ranks.h" nogil:
    """
    #define TG_USUAL_LOW 0x1p-1000
    #define TG_USUAL_HIGH 0x1p1000
    """
    const double USUAL_LOW "TG_USUAL_LOW"    # a mean of two in between is rounded once
    const double USUAL_HIGH "TG_USUAL_HIGH"

    ctypedef struct Questions "tg_questions":
        Seeker* seekers
        int n_seekers
        int64_t* distinct
        int64_t* modes
        double* deviations
        double (*far)(int, int64_t, int64_t, int64_t) noexcept nogil
        double (*middle)(double, double) noexcept nogil

    bint ranks_tile "tg_ranks_tile"(
        Ranks*, const Series*, const Tile*, int64_t, int64_t, const Questions*)
    void ranks_give_back "tg_ranks_free"(Ranks*)


cdef int needs_of(const Scratch* s, int a) noexcept nogil:
    """What the outputs of KEPT need beside the bits; -1: no ranks at all."""
    cdef int o, needs = -1
    for o in range(s.n_outputs):
        if s.outputs[o].acc != a or s.outputs[o].op == OF_LIST:
            continue
        needs = 0 if needs < 0 else needs
        if s.outputs[o].op == OF_NUNIQUE:
            needs |= NEEDS_COUNTS
        elif s.outputs[o].op == OF_MODE:
            needs |= NEEDS_MODES
        elif s.outputs[o].op == OF_MAD:
            needs |= NEEDS_SELECTS
    return needs


cdef bint ranks_new(const Scratch* s, int a, AccState* state) noexcept nogil:
    """Ranks of nothing, where they are needed; False where there is no memory."""
    if s.needs[a] < 0:
        return True
    state.ranks = <Ranks*>calloc(1, sizeof(Ranks))
    state.seekers = <Seeker*>calloc(s.n_outputs + 1, sizeof(Seeker))
    if state.ranks == NULL or state.seekers == NULL:
        return False
    state.ranks.needs = s.needs[a]
    return True


cdef void ranks_free(AccState* state) noexcept nogil:
    """Give the memory back."""
    if state.ranks != NULL:
        ranks_give_back(state.ranks)
    free(state.ranks)
    free(state.seekers)


cdef double far(int numeric, int64_t key, int64_t low, int64_t high) noexcept nogil:
    """How far a value is from the median; NaN where that is no number."""
    if numeric == FLOAT and not (
            isfinite(float_of_order(low)) and isfinite(float_of_order(high))):
        return NAN
    return far_from_middle(numeric, key, low, high)


cdef double middle(double low, double high) noexcept nogil:
    """The mean of two floats, rounded once."""
    if fabs(low) < USUAL_HIGH and fabs(high) < USUAL_HIGH and fabs(low + high) > USUAL_LOW:
        return 0.5 * (low + high)
    return between(FLOAT, order_of_float(low), order_of_float(high), 0.5)


cdef void ask(const Output* output, const double* counts, int64_t n, int32_t* want) noexcept nogil:
    """Which ranks a quantile is of, in each window of a tile."""
    cdef double part
    cdef int64_t i
    for i in range(n):
        if i > 0 and counts[i] == counts[i - 1]:
            want[i] = want[i - 1]
        else:
            want[i] = -1
            if counts[i] > 0.0:
                want[i] = <int32_t>quantile_rank(output.by, output.how, <int64_t>counts[i], &part)


cdef void answer(
    const Output* output, const double* counts, int numeric, int64_t n, const int64_t* upper,
    Word* made
) noexcept nogil:
    """Make quantiles of the keys that were found, or values of keys."""
    cdef double part = 0.0
    cdef int64_t i
    for i in range(n):
        if counts[i] == 0.0:
            made[i].i = 0
        elif output.op != OF_QUANTILE:
            made[i] = value_of_key(numeric, made[i].i)
        else:
            if i == 0 or counts[i] != counts[i - 1]:
                quantile_rank(output.by, output.how, <int64_t>counts[i], &part)
            if part == 0.5 and numeric == FLOAT:
                made[i].f = middle(float_of_order(made[i].i), float_of_order(upper[i]))
            else:
                made[i].f = between(numeric, made[i].i, upper[i], part)


cdef void copy_answer(const Scratch* s, const Questions* questions, int o) noexcept nogil:
    """Give an output what was found for another one like it."""
    cdef const void* found = NULL
    if s.outputs[o].op == OF_NUNIQUE:
        found = questions.distinct
    elif s.outputs[o].op == OF_MODE:
        found = questions.modes
    elif s.outputs[o].op == OF_MAD:
        found = questions.deviations
    if found != NULL and found != s.made[o]:
        memcpy(s.made[o], found, s.tile.n * sizeof(Word))


cdef int rank_results(Scratch* s, const View* view, int a, AccState* state) noexcept nogil:
    """All results of a tile that are read from KEPT, but for lists."""
    cdef const Series* c = &view.columns[s.accs[a].column]
    cdef const double* counts = s.hi[s.accs[a].nulls]
    cdef Questions questions
    cdef Seeker* seeker
    cdef int64_t i
    cdef int o, op
    if state.ranks == NULL:
        return DONE
    questions.seekers = state.seekers
    questions.n_seekers = 0
    questions.distinct = questions.modes = NULL
    questions.deviations = NULL
    questions.far = far
    questions.middle = middle
    for o in range(s.n_outputs):
        if s.outputs[o].acc != a:
            continue
        op = s.outputs[o].op
        if op == OF_NUNIQUE:
            questions.distinct = &s.made[o][0].i
        elif op == OF_MODE:
            questions.modes = &s.made[o][0].i
        elif op == OF_MAD:
            questions.deviations = &s.made[o][0].f
        elif op == OF_QUANTILE or op == OF_RANK:
            ask(&s.outputs[o], counts, s.tile.n, s.want[o])
            seeker = &state.seekers[questions.n_seekers]
            seeker.want = s.want[o]
            seeker.low = &s.made[o][0].i
            seeker.high = s.upper[o] if op == OF_QUANTILE else NULL
            questions.n_seekers += 1
    if not ranks_tile(state.ranks, c, &s.tile, view.base, view.n, &questions):
        return NO_MEMORY
    for o in range(s.n_outputs):
        if s.outputs[o].acc == a:
            copy_answer(s, &questions, o)
    for o in range(s.n_outputs):
        op = s.outputs[o].op
        if s.outputs[o].acc != a or op == OF_LIST or op == OF_NUNIQUE:
            continue
        if op != OF_MAD:
            answer(&s.outputs[o], counts, c.numeric, s.tile.n, s.upper[o], s.made[o])
        if op != OF_MODE and c.numeric == FLOAT and s.has_odd[s.accs[a].column]:
            for i in range(s.tile.n):
                if s.has_nan[s.accs[a].column][i]:
                    s.made[o][i].f = NAN
    return DONE
