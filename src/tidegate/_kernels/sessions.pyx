"""Sessions: windows of rows that come closely after one another, in whatever order they come.

A row joins the session of its key that it is closer to than the gap. One that is close to two makes
them one: the records of both are folded and added up like panes, and later rows go into an empty
record beside that sum (its *base*), so that the result depends on the rows and their order alone.

The sessions of a key that are due are closed when its next row comes, all others at the end of a
block; those of a block are sorted then. Where there are so many keys that looking at all of them
costs more than the rows do, a heap tells which are due.

Where more is asked of time than lateness, rows are taken one by one (`take_each`). Where closed
sessions are held for corrections, they stay among those of their key: a row that joins one lets it
come out again at once, after all that is due has come out. Of those that are held no more the
largest end is kept (`over_to`): a row before it would be of one of them, unless one that is still
held begins at or before the row, for sessions of a key end in the order in which they begin. So no
session ever grows over one that is over, and what lies within a later result is part of it.
"""

cimport cython
from libc.math cimport isfinite
from libc.stdint cimport INT64_MAX, INT64_MIN, int32_t, int64_t, uint8_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy

from tidegate._kernels.buffer cimport buffer_of
from tidegate._kernels.clock cimport Clock, see
from tidegate._kernels.deadlines cimport (
    Deadlines, deadlines_begin, deadlines_pass, deadlines_put,
)
from tidegate._kernels.grid cimport float_of_order, order_of_float
from tidegate._kernels.key_clocks cimport Line
from tidegate._kernels.kept cimport kept_failed, kept_join
from tidegate._kernels.lanes cimport prefetch_here, sub_overflows
from tidegate._kernels.lives cimport Lives, begin_life, dies_after, is_dead
from tidegate._kernels.memory cimport grow
from tidegate._kernels.partition cimport BINS
from tidegate._kernels.records cimport CORRECTS, DISORDER, DONE, MUST_CLOSE, NO_MEMORY, Acc, Word
from tidegate._kernels.folds cimport merge_record
from tidegate._kernels.route cimport (
    FAR_AHEAD, IS_LATE, NO_PLACE, Left, held_to, leave, reason_of,
)
from tidegate._kernels.row_state cimport (
    HEAD, RECORD_WORDS, ROWS_OF_BLOCK, RowState, add_closing, add_run, add_whole, begin_block,
    closing_room, keep_up, no_more_wholes,
)
from tidegate._kernels.row_store cimport (
    IS_ABSORBED, IS_OPEN, NEAR, SOON, RowStore, Seat, rows_keys, rows_open, rows_spare, seat_closes,
    sort_due, treap_first, treap_near, treap_open, treap_put, treap_remove,
)
from tidegate._kernels.whole cimport all_plain
from tidegate._kernels.window_state cimport Batch

cdef extern from *:
    """
    #include "lanes.h"
    #include "records.h"
    #undef CYTHON_INLINE
    #define CYTHON_INLINE TG_ALWAYS_INLINE
    TG_CLONES static Py_ssize_t tg_near_run(
        const int64_t *, Py_ssize_t, Py_ssize_t, int64_t, int64_t);
    """

cdef enum Place:       # of a row among the sessions of its key
    JOINS = 100
    OPENS
    BRIDGES            # also a status: the row makes one of two, once those before are reduced
    COMES_LATE
    PAUSES             # a status: what is due has to come out before the row

SESSIONS = "session_revisions"
OVER = "key_over_to"

cdef enum:
    MOST_REVISIONS = 1 << 30
    FEW_HELD = 1024    # sessions: fewer are not worth a look at who of them is still held
    WORTH = 16         # records looked at for what is due, for each row, up to which it pays
    SPARE_LOOKS = 1 << 17


cdef Py_ssize_t near_run "tg_near_run"(
    const int64_t* times, Py_ssize_t i, Py_ssize_t n, int64_t gap, int64_t stop
) noexcept nogil:
    """Where the rows end that follow row i, rise, are closer than `gap`, and are not after `stop`.
    """
    cdef uint64_t width = <uint64_t>gap
    cdef Py_ssize_t k
    cdef int64_t far
    i += 1
    while i + 16 <= n:
        far = 0
        for k in range(16):
            far |= <uint64_t>times[i + k] - <uint64_t>times[i + k - 1] >= width
        if far or times[i + 15] > stop:
            break
        i += 16
    while i < n and <uint64_t>times[i] - <uint64_t>times[i - 1] < width and times[i] <= stop:
        i += 1
    return i


cdef inline void ask_for(const RowStore* rows, const int32_t* codes) noexcept nogil:
    """Ask for the sessions of rows to come."""
    cdef int32_t slot = rows.roots[codes[SOON]]
    prefetch_here(rows.roots + codes[2 * SOON])
    if slot >= 0:
        prefetch_here(&rows.seats[slot].first)
        prefetch_here(&rows.seats[slot].left)


