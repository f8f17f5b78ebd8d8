"""From times to panes: which rows go where, and which are left out.

Rows come in runs: consecutive rows of one pane, in whatever order. At the start of a run the pane
is found, and with it whether its rows are late; within it there is nothing to decide, for a row
of the newest pane cannot close that pane, and one of an older pane does not move the watermark.
"""

from libc.stdint cimport INT64_MAX, INT64_MIN, int32_t, int64_t, uint8_t, uint64_t, uintptr_t
from libc.stdlib cimport realloc
from libc.string cimport memset

from tidegate._kernels.clock cimport see
from tidegate._kernels.deal cimport deal_rows, is_worth, may_deal
from tidegate._kernels.grid cimport Grid, Pane, has_to_grow, locate, locate_near
from tidegate._kernels.lanes cimport (
    all_rise, count_16, run_within, sub_overflows, windows_of8,
)
from tidegate._kernels.lives cimport Lives, begin_life, dies_after, is_dead
from tidegate._kernels.origins cimport see_from
from tidegate._kernels.records cimport (
    CORRECTS, DISORDER, DONE, FOREIGN, LANES, MUST_CLOSE, NEEDS_EDGES, NO_MEMORY, TOO_MANY_OPEN,
    Run, Word,
)
from tidegate._kernels.store cimport Recent, Store, store_pane, store_slot
from tidegate._kernels.whole_keys cimport try_wholes

cdef extern from *:
    """
    #include "lanes.h"
    #include "records.h"
    #undef CYTHON_INLINE
    #define CYTHON_INLINE TG_ALWAYS_INLINE

    TG_CLONES static Py_ssize_t tg_within(
        const int64_t *, Py_ssize_t, int64_t, int64_t, int, int *);
    TG_CLONES static int tg_rise(const int64_t *, Py_ssize_t);
    TG_CLONES static Py_ssize_t tg_gallop_wholes(
        void *, const int64_t *, Py_ssize_t, Py_ssize_t, Py_ssize_t, tg_run *, int64_t *,
        Py_ssize_t *);
    TG_CLONES static Py_ssize_t tg_own_rows(
        const int32_t *, int32_t, int32_t, int32_t, int32_t, int32_t, int32_t *);
    TG_CLONES static Py_ssize_t tg_cut(
        const int64_t *, Py_ssize_t, int64_t, int64_t, int64_t, int32_t, tg_run *, int64_t *);
    """

cdef enum:
    FEW = 16        # times that are looked at together
    LONG = 1 << 12  # rows: the longest stride that is remembered
    ENOUGH = 1 << 14  # rows that are dealt before a pane begins another block
    OWNED = 128     # rows of which some are taken, that are looked at together
    SHORT = 24      # rows a window, on average, up to which looking at every row costs less

cdef int64_t FAR = <int64_t>1 << 48    # units, see tg_windows_of8
cdef int64_t MANY = <int64_t>1 << 31   # windows, likewise


cdef Py_ssize_t within "tg_within"(
    const int64_t* times, Py_ssize_t n, int64_t first, int64_t last, bint near, int* ordered
) noexcept nogil:
    """How many of n times, in steps of 32, lie in [first, last] one after the other."""
    return run_within(times, n, first, last, near, ordered)


cdef bint rise "tg_rise"(const int64_t* times, Py_ssize_t n) noexcept nogil:
    """Whether n > 0 times never fall."""
    return all_rise(times + 1, n - 1)


cdef int leave(
    LeftRows* left, int64_t row, int32_t reason, int64_t pane, int64_t watermark
) noexcept nogil:
    """Put a row on the side."""
    cdef Left* grown
    cdef Py_ssize_t capacity
    if left.n == left.capacity:
        capacity = max(64, 2 * left.capacity)
        grown = <Left*>realloc(left.rows, capacity * sizeof(Left))
        if grown == NULL:
            return NO_MEMORY
        left.rows = grown
        left.capacity = capacity
    left.rows[left.n].row = row
    left.rows[left.n].pane = pane
    left.rows[left.n].watermark = watermark
    left.rows[left.n].reason = reason
    left.n += 1
    return DONE


