"""What the windows of a look-back come to, a tile of rows at a time."""

from libc.math cimport INFINITY, NAN, fabs, fma, isfinite, isnan
from libc.stdint cimport INT64_MAX, INT64_MIN, int32_t, int64_t, uint8_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memchr, memset

from tidegate._kernels.exact cimport Exact, exact, exact_add, exact_push
from tidegate._kernels.grid cimport float_of_order, order_of_float
from tidegate._kernels.lanes cimport sub_overflows, wide_hi, wide_lo, wide_t
from tidegate._kernels.moments cimport moment_words
from tidegate._kernels.push cimport number_of, push_pair, rest_of
from tidegate._kernels.records cimport (
    DONE, FIRST, FLOAT, GREATEST, GREATEST_AT, GREATEST_INT, KEPT, KEPT_TIMES, LAST, LEAST,
    LEAST_AT, LEAST_INT, NO_MEMORY, NULLS, OF_LIST, OF_QUANTILE, OF_RANK, OF_ZSCORE, PAIRS, POWERS,
    ROWS,
    SIGNED, SQUARES, SQUARES_INT, SUM, SUM_INT, TAME, WEIGHTED, Acc, Output, Word,
)
from tidegate._kernels.results cimport ratio_in
from tidegate._kernels.rolling_moments cimport (
    LAST_AT, moment_results, moments_anew, moments_free, moments_new, moments_take_up,
)
from tidegate._kernels.rolling_ranks cimport needs_of, rank_results, ranks_free, ranks_new
from tidegate._kernels.rolling_state cimport (
    BLOCK, FIXED_FIRST, PAD, TILE, AccState, Big, Blocks, Deque, Fixed, KeyState, Look, Moves, Odd,
    Scratch, Series, Sum, Tile, Totals, Trail, Var, View,
)

cdef extern from "rolling_extreme.h" nogil:
    int lay_levels "tg_lay_levels"(Sum*, double, int64_t, int)
    double largest_of "tg_largest"(const double*, int64_t)
    bint all_finite "tg_all_finite"(const double*, int64_t)
    bint fast_tile "tg_sum_tile"(Sum*, const Tile*, const double*, const double*, double*, double*)
    bint add_many "tg_sum_many_in"(Sum*, const double*, int64_t, double)
    void big_clear "tg_big_clear"(Big*)
    void big_add "tg_big_add"(Big*, double, int64_t)
    bint big_read "tg_big_read"(const Big*, double*, double*)
    void var_tile "tg_var_tile"(
        Var*, const Series*, const Tile*, int64_t, const double*, bint, bint, const double*,
        Moves*, Moves*, Trail*, double*, double*, double*, int*)
    void lay_steady "tg_lay_steady"(Tile*, int64_t, int64_t, int64_t)
    void count_rows "tg_count_rows"(const Tile*, double*)
    void left_bounds "tg_left_bounds"(
        const int64_t*, int64_t, int64_t, int64_t, int64_t, int64_t*)
    void greatest_many "tg_greatest_many"(
        Blocks*, const Series*, int64_t, const int64_t*, const int64_t*, int64_t, bint, bint,
        int64_t*)
    bint has_value "tg_has"(const Series*, int64_t)
    bint is_odd "tg_is_odd"(const Series*, int64_t)

cdef extern from "rolling_ranks.h" nogil:
    int64_t key_of "tg_key_of"(int, Word)

cdef enum:
    PATIENCE = 8 * 512     # rows before levels are tried again
    FIRST_STRIDE = 16
    HALF = 1               # marks: hi and lo are at the scale 2**-64
    NO_SUM = 2             # marks: hi is a NaN or an infinity that came along


# --------------------------------------------------------------------------------------- memory

cdef int outputs_init(Scratch* s) noexcept:
    """Room for the results of a tile that are read with their accumulators."""
    cdef int o, a, op
    s.made = <Word**>calloc(s.n_outputs + 1, sizeof(Word*))
    s.upper = <int64_t**>calloc(s.n_outputs + 1, sizeof(int64_t*))
    s.want = <int32_t**>calloc(s.n_outputs + 1, sizeof(int32_t*))
    s.needs = <int*>calloc(s.n_accs + 1, sizeof(int))
    s.totals = <Totals*>calloc(1, sizeof(Totals))
    if (s.made == NULL or s.upper == NULL or s.want == NULL or s.needs == NULL
            or s.totals == NULL):
        return NO_MEMORY
    for a in range(s.n_accs):
        s.needs[a] = needs_of(s, a) if s.accs[a].kind == KEPT else -1
        if s.accs[a].kind == PAIRS or s.accs[a].kind == POWERS:
            s.accs[a].rare = moment_words(s.accs[a].kind, 1)
    for o in range(s.n_outputs):
        op = s.outputs[o].op
        if op == OF_ZSCORE:
            s.accs[s.outputs[o].other].narrow = LAST_AT
        a = s.outputs[o].acc
        if op == OF_LIST or not (
                s.needs[a] >= 0 or s.accs[a].kind == PAIRS or s.accs[a].kind == POWERS):
            continue
        s.made[o] = <Word*>calloc(TILE + PAD, sizeof(Word))
        if s.made[o] == NULL:
            return NO_MEMORY
        if op == OF_QUANTILE or op == OF_RANK:
            s.upper[o] = <int64_t*>calloc(TILE + PAD, sizeof(int64_t))
            s.want[o] = <int32_t*>calloc(TILE + PAD, sizeof(int32_t))
            if s.upper[o] == NULL or s.want[o] == NULL:
                return NO_MEMORY
    return DONE


cdef void outputs_free(Scratch* s) noexcept:
    """Give the memory back."""
    cdef int o
    for o in range(s.n_outputs):
        free(NULL if s.made == NULL else s.made[o])
        free(NULL if s.upper == NULL else s.upper[o])
        free(NULL if s.want == NULL else s.want[o])
    free(s.made)
    free(s.upper)
    free(s.want)
    free(s.needs)
    free(s.totals)


