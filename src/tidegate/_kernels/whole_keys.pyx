"""Windows of many keys that begin and end within a block of rows.

In a one-shot run whose rows are in order, most windows of a minute or so are a slice of one block:
all of their rows are there, and none will come. Their values are dealt out, a hand to each key, and
results are read straight off eight hands at a time: no record is made, kept, folded and closed.
The steps are those of records, in the same order, and so are the bits. Where a value needs care, a
hand is full, or a key has too few values for a result, the window goes the way of records.
"""

from libc.stdint cimport int32_t, int64_t
from libc.string cimport memset

from tidegate._kernels.deal cimport Dealer, deal, dealer_room, may_deal
from tidegate._kernels.eights cimport (
    DEPTH, STRIDE, TAKEN, TOO_FAR, Eight, first_of_hands, play,
)
from tidegate._kernels.fused cimport Places, places_of
from tidegate._kernels.lanes cimport splat, store8, v8
from tidegate._kernels.output cimport Results, results_room
from tidegate._kernels.records cimport (
    DONE, LANES, LEAST, OF_COUNT, OF_EXTREME, OF_MEAN, OF_RANGE, OF_ROWS, OF_SEM, OF_SUM, OF_VAR,
    Column, Output, Plan, Word,
)
from tidegate._kernels.store cimport Store, live_slots

cdef extern from *:
    """
    #include "lanes.h"
    #include "records.h"
    #include "deal.h"
    #include "exact8.h"
    #undef CYTHON_INLINE
    #define CYTHON_INLINE TG_ALWAYS_INLINE

    TG_CLONES static Py_ssize_t tg_read_hands(void *);
    """
    ctypedef long long m8 "tg_m8"  # eight of them
    ctypedef struct Exact8 "tg_exact8":
        v8 hi
        v8 lo
    void prefetch_words "tg_prefetch_words"(const int64_t*, int64_t) nogil
    m8 no_odd "tg_no_odd"() nogil
    bint no_bit "tg_no_bit"(m8) nogil
    v8 words_of8 "tg_words_of8"(const int64_t*) nogil
    v8 means_of8 "tg_means_of8"(v8, v8, const int64_t*, m8*) nogil
    v8 deviations_of8 "tg_deviations_of8"(
        Exact8, Exact8, v8, const int64_t*, int64_t, bint, bint, m8*) nogil

cdef enum:
    MOST_VAIN = 4  # windows in a row that were tried in vain, up to which the pause doubles


cdef struct Table:  # a column of a window, dealt out
    Dealer* dealer
    const Plan* plan
    Results* results
    Places places
    int column
    const Whole* rows


cdef bint try_wholes(Dealer* dealer, const Store* store, Py_ssize_t n_rows) noexcept nogil:
    """Whether a whole window of so many rows is likely to be read straight off its hands."""
    cdef Py_ssize_t n_keys = store.n_recent
    if not may_deal(store, n_rows) or n_rows > DEPTH * n_keys or dealer.pause:
        return False
    if live_slots(store) + n_keys > store.max_slots:  # a limit is a limit, also without records
        return False
    if dealer.pause_wholes:
        dealer.pause_wholes -= 1
        return False
    return True


cdef inline bint is_of(const Plan* plan, const Output* output, const Table* table) noexcept nogil:
    """Whether a result is one of the column; those that count rows are of the first."""
    cdef int column = plan.accs[output.acc].column
    return column == table.column or (column < 0 and table.places.counts)


cdef inline bint all_have(const int64_t* n, int64_t ddof) noexcept nogil:
    """Whether no hand has values, but too few."""
    cdef int j
    for j in range(LANES):
        if 0 < n[j] <= ddof:
            return False
    return True


cdef inline v8 value_of(
    const Plan* plan, const Output* output, const Eight* kept, const int64_t* n, m8* odd
) noexcept nogil:
    """One result of eight keys; of keys without rows anything."""
    cdef v8 zero = splat(0.0)
    cdef Exact8 total, squares
    if output.op == OF_ROWS or output.op == OF_COUNT:
        return words_of8(n)
    if output.op == OF_SUM:
        return kept.hi + kept.lo
    if output.op == OF_EXTREME:
        return (kept.down if plan.accs[output.acc].kind == LEAST else kept.up) + zero
    if output.op == OF_RANGE:
        return (kept.up + zero) - (kept.down + zero)
    if output.op == OF_MEAN:
        return means_of8(kept.hi, kept.lo, n, odd)
    total.hi = kept.hi
    total.lo = kept.lo
    squares.hi = kept.square_hi
    squares.lo = kept.square_lo
    return deviations_of8(total, squares, kept.shift, n, output.ddof, output.op != OF_VAR,
                          output.op == OF_SEM, odd)


