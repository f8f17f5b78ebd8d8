"""One row into one accumulator, whatever its value: the careful path, and the rule for every other.

The vector loops of `runs` and `whole` and the fused loop of `rows` give the same bits for values
that need no care.
"""

from libc.math cimport fabs, isfinite, isnan
from libc.stdint cimport INT64_MIN, int64_t, uint64_t

from tidegate._kernels.exact cimport (
    Exact, exact, exact_push, exact_push_product, exact_push_square,
)
from tidegate._kernels.grid cimport order_of_float
from tidegate._kernels.lanes cimport wide_hi, wide_lo, wide_of, wide_t
from tidegate._kernels.kept cimport kept_push
from tidegate._kernels.moments cimport push_moment
from tidegate._kernels.records cimport (
    DOWN, FIRST, FLOAT, GREATEST, GREATEST_AT, GREATEST_INT, GREATEST_TEXT, KEPT, KEPT_TIMES, LAST,
    LEAST, LEAST_AT, LEAST_INT, LEAST_TEXT, NULLS, ROWS, ROW_RUNS, ROW_SPAN, ROW_SPANS, SQUARES,
    SQUARES_INT, SUM, SUM_INT, TAME, UNSIGNED, WEIGHTED, Acc, Column, Word,
)
from tidegate._kernels.rowruns cimport number_of_row, numbers_of, runs_push, span_push, spans_push
from tidegate._kernels.texts cimport keep_extreme_text

cdef extern from *:
    const double EXACT_UP_TO "0x1p53"  # no integer below it is rounded


cdef inline bint has_value(const Column* column, Py_ssize_t row) noexcept nogil:
    """Whether the row has a value that counts."""
    if column.valid != NULL and not column.valid[row]:
        return False
    return not (column.skip_nan and isnan((<const double*>column.values)[row]))


cdef inline bint is_plain(const Column* column) noexcept nogil:
    """Whether every row of a column has a value that counts."""
    return column.valid == NULL and not column.skip_nan


cdef inline double number_of(Word x, int numeric) noexcept nogil:
    """A value of any kind as float64, integers rounded to nearest."""
    if numeric == FLOAT:
        return x.f
    return <double>x.u if numeric == UNSIGNED else <double>x.i


cdef inline double rest_of(Word x, int numeric, double rounded) noexcept nogil:
    """What a value lacks that was rounded to float64: integers beyond 2**53 may lose digits."""
    if numeric == FLOAT or fabs(rounded) < EXACT_UP_TO:
        return 0.0
    if numeric == UNSIGNED:
        return <double>(<wide_t>x.u - <wide_t>rounded)
    return <double>(<wide_t>x.i - <wide_t>rounded)


cdef inline bint has_floats(const Column* column) noexcept nogil:
    """Whether `floats_of` can give the values of a block."""
    return column.numeric == FLOAT or column.floats != NULL


cdef inline const double* floats_of(const Column* column, Py_ssize_t base) noexcept nogil:
    """The values of the block that begins at `base` as float64, NaN where it cannot hold one."""
    if column.numeric == FLOAT:
        return <const double*>column.values + base
    return column.floats


cdef inline void push_sum(Word* at, Word* rare, int lanes, int lane, double x) noexcept nogil:
    """SUM of one value of any size."""
    if fabs(x) < TAME:
        exact_push(&at[lane].f, &at[lanes + lane].f, x)
    elif isfinite(x):
        exact_push(&rare[1].f, &rare[2].f, x * DOWN)
    else:
        rare[0].f += x


cdef inline void push_squares(Word* at, Word* rare, int lanes, int lane, double x) noexcept nogil:
    """SQUARES of one value of any size; the first tame and the first wild value are the shifts."""
    cdef Word* shift = at + 2 * lanes
    if fabs(x) < TAME:
        if isnan(shift.f):
            shift.f = x
        exact_push_square(&at[lane].f, &at[lanes + lane].f, x, shift.f)
    elif isfinite(x):
        if rare[0].i == 0:
            rare[1].f = x * DOWN
        rare[0].i += 1
        exact_push_square(&rare[2].f, &rare[3].f, x * DOWN, rare[1].f)


cdef inline void push_extreme(Word* at, Word* rare, double x, bint low) noexcept nogil:
    """LEAST or GREATEST of one value; a NaN is counted apart, a -0.0 becomes 0.0."""
    if isnan(x):
        rare.i += 1
    elif (x < at[0].f) if low else (x > at[0].f):
        at[0].f = x + 0.0


