"""Rows of many keys into records, eight keys at a time, where a run has several rows of most keys.

The values of a run are dealt out first, a hand to each key. Then the records of eight keys are
brought up to date together, value by value: the same steps in the same order as row by row, and so
the same bits. Whether a value needs care shows when the eight are done: then nothing is stored, and
their hands are taken row by row.
"""

from libc.stdint cimport INT64_MAX, int32_t, int64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memset

from tidegate._kernels.eights cimport (
    DEPTH, NEEDS_CARE, STRIDE, TAKEN, TOO_FAR, Eight, first_of_hands, play,
)
from tidegate._kernels.fused cimport Places, is_fused, places_of
from tidegate._kernels.lanes cimport collect8, greatest, least, splat, spread8, v8
from tidegate._kernels.push cimport push_extreme, push_squares, push_sum
from tidegate._kernels.records cimport (
    DONE, FLOAT, LANES, LEAST, NO_MEMORY, NULLS, ROWS, ROW_SPAN, SQUARES, SUM, Acc, Column, Plan,
    Word,
)
from tidegate._kernels.store cimport Store, store_reserve, store_slot

cdef extern from *:
    """
    #include "lanes.h"
    #include "records.h"
    #include "deal.h"
    #undef CYTHON_INLINE
    #define CYTHON_INLINE TG_ALWAYS_INLINE

    TG_CLONES static int tg_advance(
        const tg_places *, const double *, const int64_t *, double **);
    """
    void prefetch_soon "tg_prefetch_soon"(const void*) nogil
    v8 shifts8 "tg_shifts8"(v8, v8) nogil

cdef enum:
    WORTH = 2        # rows of a run for every key, from which dealing pays
    GLANCE = 8       # rows for every key, among which next to all of those that have some have one
    MOST = 1 << 14   # keys
    PAUSE = 16       # runs that are not dealt after one that had too many rows of few keys


cdef bint can_deal(const Plan* plan, const Column* columns, int n_columns) noexcept nogil:
    """Whether all that a plan keeps is what is dealt: of float columns, and of each something."""
    cdef Places places
    for a in range(plan.n_accs):
        if not (plan.accs[a].kind in (ROWS, NULLS, ROW_SPAN)
                or is_fused(&plan.accs[a], columns)):
            return False
    for c in range(n_columns):
        if columns[c].numeric != FLOAT or not places_of(plan, c, &places):
            return False
    return n_columns > 0 and plan.lanes == 1


cdef void dealer_free(Dealer* dealer) noexcept nogil:
    """Give the memory back."""
    free(dealer.hands)
    free(dealer.held)
    free(dealer.seen)
    free(dealer.slots)


cdef bint may_deal(const Store* store, Py_ssize_t n_rows) noexcept nogil:
    """Whether dealing a run of so many rows may pay."""
    return (n_rows >= WORTH * <Py_ssize_t>store.n_recent and store.n_recent <= MOST
            and not store.hashed)


cdef bint is_worth(Dealer* dealer, const Store* store, Py_ssize_t n_rows) noexcept nogil:
    """Whether a run of so many rows is dealt."""
    if not may_deal(store, n_rows):
        return False
    if dealer.pause:
        dealer.pause -= 1
        return False
    return True


cdef int dealer_room(Dealer* dealer, Py_ssize_t n_keys) noexcept nogil:
    """Make room for so many keys."""
    cdef Py_ssize_t rounded = (n_keys + LANES - 1) // LANES * LANES
    if n_keys <= dealer.n_keys:
        return DONE
    dealer_free(dealer)
    dealer.n_keys = 0
    dealer.hands = <double*>calloc(rounded * STRIDE, sizeof(double))
    dealer.held = <int32_t*>calloc(rounded, sizeof(int32_t))
    dealer.seen = <int32_t*>calloc(rounded, sizeof(int32_t))
    dealer.slots = <int32_t*>malloc(rounded * sizeof(int32_t))
    if (dealer.hands == NULL or dealer.held == NULL or dealer.seen == NULL
            or dealer.slots == NULL):
        return NO_MEMORY
    memset(dealer.slots, 0xFF, rounded * sizeof(int32_t))  # -1
    dealer.n_keys = n_keys
    return DONE


cdef inline bint deal_one(double* hands, int32_t* held, int32_t code, double x) noexcept nogil:
    """Deal out one value; False where the hand is full."""
    cdef int32_t n = held[code]
    if n >= DEPTH:
        return False
    hands[<Py_ssize_t>code * STRIDE + n] = x
    held[code] = n + 1
    return True


cdef inline Py_ssize_t deal_run(
    Dealer* dealer, const double* x, const int32_t* codes, Py_ssize_t n
) noexcept nogil:
    """Deal out values until a hand is full; how many were dealt."""
    cdef double* hands = dealer.hands
    cdef int32_t* held = dealer.held
    cdef Py_ssize_t i = 0, k
    while i + LANES <= n:
        prefetch_soon(x + i)
        for k in range(i, i + LANES):
            if not deal_one(hands, held, codes[k], x[k]):
                return k
        i += LANES
    while i < n:
        if not deal_one(hands, held, codes[i], x[i]):
            return i
        i += 1
    return n


