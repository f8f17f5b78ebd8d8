"""Rows that wait for the watermark, and are taken in order of time; of one time, as they arrived.

They wait in a `ReorderBuffer`; those that come in order after all that wait, and are before the
watermark already, are taken where they stand. Where each key has a watermark of its own, they wait
in `KeyQueues`, and are taken in the order in which their keys' rows let them go.

Where the plan tells of the numbers of rows, those wait with them, as one more column. In a batch
they are counted from its first, until a row has to wait or is told its turn.
"""

from libc.math cimport isfinite
from libc.stdint cimport INT64_MAX, INT64_MIN, int32_t, int64_t, uint8_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

from tidegate._kernels.buffer cimport buffer_of
from tidegate._kernels.clock cimport Clock, see
from tidegate._kernels.grid cimport float_of_order
from tidegate._kernels.inorder cimport in_order, never_falls, sorter_free
from tidegate._kernels.key_queues cimport KeyQueues
from tidegate._kernels.memory cimport grow
from tidegate._kernels.pool cimport large_grow, large_malloc
from tidegate._kernels.records cimport DISORDER, DONE, NO_MEMORY, ROW_SPANS
from tidegate._kernels.reorder cimport ReorderBuffer
from tidegate._kernels.route cimport FAR_AHEAD, IS_LATE, NO_PLACE, Left, leave, reason_of
from tidegate._kernels.row_state cimport RowState, keep_up
from tidegate._kernels.rowruns cimport turn_of
from tidegate._kernels.window_state cimport Batch

LATES = "lates"


cdef Py_ssize_t places_before(const int64_t[::1] times, int64_t upto) noexcept:
    """How many of times that do not fall are before one."""
    cdef Py_ssize_t low = 0, high = times.shape[0], middle
    while low < high:
        middle = (low + high) // 2
        if times[middle] < upto:
            low = middle + 1
        else:
            high = middle
    return low


