"""Windows of calm rows: sums, extremes and values of many windows, each a slice of a block.

Calm rows have no value that needs care: no wild float, no integer whose sum could overflow. So the
loops over windows have nothing to check, and the bits are those of row by row: the same lanes, the
same tree.
"""

from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy, memset

from tidegate._kernels.kept cimport RANGE_AT, RANGE_N, VALUES_AT, VALUES_N
from tidegate._kernels.lanes cimport (
    add8, add_product8, add_square8, all_small, all_tame, fold_lanes, greatest, greatest_of, least,
    least_of, load, load_pair, load_part, prefetch, see_odd, seen, splat, store8, v8,
)
from tidegate._kernels.records cimport (
    FIRST, FLOAT, GREATEST, KEPT, KEPT_TIMES, LANES, LAST, LEAST, LEAST_INT, NULLS, ROWS, SQUARES,
    SUM, SUM_INT, WEIGHTED, Acc, Column, Run, Word,
)

cdef extern from *:
    """
    #include "lanes.h"
    #include "records.h"
    #include "whole.h"
    #undef CYTHON_INLINE
    #define CYTHON_INLINE TG_ALWAYS_INLINE

    TG_CLONES static int tg_is_calm(const tg_column *, Py_ssize_t, Py_ssize_t);
    TG_CLONES static int tg_read_simple(
        const tg_acc *, const tg_slices *, int64_t, int, tg_word *, Py_ssize_t, tg_word *);
    TG_CLONES static void tg_fold_sums(
        const tg_acc *, const tg_slices *, tg_word *, Py_ssize_t);
    """
    ctypedef unsigned long long w8 "tg_w8"  # eight of them
    w8 none_large "tg_none_large"() nogil
    int64_t sum_few "tg_sum_few"(const int64_t*, int64_t, bint, w8*) nogil
    int64_t sum_many "tg_sum_many"(const int64_t*, int64_t, bint, w8*) nogil
    bint is_large "tg_is_large"(w8) nogil

cdef enum:
    FEW = 16      # rows that two vectors hold


cdef bint look_calm "tg_is_calm"(
    const Column* column, Py_ssize_t first, Py_ssize_t n
) noexcept nogil:
    """`is_calm`, for each kind of CPU."""
    if column.numeric == FLOAT:
        return all_tame(<const double*>column.values + first, n)
    return all_small(<const uint64_t*>column.values + first, n)


cdef bint is_calm(const Column* column, Py_ssize_t first, Py_ssize_t n) noexcept nogil:
    """Whether no value of n rows needs care: no wild float, no integer whose sums could be."""
    return look_calm(column, first, n)


# -------------------------------------------------------------------------- one window of calm rows

cdef inline const double* within(
    const double* x, Py_ssize_t n, Py_ssize_t room, double* spare
) noexcept nogil:
    """Where n <= FEW values stand with FEW to be read."""
    if room >= FEW:
        return x
    memcpy(spare, x, n * sizeof(double))
    return spare


cdef inline void sum_whole(
    const double* x, Py_ssize_t n, Py_ssize_t room, Word* out
) noexcept nogil:
    """SUM."""
    cdef double[LANES] hi_lanes, lo_lanes
    cdef double[FEW] spare
    cdef v8 hi = splat(0.0), lo = splat(0.0), v, w
    cdef Py_ssize_t i = 0
    if n <= FEW:
        load_pair(within(x, n, room, spare), n, -0.0, &v, &w)
        add8(&hi, &lo, v)
        add8(&hi, &lo, w)
    else:
        while i + LANES <= n:
            add8(&hi, &lo, load(x + i))
            i += LANES
        if i < n:
            add8(&hi, &lo, load_part(x + i, n - i, room - i, -0.0))
    store8(hi_lanes, hi)
    store8(lo_lanes, lo)
    fold_lanes(hi_lanes, lo_lanes, &out[0].f, &out[1].f)
    memset(out + 2, 0, 3 * sizeof(Word))