cdef Py_ssize_t deal(
    Dealer* dealer, const double* x, const int32_t* codes, Py_ssize_t n
) noexcept nogil:
    """Do that for other kernels."""
    return deal_run(dealer, x, codes, n)


cdef Py_ssize_t deal_some(
    Dealer* dealer, const double* x, const int32_t* codes, const int32_t* rows, Py_ssize_t n
) noexcept nogil:
    """Do what `deal_run` does, with the values and codes of some rows."""
    cdef Py_ssize_t i
    for i in range(n):
        if not deal_one(dealer.hands, dealer.held, codes[rows[i]], x[rows[i]]):
            return i
    return n


cdef inline void keep(
    const Places* places, bint sums, bint squares, const Eight* kept, double** records
) noexcept nogil:
    """Write eight records."""
    cdef v8 zero = splat(0.0)
    if sums:
        spread8(records, places.sum, kept.hi)
        spread8(records, places.sum + 1, kept.lo)
    if squares:
        spread8(records, places.squares, kept.square_hi)
        spread8(records, places.squares + 1, kept.square_lo)
        spread8(records, places.squares + 2, kept.shift)
    if places.least >= 0:
        spread8(records, places.least, least(collect8(records, places.least), kept.down) + zero)
    if places.greatest >= 0:
        spread8(records, places.greatest,
                greatest(collect8(records, places.greatest), kept.up) + zero)


cdef inline int advance_loop(
    const Places* places, bint sums, bint squares, bint near, const double* hands,
    const int64_t* n, double** records,
) noexcept nogil:
    """Eight records over their hands; the flags are constants where this is inlined."""
    cdef Eight kept
    cdef int outcome
    kept.shift = first_of_hands(hands, n)  # without a value: any that the record has will do
    if sums:
        kept.hi = collect8(records, places.sum)
        kept.lo = collect8(records, places.sum + 1)
    if squares:
        kept.square_hi = collect8(records, places.squares)
        kept.square_lo = collect8(records, places.squares + 1)
        kept.shift = shifts8(collect8(records, places.squares + 2), kept.shift)
    outcome = play(&kept, sums, squares, near, hands, n)
    if outcome == TAKEN:
        keep(places, sums, squares, &kept, records)
    return outcome


cdef int advance "tg_advance"(
    const Places* places, const double* hands, const int64_t* n, double** records,
) noexcept nogil:
    """Take n[j] values of hand j into all that record j keeps of the column."""
    cdef int outcome
    if places.sum < 0:
        return advance_loop(places, False, False, False, hands, n, records)
    if places.squares < 0:
        return advance_loop(places, True, False, False, hands, n, records)
    outcome = advance_loop(places, True, True, True, hands, n, records)
    if outcome == TOO_FAR:
        outcome = advance_loop(places, True, True, False, hands, n, records)
    return outcome


cdef void take_with_care(
    const Plan* plan, int column, const double* hand, Py_ssize_t n, Word* record, Word* cold
) noexcept nogil:
    """Take a hand row by row."""
    cdef const Acc* acc
    cdef Py_ssize_t i
    for i in range(n):
        for a in range(plan.n_accs):
            acc = &plan.accs[a]
            if acc.column != column or acc.kind == ROWS or acc.kind == NULLS:
                continue
            if acc.kind == SUM:
                push_sum(record + acc.wide, cold + acc.rare, 1, 0, hand[i])
            elif acc.kind == SQUARES:
                push_squares(record + acc.wide, cold + acc.rare, 1, 0, hand[i])
            else:
                push_extreme(record + acc.wide, cold + acc.rare, hand[i], acc.kind == LEAST)


cdef inline void note_dealt(
    Dealer* dealer, int32_t code, int32_t slot, const Word* span
) noexcept nogil:
    """Count a key that has rows in the run, once."""
    dealer.n_dealt += dealer.slots[code] < 0
    dealer.n_new += dealer.slots[code] < 0 and span.i == INT64_MAX
    dealer.slots[code] = slot


cdef int take_hands(
    Dealer* dealer, const Plan* plan, int column, const Places* places, Store* store,
    int32_t place,
) noexcept nogil:
    """Take all that is dealt into the records of a pane."""
    cdef double* records[LANES]
    cdef int64_t[LANES] n
    cdef int32_t[LANES] slots
    cdef int64_t pane = store.pool[place].index, any_held
    cdef int32_t code, first
    cdef const double* hands
    cdef int j, span = plan.accs[plan.numbered].wide if plan.numbered >= 0 else 0
    for first in range(0, <int32_t>dealer.n_keys, 8):
        any_held = 0
        for j in range(LANES):
            code = first + j
            n[j] = dealer.held[code]
            any_held |= n[j]
            dealer.held[code] = 0
            records[j] = <double*>dealer.nobody
            if n[j]:
                slots[j] = store.recent[code].slot
                if store.recent[code].pane != pane:
                    if store_slot(store, place, code, &slots[j]) != DONE:
                        return NO_MEMORY
        if not any_held:
            continue
        for j in range(LANES):
            if n[j]:
                records[j] = <double*>(store.arena.records + slots[j] * store.arena.wide)
                if places.counts:
                    (<Word*>records[j]).i += n[j]
                if places.counts and plan.numbered >= 0:
                    note_dealt(dealer, first + j, slots[j], <const Word*>records[j] + span)
        hands = dealer.hands + <Py_ssize_t>first * STRIDE
        if advance(places, hands, n, records) == NEEDS_CARE:
            for j in range(LANES):
                if n[j]:
                    take_with_care(plan, column, hands + j * STRIDE, n[j], <Word*>records[j],
                                   store.arena.colds + slots[j] * store.arena.cold)
    return DONE