@cython.final
cdef class SessionState(RowState):
    """Open sessions, the watermark, and what waits to be taken.

    It is made as a `WindowState`, without a grid; `lay_gap` says what a session is.
    """

    cdef int64_t gap
    cdef int64_t most
    cdef double gap_f
    cdef double most_f
    cdef bint has_most
    cdef int32_t bridge_from    # the sessions that the next row makes one
    cdef int32_t bridge_to
    cdef int64_t soonest        # no open session ends before it
    cdef int64_t n_looks        # at records that might have been due, beyond what rows are worth
    cdef bint is_settled        # all that the watermark has passed has come out
    cdef int64_t n_since        # rows since those that are held were looked at
    cdef int32_t corrected      # what the last row has corrected
    cdef int64_t* over_to       # by key code: the last end of a session that is held no more
    cdef Py_ssize_t n_over
    cdef Py_ssize_t cap_over
    cdef int32_t* loaded        # sessions that were loaded, before what is told beside them is
    cdef Py_ssize_t n_loaded

    def __cinit__(self, *args):
        self.soonest = INT64_MAX
        self.is_settled = True

    def __dealloc__(self):
        free(self.loaded)
        free(self.over_to)

    cdef inline bint is_ruled(self) noexcept nogil:
        """Whether more is asked of time than lateness."""
        return (self.clocks.on or self.router.origins.on or self.router.lives.on
                or self.router.allows)

    cdef int make_room(self, Py_ssize_t n_keys) except -1:
        """Make room for the key codes below n_keys."""
        if rows_keys(&self.rows, n_keys) != DONE or self.make_clocks(n_keys) != DONE:
            raise MemoryError
        if not self.router.allows or n_keys <= self.n_over:
            return 0
        if n_keys > self.cap_over:
            self.cap_over = max(n_keys, 2 * self.cap_over)
            if not grow(<void**>&self.over_to, self.cap_over * sizeof(int64_t)):
                self.cap_over = self.n_over
                raise MemoryError
        while self.n_over < n_keys:
            self.over_to[self.n_over] = INT64_MIN
            self.n_over = self.n_over + 1
        return 0

    def lay_gap(self, int64_t gap, int64_t most, double gap_f, double most_f):
        """Say what a session is, before any row comes; all in the unit of the times.

        Parameters
        ----------
        gap, gap_f : int, float
            Rows closer than this are of one session; which of the two holds, the times tell.
        most, most_f : int, float
            How long a session may be; 0: as long as it gets.
        """
        self.gap = gap
        self.most = most
        self.gap_f = gap_f
        self.most_f = most_f
        self.has_most = most > 0 or most_f > 0.0

    # ------------------------------------------------------------------------------------ rows in

    def push(self, times not None, time_valid, codes, Py_ssize_t n_keys, list columns not None,
             Py_ssize_t start=0, later=None, sources=None):
        """Take a batch of rows, as `WindowState.push` does; nothing has to be known of later ones.
        """
        cdef Py_ssize_t n_rows = len(times), n_taken = start
        cdef int status
        cdef Batch batch
        self.make_room(n_keys)
        try:
            self.view_batch(&batch, times, time_valid, codes, columns, sources)
            with nogil:
                status = self.take_sessions(batch.times, batch.valid, batch.codes, n_rows, &n_taken)
        finally:
            self.end_views()
            self.marks = NULL
        return status, n_taken

    cdef int take_buffered(
        self, const int64_t* times, const uint8_t* valid, const int32_t* codes,
        Py_ssize_t n_rows, Py_ssize_t* n_taken
    ) except -1:
        """Take a few rows of columns that the state points to, as `push` would."""
        return self.take_sessions(times, valid, codes, n_rows, n_taken)

    cdef int take_sessions(
        self, const int64_t* times, const uint8_t* valid, const int32_t* codes,
        Py_ssize_t n_rows, Py_ssize_t* n_taken
    ) noexcept nogil:
        """Take rows as they come, block by block."""
        cdef Py_ssize_t at = n_taken[0], size, taken = 0
        cdef int status = DONE, failure
        cdef bint keyed = codes != NULL
        cdef bint at_once = self.guesses or (
            self.router.clock.moves and self.router.clock.lateness == 0
            and self.router.clock.lateness_f == 0.0)
        cdef bint plain = at_once and not keyed and (
            all_plain(&self.plan, self.columns, self.n_columns))
        if self.is_ruled():
            return self.take_each(times, valid, codes, n_rows, n_taken)
        while at < n_rows and status == DONE:
            size = min(<Py_ssize_t>ROWS_OF_BLOCK, n_rows - at)
            self.make_floats(at, size)
            self.block.may_be_whole = plain
            status = begin_block(&self.block, size)
            if status != DONE:
                break
            status = self.route_sessions(times, valid, codes, at, size, &taken)
            self.reduce_block(times, keyed, at, taken, n_rows)
            if status == DONE or status == BRIDGES:
                failure = self.close_due(keyed, taken)
                if failure == DONE:
                    failure = self.read_block(times, at, n_rows)
                status = failure if failure != DONE else status
            if status == BRIDGES:
                status = self.bridge()
            at += taken
        n_taken[0] = at
        return status

    cdef int64_t end_after(self, int64_t last) noexcept nogil:
        """The end of a session, by its last time."""
        cdef int64_t end
        self.end_of(last, &end)
        return end

    cdef bint is_of_use(self, int64_t time) noexcept nogil:
        """Whether a row after the largest time has an end that can be written, and is not late.

        What it could join ends after it would, so that its own end decides.
        """
        cdef int64_t end
        return self.end_of(time, &end) and held_to(&self.router, end) > self.router.clock.watermark

    cdef inline bint end_of(self, int64_t time, int64_t* end) noexcept nogil:
        """The end of the session of a row alone; False where it can't be written."""
        cdef double x, y
        if self.is_float:
            x = float_of_order(time)
            y = x + self.gap_f
            end[0] = order_of_float(y)
            return isfinite(x) and isfinite(y) and y > x
        end[0] = INT64_MAX
        if time > INT64_MAX - self.gap:
            return False
        end[0] = time + self.gap
        return True

    cdef inline bint fits(self, int64_t first, int64_t end) noexcept nogil:
        """Whether a session may be as long as that."""
        if not self.has_most:
            return True
        if self.is_float:
            return float_of_order(end) - float_of_order(first) <= self.most_f
        return <uint64_t>end - <uint64_t>first <= <uint64_t>self.most

    cdef int seat_row(
        self, int64_t time, int64_t end, int32_t code, int32_t* slot, int32_t* other
    ) noexcept nogil:
        """Find the session that a row joins, or the two that it makes one."""
        cdef int32_t before, after
        cdef const Seat* seats = self.rows.seats
        cdef bint joins_before, joins_after
        before = self.rows.roots[code]
        after = -1
        if before >= 0 and (seats[before].left >= 0 or seats[before].right >= 0
                            or time < seats[before].first):
            treap_near(&self.rows, code, time, &before, &after)
        slot[0] = before
        if before >= 0 and time <= seats[before].last:
            return JOINS
        joins_before = (before >= 0 and time < seats[before].end
                        and self.fits(seats[before].first, end))
        joins_after = (after >= 0 and seats[after].first < end
                       and self.fits(time, seats[after].end))
        if joins_before and joins_after and self.fits(seats[before].first, seats[after].end):
            other[0] = after
            return BRIDGES
        if joins_before:
            return JOINS
        if joins_after:
            slot[0] = after
            return JOINS
        slot[0] = -1
        return OPENS

    cdef int open_session(
        self, int64_t time, int64_t end, int32_t code, int32_t* slot
    ) noexcept nogil:
        """Open the session of a row."""
        cdef int status = self.make_session(time, end, code, slot)
        no_more_wholes(&self.block)
        return self.await_end(slot[0]) if status == DONE else status

    cdef inline int make_session(
        self, int64_t time, int64_t end, int32_t code, int32_t* slot
    ) noexcept nogil:
        """Put a session among those of its key."""
        cdef int status = rows_open(&self.rows, code, time, slot)
        if status == DONE:
            self.rows.seats[slot[0]].end = end
            self.rows.seats[slot[0]].rows = self.place_of(code)
            treap_put(&self.rows, slot[0])
        return status

    cdef inline int await_end(self, int32_t slot) noexcept nogil:
        """See to it that a session comes out."""
        cdef const Seat* seat = &self.rows.seats[slot]
        self.soonest = min(self.soonest, seat.end)
        if self.clocks.on:
            self.clocks.lines[seat.code].due = min(self.clocks.lines[seat.code].due, seat.end)
        return deadlines_put(&self.rows.line, slot, seat.end) if self.rows.lined else DONE

    cdef inline int64_t reached(self) noexcept nogil:
        """Up to where sessions are closed: a one-shot run guesses that rows are in order."""
        if self.guesses and not self.router.clock.moves:
            return self.router.clock.largest
        return self.router.clock.watermark

    cdef Py_ssize_t run_from(
        self, const int64_t* times, Py_ssize_t i, Py_ssize_t n, int64_t first
    ) noexcept nogil:
        """Where the rows end that follow row i, rise, and are in its session with `first`."""
        cdef int64_t stop = INT64_MAX - self.gap, end
        if self.is_float:
            self.end_of(times[i], &end)
            i += 1
            while i < n and times[i - 1] <= times[i] < end:
                if not self.end_of(times[i], &end) or not self.fits(first, end):
                    break
                i += 1
            return i
        if self.has_most and first <= stop - (self.most - self.gap):
            stop = first + (self.most - self.gap)
        return near_run(times, i, n, self.gap, stop)

    cdef inline bint is_whole(
        self, const int64_t* times, Py_ssize_t last, Py_ssize_t next, Py_ssize_t n
    ) noexcept nogil:
        """Whether the row after a session is in the block, and closes it."""
        cdef int64_t end, far
        if next >= n or not self.block.may_be_whole:
            return False
        self.end_of(times[last], &end)
        return times[next] >= end and self.end_of(times[next], &far)

    cdef Py_ssize_t join_some(
        self, const int64_t* times, const int32_t* codes, const int64_t* marks, Py_ssize_t i,
        Py_ssize_t n
    ) noexcept nogil:
        """Let rows into the only session of their key; up to a row that needs a closer look."""
        cdef Seat* seats = self.rows.seats
        cdef Seat* seat
        cdef const int32_t* roots = self.rows.roots
        cdef int32_t* slots = self.slots
        cdef int64_t largest = self.router.clock.largest, upto = self.reached(), time, end
        cdef int64_t lateness = self.router.clock.lateness, gap = self.gap
        cdef int64_t lowest = INT64_MIN + lateness, highest = INT64_MAX - gap
        cdef bint moves = self.router.clock.moves, has_most = self.has_most
        cdef uint64_t most = <uint64_t>self.most
        cdef bint is_far = self.rows.n_roots > NEAR
        cdef Py_ssize_t begin = i
        cdef int32_t slot
        while i < n:
            if is_far and i + 2 * SOON < n:
                ask_for(&self.rows, codes + i)
            if marks != NULL:
                upto = max(upto, marks[i])
            time = times[i]
            slot = roots[codes[i]]
            if slot < 0 or time > highest:
                break
            seat = &seats[slot]
            if time < seat.first or time >= seat.end or seat.end <= upto or (
                    seat.left >= 0 or seat.right >= 0):
                break
            if time > seat.last:
                end = time + gap
                if has_most and <uint64_t>end - <uint64_t>seat.first > most:
                    break
                seat.last = time
                seat.end = end
            slots[i] = slot
            if time > largest:
                largest = time
                if moves and time >= lowest:
                    upto = max(upto, time - lateness)
            i += 1
        if i > begin:
            see(&self.router.clock, largest)
            self.router.used = self.router.used + (i - begin)
        return i

    cdef Py_ssize_t join_in_order(
        self, const int64_t* times, const int32_t* codes, Py_ssize_t i, Py_ssize_t n
    ) noexcept nogil:
        """Do that where rows are taken to be in order: what is open then begins before them."""
        cdef Seat* seats = self.rows.seats
        cdef Seat* seat
        cdef const int32_t* roots = self.rows.roots
        cdef int32_t* slots = self.slots
        cdef int64_t largest = self.router.clock.largest, time, end
        cdef int64_t gap = self.gap, highest = INT64_MAX - gap
        cdef uint64_t most = <uint64_t>self.most if self.has_most else <uint64_t>-1
        cdef bint is_far = self.rows.n_roots > NEAR
        cdef Py_ssize_t begin = i
        cdef int32_t slot
        while i < n:
            if is_far and i + 2 * SOON < n:
                ask_for(&self.rows, codes + i)
            time = times[i]
            slot = roots[codes[i]]
            if slot < 0 or time < largest or time > highest:
                break
            seat = &seats[slot]
            end = time + gap
            if time >= seat.end or (seat.left & seat.right) >= 0 or (
                    <uint64_t>end - <uint64_t>seat.first > most):
                break
            seat.last = time
            seat.end = end
            slots[i] = slot
            largest = time
            i += 1
        if i > begin:
            see(&self.router.clock, largest)
            self.router.used = self.router.used + (i - begin)
        return i

    cdef int route_sessions(
        self, const int64_t* times, const uint8_t* valid, const int32_t* codes, Py_ssize_t base,
        Py_ssize_t n, Py_ssize_t* taken
    ) noexcept nogil:
        """Find the slots of the rows of a block; stops at a row that makes one session of two."""
        cdef const int64_t* block = times + base
        cdef bint in_runs = codes == NULL and valid == NULL
        cdef bint goes_up = self.guesses and not self.router.clock.moves
        cdef const int64_t* marks = NULL if self.marks == NULL else self.marks + base
        cdef Seat* seat
        cdef int64_t time, end, mark
        cdef int32_t slot = -1, other = -1, code = 0
        cdef Py_ssize_t i = 0, j
        cdef int status = DONE, place
        while i < n and status == DONE:
            keep_up(&self.router.clock, self.marks, base + i)
            time = block[i]
            mark = self.router.clock.watermark
            slot = -1
            j = i + 1
            taken[0] = i
            if codes != NULL:
                if valid == NULL and not self.is_float:
                    if goes_up:
                        i = self.join_in_order(block, codes + base, i, n)
                    else:
                        i = self.join_some(block, codes + base, marks, i, n)
                    taken[0] = i
                    if i == n:
                        break
                    keep_up(&self.router.clock, self.marks, base + i)
                    time = block[i]
                    mark = self.router.clock.watermark
                    j = i + 1
                code = codes[base + i]
            if valid != NULL and valid[base + i] != 1:
                status = leave(&self.left, base + i, reason_of(valid[base + i]), 0, mark)
            elif not self.end_of(time, &end):
                status = leave(&self.left, base + i, NO_PLACE, 0, mark)
            elif self.guesses and time < self.router.clock.largest:
                return DISORDER
            else:
                status = self.close_of(code, self.reached())
                place = self.seat_row(time, end, code, &slot, &other)
                if status != DONE:
                    return status
                if place == OPENS and end <= mark:
                    place = COMES_LATE
                if place == BRIDGES:
                    self.bridge_from = slot
                    self.bridge_to = other
                    return BRIDGES
                if place == COMES_LATE:
                    status = leave(&self.left, base + i, IS_LATE, time, mark)
                else:
                    if place == OPENS:
                        see(&self.router.clock, time)
                        if in_runs:  # what the row closes comes before it
                            status = self.close_of(0, self.reached())
                            if status != DONE:
                                return status
                        if in_runs and self.rows.n_open == 0:
                            j = self.run_from(block, i, n, time)
                            if self.is_whole(block, j - 1, j, n):
                                add_whole(&self.block, i, j)
                                self.router.used = self.router.used + (j - i)
                                see(&self.router.clock, block[j - 1])
                                i = j
                                continue
                        status = self.open_session(time, end, code, &slot)
                        if status != DONE:
                            return status
                    seat = &self.rows.seats[slot]
                    if time < seat.first:
                        seat.first = time
                    elif time >= seat.last:
                        if in_runs and place == JOINS and seat.left < 0 and seat.right < 0 and (
                                self.rows.roots[0] == slot):
                            j = self.run_from(block, i, n, seat.first)
                        seat.last = block[j - 1]
                        seat.end = self.end_after(seat.last)
                    self.router.used = self.router.used + (j - i)
                    see(&self.router.clock, block[j - 1])
            if codes != NULL:
                self.slots[i] = slot
            elif slot >= 0:
                add_run(&self.block, &self.rows, slot, i, j)
            i = j
        taken[0] = i
        return status

    # -------------------------------------------------------------------------------- row by row

    cdef int take_each(
        self, const int64_t* times, const uint8_t* valid, const int32_t* codes,
        Py_ssize_t n_rows, Py_ssize_t* n_taken
    ) noexcept nogil:
        """Do what `take_sessions` does, where more is asked of time than lateness."""
        cdef Py_ssize_t at = n_taken[0], taken = 0
        cdef int status = DONE, failure
        while at < n_rows and status == DONE:
            status = begin_block(&self.block, min(<Py_ssize_t>ROWS_OF_BLOCK, n_rows - at))
            if status != DONE:
                break
            status = self.route_each(times, valid, codes, at, n_rows, &taken)
            self.make_floats(at, taken)
            self.reduce_block(times, codes != NULL, at, taken, n_rows)
            if status in (DONE, MUST_CLOSE, PAUSES, BRIDGES, CORRECTS):
                if not self.clocks.on:
                    failure = self.close_passed(taken)
                elif status == MUST_CLOSE or status == PAUSES:
                    failure = self.close_key(codes[at + taken - (status == MUST_CLOSE)])
                else:
                    failure = DONE
                if failure == DONE:
                    failure = self.read_block(times, at, n_rows)
                if failure == DONE and status == BRIDGES:
                    failure = self.bridge()
                if failure == DONE and status == CORRECTS:
                    failure = self.read_slots(&self.corrected, 1)
                status = failure
            at += taken
        n_taken[0] = at
        return status

    cdef int route_each(
        self, const int64_t* times, const uint8_t* valid, const int32_t* codes, Py_ssize_t base,
        Py_ssize_t n_rows, Py_ssize_t* taken
    ) noexcept nogil:
        """Find the slots of the rows of a block; stops at a row that asks for more, or behind it.
        """
        cdef Py_ssize_t i, n = min(<Py_ssize_t>ROWS_OF_BLOCK, n_rows - base)
        cdef int32_t slot = -1, code = 0
        cdef int status = DONE
        for i in range(n):
            taken[0] = i
            if codes != NULL:
                code = codes[base + i]
            slot = -1
            status = self.take_one(times[base + i], 1 if valid == NULL else valid[base + i],
                                   base + i, code, &slot)
            if status not in (DONE, MUST_CLOSE, CORRECTS):
                return status
            if codes != NULL:
                self.slots[i] = slot
            elif slot >= 0:
                add_run(&self.block, &self.rows, slot, i, i + 1)
            taken[0] = i + 1
            if status != DONE:
                return status
        return DONE

    cdef int take_one(
        self, int64_t time, uint8_t flag, Py_ssize_t row, int32_t code, int32_t* slot
    ) noexcept nogil:
        """Find the slot of a row, -1 where it has none, and move the watermark.

        PAUSES and BRIDGES: first what is asked for, then the row again. MUST_CLOSE and CORRECTS
        tell what is to be done once the row is in its record.
        """
        cdef int64_t mark = self.mark_of(code), end = 0
        cdef int32_t other = -1
        cdef int status, place
        if flag != 1:
            return leave(&self.left, row, reason_of(flag), 0, mark)
        if self.is_too_far(time, code):
            return leave(&self.left, row, FAR_AHEAD, 0, mark)
        if not self.end_of(time, &end):
            return leave(&self.left, row, NO_PLACE, 0, mark)
        status = self.let_go_of(code, mark)
        if status != DONE:
            return status
        place = self.seat_row(time, end, code, slot, &other)
        if place == OPENS and held_to(&self.router, end) <= mark:
            return leave(&self.left, row, IS_LATE, time, mark)
        if self.router.allows and self.is_of_one_over(time, code):
            slot[0] = -1  # of one that it must not join
            return leave(&self.left, row, IS_LATE, time, mark)
        if not self.is_settled and self.router.allows and (
                self.is_past(place, end, slot[0], other, mark)):
            return PAUSES
        if place == BRIDGES:
            self.bridge_from = slot[0]
            self.bridge_to = other
            return BRIDGES
        if self.router.lives.on:
            self.keep_alive(code, time, end)
        status = self.put_row(time, end, code, mark, place, slot)
        if status != DONE:
            return status
        self.router.used = self.router.used + 1
        return self.follow(time, code, row, slot[0], mark)

    cdef inline bint is_past(
        self, int place, int64_t end, int32_t slot, int32_t other, int64_t mark
    ) noexcept nogil:
        """Whether the watermark has passed the end of a session that a row is about to change."""
        if place == OPENS:
            return end <= mark
        return self.rows.seats[slot].end <= mark or (
            other >= 0 and self.rows.seats[other].end <= mark)

    cdef inline bint is_of_one_over(self, int64_t time, int32_t code) noexcept nogil:
        """Whether a row is of a session that is over, or comes before it."""
        cdef int32_t first
        if time >= self.over_of(code):
            return False
        first = treap_first(&self.rows, code)
        return first < 0 or self.rows.seats[first].first > time

    cdef inline int64_t over_of(self, int32_t code) noexcept nogil:
        """Up to where the sessions of a key are over.

        One that is new, or was forgotten, may have had any that would be over by one gap more.
        """
        cdef int64_t over, mark = self.router.clock.watermark
        if not self.router.lives.on or not is_dead(&self.router.lives, code, mark):
            return self.over_to[code]
        if mark == INT64_MIN:
            return INT64_MIN
        if self.is_float:
            return order_of_float(float_of_order(mark) - self.router.allowed_f - self.gap_f)
        if sub_overflows(mark, self.router.allowed, &over) or sub_overflows(over, self.gap, &over):
            return INT64_MIN
        return over

    cdef inline void keep_alive(self, int32_t code, int64_t time, int64_t end) noexcept nogil:
        """Note how long a row keeps its key alive."""
        cdef Lives* lives = &self.router.lives
        cdef int64_t dies_at
        if is_dead(lives, code, self.router.clock.watermark):
            if self.router.allows:
                self.over_to[code] = self.over_of(code)
            begin_life(lives, code)
        if self.router.allows:  # by one gap longer: see `over_of`
            self.end_of(end, &end)
        dies_at = max(dies_after(lives, self.is_float, time), held_to(&self.router, end))
        lives.dies_at[code] = max(lives.dies_at[code], dies_at)

    cdef int put_row(
        self, int64_t time, int64_t end, int32_t code, int64_t mark, int place, int32_t* slot
    ) noexcept nogil:
        """Let a row into its session, which is opened if need be."""
        cdef Seat* seat
        cdef int status
        if place == OPENS:
            if self.router.allows and self.rows.n_open >= self.rows.max_open:
                self.forget_held()
            status = self.make_session(time, end, code, slot)
            if status != DONE or end <= mark:
                return status
            return self.await_end(slot[0])
        seat = &self.rows.seats[slot[0]]
        if time < seat.first:
            seat.first = time
        elif time > seat.last:
            seat.last = time
            seat.end = end
            if seat.is_out and end > mark:
                seat.is_out = False
                return self.await_end(slot[0])
        return DONE

    cdef int follow(
        self, int64_t time, int32_t code, Py_ssize_t row, int32_t slot, int64_t mark
    ) noexcept nogil:
        """Move the clock of a row that is in a session, and tell what that asks for."""
        cdef Seat* seat = &self.rows.seats[slot]
        if self.clocks.on:
            if self.see_key(time, code) and (
                    self.clocks.lines[code].due <= self.clocks.lines[code].watermark):
                return MUST_CLOSE
        else:
            self.see_row(time, row)
            if self.router.clock.watermark != mark:
                self.is_settled = False
        if self.router.allows and seat.end <= mark:  # such a row is behind: it moves nothing
            seat.is_out = True
            self.corrected = slot
            return CORRECTS
        return DONE

    cdef inline int let_go_of(self, int32_t code, int64_t mark) noexcept nogil:
        """See to it that a row finds no session of its key that nothing can join any more."""
        cdef int32_t slot
        if self.clocks.on and not self.router.allows:
            return DONE  # they are closed at once
        if not self.router.allows:
            return self.close_of(code, mark)
        slot = treap_first(&self.rows, code)
        while slot >= 0 and held_to(&self.router, self.rows.seats[slot].end) <= mark:
            if not self.rows.seats[slot].is_out:
                return PAUSES
            self.hold_no_more(slot)
            rows_spare(&self.rows, slot)
            slot = treap_first(&self.rows, code)
        return DONE

    cdef inline void hold_no_more(self, int32_t slot) noexcept nogil:
        """Let a session go that nothing can join any more."""
        cdef const Seat* seat = &self.rows.seats[slot]
        if self.router.allows:
            self.over_to[seat.code] = max(self.over_to[seat.code], seat.end)
        seat_closes(&self.rows, slot)

    cdef inline int come_out(self, int32_t slot, int64_t upto) noexcept nogil:
        """Let a session come out; it is held, where corrections may come."""
        if closing_room(&self.block, 1) != DONE:
            return NO_MEMORY
        if held_to(&self.router, self.rows.seats[slot].end) <= upto:
            self.hold_no_more(slot)
        else:
            self.rows.seats[slot].is_out = True
        add_closing(&self.block, slot)
        return DONE

    cdef int close_passed(self, Py_ssize_t n_rows) noexcept nogil:
        """Let all that is due come out, and forget what is not held any more."""
        cdef int status = self.close_due(True, n_rows)
        self.is_settled = True
        self.n_since = self.n_since + n_rows
        if self.router.allows and self.n_since > max(self.rows.n_slots, FEW_HELD):
            self.forget_held()
        return status

    cdef void forget_held(self) noexcept nogil:
        """Give back the sessions that have come out and are not held any more."""
        cdef const Seat* seat
        cdef int32_t slot
        self.n_since = 0
        for slot in range(<int32_t>self.rows.n_slots):
            seat = &self.rows.seats[slot]
            if seat.standing == IS_OPEN and seat.is_out and (
                    held_to(&self.router, seat.end) <= self.mark_of(seat.code)):
                self.hold_no_more(slot)
                rows_spare(&self.rows, slot)

    cdef int close_key(self, int32_t code) noexcept nogil:
        """Let the sessions of a key that its own watermark has passed come out."""
        cdef Line* line = &self.clocks.lines[code]
        cdef const Seat* seat
        cdef int32_t slot = treap_open(&self.rows, code, line.due), before, after
        cdef int status = DONE
        line.due = INT64_MAX
        while slot >= 0 and status == DONE:
            seat = &self.rows.seats[slot]
            treap_near(&self.rows, code, seat.first, &before, &after)
            if not seat.is_out and seat.end > line.watermark:
                line.due = seat.end
                break
            if not seat.is_out:
                status = self.come_out(slot, line.watermark)
            slot = after
        return status

    # ------------------------------------------------------------------------------- what is due

    cdef inline int close_of(self, int32_t code, int64_t upto) noexcept nogil:
        """Close the sessions of a key that end up to a time, but read none."""
        cdef int32_t slot = self.rows.roots[code]
        if slot < 0 or (self.rows.seats[slot].end > upto and self.rows.seats[slot].left < 0):
            return DONE
        return self.close_all_of(code, upto)

    cdef int close_all_of(self, int32_t code, int64_t upto) noexcept nogil:
        """Do that one by one; a line has to let go of them too."""
        cdef int32_t slot = treap_first(&self.rows, code)
        if self.rows.lined:
            return self.close_line(upto)
        while slot >= 0 and self.rows.seats[slot].end <= upto:
            if closing_room(&self.block, 1) != DONE:
                return NO_MEMORY
            seat_closes(&self.rows, slot)
            add_closing(&self.block, slot)
            slot = treap_first(&self.rows, code)
        return DONE

    cdef int close_line(self, int64_t upto) noexcept nogil:
        """Close all sessions that end up to a time, in any order."""
        cdef Deadlines* line = &self.rows.line
        cdef Py_ssize_t n = deadlines_pass(line, upto), i
        cdef int status = DONE
        cdef int32_t slot, next_slot
        for i in range(n):
            slot = line.found[i]
            while slot >= 0 and status == DONE:
                next_slot = line.after[slot]
                status = self.meet_end(slot, upto)
                slot = next_slot
        return status

    cdef inline int meet_end(self, int32_t slot, int64_t upto) noexcept nogil:
        """Let a session of the line come out, or wait there for the end that it has now."""
        cdef const Seat* seat = &self.rows.seats[slot]
        if seat.standing != IS_OPEN:
            rows_spare(&self.rows, slot)
            return DONE
        if seat.end <= upto:
            return self.come_out(slot, upto)
        return deadlines_put(&self.rows.line, slot, seat.end)

    cdef int close_due(self, bint keyed, Py_ssize_t n_rows) noexcept nogil:
        """Close the sessions that are due after some rows, and bring all that are into order."""
        cdef int status
        if not keyed:
            return self.close_of(0, self.reached())
        if self.rows.lined:
            status = self.close_line(self.reached())
            return self.sort_closing() if status == DONE else status
        self.n_looks = max(<int64_t>0, self.n_looks - WORTH * n_rows)
        status = self.close_any(self.reached())
        if status == DONE and self.n_looks > SPARE_LOOKS:
            status = self.form_line()
        return status

    cdef int close_any(self, int64_t upto) noexcept nogil:
        """Look at all sessions for those that are due; all that are closed come into order."""
        cdef int64_t soonest = INT64_MAX
        cdef const Seat* seat
        cdef int32_t slot
        if self.soonest <= upto:
            if closing_room(&self.block, self.rows.n_open) != DONE:
                return NO_MEMORY
            self.n_looks = self.n_looks + self.rows.n_slots
            for slot in range(<int32_t>self.rows.n_slots):
                seat = &self.rows.seats[slot]
                if seat.standing != IS_OPEN or seat.is_out:
                    continue
                if seat.end <= upto:
                    self.come_out(slot, upto)  # there is room
                else:
                    soonest = min(soonest, seat.end)
            self.soonest = soonest
        return self.sort_closing()

    cdef inline int sort_closing(self) noexcept nogil:
        """Bring what is closed in this block into the order of results."""
        return sort_due(&self.rows, self.block.closing, self.block.n_closing)

    cdef int form_line(self) noexcept nogil:
        """Begin to keep the open sessions in a line."""
        cdef int32_t slot
        deadlines_begin(&self.rows.line, self.reached())
        self.rows.lined = True
        for slot in range(<int32_t>self.rows.n_slots):
            if (self.rows.seats[slot].standing == IS_OPEN and not self.rows.seats[slot].is_out
                    and self.await_end(slot) != DONE):
                return NO_MEMORY
        return DONE

    # ------------------------------------------------------------------------------ two into one

    cdef int bridge(self) noexcept nogil:
        """Make one session of two; the record of the first begins anew, beside their sum."""
        cdef int32_t low = self.bridge_from, high = self.bridge_to
        cdef Seat* seat = &self.rows.seats[low]
        cdef Seat* other = &self.rows.seats[high]
        cdef Word* base = <Word*>malloc(self.plan.narrow * sizeof(Word))
        if base == NULL:
            return NO_MEMORY
        self.fold_slot(low, base)
        self.fold_slot(high, self.folded)
        merge_record(&self.plan, base, self.folded)
        self.clear_kept(base)
        free(seat.base)
        seat.base = base
        seat.last = other.last
        seat.end = other.end
        seat.revision = max(seat.revision, other.revision)
        self.join_kept(low, high)
        treap_remove(&self.rows, high)
        self.rows.n_open = self.rows.n_open - 1
        if self.rows.lined and not other.is_out:
            other.standing = IS_ABSORBED
        else:
            rows_spare(&self.rows, high)
        if seat.is_out and seat.end > self.mark_of(seat.code):
            seat.is_out = False
            if self.await_end(low) != DONE:
                return NO_MEMORY
        return NO_MEMORY if self.plan.keeps and kept_failed(&self.plan) else DONE

    cdef void join_kept(self, int32_t low, int32_t high) noexcept nogil:
        """Empty a record, but let it keep its values and those of another."""
        if self.plan.keeps:
            kept_join(&self.plan, self.rows.arena.records + low * self.rows.arena.wide,
                      self.rows.arena.records + high * self.rows.arena.wide)
        self.blank_but_kept(low)

    cdef void blank_but_kept(self, int32_t slot) noexcept nogil:
        """Empty a record but for the values that it keeps."""
        cdef const Acc* acc
        cdef Word* record = self.rows.arena.records + slot * self.rows.arena.wide
        cdef Word* cold = self.rows.arena.colds + slot * self.rows.arena.cold
        cdef int next_wide, a
        for a in range(self.plan.n_accs):
            acc = &self.plan.accs[a]
            if acc.kept == NULL:
                next_wide = self.plan.accs[a + 1].wide if a + 1 < self.plan.n_accs else (
                    self.plan.wide)
                memcpy(record + acc.wide, self.plan.blank + acc.wide,
                       (next_wide - acc.wide) * sizeof(Word))
        memcpy(cold, self.plan.blank_cold, self.plan.cold * sizeof(Word))

    # ---------------------------------------------------------------------------------- results out

    def close(self, int64_t watermark):
        """Close the sessions that end up to a time; the clock moves there."""
        cdef int status
        with nogil:
            self.promise(watermark)
            status = begin_block(&self.block, 0)
            if status == DONE and self.plan.lanes > 1 and self.rows.n_roots and (
                    not self.router.allows):
                status = self.close_of(0, watermark)
            elif status == DONE and self.rows.lined:
                status = self.close_line(watermark)
                if status == DONE:
                    status = self.sort_closing()
            elif status == DONE:
                status = self.close_any(watermark)
            if status == DONE:
                status = self.read_slots(self.block.closing, self.block.n_closing)
            if status == DONE and self.router.allows:
                self.forget_held()
        return status

    cdef tuple describe(self, const Left* row):
        """A row left out; the window of a late one is the session that it would have made."""
        cdef int64_t end = row.pane
        if row.reason == IS_LATE:
            self.end_of(row.pane, &end)
        return (row.row, row.reason, self.outside(row.pane), self.outside(end),
                self.outside(row.watermark))

    def rehearse(self, times not None, time_valid, const int32_t[::1] sources=None):
        """Find the first row that might be late, without taking any.

        It may still join a session that is open: that has to be tried.
        """
        cdef const int64_t[::1] time = times
        cdef const uint8_t[::1] valid = time_valid
        cdef int64_t end
        cdef Py_ssize_t row
        cdef Left left
        found = None
        cdef Clock clock = self.router.clock
        largest = self.keep_clock(sources, time.shape[0])
        for row in range(time.shape[0]):
            if (valid is not None and valid[row] != 1) or not self.end_of(time[row], &end):
                continue
            if self.router.allows:  # it may be of a session that is over
                end = time[row]
            if held_to(&self.router, end) <= self.router.clock.watermark:
                left.row = row
                left.reason = IS_LATE
                left.pane = time[row]
                left.watermark = self.router.clock.watermark
                found = self.describe(&left)
                break
            self.see_row(time[row], row)
        self.put_clock_back(&clock, largest)
        return found

    # ------------------------------------------------------------------------------- state in, out

    cdef int32_t* slots_in_order(self) except NULL:
        """All open sessions by key and time; to be freed."""
        cdef int32_t* slots = <int32_t*>malloc((self.rows.n_open + 1) * sizeof(int32_t))
        cdef int32_t before, after, slot
        cdef Py_ssize_t k, n = 0
        if slots == NULL:
            raise MemoryError
        for k in range(self.rows.n_roots):
            slot = treap_first(&self.rows, <int32_t>k)
            while slot >= 0:
                slots[n] = slot
                n += 1
                treap_near(&self.rows, <int32_t>k, self.rows.seats[slot].first, &before, &after)
                slot = after
        return slots

    def dump(self):
        """Write the state down, as `WindowState.dump` does; numbers come in place of panes."""
        return self.dump_part(0, 1)

    def dump_part(self, int32_t number, int32_t n):
        """Write down, as `dump` does, the sessions of one of n parts of the keys, see `Picker`."""
        cdef int32_t* slots
        cdef int64_t* head
        cdef Py_ssize_t n_own = 0, i
        if self.router.allows:
            self.forget_held()
        slots = self.slots_in_order()
        for i in range(self.rows.n_open):
            slots[n_own] = slots[i]
            n_own += self.rows.seats[slots[i]].code % BINS % n == number
        try:
            numbers, codes, records, kept = self.dump_records(slots, n_own)
        finally:
            free(slots)
        head = <int64_t*>calloc(HEAD, sizeof(int64_t))
        if head == NULL:
            raise MemoryError
        head[0] = n_own
        clock = (self.router.clock.largest, self.router.clock.watermark, 0, self.router.used)
        return clock, bytes(buffer_of(head, HEAD * 8)) + bytes(numbers), codes, records, kept

    def load(self, tuple clock not None, const int64_t[::1] numbers not None,
             const int32_t[::1] codes not None, const int64_t[::1] records not None,
             const int64_t[::1] kept not None, Py_ssize_t n_keys):
        """Add what was written down to the state, all of it or nothing.

        Returns
        -------
        int
            -1, or the first record that cannot be: its key is unknown, or has sessions here
            already, or what it says of itself does not fit together.
        """
        cdef Py_ssize_t n, i, n_kept = 0
        cdef int32_t* slots
        self.make_room(n_keys)
        n = codes.shape[0]
        if numbers.shape[0] != HEAD + n * RECORD_WORDS or numbers[0] != n or (
                numbers[1] or numbers[2]):
            return 0
        i = self.check_records(numbers, codes, records, kept, n_keys, n, &n_kept)
        if i < 0:
            i = self.check_sessions(numbers, codes, n_keys, n)
        if i >= 0:
            return i
        if n_kept != kept.shape[0]:
            return max(n - 1, 0)
        slots = <int32_t*>malloc((n + 1) * sizeof(int32_t))
        if slots == NULL:
            raise MemoryError
        free(self.loaded)
        self.loaded = slots
        self.n_loaded = n
        self.take_records(numbers, codes, records, kept, n, slots)
        for i in range(n):
            treap_put(&self.rows, slots[i])
        self.router.clock.largest = max(self.router.clock.largest, <int64_t>clock[0])
        self.router.clock.watermark = max(self.router.clock.watermark, <int64_t>clock[1])
        self.router.used += <int64_t>clock[3]
        return -1

    def dump_extra(self):
        """Write down what a state has beside its windows, as `WindowState.dump_extra` does.

        Where corrections are allowed, also of each session twice the last revision, plus 1 where
        it has come out as it is, and of each key up to where its sessions are over.
        """
        cdef int32_t* slots
        cdef int64_t* revisions
        cdef int64_t* over
        cdef Py_ssize_t i
        out = RowState.dump_extra(self)
        if self.router.allows:
            over = <int64_t*>malloc((self.n_over + 1) * sizeof(int64_t))
            out[OVER] = buffer_of(over, self.n_over * sizeof(int64_t))
            if over == NULL:
                raise MemoryError
            if self.n_over:
                memcpy(over, self.over_to, self.n_over * sizeof(int64_t))
            revisions = <int64_t*>malloc((self.rows.n_open + 1) * sizeof(int64_t))
            out[SESSIONS] = buffer_of(revisions, self.rows.n_open * sizeof(int64_t))
            if revisions == NULL:
                raise MemoryError
            slots = self.slots_in_order()
            for i in range(self.rows.n_open):
                revisions[i] = (2 * <int64_t>self.rows.seats[slots[i]].revision
                                + self.rows.seats[slots[i]].is_out)
            free(slots)
        return out

    def load_extra(self, dict extra not None, Py_ssize_t n_keys):
        """Add what `dump_extra` gives, as `WindowState.load_extra` does; after `load`."""
        cdef const int64_t[::1] revisions, over
        cdef Seat* seat
        cdef Py_ssize_t i
        if not RowState.load_extra(self, extra, n_keys):
            return False
        if self.router.allows:
            revisions = extra[SESSIONS]
            if revisions.shape[0] != self.n_loaded:
                return False
            for i in range(self.n_loaded):
                seat = &self.rows.seats[self.loaded[i]]
                if revisions[i] == -1 or not -2 <= revisions[i] < MOST_REVISIONS:
                    return False
                seat.revision = <int32_t>(revisions[i] >> 1)
                seat.is_out = revisions[i] & 1
                if seat.is_out and seat.end > self.mark_of(seat.code):
                    return False
            over = extra[OVER]
            if over.shape[0] > self.n_over:
                return False
            for i in range(over.shape[0]):
                self.over_to[i] = max(self.over_to[i], over[i])
        for i in range(self.n_loaded):
            seat = &self.rows.seats[self.loaded[i]]
            seat.rows = self.place_of(seat.code)
            if not seat.is_out and self.await_end(self.loaded[i]) != DONE:
                raise MemoryError
        self.n_loaded = 0
        self.is_settled = self.clocks.on  # those of keys come out at once
        return True

    cdef Py_ssize_t check_sessions(
        self, const int64_t[::1] numbers, const int32_t[::1] codes, Py_ssize_t n_keys, Py_ssize_t n
    ) except -2:
        """Find the first session that is not after the one of its key before it, or -1."""
        cdef Py_ssize_t i, at, bad = -1
        cdef int64_t end
        cdef uint8_t* here = <uint8_t*>calloc(n_keys + 1, 1)
        if here == NULL:
            raise MemoryError
        for i in range(n):
            at = HEAD + i * RECORD_WORDS
            bad = i
            if not self.end_of(numbers[at + 1], &end):
                break
            if i and codes[i] == codes[i - 1]:
                if numbers[at] <= numbers[at - RECORD_WORDS + 1]:
                    break
            elif here[codes[i]] or self.rows.roots[codes[i]] >= 0:
                break
            here[codes[i]] = 1
            bad = -1
        free(here)
        return bad