cdef inline Py_ssize_t run_end(
    const int64_t* times, const uint8_t* valid, Py_ssize_t i, Py_ssize_t n, const Pane* pane,
    bint is_near, int* ordered, int64_t* largest
) noexcept nogil:
    """The end of the run that starts at row i, whether its times rise, and the largest."""
    cdef uint64_t span = <uint64_t>pane.last - <uint64_t>pane.first
    cdef Py_ssize_t k = i + 1, j, near = i + 16
    ordered[0] = 1
    if valid == NULL:
        near += (64 - <Py_ssize_t>((<uintptr_t>(times + near)) % 64)) % 64 // 8
        near = min(n, near)  # what follows reads whole cache lines
        while k < near and <uint64_t>times[k] - <uint64_t>pane.first <= span:
            ordered[0] &= times[k] >= times[k - 1]
            k += 1
        if k == near:
            k += within(times + k, n - k, pane.first, pane.last, is_near, ordered)
            while k < n and <uint64_t>times[k] - <uint64_t>pane.first <= span:
                ordered[0] &= times[k] >= times[k - 1]
                k += 1
    else:
        while k < n and valid[k] == 1 and <uint64_t>times[k] - <uint64_t>pane.first <= span:
            ordered[0] &= times[k] >= times[k - 1]
            k += 1
    largest[0] = times[k - 1]
    if not ordered[0]:
        for j in range(i, k - 1):
            largest[0] = max(largest[0], times[j])
    return k


cdef inline void note(
    Router* router, const int64_t* times, Py_ssize_t first, Py_ssize_t stop, int64_t largest
) noexcept nogil:
    """Take note of the times of a run, of which the largest is known."""
    cdef Py_ssize_t i
    if not router.origins.on:
        see(&router.clock, largest)
        return
    for i in range(first, stop):
        see_from(&router.clock, &router.origins, router.origins.of_row[i], times[i])


cdef Py_ssize_t note_keys(
    Router* router, const int64_t* times, const int32_t* codes, Py_ssize_t first, Py_ssize_t stop
) noexcept nogil:
    """Take note of the times of a run row by row, and of how long they keep their keys alive.

    Stops before a key that comes back while windows are to be closed that know its old place.
    """
    cdef Lives* lives = &router.lives
    cdef Py_ssize_t i
    cdef int64_t dies_at
    for i in range(first, stop):
        if is_dead(lives, codes[i], router.clock.watermark):
            if (lives.dies_at[codes[i]] != INT64_MIN
                    and router.closed_to < router.clock.watermark):
                return i
            begin_life(lives, codes[i])
        dies_at = dies_after(lives, router.grid.is_float, times[i])
        if router.pane.covered:
            dies_at = max(dies_at, held_to(router, router.pane.closes_at))
        lives.dies_at[codes[i]] = max(lives.dies_at[codes[i]], dies_at)
        note(router, times, i, i + 1, times[i])
    return stop


cdef inline bint is_next(const Grid* grid, const Pane* pane, int64_t time) noexcept nogil:
    """Whether a time lies in the tumbling window after a pane: no division is needed then."""
    return (grid.per_size == 1 and grid.per_step == 1 and not grid.is_float and time > pane.last
            and pane.last < INT64_MAX - grid.width and time <= pane.last + grid.width)


cdef inline void step(const Grid* grid, Pane* pane) noexcept nogil:
    """Go to the tumbling window after a pane."""
    pane.index += 1
    pane.first = pane.last + 1
    pane.last += grid.width
    pane.opens_at = pane.last + 1
    pane.closes_at = pane.last + 1


cdef inline bint is_before_share(const Router* router, int64_t time) noexcept nogil:
    """Whether a row of the pane where the router is belongs to others, who have earlier rows."""
    if router.passes == PASSES_EARLIER:  # its windows may all be theirs as well
        return time < router.share_first or router.pane.closes_at <= router.closed_to
    return time < router.share_first and router.clock.watermark < router.share_first