cdef inline int32_t row_in(const int32_t* rows, Py_ssize_t i) noexcept nogil:
    """Row i of those listed; without a list they come one after the other."""
    return <int32_t>i if rows == NULL else rows[i]


cdef void note_spans(
    Dealer* dealer, const int32_t* codes, const int32_t* rows, Py_ssize_t first, Py_ssize_t end,
    bint from_end,
) noexcept nogil:
    """Write down the last, or the first, of dealt rows [first, end) of each key.

    Row by row, in the order in which what is looked for comes last: no branch depends on a row.
    """
    cdef int32_t* seen = dealer.seen
    cdef Py_ssize_t i
    memset(seen, 0xFF, dealer.n_keys * sizeof(int32_t))
    if from_end:
        for i in range(first, end):
            seen[codes[row_in(rows, i)]] = row_in(rows, i)
    else:
        for i in range(end - 1, first - 1, -1):
            seen[codes[row_in(rows, i)]] = row_in(rows, i)


cdef Py_ssize_t tell_spans(
    const Plan* plan, Store* store, Dealer* dealer, int64_t first_row, bint from_end
) noexcept nogil:
    """Tell records the rows that were written down, unless they know; how many were told."""
    cdef Word* records = store.arena.records + plan.accs[plan.numbered].wide
    cdef Word* at
    cdef int64_t row
    cdef Py_ssize_t n = 0
    cdef int32_t code
    for code in range(<int32_t>dealer.n_keys):
        if dealer.seen[code] < 0:
            continue
        at = records + dealer.slots[code] * store.arena.wide
        row = first_row + dealer.seen[code]
        if from_end and at[1].i < first_row:
            at[1].i = row
            n += 1
        elif not from_end and at[0].i == INT64_MAX:
            at[0].i = row
            n += 1
    return n


cdef void number_dealt(
    Dealer* dealer, const Plan* plan, Store* store, const int32_t* codes, const int32_t* rows,
    Py_ssize_t base, Py_ssize_t n_rows,
) noexcept nogil:
    """Tell the records of dealt rows the numbers of the first and the last, see `deal_rows`.

    Most keys have a row among the last ones, and those that are new among the first: the look
    begins there, and ends when all have been seen.
    """
    cdef Py_ssize_t size = GLANCE * dealer.n_keys, at = n_rows, n_told = 0
    while n_told < dealer.n_dealt and at > 0:
        note_spans(dealer, codes, rows, max(at - size, <Py_ssize_t>0), at, True)
        n_told += tell_spans(plan, store, dealer, plan.first_row + base, True)
        at -= size
    at = n_told = 0
    while n_told < dealer.n_new and at < n_rows:
        note_spans(dealer, codes, rows, at, min(at + size, n_rows), False)
        n_told += tell_spans(plan, store, dealer, plan.first_row + base, False)
        at += size
    memset(dealer.slots, 0xFF, dealer.n_keys * sizeof(int32_t))
    dealer.n_dealt = dealer.n_new = 0


cdef int deal_rows(
    Dealer* dealer, const Plan* plan, const Column* columns, int n_columns, Store* store,
    int32_t place, const int32_t* codes, const int32_t* rows, Py_ssize_t base, Py_ssize_t n_rows,
) noexcept nogil:
    """Take a run of rows, all of one open pane, into their records.

    `codes` are those of the rows from `base` on; `rows` lists which of these they are, counted from
    there, or is NULL: one after the other. With TOO_MANY_OPEN nothing was taken;
    without memory the state is of no use any more.
    """
    cdef Py_ssize_t i, n_turns = 0
    cdef const double* x
    cdef Places places
    cdef int status = dealer_room(dealer, store.n_recent)
    if status == DONE:
        status = store_reserve(store, store.n_recent)
    if status != DONE:
        return status
    for c in range(n_columns):
        x = <const double*>columns[c].values + base
        places_of(plan, c, &places)
        places.counts = c == 0
        i = 0
        while i < n_rows:
            if rows == NULL:
                i += deal_run(dealer, x + i, codes + i, n_rows - i)
            else:
                i += deal_some(dealer, x, codes, rows + i, n_rows - i)
            if take_hands(dealer, plan, c, &places, store, place) != DONE:
                return NO_MEMORY
            n_turns += 1
    if n_rows * n_columns < WORTH * n_turns * <Py_ssize_t>store.n_recent:
        dealer.pause = PAUSE
    if plan.numbered >= 0:
        number_dealt(dealer, plan, store, codes, rows, base, n_rows)
    return DONE