cdef inline void squares_whole(
    const double* x, Py_ssize_t n, Py_ssize_t room, Word* out
) noexcept nogil:
    """SQUARES around the first value; a distance of 0 adds 0."""
    cdef double[LANES] hi_lanes, lo_lanes
    cdef double[FEW] spare
    cdef v8 hi = splat(0.0), lo = splat(0.0), shift = splat(x[0]), v, w
    cdef Py_ssize_t i = 0
    if n <= FEW:
        load_pair(within(x, n, room, spare), n, x[0], &v, &w)
        add_square8(&hi, &lo, v, shift)
        add_square8(&hi, &lo, w, shift)
    else:
        while i + LANES <= n:
            add_square8(&hi, &lo, load(x + i), shift)
            i += LANES
        if i < n:
            add_square8(&hi, &lo, load_part(x + i, n - i, room - i, x[0]), shift)
    store8(hi_lanes, hi)
    store8(lo_lanes, lo)
    fold_lanes(hi_lanes, lo_lanes, &out[0].f, &out[1].f)
    out[2].f = x[0]
    memset(out + 3, 0, 4 * sizeof(Word))


cdef inline void extremes_whole(
    const double* x, Py_ssize_t n, Py_ssize_t room, bint tells, double* low, double* high, v8* odd
) noexcept nogil:
    """LEAST and GREATEST, each unless NULL; a value may be looked at twice.

    If it `tells`, a value that is not finite leaves a NaN in `odd`.
    """
    cdef double[FEW] spare
    cdef v8 down, up, v, w
    cdef Py_ssize_t i = 2 * LANES
    if n <= FEW:
        load_pair(within(x, n, room, spare), n, x[0], &v, &w)
        if tells:
            odd[0] = see_odd(see_odd(odd[0], v), w)
        down = least(v, w)
        up = greatest(v, w)
    else:
        v = load(x)
        w = load(x + LANES)
        if tells:
            odd[0] = see_odd(see_odd(odd[0], v), w)
        down = least(v, w)
        up = greatest(v, w)
        while i + 2 * LANES <= n:
            prefetch(x + i)
            prefetch(x + i + LANES)
            v = load(x + i)
            w = load(x + i + LANES)
            if tells:
                odd[0] = see_odd(see_odd(odd[0], v), w)
            down = least(down, least(v, w))
            up = greatest(up, greatest(v, w))
            i += 2 * LANES
        v = load(x + n - 2 * LANES)
        w = load(x + n - LANES)
        if tells:
            odd[0] = see_odd(see_odd(odd[0], v), w)
        down = least(down, least(v, w))
        up = greatest(up, greatest(v, w))
    if low != NULL:
        low[0] = least_of(down) + 0.0
    if high != NULL:
        high[0] = greatest_of(up) + 0.0


cdef inline void weighted_whole(
    const double* x, const double* y, Py_ssize_t n, Py_ssize_t room, Word* out
) noexcept nogil:
    """WEIGHTED."""
    cdef double[LANES] hi_lanes, lo_lanes, sum_hi_lanes, sum_lo_lanes
    cdef v8 hi = splat(0.0), lo = splat(0.0), sum_hi = splat(0.0), sum_lo = splat(0.0), w
    cdef Py_ssize_t i = 0
    while i + LANES <= n:
        w = load(y + i)
        add_product8(&hi, &lo, load(x + i), w)
        add8(&sum_hi, &sum_lo, w)
        i += LANES
    if i < n:
        w = load_part(y + i, n - i, room - i, -0.0)
        add_product8(&hi, &lo, load_part(x + i, n - i, room - i, 0.0), w)
        add8(&sum_hi, &sum_lo, w)
    store8(hi_lanes, hi)
    store8(lo_lanes, lo)
    store8(sum_hi_lanes, sum_hi)
    store8(sum_lo_lanes, sum_lo)
    fold_lanes(hi_lanes, lo_lanes, &out[0].f, &out[1].f)
    fold_lanes(sum_hi_lanes, sum_lo_lanes, &out[2].f, &out[3].f)
    memset(out + 4, 0, 6 * sizeof(Word))