cdef inline int enter(
    Router* router, Store* store, LeftRows* left, const int64_t* times, const uint8_t* valid,
    Py_ssize_t row, bint* enters
) noexcept nogil:
    """Decide about the row at the start of a run: into its pane, or on the side."""
    cdef int64_t time = times[row], watermark = router.clock.watermark, guessed
    cdef Pane pane
    enters[0] = False
    if valid != NULL and valid[row] != 1:
        return leave(left, row, reason_of(valid[row]), 0, 0)
    if router.has_nat and time == INT64_MIN:
        return leave(left, row, NULL_TIME, 0, 0)
    if not router.has_pane or time < router.pane.first or time > router.pane.last:
        if router.has_pane and is_next(&router.grid, &router.pane, time):
            step(&router.grid, &router.pane)
            router.place = -1
        elif not locate_near(
            &router.grid, &router.pane if router.has_pane else NULL, time, &pane
        ):
            if has_to_grow(&router.grid, time):
                return NEEDS_EDGES
            return leave(left, row, NO_PLACE, 0, 0)
        else:
            router.pane = pane
            router.has_pane = True
            router.place = -1
            if router.has_nat:
                router.pane.first = max(router.pane.first, INT64_MIN + 1)
    if time > router.share_last or is_before_share(router, time):
        if router.passes != (
                PASSES_LATER if time > router.share_last else PASSES_EARLIER):
            return FOREIGN
        note(router, times, row, row + 1, time)
        return DONE
    if not router.pane.covered:  # in no window: nothing can be closed
        enters[0] = True
        return DONE
    if router.pane.closes_at <= watermark and watermark != INT64_MIN:
        if held_to(router, router.pane.closes_at) <= watermark:
            return leave(left, row, IS_LATE, router.pane.index, watermark)
    if store == NULL:
        enters[0] = True
        return DONE
    guessed = max(router.closed_to, router.whole_to)  # what no watermark has passed is a guess
    if not router.clock.moves and watermark < guessed and router.pane.opens_at <= guessed:
        return DISORDER
    if router.pane.opens_at <= watermark and router.closed_to < watermark:
        return MUST_CLOSE
    enters[0] = True
    return DONE


cdef int enter_dry(
    Router* router, LeftRows* left, const int64_t* times, const uint8_t* valid, Py_ssize_t row
) noexcept nogil:
    """Decide about a row as `route_rows` would, with no store to take it."""
    cdef bint enters
    cdef int status = enter(router, NULL, left, times, valid, row, &enters)
    if enters:
        note(router, times, row, row + 1, times[row])
    return status