cdef int scratch_init(
    Scratch* s, Acc* accs, int n_accs, int n_columns, const Output* outputs, int n_outputs
) noexcept:
    """Room for a tile."""
    cdef int i
    cdef Py_ssize_t size = (TILE + PAD) * sizeof(double)
    memset(s, 0, sizeof(Scratch))
    s.accs = accs
    s.n_accs = n_accs
    s.n_columns = n_columns
    s.outputs = outputs
    s.n_outputs = n_outputs
    if outputs_init(s) != DONE:
        return NO_MEMORY
    s.hi = <double**>calloc(n_accs + 1, sizeof(double*))
    s.lo = <double**>calloc(n_accs + 1, sizeof(double*))
    s.scale = <double**>calloc(n_accs + 1, sizeof(double*))
    s.marks = <uint8_t**>calloc(n_accs + 1, sizeof(uint8_t*))
    s.has_marks = <bint*>calloc(n_accs + 1, sizeof(bint))
    s.special = <double**>calloc(n_columns + 1, sizeof(double*))
    s.has_nan = <uint8_t**>calloc(n_columns + 1, sizeof(uint8_t*))
    s.is_calm = <bint*>calloc(n_columns + 1, sizeof(bint))
    s.is_full = <bint*>calloc(n_columns + 1, sizeof(bint))
    s.has_odd = <bint*>calloc(n_columns + 1, sizeof(bint))
    s.is_lazy = <bint*>calloc(n_columns + 1, sizeof(bint))
    s.common = <double*>calloc(n_accs + 1, sizeof(double))
    s.before = <Fixed*>calloc(n_accs + 1, sizeof(Fixed))
    s.has_scale = <int*>calloc(n_accs + 1, sizeof(int))
    s.filled = <double*>calloc(n_accs + 1, sizeof(double))
    s.one = <double*>calloc(1, size)
    s.other = <double*>calloc(1, size)
    s.entering = <Moves*>calloc(1, sizeof(Moves))
    s.leaving = <Moves*>calloc(1, sizeof(Moves))
    s.trail = <Trail*>calloc(1, sizeof(Trail))
    if (s.hi == NULL or s.lo == NULL or s.scale == NULL or s.marks == NULL or s.has_marks == NULL
            or s.special == NULL or s.has_nan == NULL or s.is_calm == NULL or s.is_full == NULL
            or s.has_odd == NULL or s.is_lazy == NULL or s.common == NULL or s.before == NULL
            or s.has_scale == NULL or s.filled == NULL
            or s.one == NULL or s.other == NULL or s.entering == NULL
            or s.leaving == NULL or s.trail == NULL):
        return NO_MEMORY
    for i in range(n_accs):
        s.hi[i] = <double*>calloc(1, size)
        s.lo[i] = <double*>calloc(1, size)
        s.scale[i] = <double*>calloc(1, size)
        s.marks[i] = <uint8_t*>calloc(1, TILE + PAD)
        if s.hi[i] == NULL or s.lo[i] == NULL or s.scale[i] == NULL or s.marks[i] == NULL:
            return NO_MEMORY
    for i in range(n_columns):
        s.special[i] = <double*>calloc(1, size)
        s.has_nan[i] = <uint8_t*>calloc(1, TILE + PAD)
        if s.special[i] == NULL or s.has_nan[i] == NULL:
            return NO_MEMORY
        s.is_lazy[i] = True
    for i in range(n_accs):
        if accs[i].kind in (SQUARES, LEAST, GREATEST, WEIGHTED, KEPT) and accs[i].column >= 0:
            s.is_lazy[accs[i].column] = False
            if accs[i].weight >= 0:
                s.is_lazy[accs[i].weight] = False
    return DONE


cdef void scratch_free(Scratch* s) noexcept:
    """Give the memory back."""
    cdef int i
    outputs_free(s)
    for i in range(s.n_accs):
        free(NULL if s.hi == NULL else s.hi[i])
        free(NULL if s.lo == NULL else s.lo[i])
        free(NULL if s.scale == NULL else s.scale[i])
        free(NULL if s.marks == NULL else s.marks[i])
    for i in range(s.n_columns):
        free(NULL if s.special == NULL else s.special[i])
        free(NULL if s.has_nan == NULL else s.has_nan[i])
    free(s.hi)
    free(s.lo)
    free(s.scale)
    free(s.marks)
    free(s.has_marks)
    free(s.special)
    free(s.has_nan)
    free(s.is_calm)
    free(s.is_full)
    free(s.has_odd)
    free(s.is_lazy)
    free(s.common)
    free(s.before)
    free(s.has_scale)
    free(s.filled)
    free(s.one)
    free(s.other)
    free(s.entering)
    free(s.leaving)
    free(s.trail)


cdef inline void begin_var(Var* var, int64_t number) noexcept nogil:
    """Let nothing have been seen, and fixed point be tried at a row."""
    memset(var, 0, sizeof(Var))
    var.scale = 1.0
    var.stride = FIRST_STRIDE
    var.fixed.retry = number


cdef inline int n_sums(const Acc* acc) noexcept nogil:
    """How many sums a SUM or a WEIGHTED keeps."""
    if acc.kind == SUM:
        return 1
    return 3 if acc.numeric_x == FLOAT else 4