cdef inline int64_t sum_int_whole(
    const int64_t* x, Py_ssize_t n, Py_ssize_t room, bint tells, w8* large
) noexcept nogil:
    """SUM_INT of small values; if it `tells`, others leave bits in `large`."""
    if n <= FEW <= room:
        return sum_few(x, n, tells, large)
    return sum_many(x, n, tells, large)


cdef inline int64_t extreme_int_whole(
    const int64_t* x, Py_ssize_t n, int64_t bias, bint low
) noexcept nogil:
    """LEAST_INT or GREATEST_INT of values of any size."""
    cdef int64_t kept = x[0] ^ bias, v
    cdef Py_ssize_t i
    for i in range(1, n):
        v = x[i] ^ bias
        kept = (v if v < kept else kept) if low else (v if v > kept else kept)
    return kept


cdef inline Py_ssize_t end_whole(
    const int64_t* times, Py_ssize_t n, bint ordered, bint first
) noexcept nogil:
    """The row of FIRST or LAST: by time, and of equal times by arrival."""
    cdef Py_ssize_t at = 0, i
    if ordered:
        return 0 if first else n - 1
    for i in range(1, n):
        if (times[i] < times[at]) if first else (times[i] >= times[at]):
            at = i
    return at


# ----------------------------------------------------------------------------------- many windows

cdef inline bint read_extremes(
    const Slices* s, bint tells, bint lows, bint highs, Word* low, Word* high, Py_ssize_t width
) noexcept nogil:
    """LEAST, GREATEST or both of each window; False where values need care."""
    cdef const Word* x = s.x
    cdef Py_ssize_t r, first
    cdef v8 odd = splat(0.0)
    for r in range(s.n):
        first = s.runs[r].begin
        extremes_whole(&x[first].f, s.runs[r].end - first, s.room - first, tells,
                       &low[r * width].f if lows else NULL,
                       &high[r * width].f if highs else NULL, &odd)
    return not (tells and seen(odd))


cdef inline bint some_extremes(
    const Acc* acc, const Slices* s, bint tells, Word* out, Word* also, Py_ssize_t width
) noexcept nogil:
    """Choose the loop for the extremes that are asked for."""
    if acc.kind == GREATEST:
        return read_extremes(s, tells, False, True, NULL, out, width)
    if also == NULL:
        return read_extremes(s, tells, True, False, out, NULL, width)
    return read_extremes(s, tells, True, True, out, also, width)


cdef inline bint read_int_sums(
    const Slices* s, bint tells, Word* out, Py_ssize_t width
) noexcept nogil:
    """SUM_INT of each window; False where values need care."""
    cdef const Word* x = s.x
    cdef Py_ssize_t r, first
    cdef w8 large = none_large()
    for r in range(s.n):
        first = s.runs[r].begin
        out[r * width].i = sum_int_whole(&x[first].i, s.runs[r].end - first, s.room - first,
                                         tells, &large)
    return not (tells and is_large(large))


cdef bint loop_simple "tg_read_simple"(
    const Acc* acc, const Slices* s, int64_t bias, bint tells, Word* out, Py_ssize_t width,
    Word* also
) noexcept nogil:
    """`read_simple`, for each kind of CPU."""
    cdef const Word* x = s.x
    cdef const Run* runs = s.runs
    cdef Py_ssize_t r, first
    if acc.kind == LEAST or acc.kind == GREATEST:
        if tells:
            return some_extremes(acc, s, True, out, also, width)
        return some_extremes(acc, s, False, out, also, width)
    if acc.kind == SUM_INT:
        if tells:
            return read_int_sums(s, True, out, width)
        return read_int_sums(s, False, out, width)
    if acc.kind == ROWS:
        for r in range(s.n):
            out[r * width].i = runs[r].end - runs[r].begin
    elif acc.kind == FIRST:
        for r in range(s.n):
            first = runs[r].begin
            out[r * width] = x[first + end_whole(
                s.times + first, runs[r].end - first, runs[r].ordered, True)]
    elif acc.kind == LAST:
        for r in range(s.n):
            first = runs[r].begin
            out[r * width] = x[first + end_whole(
                s.times + first, runs[r].end - first, runs[r].ordered, False)]
    elif acc.kind == LEAST_INT:
        for r in range(s.n):
            first = runs[r].begin
            out[r * width].i = bias ^ extreme_int_whole(
                &x[first].i, runs[r].end - first, s.bias, True)
    else:  # GREATEST_INT
        for r in range(s.n):
            first = runs[r].begin
            out[r * width].i = bias ^ extreme_int_whole(
                &x[first].i, runs[r].end - first, s.bias, False)
    return True


