"""Bars: windows of so many rows, or of so much of something, in order of time.

A row belongs to the open bar of its key.

    BY_COUNT    windows of n rows, one every `every` rows; where they overlap, window k is of class
                k % n_classes, and those of one class do not overlap
    BY_SUM      a running sum closes the bar that brings it to the limit, see `amounts`
"""

cimport cython
from libc.stdint cimport INT64_MAX, INT64_MIN, int32_t, int64_t, uint8_t
from libc.stdlib cimport calloc, free, malloc, qsort
from libc.string cimport memset

from tidegate._kernels.amounts cimport (
    IS_SPLIT, Amounts, add_amount, add_amounts, are_calm, is_below, take_limit,
)
from tidegate._kernels.barspans cimport Bar, Numbered, end_span, resume_span, tell_row
from tidegate._kernels.buffer cimport buffer_of
from tidegate._kernels.lanes cimport prefetch_here
from tidegate._kernels.lives cimport Lives, begin_life, dies_after
from tidegate._kernels.memory cimport grow
from tidegate._kernels.partition cimport BINS
from tidegate._kernels.push cimport push_row
from tidegate._kernels.records cimport DONE, MOST_ROWS, NO_MEMORY, TOO_MANY_OPEN, Acc
from tidegate._kernels.row_state cimport (
    HEAD, RECORD_WORDS, ROWS_OF_BLOCK, add_closing, add_run, add_whole, begin_block,
    closing_room, no_more_wholes,
)
from tidegate._kernels.row_store cimport IS_CLOSED, NEAR, SOON, Seat, rows_open, rows_spare
from tidegate._kernels.rowruns cimport in_turn
from tidegate._kernels.rows cimport reduce_rows
from tidegate._kernels.runs cimport reduce_runs
from tidegate._kernels.waiting cimport WaitingState
from tidegate._kernels.whole cimport all_plain

cdef enum Rule:
    BY_COUNT
    BY_SUM

cdef enum:
    MATRIX = 1 << 20   # places of rows in windows that overlap, at a time
    STATE_WORDS = 5    # of each state of a key in a dump: class, skip, seen and the sum


cdef struct Ending:    # a bar at the end of input, or that of its key
    int64_t last
    int64_t first
    int64_t rows
    int64_t place      # of its key in the order
    int32_t slot


cdef int by_ending(const void* a, const void* b) noexcept nogil:
    """Order of two unfinished bars: by window end, by key, by window start, by their first row."""
    cdef const Ending* x = <const Ending*>a
    cdef const Ending* y = <const Ending*>b
    if x.last != y.last:
        return 1 if x.last > y.last else -1
    if x.place != y.place:
        return 1 if x.place > y.place else -1
    if x.first != y.first:
        return 1 if x.first > y.first else -1
    return (x.rows < y.rows) - (x.rows > y.rows)  # that with more rows began before


cdef struct Recent:    # a key that is not forgotten
    int64_t dies_at
    int32_t code


cdef int by_death(const void* a, const void* b) noexcept nogil:
    """Order of two keys: by when they are forgotten, then by code."""
    cdef const Recent* x = <const Recent*>a
    cdef const Recent* y = <const Recent*>b
    if x.dies_at != y.dies_at:
        return 1 if x.dies_at > y.dies_at else -1
    return (x.code > y.code) - (x.code < y.code)