cdef class WaitingState(RowState):
    """Windows over rows in order of time, the watermark, and the rows that wait for it."""

    def __cinit__(self, *args):
        self.n_waited = self.n_columns
        if self.plan.numbered >= 0:
            self.n_waited = self.n_columns + 1
            self.plan.accs[self.plan.numbered].column = self.n_columns
        self.waiting = self.line = ReorderBuffer(self.n_waited)
        self.held = <Column*>calloc(self.n_columns + 2, sizeof(Column))
        if self.held == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.held)
        free(self.lates)
        free(self.numbers)
        sorter_free(&self.sorter)

    cdef int begin_part(self) except -1:
        """Let the numbers of rows wait with them: they tell which of several parts comes first."""
        if self.n_waited == self.n_columns:
            self.n_waited = self.n_columns + 1
            self.waiting = self.line = ReorderBuffer(self.n_waited)
        return 0

    cdef int make_keys(self, Py_ssize_t n_keys) except -1:
        """Make room for the codes below n_keys."""
        return 0

    cdef int take_bars(
        self, const int64_t* times, const int32_t* codes, Py_ssize_t n, Py_ssize_t n_rows
    ) noexcept nogil:
        """Take the first n rows, which are in order of time."""
        return DONE

    cdef int write_numbers(self, Py_ssize_t begin, Py_ssize_t end) noexcept nogil:
        """Give rows [begin, end) of a batch numbers that can be read, and changed, as a column."""
        cdef int64_t first = self.plan.first_row
        cdef Py_ssize_t room = max(end, 2 * self.cap_numbers), i
        if end > self.cap_numbers:
            if not large_grow(<void**>&self.numbers, room * sizeof(int64_t)):
                return NO_MEMORY
            self.cap_numbers = room
        if self.plan.rows == NULL:
            for i in range(begin, end):
                self.numbers[i] = first + i
        else:
            for i in range(begin, end):
                self.numbers[i] = first + self.plan.rows[i]
        self.columns[self.n_columns].values = self.numbers
        return DONE

    cdef bint has_turns(self) noexcept nogil:
        """Whether rows are told their turns, if the plan has ROW_SPANS."""
        cdef int numbered = self.plan.numbered
        return numbered >= 0 and self.plan.accs[numbered].kind == ROW_SPANS

    cdef int make_lates(self, Py_ssize_t n_keys) except -1:
        """Make room for what is known of the late rows of the key codes below n_keys."""
        cdef Py_ssize_t room = max(n_keys, 2 * self.n_lates)
        if n_keys > self.n_lates:
            if not grow(<void**>&self.lates, room * sizeof(int64_t)):
                raise MemoryError
            memset(self.lates + self.n_lates, 0, (room - self.n_lates) * sizeof(int64_t))
            self.n_lates = room
        return 0

    cdef int make_room(self, Py_ssize_t n_keys) except -1:
        """Make room for all that is kept of the key codes below n_keys."""
        if self.make_clocks(n_keys) != DONE or (
                self.clocks.on and self.queues.make_keys(n_keys) != DONE):
            raise MemoryError
        if self.has_turns():
            self.make_lates(n_keys)
        self.make_keys(n_keys)
        return 0

    def keep_clocks(self, bint jumps, int64_t jump, double jump_f):
        """Keep a watermark for each key, as `WindowState.keep_clocks` does."""
        RowState.keep_clocks(self, jumps, jump, jump_f)
        self.waiting = self.queues = KeyQueues(self.n_waited)

    cdef int forget_quiet(self, int64_t upto) noexcept nogil:
        """Forget the keys that a watermark finds quiet for too long, where that is asked for."""
        return DONE

    cdef bint is_of_use(self, int64_t time) noexcept nogil:
        """Whether a row after the largest time has a time that can be, and is not late."""
        if self.is_float and not isfinite(float_of_order(time)):
            return False
        return time >= self.router.clock.watermark

    # ------------------------------------------------------------------------------------ rows in

    def push(self, times not None, time_valid, codes, Py_ssize_t n_keys, list columns not None,
             Py_ssize_t start=0, later=None, sources=None):
        """Take a batch of rows, as `WindowState.push` does; nothing has to be known of later ones.
        """
        cdef Py_ssize_t n_rows = len(times)
        cdef int status
        cdef bint waits = True
        cdef int64_t before = self.router.clock.largest
        cdef Batch batch
        self.make_room(n_keys)
        try:
            self.view_batch(&batch, times, time_valid, codes, columns, sources)
            self.columns[self.n_columns].values = NULL
            with nogil:
                if self.clocks.on:
                    status = self.take_by_clock(batch.times, batch.valid, batch.codes, 0, n_rows)
                else:
                    status = self.take_in(batch.times, batch.valid, batch.codes, n_rows, before,
                                          &waits)
        finally:
            self.end_views()
            self.marks = NULL
        if status != DONE:
            return status, n_rows if self.clocks.on else 0
        if self.clocks.on:
            status = self.take_ready()
        elif waits:
            status = self.release(INT64_MAX if self.guesses else self.router.clock.watermark,
                                  self.guesses)
        else:
            status = self.take_ordered(times, codes, columns)
        if status == DONE:
            status = self.forget_quiet(self.router.clock.watermark)
        return status, n_rows

    cdef int take_by_clock(
        self, const int64_t* times, const uint8_t* valid, const int32_t* codes, Py_ssize_t start,
        Py_ssize_t n_rows
    ) noexcept nogil:
        """Let rows from `start` on wait for the watermarks of their keys, which they move."""
        cdef Py_ssize_t i
        cdef int64_t mark
        cdef int status = DONE
        if self.n_waited > self.n_columns:
            status = self.write_numbers(start, n_rows)
        for i in range(start, n_rows):
            if status != DONE:
                break
            mark = self.mark_of(codes[i])
            if valid != NULL and valid[i] != 1:
                status = leave(&self.left, i, reason_of(valid[i]), 0, mark)
            elif self.is_too_far(times[i], codes[i]):
                status = leave(&self.left, i, FAR_AHEAD, 0, mark)
            elif self.is_float and not isfinite(float_of_order(times[i])):
                status = leave(&self.left, i, NO_PLACE, 0, mark)
            elif times[i] < mark:
                status = leave(&self.left, i, IS_LATE, times[i], mark)
            else:
                status = self.queues.put(times[i], codes[i], self.columns, i)
                if self.see_key(times[i], codes[i]):
                    self.queues.release_key(codes[i], self.mark_of(codes[i]), False)
        return status

    cdef int take_ready(self) except -1:
        """Take the rows whose time has come."""
        cdef Py_ssize_t n = self.queues.n_ready
        if n == 0:
            return DONE
        times, codes, columns = self.queues.take_ready()
        return self.take_views(times, codes, columns, n, n)

    cdef int take_last(
        self, const int64_t* times, const uint8_t* valid, const int32_t* codes,
        Py_ssize_t n_rows, Py_ssize_t* n_taken
    ) except -1:
        """Screen the last of some rows, and take those that the watermark has passed."""
        cdef int status
        if self.clocks.on:
            n_taken[0] = n_rows
            status = self.take_by_clock(times, valid, codes, n_rows - 1, n_rows)
            if status == DONE and self.queues.n_ready:
                status = self.take_ready()
        else:
            status = self.take_last_in_line(times, valid, codes, n_rows, n_taken)
        if status == DONE:
            status = self.forget_quiet(self.router.clock.watermark)
        return status

    cdef int take_last_in_line(
        self, const int64_t* times, const uint8_t* valid, const int32_t* codes,
        Py_ssize_t n_rows, Py_ssize_t* n_taken
    ) except -1:
        """Do what `take_last` does, where there is one watermark.

        Rows that come in order wait where they are; where one comes before another they go to
        those that wait, and so they do before one that is left out.
        """
        cdef Py_ssize_t last = n_rows - 1, n_kept = 0
        cdef int64_t largest = self.router.clock.largest, mark, kept
        cdef bint rises = True
        cdef int status = DONE
        if self.n_waited > self.n_columns:
            status = self.write_numbers(last, n_rows)
        if status == DONE:
            status = self.screen(times, valid, codes, last, n_rows, &kept, &n_kept, &rises)
        if status == DONE and (not n_kept or times[last] < largest):
            status = self.lay_by(times, codes, n_rows - (not n_kept), n_taken)
        mark = self.router.clock.watermark
        if status == DONE and n_kept:
            memcpy(self.held, self.columns, self.n_waited * sizeof(Column))
            status = self.release(mark, False)
            memcpy(self.columns, self.held, self.n_waited * sizeof(Column))
            if status == DONE and n_taken[0] < n_rows and times[n_taken[0]] < mark:
                status = self.take_passed(times, codes, n_rows, mark, n_taken)
        if status != DONE or not n_kept:
            n_taken[0] = n_rows
        return status

    cdef int take_passed(
        self, const int64_t* times, const int32_t* codes, Py_ssize_t n_rows, int64_t mark,
        Py_ssize_t* n_taken
    ) noexcept:
        """Take the rows, in order of time, that are before the watermark."""
        cdef Py_ssize_t start = n_taken[0], n = 0
        while start + n < n_rows and times[start + n] < mark:
            n += 1
        self.move_columns(start)
        n_taken[0] = start + n
        return self.take_bars(times + start, NULL if codes == NULL else codes + start, n,
                              n_rows - start)

    cdef int take_rest(
        self, const int64_t* times, const uint8_t* valid, const int32_t* codes,
        Py_ssize_t n_rows, Py_ssize_t* n_taken
    ) except -1:
        """Let the rows that are where they are wait with the others."""
        self.columns[self.n_columns].values = self.numbers
        return self.lay_by(times, codes, n_rows, n_taken)

    cdef int lay_by(
        self, const int64_t* times, const int32_t* codes, Py_ssize_t n_rows, Py_ssize_t* n_taken
    ) except -1:
        """Let rows that have been screened wait with the others."""
        cdef Py_ssize_t start = n_taken[0], n = n_rows - n_taken[0], i
        cdef int64_t* kept
        cdef int status
        n_taken[0] = n_rows
        if n <= 0:
            return DONE
        kept = <int64_t*>large_malloc(n * sizeof(int64_t))
        if kept == NULL:
            return NO_MEMORY
        for i in range(n):
            kept[i] = start + i
        status = in_order(&self.sorter, times, kept, n)
        if status == DONE:
            status = self.line.merge_rows(times, codes, self.columns, kept, n)
        free(kept)
        return status

    cdef void move_columns(self, Py_ssize_t start) noexcept:
        """Let the columns begin that many rows later."""
        cdef int c
        for c in range(self.n_waited):
            self.columns[c].values = <const int64_t*>self.columns[c].values + start
            if self.columns[c].valid != NULL:
                self.columns[c].valid = self.columns[c].valid + start

    cdef int take_in(
        self, const int64_t* times, const uint8_t* valid, const int32_t* codes,
        Py_ssize_t n_rows, int64_t before, bint* waits
    ) noexcept nogil:
        """Put late and rejected rows on the side, move the clock, and let the others wait in order.

        They do not wait where they are in order as they stand, and after all that wait.
        """
        cdef int64_t* kept = <int64_t*>large_malloc((n_rows + 1) * sizeof(int64_t))
        cdef Py_ssize_t n_kept = 0
        cdef bint rises = True, is_whole
        cdef int status
        if kept == NULL:
            return NO_MEMORY
        status = self.screen(times, valid, codes, 0, n_rows, kept, &n_kept, &rises)
        if status == DONE and n_kept and not rises:
            status = in_order(&self.sorter, times, kept, n_kept)
        is_whole = rises and n_kept == n_rows
        waits[0] = not (is_whole and (
            n_rows == 0 or self.line.begin == self.line.end or times[0] >= before))
        if status == DONE and waits[0] and n_kept:
            if is_whole and self.n_waited > self.n_columns and (
                    self.columns[self.n_columns].values == NULL):
                status = self.write_numbers(0, n_rows)
            if status == DONE:
                status = self.line.merge_rows(times, codes, self.columns,
                                              NULL if is_whole else kept, n_kept)
        free(kept)
        return status

    cdef int screen(
        self, const int64_t* times, const uint8_t* valid, const int32_t* codes, Py_ssize_t begin,
        Py_ssize_t n_rows, int64_t* kept, Py_ssize_t* n_kept, bint* rises
    ) noexcept nogil:
        """Tell which rows from one on are used, moving the clock row by row.

        Where all are, in order, their numbers may not be written down yet.
        """
        cdef int64_t before = INT64_MIN, mark
        cdef bint turns = self.has_turns()
        cdef Py_ssize_t i, n = 0
        cdef int status = DONE
        if self.n_waited > self.n_columns and (turns and self.has_lates or self.plan.rows != NULL):
            status = self.write_numbers(begin, n_rows)
        if status == DONE and valid == NULL and not self.is_float and n_rows > begin and (
                not self.router.origins.on) and never_falls(times + begin, n_rows - begin):
            # The watermark that a row moves is not after the next one.
            if times[begin] >= self.router.clock.watermark and (
                    self.marks == NULL or times[begin] >= self.marks[n_rows - 1]) and not (
                    self.guesses and times[begin] < self.router.clock.largest):
                see(&self.router.clock, times[n_rows - 1])
                n_kept[0] = n_rows - begin
                if turns and self.has_lates:
                    for i in range(begin, n_rows):
                        self.numbers[i] = self.numbers[i] | turn_of(&self.lates[codes[i]])
                return DONE
        if self.n_waited > self.n_columns and status == DONE:
            status = self.write_numbers(begin, n_rows)
        for i in range(begin, n_rows):
            if status != DONE:
                return status
            keep_up(&self.router.clock, self.marks, i)
            mark = self.router.clock.watermark
            if valid != NULL and valid[i] != 1:
                status = leave(&self.left, i, reason_of(valid[i]), 0, mark)
            elif self.is_float and not isfinite(float_of_order(times[i])):
                status = leave(&self.left, i, NO_PLACE, 0, mark)
            elif times[i] < mark:
                status = leave(&self.left, i, IS_LATE, times[i], mark)
                if turns:
                    self.lates[codes[i]] = self.lates[codes[i]] | 1
                    self.has_lates = True
            else:
                if self.guesses and times[i] < self.router.clock.largest:
                    return DISORDER
                rises[0] = rises[0] and times[i] >= before
                before = times[i]
                if self.router.origins.on:
                    self.see_row(times[i], i)
                else:
                    see(&self.router.clock, times[i])
                if turns and self.has_lates:
                    self.numbers[i] = self.numbers[i] | turn_of(&self.lates[codes[i]])
                kept[n] = i
                n += 1
        n_kept[0] = n
        return status

    cdef int take_ordered(self, object times, object codes, list columns) except -1:
        """Take rows that have been screened, and are after all that wait, up to the watermark."""
        cdef int64_t mark = INT64_MAX if self.guesses else self.router.clock.watermark
        cdef const void* numbers = self.columns[self.n_columns].values
        cdef Py_ssize_t n_rows = len(times), n
        cdef int status
        status = self.release(mark, self.guesses)
        self.columns[self.n_columns].values = numbers
        n = n_rows if self.guesses else places_before(times, mark)
        if status == DONE and n:
            status = self.take_views(times, codes, columns, n_rows, n)
        if status == DONE and n < n_rows:
            rest = [tuple([None if part is None else part[n:] for part in column])
                    for column in columns]
            if self.n_waited > self.n_columns:
                if numbers == NULL and self.write_numbers(n, n_rows) != DONE:
                    raise MemoryError
                rest.append((<int64_t[:n_rows - n]>(self.numbers + n), None))
            self.waiting.push(times[n:], None if codes is None else codes[n:], rest)
        return status

    cdef int release(self, int64_t upto, bint is_end) except -1:
        """Take the rows that wait and are before a time, or all."""
        cdef Py_ssize_t n
        if self.clocks.on:
            if self.queues.release_all(upto, is_end) != DONE:
                return NO_MEMORY
            return self.take_ready()
        n = self.line.n_before(upto, is_end)
        return self.take_line(n) if n else DONE

    cdef int take_line(self, Py_ssize_t n) except -1:
        """Take the first n of the rows that wait in line, where they are."""
        cdef ReorderBuffer line = self.line
        cdef int status
        with nogil:
            line.lay(self.columns)
            status = self.take_bars(
                line.times + line.begin,
                NULL if self.plan.lanes > 1 else line.codes + line.begin, n, n)
            line.drop(n)
        return status

    cdef int take_views(
        self, object times, object codes, list columns, Py_ssize_t n_rows, Py_ssize_t n
    ) except -1:
        """Take the first n of the rows of some columns, which are in order of time.

        Numbers that are not among those are where they are.
        """
        cdef int i, status
        cdef const int64_t* time
        cdef const int32_t* code
        try:
            time = <const int64_t*>self.view(times, n_rows * 8)
            code = <const int32_t*>self.view(codes, n_rows * 4)
            for i in range(len(columns)):
                self.columns[i].values = self.view(columns[i][0], n_rows * 8)
                self.columns[i].valid = <const uint8_t*>self.view(columns[i][1], n_rows)
            with nogil:
                status = self.take_bars(time, code, n, n_rows)
        finally:
            self.end_views()
        return status

    cdef tuple describe(self, const Left* row):
        """A row left out; a late one has no window."""
        time = self.outside(row.pane)
        return row.row, row.reason, time, time, self.outside(row.watermark)

    def rehearse(self, times not None, time_valid, const int32_t[::1] sources=None):
        """Find the first late row, without taking any, as `WindowState.rehearse` does."""
        cdef const int64_t[::1] time = times
        cdef const uint8_t[::1] valid = time_valid
        cdef Py_ssize_t row
        cdef Left left
        found = None
        cdef Clock clock = self.router.clock
        largest = self.keep_clock(sources, time.shape[0])
        for row in range(time.shape[0]):
            if valid is not None and valid[row] != 1:
                continue
            if self.is_float and not isfinite(float_of_order(time[row])):
                continue
            if time[row] < self.router.clock.watermark:
                left.row = row
                left.reason = IS_LATE
                left.pane = time[row]
                left.watermark = self.router.clock.watermark
                found = self.describe(&left)
                break
            self.see_row(time[row], row)
        self.put_clock_back(&clock, largest)
        return found

    @property
    def n_waiting(self):
        """How many rows wait for the watermark."""
        return len(self.waiting)

    @property
    def numbers_wait(self):
        """Whether the numbers of rows wait with them, as the last column."""
        return self.n_waited > self.n_columns

    # ------------------------------------------------------------------------------- state in, out

    def dump_extra(self):
        """Write down what a state has beside its windows, as `WindowState.dump_extra` does."""
        cdef Py_ssize_t n = self.n_lates * self.has_lates
        cdef int64_t* out
        extra = RowState.dump_extra(self)
        if n:
            out = <int64_t*>malloc(n * sizeof(int64_t))
            extra[LATES] = buffer_of(out, n * sizeof(int64_t))
            if out == NULL:
                raise MemoryError
            memcpy(out, self.lates, n * sizeof(int64_t))
        return extra

    def load_extra(self, dict extra not None, Py_ssize_t n_keys):
        """Add what `dump_extra` gives, as `WindowState.load_extra` does; after `load`."""
        cdef const int64_t[::1] lates
        cdef Py_ssize_t k
        if not RowState.load_extra(self, extra, n_keys):
            return False
        if LATES in extra:
            lates = extra[LATES]
            if not self.has_turns():
                return False
            self.make_lates(lates.shape[0])
            for k in range(lates.shape[0]):
                self.lates[k] = lates[k]
            self.has_lates = lates.shape[0] > 0
        return True

    def peek(self):
        """Copy the rows that wait out, as `ReorderBuffer.peek` and `KeyQueues.peek` do."""
        return self.waiting.peek()

    def let_wait(self, const int64_t[::1] times not None, codes, list columns not None):
        """Let rows wait that have been looked at before: those of `peek`, in its order.

        Returns
        -------
        bool
            False, and none waits, where they are not in that order.
        """
        cdef Py_ssize_t i
        if not self.clocks.on:
            for i in range(1, times.shape[0]):
                if times[i] < times[i - 1]:
                    return False
        self.waiting.push(times, codes, columns)
        return True

    def forget_waiting(self):
        """Let go of all rows that wait, for `let_wait`."""
        if self.clocks.on:
            self.waiting = self.queues = KeyQueues(self.n_waited)
            if self.queues.make_keys(self.clocks.n) != DONE:
                raise MemoryError
        else:
            self.waiting = self.line = ReorderBuffer(self.n_waited)

    cdef tuple with_waiting(self, tuple state, Py_ssize_t n):
        """Put the rows that wait behind the rest of a dump."""
        times, codes, columns = self.waiting.peek()
        parts = [bytes(state[4]), bytes(times)]
        for values, flags in columns:
            parts.append(bytes(values))
            parts.append(b"\1" * n if flags is None else bytes(flags))
            parts.append(bytes((8 - n % 8) % 8))
        return (state[0], state[1], bytes(state[2]) + bytes(codes), state[3], b"".join(parts))

    cdef object waiting_in(
        self, const int64_t[::1] kept, const int32_t[::1] codes, Py_ssize_t first,
        Py_ssize_t first_code, Py_ssize_t n
    ):
        """The rows that wait, as the buffer takes them; None where they are not whole."""
        cdef Py_ssize_t n_flags = (n + 7) // 8, at = first, i
        if kept.shape[0] - first != (
                n + self.n_waited * (n + n_flags) if n else 0):
            return None
        if n == 0:
            return ()
        words = memoryview(kept)
        times = kept[at:at + n]
        for i in range(1, n):
            if times[i] < times[i - 1] and not self.clocks.on:
                return None
        at += n
        columns = []
        for _ in range(self.n_waited):
            columns.append((words[at:at + n], words[at + n:at + n + n_flags].cast("B")[:n]))
            at += n + n_flags
        return times, memoryview(codes)[first_code:], columns