cdef int key_init(KeyState* key, const Scratch* s) noexcept nogil:
    """A key that has seen nothing."""
    cdef int i
    memset(key, 0, sizeof(KeyState))
    key.odd = <Odd*>malloc((s.n_columns + 1) * sizeof(Odd))
    key.accs = <AccState*>calloc(s.n_accs + 1, sizeof(AccState))
    if key.odd == NULL or key.accs == NULL:
        return NO_MEMORY
    memset(key.odd, 0xFF, (s.n_columns + 1) * sizeof(Odd))
    for i in range(s.n_accs):
        key.accs[i].at = -1
        key.accs[i].nan = -1
        key.accs[i].lacking = -1
        if s.accs[i].kind == SUM or s.accs[i].kind == WEIGHTED:
            key.accs[i].sums = <Sum*>calloc(n_sums(&s.accs[i]), sizeof(Sum))
            if key.accs[i].sums == NULL:
                return NO_MEMORY
        elif s.accs[i].kind == SQUARES or s.accs[i].kind == SQUARES_INT:
            key.accs[i].var = <Var*>calloc(1, sizeof(Var))
            if key.accs[i].var == NULL:
                return NO_MEMORY
            begin_var(key.accs[i].var, FIXED_FIRST)
        elif s.accs[i].kind == PAIRS or s.accs[i].kind == POWERS:
            key.accs[i].moments = moments_new()
            if key.accs[i].moments == NULL:
                return NO_MEMORY
        elif not ranks_new(s, i, &key.accs[i]):
            return NO_MEMORY
    return DONE


cdef void key_free(KeyState* key, const Scratch* s) noexcept nogil:
    """Give the memory back."""
    cdef int i, k
    cdef AccState* acc
    for i in range(s.n_accs if key.accs != NULL else 0):
        acc = &key.accs[i]
        if acc.sums != NULL:
            for k in range(n_sums(&s.accs[i])):
                free(acc.sums[k].big)
        free(acc.sums)
        free(acc.var)
        if acc.blocks != NULL:
            free(acc.blocks.queue)
            free(acc.blocks.greatest)
        free(acc.blocks)
        moments_free(acc.moments)
        ranks_free(acc)
        free(acc.deque.rows)
        free(acc.deque.values)
    free(key.odd)
    free(key.accs)
    memset(key, 0, sizeof(KeyState))