cdef inline void put(Word* out, const int64_t* n, bint is_full, v8 value) noexcept nogil:
    """Write down a result of eight keys, without those that have no rows."""
    cdef double[LANES] words
    cdef int j
    if is_full:
        store8(&out.f, value)
        return
    store8(words, value)
    for j in range(LANES):
        if n[j]:
            out.f = words[j]
            out += 1


cdef inline int play_anew(
    Eight* kept, bint sums, bint squares, bint near, const double* hands, const int64_t* n
) noexcept nogil:
    """Take eight hands into empty records."""
    kept.hi = kept.lo = kept.square_hi = kept.square_lo = splat(0.0)
    kept.shift = first_of_hands(hands, n)
    return play(kept, sums, squares, near, hands, n)


cdef inline Py_ssize_t read_loop(
    const Table* table, bint sums, bint squares
) noexcept nogil:
    """All hands; the flags are constants where this is inlined."""
    cdef Results* results = table.results
    cdef const Output* output
    cdef Eight kept
    cdef int64_t[LANES] n
    cdef m8 odd = no_odd()
    cdef Py_ssize_t first, at = results.n, size
    cdef const double* hands = table.dealer.hands
    cdef const int64_t* coming = table.rows.times + table.rows.base + table.rows.n
    cdef int64_t n_values
    cdef int outcome, j
    for first in range(0, table.dealer.n_keys, 8):  # LANES
        size = n_values = 0
        for j in range(LANES):
            n[j] = table.dealer.held[first + j]
            size += n[j] > 0
            n_values += n[j]
        if not size:
            continue
        if table.places.counts:  # the bus is idle here; the times of the next window come first
            prefetch_words(coming, n_values)
            coming += n_values
        outcome = play_anew(&kept, sums, squares, squares, hands + first * STRIDE, n)
        if squares and outcome == TOO_FAR:
            outcome = play_anew(&kept, sums, squares, False, hands + first * STRIDE, n)
        if outcome != TAKEN:
            return -1
        for o in range(results.n_outputs):
            output = &results.outputs[o]
            if is_of(table.plan, output, table):
                if not all_have(n, output.ddof):
                    return -1
                put(results.values[o] + at, n, size == LANES,
                    value_of(table.plan, output, &kept, n, &odd))
        if table.places.counts:
            size = at
            for j in range(LANES):
                if n[j]:
                    results.windows[size] = table.rows.window
                    results.codes[size] = <int32_t>(first + j)
                    size += 1
            at = size
        else:
            at += size
    return at - results.n if no_bit(odd) else -1


cdef Py_ssize_t read_hands "tg_read_hands"(void* table_) noexcept nogil:
    """Read all results of a column that is dealt out; how many of each there are, or -1."""
    cdef const Table* table = <const Table*>table_
    if table.places.sum < 0:
        return read_loop(table, False, False)
    if table.places.squares < 0:
        return read_loop(table, True, False)
    return read_loop(table, True, True)


cdef int read_whole_keys(
    const Plan* plan, const Column* columns, int n_columns, const Whole* rows, Py_ssize_t n_keys,
    Dealer* dealer, Results* results, bint* is_read,
) noexcept nogil:
    """Turn the rows of a whole window into results, where that can be.

    All columns must be plain, the plan one that can be dealt, and the codes below `n_keys`. Else
    nothing has happened.
    """
    cdef Table table
    cdef Py_ssize_t n = 0
    cdef const double* x
    cdef int status = dealer_room(dealer, n_keys)
    is_read[0] = False
    if status == DONE:
        status = results_room(results, dealer.n_keys)
    if status != DONE:
        return status
    table.dealer = dealer
    table.plan = plan
    table.results = results
    table.rows = rows
    for c in range(n_columns):
        places_of(plan, c, &table.places)
        table.places.counts = c == 0
        table.column = c
        n = -1
        x = <const double*>columns[c].values + rows.base
        if deal(dealer, x, rows.codes + rows.base, rows.n) == rows.n:
            n = read_hands(&table)
        memset(dealer.held, 0, dealer.n_keys * sizeof(int32_t))
        if n < 0:
            break
    is_read[0] = n >= 0
    if n < 0:
        dealer.n_vain = min(dealer.n_vain + 1, <int>MOST_VAIN)
        dealer.pause_wholes = (1 << dealer.n_vain) - 2
        return DONE
    dealer.n_vain = 0
    for o in range(results.n_outputs):
        if results.valid[o] != NULL:
            memset(results.valid[o] + results.n, 1, n)
    results.n += n
    return DONE