cdef inline void push_weighted(
    Word* at, Word* rare, int lanes, int lane, double a, double b
) noexcept nogil:
    """WEIGHTED of one pair of any size; products and weights are tame or wild each by itself."""
    if not isfinite(a) or not isfinite(b):
        rare[0].f += a * b
    elif fabs(a * b) < TAME * TAME:
        exact_push_product(&at[lane].f, &at[lanes + lane].f, a, b)
    else:
        exact_push_product(&rare[2].f, &rare[3].f, a * DOWN, b * DOWN)
    if fabs(b) < TAME:
        exact_push(&at[2 * lanes + lane].f, &at[3 * lanes + lane].f, b)
    elif isfinite(b):
        exact_push(&rare[4].f, &rare[5].f, b * DOWN)
    else:
        rare[1].f += b


cdef inline void push_rests(
    Word* at, Word* rare, int lanes, int lane, double a, double a_rest, double b, double b_rest
) noexcept nogil:
    """What `push_weighted` of a rounded pair lacks.

    The weights are normalised: so the low word never has more digits than it can hold, and sums
    of integers are exact.
    """
    cdef Word* top = at + lane
    cdef Word* bottom = at + 2 * lanes + lane
    cdef Exact weights
    if isfinite(a) and isfinite(b):
        if fabs(a * b) < TAME * TAME:
            exact_push_product(&top[0].f, &top[lanes].f, a, b_rest)
            exact_push_product(&top[0].f, &top[lanes].f, a_rest, b)
            exact_push_product(&top[0].f, &top[lanes].f, a_rest, b_rest)
        else:
            exact_push_product(&rare[2].f, &rare[3].f, a * DOWN, b_rest * DOWN)
            exact_push_product(&rare[2].f, &rare[3].f, a_rest * DOWN, b * DOWN)
    exact_push(&bottom[0].f, &bottom[lanes].f, b_rest)
    weights = exact(bottom[0].f, bottom[lanes].f)
    bottom[0].f = weights.hi
    bottom[lanes].f = weights.lo


cdef inline void push_pair(
    Word* at, Word* rare, int lanes, int lane, Word a, int a_numeric, Word b, int b_numeric
) noexcept nogil:
    """WEIGHTED of one pair of any numbers, all digits of integers."""
    cdef double x = number_of(a, a_numeric), y = number_of(b, b_numeric)
    cdef double x_rest = rest_of(a, a_numeric, x), y_rest = rest_of(b, b_numeric, y)
    push_weighted(at, rare, lanes, lane, x, y)
    if x_rest != 0.0 or y_rest != 0.0:
        push_rests(at, rare, lanes, lane, x, x_rest, y, y_rest)


cdef inline void push_sum_int(Word* at, const Column* column, Py_ssize_t row) noexcept nogil:
    """SUM_INT of one value."""
    cdef wide_t total = wide_of(at[0].u, at[1].i)
    if column.numeric == UNSIGNED:
        total = total + (<const uint64_t*>column.values)[row]
    else:
        total = total + (<const int64_t*>column.values)[row]
    at[0].u = wide_lo(total)
    at[1].i = wide_hi(total)


cdef inline void push_squares_int(Word* at, const Column* column, Py_ssize_t row) noexcept nogil:
    """SQUARES_INT of one value: the distance to the first value is exact in 65 bits."""
    cdef int64_t x = (<const int64_t*>column.values)[row]
    cdef wide_t d
    cdef double far, near
    if at[3].i == 0:
        at[3].i = 1
        at[2].i = x
    if column.numeric == UNSIGNED:
        d = <wide_t>(<uint64_t>x) - <wide_t>at[2].u
    else:
        d = <wide_t>x - <wide_t>at[2].i
    far = <double>d
    near = <double>(d - <wide_t>far)
    exact_push_square(&at[0].f, &at[1].f, far, -near)


cdef inline void push_extreme_int(
    Word* at, const Column* column, Py_ssize_t row, bint low
) noexcept nogil:
    """LEAST_INT or GREATEST_INT of one value; unsigned ones are kept with the top bit turned."""
    cdef int64_t x = (<const int64_t*>column.values)[row]
    if column.numeric == UNSIGNED:
        x = x ^ INT64_MIN
    if low:
        if x < at.i:
            at.i = x
    elif x > at.i:
        at.i = x