cdef int key_use_blocks(KeyState* key, const Scratch* s, int64_t n_rows) noexcept nogil:
    """Let extremes go by blocks: for a key all of whose rows are in one view."""
    cdef int i
    cdef Blocks* blocks
    for i in range(s.n_accs):
        if s.accs[i].kind not in (LEAST, GREATEST, LEAST_INT, GREATEST_INT):
            continue
        blocks = <Blocks*>calloc(1, sizeof(Blocks))
        key.accs[i].blocks = blocks
        if blocks == NULL:
            return NO_MEMORY
        blocks.end_of = -1
        blocks.begin_of = -1
        blocks.queue = <int64_t*>malloc((n_rows // BLOCK + 2) * sizeof(int64_t))
        blocks.greatest = <int64_t*>malloc((n_rows // BLOCK + 2) * sizeof(int64_t))
        if blocks.queue == NULL or blocks.greatest == NULL:
            return NO_MEMORY
    return DONE


# --------------------------------------------------------------------------------------- bounds

cdef inline int64_t most(int64_t a, int64_t b) noexcept nogil:
    """The larger one."""
    return a if a > b else b


cdef int64_t bounds_of_rows(
    Tile* tile, const Look* look, const View* view, int64_t first, int64_t n
) noexcept nogil:
    """Bounds of windows of a number of rows."""
    cdef int64_t back = look.rows - (not look.has_left)
    cdef int64_t number = view.base + first, i, ahead = 1 if look.has_right else 0
    tile.is_steady = number > back
    if not tile.is_steady:
        n = min(n, back + 1 - number)
    lay_steady(tile, first - back, first + ahead, n)
    if not tile.is_steady:
        for i in range(n):
            tile.l[i] = -view.base
    return n


cdef inline bint cutoff(const Look* look, int64_t time, int64_t* last) noexcept nogil:
    """The largest time that has left the window of a row; False where none can have."""
    if look.is_float:
        last[0] = order_of_float(float_of_order(time) - look.size_f) - look.has_left
        return True
    return not (sub_overflows(time, look.size, last)
                or sub_overflows(last[0], look.has_left, last))


cdef int64_t bounds_of_times(
    Tile* tile, const Look* look, const View* view, int64_t first, int64_t n
) noexcept nogil:
    """Bounds of windows of a length of time."""
    cdef int64_t left = tile.was_l, right = tile.was_r, i, last = 0
    cdef const int64_t* times = view.times
    tile.is_steady = False
    for i in range(n):
        tile.r[i] = first + i + 1
    if not look.has_right:
        for i in range(n):
            while times[right] < times[first + i]:
                right += 1
            tile.r[i] = right
    if not look.is_float and look.size < INT64_MAX and cutoff(look, times[first], &last):
        left_bounds(times, left, first, n, look.size + look.has_left, tile.l)
    else:
        for i in range(n):
            if cutoff(look, times[first + i], &last):
                while left < first + i and times[left] <= last:
                    left += 1
            tile.l[i] = left
    while n > 1 and (tile.l[n - 1] > tile.was_l + TILE or tile.r[n - 1] > tile.was_r + TILE):
        n -= 1
    return n


cdef int64_t find_bounds(
    Tile* tile, const Look* look, const View* view, const KeyState* key, int64_t first,
    int64_t n,
) noexcept nogil:
    """Lay a tile of up to n rows, TILE at most, from a row of the view on; return how many it has.

    Bounds move by no more than TILE rows within it, or it is of one row.
    """
    tile.first = first
    tile.is_by_one = look.has_right
    tile.was_l = key.left - view.base
    tile.was_r = key.right - view.base
    if look.rows:
        n = bounds_of_rows(tile, look, view, first, n)
    else:
        n = bounds_of_times(tile, look, view, first, n)
    tile.n = n
    return n


# --------------------------------------------------------------------------- what a column is like

cdef inline void note(Odd* odd, const Series* c, int64_t i, int64_t number) noexcept nogil:
    """Take note of what a row has that is odd."""
    cdef double x
    if not has_value(c, i):
        odd.missing = number
    elif c.numeric == FLOAT:
        x = c.x[i].f
        if x - x != 0.0:
            if x != x:
                odd.nan = number
            elif x > 0.0:
                odd.plus = number
            else:
                odd.minus = number


cdef inline double special_of(const Odd* odd, int64_t left) noexcept nogil:
    """What a sum of rows from left on is, because of one that is no number; 0: nothing."""
    if odd.nan >= left or (odd.plus >= left and odd.minus >= left):
        return NAN
    if odd.plus >= left:
        return INFINITY
    return -INFINITY if odd.minus >= left else 0.0


cdef void look_at_column(
    Scratch* s, const View* view, KeyState* key, int column, bint is_lazy
) noexcept nogil:
    """Find out what is odd about the rows of a tile's windows.

    A lazy look takes floats for finite where all are there and nothing says otherwise.
    """
    cdef const Series* c = &view.columns[column]
    cdef const Tile* tile = &s.tile
    cdef Odd* odd = &key.odd[column]
    cdef int64_t from_l = view.base + tile.was_l, right = tile.was_r, i
    cdef int64_t n = tile.r[tile.n - 1] - right
    cdef bint has_all = c.valid == NULL or n == 0 or memchr(c.valid + right, 0, n) == NULL
    cdef bint may_trust = is_lazy and not c.skip_nan and has_all and odd.missing < from_l
    cdef bint is_finite = c.numeric != FLOAT or may_trust or all_finite(&c.x[right].f, n)
    cdef int64_t last_odd = most(odd.nan, most(odd.plus, odd.minus))
    cdef double* special = s.special[column]
    cdef uint8_t* has_nan = s.has_nan[column]
    s.has_odd[column] = False
    if is_finite and last_odd < from_l:
        if not has_all:
            i = right + n - 1
            while c.valid[i]:
                i -= 1
            odd.missing = view.base + i
        s.is_full[column] = odd.missing < from_l
        s.is_calm[column] = s.is_full[column]
        return
    for i in range(tile.n):
        while right < tile.r[i]:
            note(odd, c, right, view.base + right)
            right += 1
        special[i] = special_of(odd, view.base + tile.l[i])
        has_nan[i] = odd.nan >= view.base + tile.l[i]
        s.has_odd[column] |= special[i] != 0.0
    s.is_full[column] = odd.missing < from_l
    s.is_calm[column] = s.is_full[column] and most(odd.nan, most(odd.plus, odd.minus)) < from_l


cdef inline void count_up(
    const Series* a, const Series* b, int64_t first, int64_t n, int64_t* counts
) noexcept nogil:
    """How many of the first 0 to n rows from one on have a value in both columns."""
    cdef int64_t i
    counts[0] = 0
    for i in range(n):
        counts[i + 1] = counts[i] + (has_value(a, first + i) and has_value(b, first + i))


cdef void count_values(
    Scratch* s, const View* view, const Acc* acc, AccState* state, double* out, double* filled
) noexcept nogil:
    """NULLS: how many rows of each window have a value (in both columns)."""
    cdef const Tile* tile = &s.tile
    cdef const Series* a = &view.columns[acc.column]
    cdef const Series* b = a if acc.weight < 0 else &view.columns[acc.weight]
    cdef int64_t i, left = tile.was_l, right = tile.was_r
    cdef int64_t n_in = tile.r[tile.n - 1] - right, n_gone = tile.l[tile.n - 1] - left
    cdef int64_t[TILE + 1] come, gone
    if s.is_full[acc.column] and (acc.weight < 0 or s.is_full[acc.weight]):
        state.count = tile.r[tile.n - 1] - tile.l[tile.n - 1]
        if not tile.is_steady or filled[0] != <double>state.count or tile.n < TILE:
            count_rows(tile, out)
            filled[0] = <double>state.count if tile.is_steady and tile.n == TILE else 0.0
        return
    filled[0] = 0.0
    if tile.is_steady and acc.weight < 0 and not a.skip_nan:
        for i in range(tile.n):
            state.count += (a.valid[right + i] != 0) - (a.valid[left + i] != 0)
            out[i] = <double>state.count
        return
    if n_in > TILE or n_gone > TILE:  # one window, far from the one before
        for i in range(right, right + n_in):
            state.count += has_value(a, i) and has_value(b, i)
        for i in range(left, left + n_gone):
            state.count -= has_value(a, i) and has_value(b, i)
        out[0] = <double>state.count
        return
    count_up(a, b, right, n_in, come)
    count_up(a, b, left, n_gone, gone)
    for i in range(tile.n):
        out[i] = <double>(state.count + come[tile.r[i] - right] - gone[tile.l[i] - left])
    state.count += come[n_in] - gone[n_gone]


# ----------------------------------------------------------------------------------------- sums

cdef enum Part:
    VALUE       # of the one column
    PRODUCT     # of both
    REST        # what the product was rounded by
    WEIGHT      # of the other column
    LACKING     # what the weight was rounded by, where that is an integer


cdef struct Source:
    const Series* a
    const Series* b
    int part
    bint is_calm     # VALUE: all rows have numbers


cdef inline double number_at(const Series* c, int64_t i) noexcept nogil:
    """A value as a float64."""
    return number_of(c.x[i], c.numeric)


cdef inline double lacking_at(const Series* c, int64_t i, double rounded) noexcept nogil:
    """What a value was rounded by."""
    return rest_of(c.x[i], c.numeric, rounded)


cdef inline bint is_tame(double a, double b) noexcept nogil:
    """Whether products of two numbers and sums of such are sure to be finite."""
    return fabs(a) < TAME and fabs(b) < TAME


cdef inline double part_at(const Source* of, int64_t i) noexcept nogil:
    """What a row adds; 0 where it has no value, or one that is no number."""
    cdef double x, y, y_rest
    if not has_value(of.a, i):
        return 0.0
    x = number_at(of.a, i)
    if of.part == VALUE:
        return x if isfinite(x) else 0.0
    if not has_value(of.b, i):
        return 0.0
    y = number_at(of.b, i)
    if not is_tame(x, y):
        return 0.0
    if of.part == WEIGHT:
        return y
    if of.part == PRODUCT:
        return x * y
    y_rest = lacking_at(of.b, i, y)
    if of.part == LACKING:
        return y_rest
    return fma(x, y, -(x * y)) + (x * y_rest + lacking_at(of.a, i, x) * y)


cdef const double* fetch(
    const Source* of, int64_t first, int64_t n, double* room
) noexcept nogil:
    """What n rows add, up to TILE."""
    cdef int64_t i
    if of.part == VALUE and of.is_calm:
        return &of.a.x[first].f
    for i in range(n):
        room[i] = part_at(of, first + i)
    return room


cdef bint add_range(
    Sum* sum, const Source* of, int64_t first, int64_t end, double sign, double* room
) noexcept nogil:
    """Add any number of rows to levels, or take them away; False where one does not fit."""
    cdef int64_t n
    while first < end:
        n = min(<int64_t>TILE, end - first)
        if not add_many(sum, fetch(of, first, n, room), n, sign):
            return False
        first += n
    return True


cdef bint sum_in_levels(
    Scratch* s, Sum* sum, const Source* of, double* hi, double* lo
) noexcept nogil:
    """Sums of a tile's windows; False, and nothing changed, where levels do not do."""
    cdef Tile* tile = &s.tile
    cdef int64_t left = tile.was_l, right = tile.was_r
    cdef int64_t to_l = tile.l[tile.n - 1], to_r = tile.r[tile.n - 1]
    cdef Sum before = sum[0]
    cdef const double* entering
    cdef const double* leaving
    cdef bint fits
    if sum.levels == 0 or sum.is_slow or to_r - left + 4 * TILE > sum.most:
        return False
    if to_l - left <= TILE and to_r - right <= TILE:
        entering = fetch(of, right, to_r - right, s.one)
        leaving = fetch(of, left, to_l - left, s.other)
        return fast_tile(sum, tile, entering, leaving, hi, lo)
    fits = (add_range(sum, of, right, to_r, 1.0, s.one)
            and add_range(sum, of, left, to_l, -1.0, s.one))
    if fits:
        tile.was_l = to_l
        tile.was_r = to_r
        fits = fast_tile(sum, tile, s.one, s.other, hi, lo)
        tile.was_l = left
        tile.was_r = right
    if not fits:
        sum[0] = before
    return fits


cdef bint lay_anew(Scratch* s, Sum* sum, const Source* of, int64_t number) noexcept nogil:
    """Lay levels that the rows of a tile's windows fit, and sum up the window before it."""
    cdef const Tile* tile = &s.tile
    cdef int64_t first = tile.was_l, end = tile.r[tile.n - 1], n
    cdef double largest = 0.0, size
    cdef int levels
    while first < end:
        n = min(<int64_t>TILE, end - first)
        size = largest_of(fetch(of, first, n, s.one), n)
        largest = size if size > largest else largest
        first += n
    sum.retry = number + most(tile.was_r - tile.was_l, PATIENCE)
    for levels in range(2, 4):
        if not lay_levels(sum, largest, end - tile.was_l + 4 * TILE, levels):
            return False
        if add_range(sum, of, tile.was_l, tile.was_r, 1.0, s.one) and add_range(
                sum, of, tile.was_r, end, 0.0, s.one):
            return True
    return False


cdef int sum_slowly(
    Scratch* s, Sum* sum, const Source* of, double* hi, double* lo, uint8_t* marks, bint* has_marks
) noexcept nogil:
    """Sums of a tile's windows by limbs."""
    cdef const Tile* tile = &s.tile
    cdef int64_t i, left = tile.was_l, right = tile.was_r
    for i in range(tile.n):
        while right < tile.r[i]:
            big_add(sum.big, part_at(of, right), 1)
            right += 1
        while left < tile.l[i]:
            big_add(sum.big, part_at(of, left), -1)
            left += 1
        marks[i] = HALF if big_read(sum.big, &hi[i], &lo[i]) else 0
        has_marks[0] |= marks[i]
    return DONE


cdef int begin_limbs(Sum* sum, const Source* of, int64_t left, int64_t right) noexcept nogil:
    """Go over to limbs, with the sum of rows [left, right)."""
    cdef int64_t i
    if sum.big == NULL:
        sum.big = <Big*>malloc(sizeof(Big))
        if sum.big == NULL:
            return NO_MEMORY
    big_clear(sum.big)
    for i in range(left, right):
        big_add(sum.big, part_at(of, i), 1)
    sum.is_slow = True
    return DONE


cdef int sum_tile(
    Scratch* s, Sum* sum, const Source* of, int64_t base, double* hi, double* lo, uint8_t* marks,
    bint* has_marks,
) noexcept nogil:
    """The exact sums of a tile's windows, each rounded once to hi + lo."""
    cdef const Tile* tile = &s.tile
    cdef int64_t number = base + tile.was_r
    cdef Sum before
    if sum_in_levels(s, sum, of, hi, lo):
        return DONE
    before = sum[0]
    if number >= sum.retry:
        if lay_anew(s, sum, of, number) and sum_in_levels(s, sum, of, hi, lo):
            return DONE
        before.retry = sum.retry
        sum[0] = before
    if not sum.is_slow and begin_limbs(sum, of, tile.was_l, tile.was_r) != DONE:
        return NO_MEMORY
    memset(marks, 0, tile.n)
    return sum_slowly(s, sum, of, hi, lo, marks, has_marks)


cdef int float_sums(Scratch* s, const View* view, KeyState* key, int a) noexcept nogil:
    """SUM of a column of floats."""
    cdef const Acc* acc = &s.accs[a]
    cdef AccState* state = &key.accs[a]
    cdef Source of
    cdef int64_t i
    cdef int status
    of.a = &view.columns[acc.column]
    of.b = NULL
    of.part = VALUE
    of.is_calm = s.is_calm[acc.column]
    s.has_marks[a] = False
    if s.is_lazy[acc.column] and of.is_calm:
        if sum_in_levels(s, state.sums, &of, s.hi[a], s.lo[a]):
            return DONE
        look_at_column(s, view, key, acc.column, False)
        of.is_calm = s.is_calm[acc.column]
    status = sum_tile(
        s, state.sums, &of, view.base, s.hi[a], s.lo[a], s.marks[a], &s.has_marks[a])
    if status != DONE or not s.has_odd[acc.column]:
        return status
    if not s.has_marks[a]:
        memset(s.marks[a], 0, s.tile.n)
    s.has_marks[a] = True
    for i in range(s.tile.n):
        if s.special[acc.column][i] != 0.0:
            s.hi[a][i] = s.special[acc.column][i]
            s.marks[a][i] = NO_SUM
    return DONE


cdef void int_sums(Scratch* s, const View* view, int a, AccState* state) noexcept nogil:
    """SUM_INT: 128-bit sums, the low and the high half."""
    cdef const Tile* tile = &s.tile
    cdef const Series* c = &view.columns[s.accs[a].column]
    cdef Word* low = <Word*>s.hi[a]
    cdef Word* high = <Word*>s.lo[a]
    cdef int64_t i, left = tile.was_l, right = tile.was_r
    cdef wide_t total = state.total
    if tile.is_steady and s.is_full[s.accs[a].column] and c.numeric == SIGNED:
        for i in range(tile.n):
            total += <wide_t>c.x[right + i].i - c.x[left + i].i
            low[i].u = wide_lo(total)
            high[i].i = wide_hi(total)
        state.total = total
        return
    for i in range(tile.n):
        while right < tile.r[i]:
            if has_value(c, right):
                total += <wide_t>c.x[right].i if c.numeric == SIGNED else <wide_t>c.x[right].u
            right += 1
        while left < tile.l[i]:
            if has_value(c, left):
                total -= <wide_t>c.x[left].i if c.numeric == SIGNED else <wide_t>c.x[left].u
            left += 1
        low[i].u = wide_lo(total)
        high[i].i = wide_hi(total)
    state.total = total


# ----------------------------------------------------------------------------------------- ratios

cdef double ratio_with_care(
    const View* view, const Acc* acc, int64_t left, int64_t right
) noexcept nogil:
    """sum(a*b) / sum(b) of rows [left, right), some of which are infinite or wild, made anew."""
    cdef const Series* a = &view.columns[acc.column]
    cdef const Series* b = &view.columns[acc.weight]
    cdef Word[10] record  # WEIGHTED, folded
    cdef int64_t i
    memset(record, 0, sizeof(record))
    for i in range(left, right):
        if has_value(a, i) and has_value(b, i):
            push_pair(record, record + 4, 1, 0, a.x[i], a.numeric, b.x[i], b.numeric)
    return ratio_in(record)


cdef inline double ratio_of(
    double p, double p_lo, double q, double q_lo, double w, double w_lo
) noexcept nogil:
    """(p + q) / w, each a pair of floats."""
    cdef double top = p, low = p_lo + q_lo, first, rest, r_lo
    exact_push(&top, &low, q)
    if w == 0.0:
        return NAN
    first = (top + low) / w
    if not isfinite(first):
        return first
    rest = fma(-first, w, top)
    r_lo = low - first * w_lo
    return first + (rest + r_lo) / w


cdef inline void note_lacking(
    AccState* state, const Series* c, int64_t left, int64_t right, int64_t base
) noexcept nogil:
    """Note which of rows [left, right) is the last one whose weight is rounded."""
    cdef int64_t i
    for i in range(left, right):
        if lacking_at(c, i, number_at(c, i)) != 0.0:
            state.lacking = base + i


cdef int parts_of_ratio(
    const Scratch* s, const View* view, const Acc* acc, AccState* state
) noexcept nogil:
    """How many sums a tile needs: where no weight is rounded, what they lack is nothing."""
    cdef const Tile* tile = &s.tile
    if n_sums(acc) == 3:
        return 3
    note_lacking(state, &view.columns[acc.weight], tile.was_r, tile.r[tile.n - 1], view.base)
    if state.lacking >= view.base + tile.was_l:
        return 4
    state.sums[3].levels = 0  # as before the first of them
    state.sums[3].is_slow = False
    state.sums[3].retry = 0
    return 3


cdef int ratios(Scratch* s, const View* view, int a, AccState* state) noexcept nogil:
    """WEIGHTED: sum(a*b) / sum(b)."""
    cdef const Acc* acc = &s.accs[a]
    cdef const Tile* tile = &s.tile
    cdef double[4][544] hi
    cdef double[4][544] lo
    cdef Source of
    cdef int64_t i, right = tile.was_r
    cdef double x, y
    cdef uint8_t[544] is_scaled
    cdef bint has_marks
    cdef int k
    memset(is_scaled, 0, tile.n)
    of.a = &view.columns[acc.column]
    of.b = &view.columns[acc.weight]
    of.is_calm = False
    cdef int n_parts = parts_of_ratio(s, view, acc, state)
    cdef Exact weight
    for k in range(n_parts):
        of.part = PRODUCT + k
        has_marks = False
        if sum_tile(s, &state.sums[k], &of, view.base, hi[k], lo[k], s.marks[a],
                    &has_marks) != DONE:
            return NO_MEMORY
        if has_marks:  # a sum that large is not put together with others at another scale
            for i in range(tile.n):
                is_scaled[i] |= s.marks[a][i]
    for i in range(tile.n):
        while right < tile.r[i]:
            if has_value(of.a, right) and has_value(of.b, right):
                x = number_at(of.a, right)
                y = number_at(of.b, right)
                if not is_tame(x, y):
                    state.at = view.base + right
                    if isnan(x * y):
                        state.nan = view.base + right
            right += 1
        if state.nan >= view.base + tile.l[i]:
            s.hi[a][i] = NAN
        elif state.at >= view.base + tile.l[i] or is_scaled[i]:
            s.hi[a][i] = ratio_with_care(view, acc, tile.l[i], tile.r[i])
        else:
            weight.hi = hi[2][i]
            weight.lo = lo[2][i]
            if n_parts > 3:
                weight = exact_add(exact(hi[3][i], lo[3][i]), weight)
            s.hi[a][i] = ratio_of(hi[0][i], lo[0][i], hi[1][i], lo[1][i], weight.hi, weight.lo)
    return DONE


# --------------------------------------------------------------------------- extremes, first, last

cdef bint deque_grow(Deque* d) noexcept nogil:
    """Make room; False where there is none."""
    cdef int64_t room = 2 * d.room if d.room else 16, i
    cdef int64_t* rows = <int64_t*>malloc(room * sizeof(int64_t))
    cdef Word* values = <Word*>malloc(room * sizeof(Word))
    if rows == NULL or values == NULL:
        free(rows)
        free(values)
        return False
    for i in range(d.n):
        rows[i] = d.rows[(d.head + i) & (d.room - 1)]
        values[i] = d.values[(d.head + i) & (d.room - 1)]
    free(d.rows)
    free(d.values)
    d.rows = rows
    d.values = values
    d.head = 0
    d.room = room
    return True


cdef inline bint is_beaten(Word old, Word new, int numeric, bint least) noexcept nogil:
    """Whether a value cannot be the extreme any more once a newer one is there."""
    if numeric == FLOAT:
        return new.f <= old.f if least else new.f >= old.f
    if numeric == SIGNED:
        return new.i <= old.i if least else new.i >= old.i
    return new.u <= old.u if least else new.u >= old.u


cdef int deque_take(
    Deque* d, const Series* c, int64_t row, int64_t number, bint least
) noexcept nogil:
    """Take a row in."""
    cdef Word x
    if not has_value(c, row):
        return DONE
    x = c.x[row]
    if c.numeric == FLOAT:
        if x.f != x.f:
            return DONE
        x.f += 0.0
    while d.n and is_beaten(d.values[(d.head + d.n - 1) & (d.room - 1)], x, c.numeric, least):
        d.n -= 1
    if d.n == d.room and not deque_grow(d):
        return NO_MEMORY
    d.rows[(d.head + d.n) & (d.room - 1)] = number
    d.values[(d.head + d.n) & (d.room - 1)] = x
    d.n += 1
    return DONE


cdef int extremes(Scratch* s, const View* view, int a, AccState* state) noexcept nogil:
    """LEAST, GREATEST and those of integers."""
    cdef const Tile* tile = &s.tile
    cdef const Series* c = &view.columns[s.accs[a].column]
    cdef bint least = s.accs[a].kind == LEAST or s.accs[a].kind == LEAST_INT
    cdef Word* out = <Word*>s.hi[a]
    cdef Deque* d = &state.deque
    cdef const double* counts = s.hi[s.accs[a].nulls]
    cdef int64_t i, right = tile.was_r
    if state.blocks != NULL:
        greatest_many(state.blocks, c, view.n, tile.l, tile.r, tile.n, tile.is_steady, least,
                      &out[0].i)
        if c.valid != NULL or not tile.is_steady or counts[0] == 0.0:
            for i in range(tile.n):
                out[i].i = out[i].i if counts[i] != 0.0 else 0
    else:
        for i in range(tile.n):
            while right < tile.r[i]:
                if deque_take(d, c, right, view.base + right, least) != DONE:
                    return NO_MEMORY
                right += 1
            while d.n and d.rows[d.head] < view.base + tile.l[i]:
                d.head = (d.head + 1) & (d.room - 1)
                d.n -= 1
            out[i].i = 0
            if d.n:
                out[i] = d.values[d.head]
    if s.has_odd[s.accs[a].column]:
        for i in range(tile.n):
            if s.has_nan[s.accs[a].column][i]:
                out[i].f = NAN
    return DONE


cdef int deque_take_at(
    Deque* d, const Series* c, int64_t row, int64_t number, bint least
) noexcept nogil:
    """Take a row in; of equal values the earliest stays, and a NaN is furthest out."""
    cdef int64_t rank
    if not has_value(c, row):
        return DONE
    rank = key_of(c.numeric, c.x[row])
    if c.numeric == FLOAT and c.x[row].f != c.x[row].f:
        rank = INT64_MIN
    elif not least:
        rank = ~rank
    while d.n and d.values[(d.head + d.n - 1) & (d.room - 1)].i > rank:
        d.n -= 1
    if d.n == d.room and not deque_grow(d):
        return NO_MEMORY
    d.rows[(d.head + d.n) & (d.room - 1)] = number
    d.values[(d.head + d.n) & (d.room - 1)].i = rank
    d.n += 1
    return DONE


cdef int times_of_extremes(
    Scratch* s, const View* view, const Look* look, int a, AccState* state
) noexcept nogil:
    """LEAST_AT and GREATEST_AT: the earliest time of the extreme."""
    cdef const Tile* tile = &s.tile
    cdef const Series* c = &view.columns[s.accs[a].column]
    cdef Word* out = <Word*>s.hi[a]
    cdef Deque* d = &state.deque
    cdef int64_t i, right = tile.was_r
    for i in range(tile.n):
        while right < tile.r[i]:
            if deque_take_at(d, c, right, view.base + right, s.accs[a].kind == LEAST_AT) != DONE:
                return NO_MEMORY
            right += 1
        while d.n and d.rows[d.head] < view.base + tile.l[i]:
            d.head = (d.head + 1) & (d.room - 1)
            d.n -= 1
        out[i].i = 0
        if d.n:
            out[i].i = view.times[d.rows[d.head] - view.base]
            if look.is_float:
                out[i].f = float_of_order(out[i].i)
    return DONE


cdef void ends(Scratch* s, const View* view, int a, AccState* state) noexcept nogil:
    """FIRST and LAST: the first and the last value, as it is."""
    cdef const Tile* tile = &s.tile
    cdef const Series* c = &view.columns[s.accs[a].column]
    cdef Word* out = <Word*>s.hi[a]
    cdef bint is_full = s.is_full[s.accs[a].column], is_first = s.accs[a].kind == FIRST
    cdef int64_t i, at = state.at - view.base, right = tile.was_r
    for i in range(tile.n):
        if is_full:
            at = tile.l[i] if is_first else tile.r[i] - 1
        elif is_first:
            at = most(at, tile.l[i])
            while at < tile.r[i] and not has_value(c, at):
                at += 1
        else:
            while right < tile.r[i]:
                at = right if has_value(c, right) else at
                right += 1
        out[i].i = 0
        if tile.l[i] <= at < tile.r[i]:
            out[i] = c.x[at]
    state.at = view.base + at


# ----------------------------------------------------------------------------------------- a tile

cdef int compute_one(
    Scratch* s, const View* view, const Look* look, KeyState* key, int a
) noexcept nogil:
    """One accumulator over a tile; those that it reads are there already."""
    cdef const Acc* acc = &s.accs[a]
    cdef AccState* state = &key.accs[a]
    cdef const double* counts
    if acc.kind == NULLS:
        count_values(s, view, acc, state, s.hi[a], &s.filled[a])
    elif acc.kind == SUM:
        return float_sums(s, view, key, a)
    elif acc.kind == SUM_INT:
        int_sums(s, view, a, state)
    elif acc.kind == WEIGHTED:
        return ratios(s, view, a, state)
    elif acc.kind == SQUARES or acc.kind == SQUARES_INT:
        counts = s.hi[acc.nulls]
        var_tile(
            state.var, &view.columns[acc.column], &s.tile, view.base, counts,
            s.tile.is_steady and s.is_full[acc.column], s.is_calm[acc.column],
            s.special[acc.column] if s.has_odd[acc.column] else NULL,
            s.entering, s.leaving, s.trail, s.hi[a], s.scale[a], &s.common[a],
            &s.has_scale[a])
    elif acc.kind == FIRST or acc.kind == LAST:
        ends(s, view, a, state)
    elif acc.kind == PAIRS or acc.kind == POWERS:
        return moment_results(s, view, look, key, a)
    elif acc.kind == KEPT:
        return rank_results(s, view, a, state)
    elif acc.kind == LEAST_AT or acc.kind == GREATEST_AT:
        return times_of_extremes(s, view, look, a, state)
    elif acc.kind != ROWS and acc.kind != KEPT_TIMES:
        return extremes(s, view, a, state)
    return DONE


cdef int compute_tile(
    Scratch* s, const View* view, const Look* look, KeyState* key
) noexcept nogil:
    """Compute all accumulators over the tile that was laid, and move the key's window on."""
    cdef int i, status
    for i in range(s.n_columns):
        if view.columns[i].x != NULL or view.columns[i].valid != NULL:
            look_at_column(s, view, key, i, s.is_lazy[i])
    for i in range(s.n_accs):
        if s.accs[i].wide and s.accs[i].kind != PAIRS and s.accs[i].kind != POWERS:
            status = compute_one(s, view, look, key, i)
            if status != DONE:
                return status
    for i in range(s.n_accs):  # the last values, which Z-scores are taken of, are there now
        if s.accs[i].kind == PAIRS or s.accs[i].kind == POWERS:
            status = compute_one(s, view, look, key, i)
            if status != DONE:
                return status
    key.left = view.base + s.tile.l[s.tile.n - 1]
    key.right = view.base + s.tile.r[s.tile.n - 1]
    return DONE


cdef int key_anchor(
    KeyState* key, const Scratch* s, const View* view, const Look* look, int64_t number
) noexcept nogil:
    """Let what remembers more than the window before a row, an anchor, know that window alone."""
    cdef int64_t left = key.left - view.base, right = key.right - view.base
    cdef int a
    for a in range(s.n_accs):
        if key.accs[a].var != NULL:
            begin_var(key.accs[a].var, number)
        elif key.accs[a].moments != NULL and not moments_anew(
                s, view, look, a, &key.accs[a], left, right):
            return NO_MEMORY
    return DONE


cdef bint key_take_up(
    KeyState* key, Scratch* s, const View* view, const Look* look, bint is_share
) noexcept nogil:
    """Make again, of the rows of the window, what a snapshot does not hold; False where not.

    A share begins at an anchor, which does the rest.
    """
    cdef int64_t left = key.left - view.base, right = key.right - view.base, i
    cdef int a, c
    cdef const Acc* acc
    cdef AccState* state
    cdef Series* x
    for c in range(s.n_columns):
        for i in range(left, right):
            if view.columns[c].x != NULL or view.columns[c].valid != NULL:
                note(&key.odd[c], &view.columns[c], i, view.base + i)
    for a in range(s.n_accs):
        acc = &s.accs[a]
        state = &key.accs[a]
        if acc.column < 0:
            continue
        x = &view.columns[acc.column]
        if not is_share and state.moments != NULL and not moments_take_up(
                s, view, look, a, state, left, right):
            return False
        for i in range(left, right):
            if acc.kind == NULLS:
                state.count += has_value(x, i) and (
                    acc.weight < 0 or has_value(&view.columns[acc.weight], i))
            elif acc.kind == SUM_INT and has_value(x, i):
                state.total += <wide_t>x.x[i].i if x.numeric == SIGNED else <wide_t>x.x[i].u
            elif acc.kind in (LEAST, GREATEST, LEAST_INT, GREATEST_INT):
                deque_take(&state.deque, x, i, view.base + i,
                           acc.kind == LEAST or acc.kind == LEAST_INT)
            elif acc.kind == LEAST_AT or acc.kind == GREATEST_AT:
                deque_take_at(&state.deque, x, i, view.base + i, acc.kind == LEAST_AT)
            elif acc.kind == LAST and has_value(x, i):
                state.at = view.base + i
            elif acc.kind == WEIGHTED and has_value(x, i) and has_value(
                    &view.columns[acc.weight], i):
                if not is_tame(number_at(x, i), number_at(&view.columns[acc.weight], i)):
                    state.at = view.base + i
                    if isnan(number_at(x, i) * number_at(&view.columns[acc.weight], i)):
                        state.nan = view.base + i
        if acc.kind == WEIGHTED and acc.numeric_x != FLOAT:
            note_lacking(state, &view.columns[acc.weight], left, right, view.base)
    return True