cdef bint read_simple(
    const Acc* acc, const Slices* s, int64_t bias, bint tells, Word* out, Py_ssize_t width,
    Word* also
) noexcept nogil:
    """What is one word of each window of calm rows, into every `width`-th word.

    With LEAST, GREATEST of the same column goes to `also`, unless that is NULL. If it `tells`, it
    is False where values turn out to need care: what was written is of no use then.
    """
    return loop_simple(acc, s, bias, tells, out, width, also)


cdef void fold_sums "tg_fold_sums"(
    const Acc* acc, const Slices* s, Word* out, Py_ssize_t width
) noexcept nogil:
    """SUM, SQUARES or WEIGHTED of windows of calm rows, into every `width`-th word."""
    cdef const Run* runs = s.runs
    cdef Py_ssize_t r, first
    if acc.kind == SUM:
        for r in range(s.n):
            first = runs[r].begin
            sum_whole(&s.x[first].f, runs[r].end - first, s.room - first, out + r * width)
    elif acc.kind == SQUARES:
        for r in range(s.n):
            first = runs[r].begin
            squares_whole(&s.x[first].f, runs[r].end - first, s.room - first, out + r * width)
    else:
        for r in range(s.n):
            first = runs[r].begin
            weighted_whole(&s.x[first].f, &s.y[first].f, runs[r].end - first, s.room - first,
                           out + r * width)


cdef void point_to_values(
    const Acc* acc, const Slices* s, Word* out, Py_ssize_t width
) noexcept nogil:
    """KEPT or KEPT_TIMES: the values stay where they are."""
    cdef const Word* words = s.x if acc.kind == KEPT else <const Word*>s.times
    cdef Py_ssize_t r
    for r in range(s.n):
        out[RANGE_AT].p = out
        out[RANGE_N].i = 1
        out[VALUES_AT].p = <void*>(words + s.runs[r].begin)
        out[VALUES_N].i = s.runs[r].end - s.runs[r].begin
        out += width


cdef void fold_wholes(
    const Acc* acc, const Slices* s, Word* out, Py_ssize_t width
) noexcept nogil:
    """One accumulator of windows of calm rows, as a folded record has it."""
    cdef Py_ssize_t r, at, first
    if acc.kind == SUM or acc.kind == SQUARES or acc.kind == WEIGHTED:
        fold_sums(acc, s, out, width)
        return
    if acc.kind == KEPT or acc.kind == KEPT_TIMES:
        point_to_values(acc, s, out, width)
        return
    at = 1 if acc.kind == FIRST or acc.kind == LAST else 0
    if acc.kind == NULLS:
        for r in range(s.n):
            out[r * width].i = 0
        return
    read_simple(acc, s, 0, False, out + at, width, NULL)
    for r in range(s.n):
        first = s.runs[r].begin
        if acc.kind == SUM_INT:
            out[r * width + 1].i = -1 if out[r * width].i < 0 else 0
        elif acc.kind == LEAST or acc.kind == GREATEST:
            out[r * width + 1].i = 0
        elif at:
            out[r * width].i = s.times[first + end_whole(
                s.times + first, s.runs[r].end - first, s.runs[r].ordered, acc.kind == FIRST)]