@cython.final
cdef class BarState(WaitingState):
    """Open bars, the watermark, the rows that wait for it, and what waits to be taken.

    It is made as a `WindowState`, without a grid; `lay_count` or `lay_sum` says what a bar is.
    """

    cdef int rule
    cdef Bar* bars              # by key code and class
    cdef Py_ssize_t n_bars
    cdef int64_t size
    cdef int64_t every
    cdef int64_t stride
    cdef Py_ssize_t n_classes
    cdef Amounts amounts        # of which rule the sums are
    cdef bint complete_only
    cdef int32_t* matrix        # slots of the rows of a block, class by class
    cdef int32_t* older         # by key code: keys in the order of their last rows
    cdef int32_t* newer
    cdef Py_ssize_t n_links
    cdef int32_t oldest
    cdef int32_t newest
    cdef int32_t* dropped       # slots that are given back when the block is reduced
    cdef Py_ssize_t n_dropped
    cdef Py_ssize_t cap_dropped
    cdef Py_ssize_t reserve     # windows that the rows of a block may close
    cdef const int64_t* closers  # of a part of the keys: the numbers of the rows of a block

    def __cinit__(self, *args):
        self.n_classes = 1
        self.amounts.second = -1
        self.oldest = self.newest = -1

    def __dealloc__(self):
        free(self.bars)
        free(self.matrix)
        free(self.older)
        free(self.newer)
        free(self.dropped)

    def lay_count(self, int64_t size, int64_t every, bint complete_only):
        """Make windows of `size` rows, one every `every` rows, before any row comes.

        Parameters
        ----------
        complete_only : bool
            Whether shorter ones at the end of input are left out.
        """
        cdef int64_t block = ROWS_OF_BLOCK
        self.rule = BY_COUNT
        self.size = size
        self.every = every
        self.complete_only = complete_only
        self.n_classes = max(1, (size + every - 1) // every)
        self.stride = every * self.n_classes
        if self.n_classes > 1:
            block = max(1, min(block, <int64_t>MATRIX // self.n_classes))
            self.matrix = <int32_t*>malloc(self.n_classes * block * sizeof(int32_t))
            if self.matrix == NULL:
                raise MemoryError

    def lay_sum(self, tuple columns not None, tuple limit not None, int rest, bint complete_only):
        """Make bars that close when a sum reaches a limit, before any row comes.

        Parameters
        ----------
        columns : tuple (first, second)
            What is added up: the values of a column, times those of a second one unless it is -1.
        limit : tuple (is_int, limit, limit_f)
            Whether the values are integers, and the limit in either kind.
        rest : int
            What becomes of the sum beyond the limit, a `Rest`.
        complete_only : bool
            Whether unfinished ones at the end of input are left out.
        """
        self.rule = BY_SUM
        self.amounts.first, self.amounts.second = columns
        self.amounts.is_int, self.amounts.limit, self.amounts.limit_f = limit
        self.amounts.rest = rest
        self.complete_only = complete_only
        if not 0 <= self.amounts.first < self.n_columns or (
                self.amounts.second >= self.n_columns):
            raise ValueError("the sum is of a column that is not there")

    cdef int make_keys(self, Py_ssize_t n_keys) except -1:
        """Make room for the codes below n_keys."""
        cdef Py_ssize_t n = n_keys * self.n_classes, room, k
        if self.router.lives.on and n_keys > self.n_links:
            room = max(n_keys, 2 * self.n_links)
            if not (grow(<void**>&self.older, room * sizeof(int32_t))
                    and grow(<void**>&self.newer, room * sizeof(int32_t))):
                raise MemoryError
            self.n_links = room
        if n <= self.n_bars:
            return 0
        room = max(n, 2 * self.n_bars)
        room = (room + self.n_classes - 1) // self.n_classes * self.n_classes
        if not grow(<void**>&self.bars, room * sizeof(Bar)):
            raise MemoryError
        for k in range(self.n_bars, room):
            self.begin_bar(k)
        self.n_bars = room
        return 0

    cdef inline void begin_bar(self, Py_ssize_t k) noexcept nogil:
        """Let a key begin anew."""
        memset(&self.bars[k], 0, sizeof(Bar))
        self.bars[k].slot = -1
        self.bars[k].number = -1
        self.bars[k].skip = (k % self.n_classes) * self.every

    cdef int64_t kept_of_row(self) noexcept:
        """How many values are kept of one row at most: once for each window that it is in."""
        return WaitingState.kept_of_row(self) * self.n_classes

    cdef int64_t most_open(self, Py_ssize_t n_keys) noexcept:
        """How many bars can be open at a time: one of each key and class."""
        return n_keys * self.n_classes

    # -------------------------------------------------------------------------- keys are forgotten

    cdef inline void link(self, int32_t code) noexcept nogil:
        """Put a key behind all others."""
        self.older[code] = self.newest
        self.newer[code] = -1
        if self.newest >= 0:
            self.newer[self.newest] = code
        else:
            self.oldest = code
        self.newest = code

    cdef inline void unlink(self, int32_t code) noexcept nogil:
        """Take a key out of their order."""
        cdef int32_t before = self.older[code], after = self.newer[code]
        if before >= 0:
            self.newer[before] = after
        else:
            self.oldest = after
        if after >= 0:
            self.older[after] = before
        else:
            self.newest = before

    cdef inline int live_on(self, int32_t code, int64_t time) noexcept nogil:
        """Forget the keys that are quiet for too long when a row comes, and note who it is of."""
        cdef Lives* lives = &self.router.lives
        cdef int status = DONE
        if self.oldest >= 0 and lives.dies_at[self.oldest] <= time:
            status = self.end_quiet(time)
        if lives.dies_at[code] == INT64_MIN:
            begin_life(lives, code)
            self.link(code)
        elif code != self.newest:
            self.unlink(code)
            self.link(code)
        lives.dies_at[code] = max(lives.dies_at[code], dies_after(lives, self.is_float, time))
        return status

    cdef int end_quiet(self, int64_t upto) noexcept nogil:
        """Forget the keys of which a time is too far ahead; their bars end as those of the input.
        """
        cdef Lives* lives = &self.router.lives
        cdef Ending* endings = <Ending*>malloc((self.rows.n_open + 1) * sizeof(Ending))
        cdef int32_t code = self.oldest
        cdef Py_ssize_t k, n = 0
        if endings == NULL:
            return NO_MEMORY
        while code >= 0 and lives.dies_at[code] <= upto and lives.dies_at[code] < INT64_MAX:
            for k in range(code * self.n_classes, (code + 1) * self.n_classes):
                if self.bars[k].slot >= 0:
                    self.end_bar(&endings[n], k)
                    n += 1
                self.begin_bar(k)
            self.unlink(code)
            lives.dies_at[code] = INT64_MIN
            code = self.oldest
        return self.close_endings(endings, n)

    cdef inline void end_bar(self, Ending* ending, Py_ssize_t k) noexcept nogil:
        """Write down where an unfinished bar belongs; it is not open any more."""
        cdef Seat* seat = &self.rows.seats[self.bars[k].slot]
        end_span(&self.plan, &self.rows.arena, &self.bars[k], self.bars[k].seen)
        seat.last = self.bars[k].last
        seat.standing = IS_CLOSED
        ending.last = seat.last
        ending.first = seat.first
        ending.rows = seat.rows
        ending.place = self.place_of(seat.code)
        ending.slot = self.bars[k].slot
        self.bars[k].slot = -1
        self.rows.n_open = self.rows.n_open - 1

    cdef int close_endings(self, Ending* endings, Py_ssize_t n) noexcept nogil:
        """Bring unfinished bars into order and close them, unless only whole ones are wanted."""
        cdef Py_ssize_t k, room = max(self.n_dropped + n, 2 * self.cap_dropped)
        cdef int status = closing_room(&self.block, n + self.reserve)
        if self.complete_only and self.n_dropped + n > self.cap_dropped and status == DONE:
            if grow(<void**>&self.dropped, room * sizeof(int32_t)):
                self.cap_dropped = room
            else:
                status = NO_MEMORY
        if status == DONE:
            qsort(endings, n, sizeof(Ending), by_ending)
            for k in range(n):
                if self.complete_only:
                    self.dropped[self.n_dropped] = endings[k].slot
                    self.n_dropped = self.n_dropped + 1
                else:
                    add_closing(&self.block, endings[k].slot)
        free(endings)
        return status

    cdef void spare_dropped(self) noexcept nogil:
        """Give back what is unfinished and not wanted: no row is on its way there any more."""
        cdef Py_ssize_t k
        for k in range(self.n_dropped):
            rows_spare(&self.rows, self.dropped[k])
        self.n_dropped = 0

    cdef int forget_quiet(self, int64_t upto) noexcept nogil:
        """Forget the keys that a watermark finds quiet for too long, where that is asked for."""
        cdef int status
        if self.oldest < 0 or self.router.lives.dies_at[self.oldest] > upto:
            return DONE
        self.reserve = 0
        status = begin_block(&self.block, 0)
        if status == DONE:
            status = self.end_quiet(upto)
        if status == DONE:
            status = self.read_slots(self.block.closing, self.block.n_closing)
        self.spare_dropped()
        return status

    def living(self):
        """List the keys that are not to be forgotten, as `WindowState.living` does.

        Those of which rows wait have no place yet, unless they had rows before.
        """
        cdef const Lives* lives = &self.router.lives
        cdef int64_t[::1] codes = memoryview(bytearray(8 * lives.n)).cast("q")
        cdef int64_t[::1] ranks = memoryview(bytearray(8 * lives.n)).cast("q")
        cdef const int32_t[::1] waiting = memoryview(bytes(self.waiting.peek()[1])).cast("i")
        cdef Py_ssize_t k, n = 0
        here = bytearray(lives.n)
        for k in range(waiting.shape[0]):
            here[waiting[k]] = 1
        for k in range(lives.n):
            if lives.dies_at[k] != INT64_MIN or here[k]:
                codes[n] = k
                ranks[n] = lives.rank[k] if lives.dies_at[k] != INT64_MIN else lives.next_rank + k
                n += 1
        return codes.base[:n], ranks.base[:n]

    # ------------------------------------------------------------------------------------- bars

    cdef bint are_in_turn(self, Py_ssize_t base, Py_ssize_t n) noexcept nogil:
        """Whether the numbers of n rows go up by one from row to row, if they are told."""
        cdef const int64_t* numbers = <const int64_t*>self.columns[self.n_columns].values
        return self.plan.numbered < 0 or numbers == NULL or in_turn(numbers + base, n)

    cdef Numbered numbers_at(self, Py_ssize_t base) noexcept nogil:
        """The numbers of the rows of a block."""
        cdef Numbered numbered
        numbered.is_told = self.has_turns()
        numbered.numbers = <const int64_t*>self.columns[self.n_columns].values
        if numbered.numbers != NULL:
            numbered.numbers = numbered.numbers + base
        numbered.first = self.plan.first_row + base
        return numbered

    cdef inline int64_t place_of_row(self, Py_ssize_t i) noexcept nogil:
        """Where what row i of a block closes belongs, among results of one end."""
        return self.router.used + i if self.closers == NULL else self.closers[i]

    cdef int take_bars(
        self, const int64_t* times, const int32_t* codes, Py_ssize_t n, Py_ssize_t n_rows
    ) noexcept nogil:
        """Take the first n rows, which are in order of time, block by block."""
        cdef Py_ssize_t at = 0, size, most = ROWS_OF_BLOCK
        cdef int status = DONE
        cdef bint plain = (codes == NULL and self.n_classes == 1
                           and all_plain(&self.plan, self.columns, self.n_columns))
        if self.n_classes > 1:
            most = max(<Py_ssize_t>1, min(most, <Py_ssize_t>MATRIX // self.n_classes))
        while at < n and status == DONE:
            size = min(most, n - at)
            self.closers = NULL
            if self.n_parts and self.columns[self.n_columns].values != NULL:
                self.closers = <const int64_t*>self.columns[self.n_columns].values + at
            self.make_floats(at, size)
            self.block.may_be_whole = plain and self.are_in_turn(at, size)
            self.reserve = 2 * size
            if self.n_classes > 1:
                self.reserve = size * min(self.n_classes, size + 1)
            status = begin_block(&self.block, 2 * size)
            if status != DONE:
                break
            if self.n_classes > 1:
                status = self.route_classes(times, codes, at, size, n_rows)
                if status == DONE:
                    status = self.read_block(times, at, n_rows)
            else:
                if self.rule == BY_COUNT and codes == NULL:
                    status = self.route_counts(times, at, size)
                elif self.rule == BY_COUNT:
                    status = self.route_key_counts(times, codes, at, size)
                else:
                    status = self.route_sums(times, codes, at, size)
                if status == DONE:
                    self.reduce_block(times, codes != NULL, at, size, n_rows)
                    status = self.read_block(times, at, n_rows)
            if self.n_dropped:
                self.spare_dropped()
            at += size
            self.router.used = self.router.used + size
        return status

    cdef inline int open_bar(self, Bar* bar, int32_t code, int64_t time) noexcept nogil:
        """Open the window of a key."""
        return rows_open(&self.rows, code, time, &bar.slot)

    cdef inline void close_bar(self, Bar* bar, Py_ssize_t i) noexcept nogil:
        """Close the window of a key, with row i of a block."""
        end_span(&self.plan, &self.rows.arena, bar, bar.seen)
        bar.number = -1
        self.rows.seats[bar.slot].standing = IS_CLOSED
        self.rows.seats[bar.slot].last = bar.last
        self.rows.seats[bar.slot].end = self.place_of_row(i)
        self.rows.n_open = self.rows.n_open - 1
        add_closing(&self.block, bar.slot)
        bar.slot = -1

    cdef int route_counts(
        self, const int64_t* times, Py_ssize_t base, Py_ssize_t n
    ) noexcept nogil:
        """Windows of so many rows, without keys: slices."""
        cdef Bar* bar = &self.bars[0]
        cdef Seat* seat
        cdef Py_ssize_t i = 0, size
        cdef int status
        bar.seen += n
        while i < n:
            if bar.skip:
                size = min(<Py_ssize_t>bar.skip, n - i)
                bar.skip -= size
                i += size
                continue
            if bar.slot < 0 and self.block.may_be_whole and self.size <= n - i:
                add_whole(&self.block, i, i + self.size)
                i += self.size
                bar.skip = self.stride - self.size
                continue
            if bar.slot < 0:
                status = self.open_bar(bar, 0, times[base + i])
                if status != DONE:
                    return status
                no_more_wholes(&self.block)
            seat = &self.rows.seats[bar.slot]
            size = min(<Py_ssize_t>(self.size - seat.rows), n - i)
            add_run(&self.block, &self.rows, bar.slot, i, i + size)
            seat.rows += size
            i += size
            bar.last = times[base + i - 1]
            if seat.rows == self.size:
                self.close_bar(bar, i - 1)
                bar.skip = self.stride - self.size
        return DONE

    cdef inline int count_row(
        self, Bar* bar, int32_t code, int64_t time, const Numbered* numbered, Py_ssize_t i,
        int32_t* slot
    ) noexcept nogil:
        """Count row i of a block; its slot is -1 where it is between windows."""
        cdef Seat* seat
        cdef int status
        slot[0] = -1
        bar.seen += 1
        if bar.skip:
            bar.skip -= 1
            return DONE
        if bar.slot < 0:
            status = self.open_bar(bar, code, time)
            if status != DONE:
                return status
        slot[0] = bar.slot
        seat = &self.rows.seats[bar.slot]
        seat.rows += 1
        if numbered.is_told:
            tell_row(&self.plan, &self.rows.arena, bar, numbered, i, time)
        bar.last = time
        if seat.rows == self.size:
            self.close_bar(bar, i)
            bar.skip = self.stride - self.size
        return DONE

    cdef inline void ask_for(self, const int32_t* codes) noexcept nogil:
        """Ask for the bars of rows to come."""
        cdef int32_t slot = self.bars[codes[SOON]].slot
        prefetch_here(&self.bars[codes[2 * SOON]].seen)
        prefetch_here(&self.bars[codes[2 * SOON]].slot)
        if slot >= 0:
            prefetch_here(&self.rows.seats[slot].rows)

    cdef int route_key_counts(
        self, const int64_t* times, const int32_t* codes, Py_ssize_t base, Py_ssize_t n
    ) noexcept nogil:
        """Windows of so many rows of a key."""
        cdef Numbered numbered = self.numbers_at(base)
        cdef bint is_far = self.n_bars > NEAR
        cdef Py_ssize_t i
        cdef int status
        for i in range(n):
            if is_far and i + 2 * SOON < n:
                self.ask_for(codes + base + i)
            if self.router.lives.on:
                status = self.live_on(codes[base + i], times[base + i])
                if status != DONE:
                    return status
            status = self.count_row(&self.bars[codes[base + i]], codes[base + i], times[base + i],
                                    &numbered, i, &self.slots[i])
            if status != DONE:
                return status
        return DONE

    cdef int route_classes(
        self, const int64_t* times, const int32_t* codes, Py_ssize_t base, Py_ssize_t n,
        Py_ssize_t n_rows
    ) noexcept nogil:
        """Windows that overlap: those of one class do not, and are reduced together."""
        cdef Py_ssize_t i, c
        cdef int32_t code = 0
        cdef Numbered numbered = self.numbers_at(base)
        cdef int status = closing_room(&self.block, n * min(self.n_classes, n + 1))
        for i in range(n):
            if status != DONE:
                return status
            if codes != NULL:
                code = codes[base + i]
            if self.router.lives.on:
                status = self.live_on(code, times[base + i])
                if status != DONE:
                    return status
            for c in range(self.n_classes):
                status = self.count_row(&self.bars[code * self.n_classes + c], code,
                                        times[base + i], &numbered, i,
                                        &self.matrix[c * n + i])
                if status != DONE:
                    return status
        for c in range(self.n_classes):
            if codes != NULL:
                reduce_rows(&self.plan, self.columns, self.n_columns, times, self.matrix + c * n,
                            base, n, &self.rows.arena)
            else:
                self.find_runs(self.matrix + c * n, n)
                if self.block.n_runs:
                    reduce_runs(&self.plan, self.columns, self.n_columns, times, self.block.runs,
                                self.block.n_runs, base, n_rows, &self.rows.arena)
        return DONE

    cdef void find_runs(self, const int32_t* slots, Py_ssize_t n) noexcept nogil:
        """Find the runs of rows of one slot."""
        cdef Py_ssize_t i = 0, j
        self.block.n_runs = 0
        while i < n:
            j = i + 1
            while j < n and slots[j] == slots[i]:
                j += 1
            if slots[i] >= 0:
                add_run(&self.block, &self.rows, slots[i], i, j)
            i = j

    cdef int add_alone(
        self, const int64_t* times, int32_t code, Py_ssize_t base, Py_ssize_t i, int64_t n
    ) noexcept nogil:
        """Close n more bars that row i of a block makes alone."""
        cdef Py_ssize_t row = base + i
        cdef int32_t slot
        cdef int64_t _k
        cdef const Acc* acc
        cdef int status = TOO_MANY_OPEN  # only what was forged can ask for so many
        if n <= self.rows.max_open:
            status = closing_room(&self.block, n + ROWS_OF_BLOCK)
        for _k in range(n):
            if status != DONE:
                return status
            status = rows_open(&self.rows, code, times[row], &slot)
            if status == DONE:
                for a in range(self.plan.n_accs):
                    acc = &self.plan.accs[a]
                    push_row(acc, self.columns, row, times[row], self.plan.lanes, 0,
                             self.rows.arena.records + slot * self.rows.arena.wide + acc.wide,
                             self.rows.arena.colds + slot * self.rows.arena.cold + acc.rare)
                self.rows.seats[slot].standing = IS_CLOSED
                self.rows.seats[slot].end = self.place_of_row(i)
                self.rows.n_open = self.rows.n_open - 1
                add_closing(&self.block, slot)
        return status

    cdef int route_sums(
        self, const int64_t* times, const int32_t* codes, Py_ssize_t base, Py_ssize_t n
    ) noexcept nogil:
        """Bars that close when a sum reaches the limit."""
        cdef Bar* bar = &self.bars[0]
        cdef int32_t code = 0
        cdef Py_ssize_t i = 0, begin = 0
        cdef bint keyed = codes != NULL, closes = False, fresh, calm
        cdef bint is_far = keyed and self.n_bars > NEAR
        cdef int64_t n_limits
        cdef Numbered numbered = self.numbers_at(base)
        cdef int status = DONE
        calm = not keyed and are_calm(&self.amounts, self.columns, base, n)
        fresh = not keyed and bar.slot < 0  # the rows since `begin` have no slot yet
        while i < n:
            if is_far and i + 2 * SOON < n:
                self.ask_for(codes + base + i)
            if keyed:
                code = codes[base + i]
                bar = &self.bars[code]
                if self.router.lives.on:
                    status = self.live_on(code, times[base + i])
                    if status != DONE:
                        return status
                if bar.slot < 0:
                    status = self.open_bar(bar, code, times[base + i])
                    if status != DONE:
                        return status
                self.slots[i] = bar.slot
                bar.seen += 1
                if numbered.is_told:
                    tell_row(&self.plan, &self.rows.arena, bar, &numbered, i, times[base + i])
                bar.last = times[base + i]
                if not add_amount(&self.amounts, self.columns, bar.total, base + i):
                    i += 1
                    continue
                self.close_bar(bar, i)
            else:
                i = add_amounts(&self.amounts, self.columns, bar.total, base, i, n, calm, &closes)
                status = self.end_slice(bar, times, base, begin, i, fresh, closes)
                if status != DONE or not closes:
                    break
                begin = i
                fresh = True
                i -= 1
            n_limits = take_limit(&self.amounts, bar.total)
            if self.amounts.rest == IS_SPLIT and n_limits > 1:
                no_more_wholes(&self.block)
                status = self.add_alone(times, code, base, i, n_limits - 1)
                if status != DONE:
                    return status
            i += 1
        if not keyed:
            bar.seen += n
        return status

    cdef int end_slice(
        self, Bar* bar, const int64_t* times, Py_ssize_t base, Py_ssize_t begin, Py_ssize_t end,
        bint fresh, bint closes
    ) noexcept nogil:
        """Note rows of one bar, without keys."""
        cdef int status
        if begin == end:
            return DONE
        if fresh and closes and self.block.may_be_whole:
            add_whole(&self.block, begin, end)
            return DONE
        if bar.slot < 0:
            status = self.open_bar(bar, 0, times[base + begin])
            if status != DONE:
                return status
            no_more_wholes(&self.block)
        add_run(&self.block, &self.rows, bar.slot, begin, end)
        bar.last = times[base + end - 1]
        if closes:
            self.close_bar(bar, end - 1)
        return DONE

    cdef int end_bars(self) noexcept nogil:
        """Close what is unfinished at the end of input; read it unless only whole bars are wanted.
        """
        cdef Ending* endings = <Ending*>malloc((self.rows.n_open + 1) * sizeof(Ending))
        cdef Py_ssize_t k, n = 0
        cdef int status
        if endings == NULL:
            return NO_MEMORY
        self.reserve = 0
        status = begin_block(&self.block, self.rows.n_open)
        if status != DONE:
            free(endings)
            return status
        for k in range(self.n_bars):
            if self.bars[k].slot >= 0:
                self.end_bar(&endings[n], k)
                n += 1
        status = self.close_endings(endings, n)
        if status == DONE:
            status = self.read_slots(self.block.closing, self.block.n_closing)
        self.spare_dropped()
        return status

    # ---------------------------------------------------------------------------------- results out

    def close(self, int64_t watermark):
        """Take the rows before a time; the largest time is the end of input."""
        cdef bint is_end = watermark == INT64_MAX
        cdef int status = DONE
        self.promise(watermark)
        status = self.release(self.router.clock.watermark, is_end)
        if status == DONE:
            with nogil:
                if is_end:
                    status = self.end_bars()
                else:
                    status = self.forget_quiet(self.router.clock.watermark)
        return status

    def take_waiting(self):
        """Take all rows that wait, at the end of input; a status. `close` ends the bars then."""
        self.promise(INT64_MAX)
        return self.release(INT64_MAX, True)

    # ------------------------------------------------------------------------------- state in, out

    def dump_part(self, int32_t number, int32_t n):
        """Write down, as `dump` does, what is of one of n parts of the keys; no row may wait."""
        if len(self.waiting):
            raise ValueError("rows wait")
        return self.dump_keys(number, n)

    def dump(self):
        """Write the state down, as `WindowState.dump` does.

        Returns
        -------
        tuple (clock, numbers, codes, records, kept)
            numbers: how many records, states of keys and waiting rows there are; what is known of
            each record, its class, and what is known of each key; codes of the records, keys and
            waiting rows; records; the values that records keep, then the waiting rows, column by
            column, and their flags.
        """
        return self.dump_keys(0, 1)

    cdef tuple dump_keys(self, int32_t number, int32_t n_parts):
        """Write down what is of the keys of a part."""
        cdef Py_ssize_t n = 0, k, n_states = 0, at = HEAD
        cdef const Bar* bar
        cdef int32_t* slots = <int32_t*>malloc((self.rows.n_open + 1) * sizeof(int32_t))
        cdef int64_t* head
        cdef int64_t* states
        cdef int32_t* of_states
        if slots == NULL:
            raise MemoryError
        for k in range(self.n_bars):
            if k // self.n_classes % BINS % n_parts != number:
                continue
            if self.bars[k].slot >= 0:
                slots[n] = self.bars[k].slot
                end_span(&self.plan, &self.rows.arena, &self.bars[k], self.bars[k].seen)
                self.rows.seats[slots[n]].last = self.bars[k].last
                n += 1
            n_states += self.bars[k].seen > 0
        try:
            numbers, codes, records, kept = self.dump_records(slots, n)
        finally:
            free(slots)
        head = <int64_t*>calloc(HEAD, sizeof(int64_t))
        states = <int64_t*>malloc((n + n_states * STATE_WORDS + 1) * sizeof(int64_t))
        of_states = <int32_t*>malloc((n_states + 1) * sizeof(int32_t))
        if head == NULL or states == NULL or of_states == NULL:
            free(head)
            free(states)
            free(of_states)
            raise MemoryError
        head[0] = n
        head[1] = n_states
        head[2] = len(self.waiting)
        n = 0
        for k in range(self.n_bars):
            if self.bars[k].slot >= 0 and k // self.n_classes % BINS % n_parts == number:
                states[n] = k % self.n_classes
                n += 1
        at = n
        n_states = 0
        for k in range(self.n_bars):
            bar = &self.bars[k]
            if bar.seen and k // self.n_classes % BINS % n_parts == number:
                states[at] = k % self.n_classes
                states[at + 1] = bar.skip
                states[at + 2] = bar.seen
                states[at + 3] = bar.total[0].i
                states[at + 4] = bar.total[1].i
                at += STATE_WORDS
                of_states[n_states] = <int32_t>(k // self.n_classes)
                n_states += 1
        clock = (self.router.clock.largest, self.router.clock.watermark, 0, self.router.used)
        numbers = b"".join([bytes(buffer_of(head, HEAD * 8)), bytes(numbers),
                            bytes(buffer_of(states, at * 8))])
        codes = bytes(codes) + bytes(buffer_of(of_states, n_states * 4))
        return self.with_waiting((clock, numbers, codes, records, kept), len(self.waiting))

    def load(self, tuple clock not None, const int64_t[::1] numbers not None,
             const int32_t[::1] codes not None, const int64_t[::1] records not None,
             const int64_t[::1] kept not None, Py_ssize_t n_keys):
        """Add what was written down to the state, all of it or nothing.

        Returns
        -------
        int
            -1, or the first record that cannot be: its key is unknown, or has rows here already,
            or what it says of itself does not fit together.
        """
        cdef Py_ssize_t n, n_states, n_waiting, n_kept = 0, i, at
        cdef int32_t* slots
        cdef Bar* bar
        self.make_room(n_keys)
        if numbers.shape[0] < HEAD:
            return 0
        n, n_states, n_waiting = numbers[0], numbers[1], numbers[2]
        for i in (n, n_states, n_waiting):
            if not 0 <= i < <int64_t>1 << 40:
                return 0
        if (numbers.shape[0] != HEAD + n * (RECORD_WORDS + 1) + n_states * STATE_WORDS
                or codes.shape[0] != n + n_states + n_waiting):
            return 0
        i = self.check_records(numbers, codes, records, kept, n_keys, n, &n_kept)
        if i >= 0:
            return i
        if self.has_any(codes, n_keys) or not self.check_states(numbers, codes, n, n_states):
            return n
        waiting = self.waiting_in(kept, codes, n_kept, n + n_states, n_waiting)
        if waiting is None:
            return n
        slots = <int32_t*>malloc((n + 1) * sizeof(int32_t))
        if slots == NULL:
            raise MemoryError
        try:
            self.take_records(numbers, codes, records, kept, n, slots)
            at = HEAD + n * RECORD_WORDS
            for i in range(n):
                bar = &self.bars[codes[i] * self.n_classes + numbers[at + i]]
                bar.slot = slots[i]
                bar.last = self.rows.seats[slots[i]].last
        finally:
            free(slots)
        self.take_states(numbers, codes, n, n_states)
        for i in range(self.n_bars if self.has_turns() else 0):
            if self.bars[i].slot >= 0:
                resume_span(&self.plan, &self.rows.arena, &self.bars[i])
        if n_waiting:
            self.waiting.push(*waiting)
        self.router.clock.largest = max(self.router.clock.largest, <int64_t>clock[0])
        self.router.clock.watermark = max(self.router.clock.watermark, <int64_t>clock[1])
        self.router.used += <int64_t>clock[3]
        return -1

    def load_extra(self, dict extra not None, Py_ssize_t n_keys):
        """Add what `dump_extra` gives, as `WindowState.load_extra` does; after `load`."""
        cdef Lives* lives = &self.router.lives
        cdef Recent* recent
        cdef Py_ssize_t k, n = 0
        if not WaitingState.load_extra(self, extra, n_keys):
            return False
        if lives.on:
            recent = <Recent*>malloc((lives.n + 1) * sizeof(Recent))
            if recent == NULL:
                raise MemoryError
            for k in range(lives.n):
                if lives.dies_at[k] != INT64_MIN:
                    recent[n].dies_at = lives.dies_at[k]
                    recent[n].code = <int32_t>k
                    n += 1
            qsort(recent, n, sizeof(Recent), by_death)
            self.oldest = self.newest = -1
            for k in range(n):
                self.link(recent[k].code)
            free(recent)
        return True

    cdef bint has_any(self, const int32_t[::1] codes, Py_ssize_t n_keys) except -1:
        """Whether one of the keys has rows here."""
        cdef uint8_t* here = <uint8_t*>calloc(n_keys + 1, 1)
        cdef const int32_t[::1] waiting
        cdef bint has = False
        cdef Py_ssize_t k
        if here == NULL:
            raise MemoryError
        for k in range(min(n_keys * self.n_classes, self.n_bars)):
            here[k // self.n_classes] |= self.bars[k].seen > 0
        if len(self.waiting):
            waiting = memoryview(self.waiting.peek()[1]).cast("i")
            for k in range(waiting.shape[0]):
                here[waiting[k] if self.plan.lanes == 1 else 0] = 1
        for k in range(codes.shape[0]):
            has = has or here[codes[k]]
        free(here)
        return has

    cdef bint check_states(
        self, const int64_t[::1] numbers, const int32_t[::1] codes, Py_ssize_t n,
        Py_ssize_t n_states
    ) except -1:
        """Whether the states of keys can be, and every bar is of one of them."""
        cdef Py_ssize_t i, k, at
        cdef Py_ssize_t n_bars = self.n_bars
        cdef int64_t* known
        cdef bint fits = True
        known = <int64_t*>calloc(n_bars + 1, sizeof(int64_t))
        if known == NULL:
            raise MemoryError
        at = HEAD + n * (RECORD_WORDS + 1)
        for i in range(n_states):
            if not 0 <= numbers[at] < self.n_classes:
                fits = False
                break
            k = codes[n + i] * self.n_classes + numbers[at]
            fits = fits and not known[k] and 1 <= numbers[at + 2] <= MOST_ROWS and (
                0 <= numbers[at + 1] <= MOST_ROWS)
            fits = fits and (self.rule == BY_COUNT or is_below(
                &self.amounts, numbers[at + 3], numbers[at + 4]))
            known[k] = 1
            at += STATE_WORDS
        for i in range(n):
            if not fits:
                break
            at = HEAD + i * RECORD_WORDS
            k = numbers[HEAD + n * RECORD_WORDS + i]
            if not 0 <= k < self.n_classes or numbers[at + 3]:
                fits = False
                break
            k += codes[i] * self.n_classes
            fits = known[k] == 1 and numbers[at + 2] >= 0 and (
                self.rule != BY_COUNT or 1 <= numbers[at + 2] < self.size)
            known[k] = 2
        free(known)
        return fits

    cdef void take_states(
        self, const int64_t[::1] numbers, const int32_t[::1] codes, Py_ssize_t n,
        Py_ssize_t n_states
    ) noexcept:
        """Take the states of keys."""
        cdef Py_ssize_t at = HEAD + n * (RECORD_WORDS + 1), i
        cdef Bar* bar
        for i in range(n_states):
            bar = &self.bars[codes[n + i] * self.n_classes + numbers[at]]
            bar.skip = numbers[at + 1]
            bar.seen = numbers[at + 2]
            bar.total[0].i = numbers[at + 3]
            bar.total[1].i = numbers[at + 4]
            at += STATE_WORDS