cdef inline void push_end(
    Word* at, const Column* column, Py_ssize_t row, int64_t time, bint first
) noexcept nogil:
    """FIRST or LAST: of equal times the first to arrive, or the last."""
    if (time < at[0].i) if first else (time >= at[0].i):
        at[0].i = time
        at[1] = (<const Word*>column.values)[row]


cdef inline int64_t rank_of(const Column* column, Py_ssize_t row, bint low) noexcept nogil:
    """A number that is the smaller, the lower (or the higher) a value is; a NaN is furthest out."""
    cdef Word x = (<const Word*>column.values)[row]
    if column.numeric == FLOAT:
        if isnan(x.f):
            return INT64_MIN
        x.i = order_of_float(x.f + 0.0)
    elif column.numeric == UNSIGNED:
        x.i = x.i ^ INT64_MIN
    return x.i if low else ~x.i


cdef inline void keep_nearest(Word* at, int64_t rank, int64_t time) noexcept nogil:
    """LEAST_AT or GREATEST_AT: of equal values the earliest time."""
    if rank < at[0].i or (rank == at[0].i and time < at[1].i):
        at[0].i = rank
        at[1].i = time


cdef inline Word word_of(
    const Acc* acc, const Column* column, Py_ssize_t row, int64_t time
) noexcept nogil:
    """What KEPT or KEPT_TIMES keeps of a row."""
    cdef Word kept
    if acc.kind == KEPT:
        return (<const Word*>column.values)[row]
    kept.i = time
    return kept


cdef inline void push_row(
    const Acc* acc, const Column* columns, Py_ssize_t row, int64_t time, int lanes, int lane,
    Word* at, Word* rare,
) noexcept nogil:
    """One row into one accumulator: the careful path of every kind."""
    cdef const Column* column = &columns[acc.column]
    cdef int64_t number
    if acc.kind == ROWS:
        at.i += 1
        return
    if acc.kind == ROW_SPAN:
        span_push(acc, at, row)
        return
    if acc.kind == ROW_RUNS:
        number = number_of_row(acc, numbers_of(acc, columns), row)
        runs_push(acc, at, number, number + 1)
        return
    if acc.kind == ROW_SPANS:
        spans_push(acc, at, number_of_row(acc, numbers_of(acc, columns), row), time)
        return
    if acc.kind == NULLS:
        rare.i += not (has_value(column, row)
                       and (acc.weight < 0 or has_value(&columns[acc.weight], row)))
        return
    if not has_value(column, row):
        return
    if acc.kind == SUM:
        push_sum(at, rare, lanes, lane, (<const double*>column.values)[row])
    elif acc.kind == SQUARES:
        push_squares(at, rare, lanes, lane, (<const double*>column.values)[row])
    elif acc.kind == LEAST or acc.kind == GREATEST:
        push_extreme(at, rare, (<const double*>column.values)[row], acc.kind == LEAST)
    elif acc.kind == FIRST or acc.kind == LAST:
        push_end(at, column, row, time, acc.kind == FIRST)
    elif acc.kind == SUM_INT:
        push_sum_int(at, column, row)
    elif acc.kind == SQUARES_INT:
        push_squares_int(at, column, row)
    elif acc.kind == LEAST_INT or acc.kind == GREATEST_INT:
        push_extreme_int(at, column, row, acc.kind == LEAST_INT)
    elif acc.kind == LEAST_AT or acc.kind == GREATEST_AT:
        keep_nearest(at, rank_of(column, row, acc.kind == LEAST_AT), time)
    elif acc.kind == KEPT or acc.kind == KEPT_TIMES:
        kept_push(acc, at, word_of(acc, column, row, time))
    elif acc.kind == LEAST_TEXT or acc.kind == GREATEST_TEXT:
        keep_extreme_text(at, acc.texts, (<const int64_t*>column.values)[row],
                          acc.kind == LEAST_TEXT)
    elif acc.weight >= 0 and not has_value(&columns[acc.weight], row):
        return
    elif acc.kind == WEIGHTED:
        push_pair(at, rare, lanes, lane, (<const Word*>column.values)[row], column.numeric,
                  (<const Word*>columns[acc.weight].values)[row], columns[acc.weight].numeric)
    else:
        push_moment(acc, columns, row, time, lanes, lane, at, rare)