cdef inline Py_ssize_t gallop(
    const int64_t* times, Py_ssize_t i, Py_ssize_t end, int64_t last, Py_ssize_t* stride
) noexcept nogil:
    """The first of the rising times from i on that is beyond `last`, which times[i] is not.

    `stride`, a power of two, follows the length of windows. No branch depends on a single time.
    """
    cdef Py_ssize_t at = i, step = stride[0], half = step // 2
    if step <= FEW and i + FEW <= end:
        at += count_16(times + i, last) - 1
        if at + 1 < i + FEW:
            return at + 1
    while at + step < end and times[at + step] <= last:
        at += step
    while half:
        if at + half < end:
            at += half & -<Py_ssize_t>(times[at + half] <= last)
        half //= 2
    if at - i >= step and step < LONG:
        stride[0] = 2 * step
    elif 4 * (at - i) < step:
        stride[0] = max(<Py_ssize_t>FEW, step // 2)
    return at + 1


cdef Py_ssize_t cut "tg_cut"(
    const int64_t* times, Py_ssize_t n, int64_t first, int64_t width, int64_t number,
    int32_t begin, Run* wholes, int64_t* windows,
) noexcept nogil:
    """Write down the windows of n rising times, all within FAR of `first`, and count them.

    The first of them begins there, has the number `number`, and its rows begin at `begin`. No
    branch depends on a single time.
    """
    cdef int64_t[LANES] ends, rest
    cdef int64_t before = 0
    cdef double per_unit = 1.0 / <double>width
    cdef Py_ssize_t i = 0, k = 0
    cdef int32_t from_row = begin
    cdef int j
    while i < n:
        if i + LANES <= n:
            windows_of8(times + i, first, per_unit, i, ends)
        else:
            for j in range(LANES):
                rest[j] = times[min(i + j, n - 1)]
            windows_of8(rest, first, per_unit, i, ends)
        for j in range(LANES):
            k += (ends[j] >> 32) != (before >> 32)
            windows[k] = ends[j]
            before = ends[j]
        i += LANES
    for i in range(k + 1):
        wholes[i].begin = from_row
        from_row = begin + <int32_t>windows[i]
        wholes[i].end = from_row
        wholes[i].ordered = True
        windows[i] = number + (windows[i] >> 32)
    wholes[k].end = begin + <int32_t>n
    return k + 1


cdef inline bint are_short(
    const Router* router, const Pane* pane, const int64_t* times, Py_ssize_t i, Py_ssize_t end
) noexcept nogil:
    """Whether rising rows from i on have so many windows that `cut` finds them best, and may."""
    cdef int64_t span, windows
    cdef Pane other
    if (router.grid.is_table or sub_overflows(times[end - 1], pane.first, &span)
            or span >= FAR):
        return False
    windows = span // router.grid.width
    return (not router.grid.is_float
            and windows < MANY and end - i < windows * SHORT
            and router.share_first <= times[i] and times[end - 1] <= router.share_last
            and locate(&router.grid, times[end - 1], &other))


cdef Py_ssize_t gallop_wholes "tg_gallop_wholes"(
    void* router_, const int64_t* times, Py_ssize_t base, Py_ssize_t i, Py_ssize_t end,
    Run* wholes, int64_t* windows, Py_ssize_t* n_wholes,
) noexcept nogil:
    """Find the whole windows of rising rows from i on, which are newer than all before them.

    Returns the row after them: the last window of the block may go on, and is left.
    """
    cdef Router* router = <Router*>router_
    cdef Pane pane = router.pane
    cdef bint has_pane = router.has_pane
    cdef Py_ssize_t n = n_wholes[0], first = i, k, stride = FEW
    while True:
        if has_pane and is_next(&router.grid, &pane, times[i]):
            step(&router.grid, &pane)
        elif not locate_near(&router.grid, &pane if has_pane else NULL, times[i], &pane):
            break
        if not pane.covered:
            break
        if pane.first <= router.clock.largest:  # it has rows already
            break
        if i == first and are_short(router, &pane, times, i, end):
            n += cut(times + i, end - i, pane.first, router.grid.width, pane.index,
                     <int32_t>(i - base), wholes + n, windows + n) - 1
            i = base + wholes[n].begin
            if n > n_wholes[0]:
                locate(&router.grid, times[i - 1], &router.pane)
            break
        has_pane = True
        k = gallop(times, i, end, pane.last, &stride)
        if k == end or times[i] < router.share_first or times[k - 1] > router.share_last:
            break
        router.pane = pane
        wholes[n].begin = <int32_t>(i - base)
        wholes[n].end = <int32_t>(k - base)
        wholes[n].ordered = True
        windows[n] = pane.index
        n += 1
        i = k
    if n > n_wholes[0]:
        n_wholes[0] = n
        router.has_pane = True
        router.place = -1
        router.whole_to = router.pane.last + 1
        router.used += i - first
        see(&router.clock, times[i - 1])
    return i


cdef int route_runs(
    Router* router, Store* store, LeftRows* left, const int64_t* times, const uint8_t* valid,
    Py_ssize_t base, Py_ssize_t n_rows, Run* runs, Py_ssize_t* n_runs, Run* wholes,
    int64_t* windows, Py_ssize_t* n_wholes, Py_ssize_t* n_taken, bint goes_on,
) noexcept nogil:
    """Find the runs of rows [base, base + n_rows) without keys.

    `runs` count their rows from `base`. Stops early, with `n_taken` rows done, where windows must
    be closed before the next row, and where something fails.

    Where the router takes wholes, the runs of windows that begin and end here, the newest so far,
    go to `wholes`, one after the other: what was open before them is older, what comes after newer.
    Where the batch goes on after the block, a window that begins in it is left to the next one.
    """
    cdef Py_ssize_t i = base, end = base + n_rows, k
    cdef bint closed = False  # no more wholes in this block
    cdef bint rises = (router.takes_wholes and valid == NULL and n_rows > 0
                       and rise(times + base, n_rows))
    cdef Run* run
    cdef Word* record
    cdef int status = DONE, ordered
    cdef int64_t largest
    cdef bint enters, is_correction, falls
    n_runs[0] = 0
    n_wholes[0] = 0
    while i < end:
        if rises and not closed and times[i] > router.clock.largest:
            i = gallop_wholes(router, times, base, i, end, wholes, windows, n_wholes)
            if i > base and goes_on:
                break
        status = enter(router, store, left, times, valid, i, &enters)
        if status != DONE:
            break
        if not enters:
            i += 1
            continue
        is_correction = corrects(router)
        k = run_end(times, valid, i, i + 1 if is_correction else end, &router.pane,
                    router.near, &ordered, &largest)
        falls = times[i] < router.clock.largest
        if (router.takes_wholes and not closed and router.clock.largest < router.pane.first
                and router.pane.covered):
            if k < end and (valid == NULL or valid[k] == 1) and times[k] > router.pane.last:
                run = &wholes[n_wholes[0]]
                run.begin = <int32_t>(i - base)
                run.end = <int32_t>(k - base)
                run.ordered = ordered
                windows[n_wholes[0]] = router.pane.index
                n_wholes[0] += 1
                router.whole_to = router.pane.last + 1
                see(&router.clock, largest)
                router.used += k - i
                router.falls += falls
                i = k
                continue
            closed = n_wholes[0] > 0
        if router.place < 0 and router.pane.covered:
            status = store_pane(store, router.pane.index, &router.place)
            if status != DONE:
                break
        note(router, times, i, k, largest)
        router.used += k - i
        router.falls += falls
        if router.pane.covered:
            run = &runs[n_runs[0]]
            run.begin = <int32_t>(i - base)
            run.end = <int32_t>(k - base)
            run.ordered = ordered
            run.near = router.near
            run.slot = store.pool[router.place].head
            record = store.arena.records + run.slot * store.arena.wide
            run.lane = <int32_t>(record.i % LANES)
            record.i += k - i
            n_runs[0] += 1
        i = k
        if is_correction:
            status = CORRECTS
            break
    n_taken[0] = i - base
    return status


cdef inline int take_run(
    Store* store, int32_t place, const int32_t* codes, Py_ssize_t* row, Py_ssize_t end,
    int32_t* slots
) noexcept nogil:
    """Find the records of the rows of a run, which are all in one pane."""
    cdef int64_t index = store.pool[place].index
    cdef const Recent* recent = store.recent
    cdef Py_ssize_t i = row[0]
    cdef int32_t slot
    cdef int status
    while i < end:
        slot = recent[codes[i]].slot
        if recent[codes[i]].pane != index:
            status = store_slot(store, place, codes[i], &slot)
            if status != DONE:
                row[0] = i
                return status
        slots[i] = slot
        i += 1
    row[0] = i
    return DONE


cdef Py_ssize_t own_rows "tg_own_rows"(
    const int32_t* codes, int32_t first, int32_t end, int32_t number, int32_t n_parts,
    int32_t shift, int32_t* rows
) noexcept nogil:
    """List those of the rows [first, end) whose keys are taken, see `is_in_part`.

    Some at a time: whose they are is found for all of them at once, and no branch depends on it.
    """
    cdef uint8_t[OWNED] is_own
    cdef uint32_t group
    cdef int32_t i, k, size
    cdef Py_ssize_t n = 0
    i = first
    while i < end:
        size = min(<int32_t>OWNED, end - i)
        for k in range(size):
            group = <uint32_t>codes[i + k] >> <uint32_t>shift
            is_own[k] = (<uint64_t>(group * <uint32_t>2654435769) * <uint64_t>n_parts) >> 32 == (
                <uint64_t>number)
        for k in range(size):
            rows[n] = i + k
            n += is_own[k]
        i += size
    return n


cdef int seat_part(
    Router* router, Store* store, const int32_t* codes, Py_ssize_t base, Py_ssize_t* row,
    Py_ssize_t end, int32_t* slots, const Offer* offer, Py_ssize_t* n_seated,
) noexcept nogil:
    """Do what `seat_run` does, with the rows whose keys are taken.

    Record k is that of row k of those that `part.rows` lists.
    """
    cdef int32_t* rows = router.part.rows + n_seated[0]
    cdef int64_t index = store.pool[router.place].index
    cdef Py_ssize_t k = 0
    cdef Py_ssize_t n = own_rows(codes + base, <int32_t>(row[0] - base), <int32_t>(end - base),
                                 router.part.number, router.part.n, router.part.shift, rows)
    cdef int32_t code, slot
    cdef int status
    if offer != NULL and n and not n_seated[0] and (
            is_worth(offer.dealer, store, router.part.n * n)):
        status = deal_rows(offer.dealer, offer.plan, offer.columns, offer.n_columns, store,
                           router.place, codes + base, rows, base, n)
        if status == DONE:
            row[0] = end
        if status != TOO_MANY_OPEN:
            return status
    for k in range(n):
        code = codes[base + rows[k]]
        slot = store.recent[code].slot
        if store.recent[code].pane != index:
            status = store_slot(store, router.place, code, &slot)
            if status != DONE:
                row[0] = base + rows[k]
                n_seated[0] += k
                return status
        slots[n_seated[0] + k] = slot
    row[0] = end
    n_seated[0] += n
    return DONE


cdef inline int seat_run(
    Store* store, int32_t place, const int32_t* codes, Py_ssize_t* row, Py_ssize_t end,
    int32_t* slots, const Offer* offer, Py_ssize_t* n_seated,
) noexcept nogil:
    """Deal a run where that pays, else find the records of its rows.

    A run that follows rows whose records are found is not dealt: it would be taken before them.
    """
    cdef Py_ssize_t first = row[0]
    cdef int status
    if offer != NULL and not n_seated[0] and is_worth(offer.dealer, store, end - first):
        status = deal_rows(offer.dealer, offer.plan, offer.columns, offer.n_columns, store, place,
                           codes + first, NULL, first, end - first)
        if status == DONE:
            memset(slots + first, 0xFF, (end - first) * sizeof(int32_t))  # -1
            row[0] = end
        if status != TOO_MANY_OPEN:  # for all keys; those that come may still have room
            return status
    status = take_run(store, place, codes, row, end, slots)
    n_seated[0] += row[0] - first
    return status


cdef inline bint is_whole(
    const Router* router, const Store* store, const int64_t* times, Py_ssize_t i, Py_ssize_t k,
    Py_ssize_t end
) noexcept nogil:
    """Whether the run [i, k) begins a pane, and the next row is of a later one."""
    return (router.pane.covered and router.place < 0 and router.clock.largest < router.pane.first
            and k < end and times[k] > router.pane.last)


cdef int route_rows(
    Router* router, Store* store, LeftRows* left, const int64_t* times, const uint8_t* valid,
    const int32_t* codes, Py_ssize_t base, Py_ssize_t n_rows, int32_t* slots,
    Py_ssize_t* n_taken, Py_ssize_t* n_seated, Offer* offer,
) noexcept nogil:
    """Find the record of each row [base, base + n_rows) with keys; -1 for rows without one.

    Long runs are dealt at once, where there is an `offer` to deal; their rows have -1 too. Tells
    how many rows have a record. Where only some keys are taken, only the rows that have a record
    are told of, see `Part`.

    Stops early like `route_runs`, and at the end of a pane when much was dealt: the next block then
    begins with a pane, and has all of it. Where the `offer` takes wholes, it stops before one, too,
    and tells of that which the block begins with. A record that the limit or the memory refuses
    leaves the rows before it taken.
    """
    cdef Py_ssize_t i = base, end = base + n_rows, k, row
    cdef int status = DONE, ordered
    cdef int64_t largest
    cdef bint enters, is_correction, falls, is_part = router.part.n > 1
    n_seated[0] = 0
    while i < end:
        status = enter(router, store, left, times, valid, i, &enters)
        if status != DONE:
            break
        if not enters:
            if not is_part:
                slots[i - base] = -1
            i += 1
            continue
        is_correction = corrects(router)
        k = run_end(times, valid, i, i + 1 if is_correction else end, &router.pane,
                    router.near, &ordered, &largest)
        if offer != NULL and offer.takes_wholes and ordered and is_whole(
                router, store, times, i, k, end) and try_wholes(offer.dealer, store, k - i):
            if i == base:
                offer.n_whole = k - i
                offer.largest = largest
            break
        if offer != NULL and n_seated[0] and may_deal(store, k - i):
            break  # the rows before come first, and have their records to wait for
        falls = times[i] < router.clock.largest
        if router.lives.on:
            k = note_keys(router, times, codes, i, k)
            if k == i:
                status = MUST_CLOSE
                break
        if router.place < 0 and router.pane.covered:
            status = store_pane(store, router.pane.index, &router.place)
            if status != DONE:
                break
        row = i
        if router.pane.covered and is_part:
            status = seat_part(router, store, codes, base, &row, k, slots, offer, n_seated)
        elif router.pane.covered:
            status = seat_run(store, router.place, codes, &row, k, slots - base, offer, n_seated)
        while row < k and status == DONE and not is_part:
            slots[row - base] = -1
            row += 1
        if status != DONE:
            n_taken[0] = row - base
            return status
        if not router.lives.on:
            note(router, times, i, k, largest)
        router.used += k - i
        router.falls += falls
        i = k
        if is_correction:
            status = CORRECTS
            break
        if offer != NULL and not n_seated[0] and i - base >= ENOUGH:
            break
    n_taken[0] = i - base
    return status
