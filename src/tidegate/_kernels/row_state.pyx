"""What sessions and bars have in common: slots that rows go to, and the reading of those.

A block of rows is given slots, then reduced, then the slots that were closed in it are read, in the
order in which they were closed, and given back. Without keys, windows that lie within the block are
slices, read straight off their rows.
"""

from libc.stdint cimport INT64_MAX, int32_t, int64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from tidegate._kernels.buffer cimport buffer_of
from tidegate._kernels.clock cimport Clock, behind, largest_of, see, see_all
from tidegate._kernels.gate cimport is_far
from tidegate._kernels.grid cimport float_of_order
from tidegate._kernels.kept cimport (
    kept_failed, kept_fold, kept_in, kept_load, kept_out, kept_values, kept_words,
)
from tidegate._kernels.key_clocks cimport Line, clocks_keys
from tidegate._kernels.lives cimport lives_codes
from tidegate._kernels.origins cimport Origins, find_slowest, see_from
from tidegate._kernels.output cimport results_read, results_room
from tidegate._kernels.partition cimport code_of_all, own_bins
from tidegate._kernels.pool cimport large_grow, large_malloc
from tidegate._kernels.records cimport DONE, MOST_ROWS, NO_MEMORY, TOO_MANY_KEPT, Acc, Word
from tidegate._kernels.folds cimport fold_records, merge_record
from tidegate._kernels.row_store cimport (
    IS_CLOSED, Seat, rows_free, rows_init, rows_open, rows_spare,
)
from tidegate._kernels.rows cimport reduce_rows
from tidegate._kernels.runs cimport reduce_runs
from tidegate._kernels.whole cimport read_wholes
from tidegate._kernels.window_state cimport WindowState

cdef enum:
    CHUNK = 512   # records folded and read at a time


cdef class RowState(WindowState):
    """Open windows that rows make, and what waits to be taken; made as a `WindowState`."""

    def __cinit__(self, *args):
        rows_init(&self.rows, &self.plan, self.store.max_slots)
        self.block.runs = self.runs
        self.block.wholes = self.wholes
        self.folded = <Word*>malloc(CHUNK * self.plan.narrow * sizeof(Word))
        self.sum_of = <Word*>malloc(self.plan.narrow * sizeof(Word))
        if self.folded == NULL or self.sum_of == NULL:
            raise MemoryError
        self.is_float = self.router.grid.is_float

    def __dealloc__(self):
        rows_free(&self.rows)
        free(self.block.closing)
        free(self.starts)
        free(self.ends)
        free(self.revised)
        free(self.places)
        free(self.folded)
        free(self.sum_of)

    cdef int64_t end_after(self, int64_t last) noexcept nogil:
        """The end of a window, by its last time."""
        return last

    cdef bint is_of_use(self, int64_t time) noexcept nogil:
        """Whether a row after the largest time would be used: else it does not move that."""
        return True

    cdef int64_t most_open(self, Py_ssize_t n_keys) noexcept:
        """How many windows of so many keys can be open at a time, as far as that is known."""
        return INT64_MAX

    cdef int64_t headroom(self, Py_ssize_t n_keys) noexcept:
        """How many rows, those that wait counted, pass no limit, of so many keys at most."""
        cdef int64_t n = INT64_MAX
        if self.most_open(n_keys) > self.rows.max_open:
            n = self.rows.max_open - self.rows.n_open
        if self.plan.keeps:
            n = min(n, (self.max_kept - kept_values(&self.plan)) // self.kept_of_row())
        return n

    # ---------------------------------------------------------------------------------- the clocks

    cdef int make_clocks(self, Py_ssize_t n_keys) noexcept nogil:
        """Make room for what is known of the time of the keys below n_keys."""
        if self.clocks.on and clocks_keys(&self.clocks, n_keys) != DONE:
            return NO_MEMORY
        if self.router.lives.on and lives_codes(&self.router.lives, n_keys) != DONE:
            return NO_MEMORY
        return DONE

    cdef int64_t mark_of(self, int32_t code) noexcept nogil:
        """The watermark that the rows of a key are judged by."""
        if self.clocks.on:
            return self.clocks.lines[code].watermark
        return self.router.clock.watermark

    cdef int64_t place_of(self, int32_t code) noexcept nogil:
        """The place of a key in the order of results."""
        return self.router.lives.rank[code] if self.router.lives.on else code

    cdef int32_t known_code(self, int32_t code) noexcept nogil:
        """The code that all know a key by, where this state has a part of them."""
        if not self.n_parts:
            return code
        return code_of_all(
            code, own_bins(self.part_number, self.n_parts), self.part_number, self.n_parts)

    cdef bint is_too_far(self, int64_t time, int32_t code) noexcept nogil:
        """Whether a time is too far ahead of the largest one of its key, where keys have clocks."""
        return self.clocks.on and self.clocks.jumps and is_far(
            self.is_float, time, self.clocks.lines[code].largest, self.clocks.jump,
            self.clocks.jump_f)

    cdef bint see_key(self, int64_t time, int32_t code) noexcept nogil:
        """Take note of a time of a key; whether its watermark has moved."""
        cdef Line* line = &self.clocks.lines[code]
        cdef int64_t reached
        self.router.clock.largest = max(self.router.clock.largest, time)
        if time <= line.largest:
            return False
        line.largest = time
        reached = behind(&self.router.clock, time)
        if reached <= line.watermark:
            return False
        line.watermark = reached
        return True

    cdef void see_row(self, int64_t time, Py_ssize_t row) noexcept nogil:
        """Take note of the time of a row of the batch, where there is one clock."""
        if self.router.origins.on:
            see_from(&self.router.clock, &self.router.origins, self.router.origins.of_row[row],
                     time)
        else:
            see(&self.router.clock, time)

    cdef bytes keep_clock(self, const int32_t[::1] sources, Py_ssize_t n_rows):
        """Copy the clocks of the sources, whose codes `see_row` will read; see `put_clock_back`."""
        cdef Origins* origins = &self.router.origins
        if not origins.on or n_rows == 0:
            return b""
        if sources is None or sources.shape[0] != n_rows:
            raise ValueError("the columns of a batch differ in length")
        origins.of_row = &sources[0]
        return (<char*>origins.largest)[:origins.n * sizeof(int64_t)]

    cdef void put_clock_back(self, const Clock* clock, bytes largest):
        """Forget all times that were seen since a copy was made."""
        cdef Origins* origins = &self.router.origins
        cdef const char* before = largest
        self.router.clock = clock[0]
        if len(largest):
            memcpy(origins.largest, before, len(largest))
            find_slowest(origins, &self.router.clock)

    cdef void promise(self, int64_t watermark) noexcept nogil:
        """Move the watermark, or those of all keys and of those to come, up to a time."""
        cdef Py_ssize_t k
        self.router.clock.watermark = max(self.router.clock.watermark, watermark)
        if self.clocks.on:
            self.clocks.floor = max(self.clocks.floor, watermark)
            for k in range(self.clocks.n):
                self.clocks.lines[k].watermark = max(self.clocks.lines[k].watermark, watermark)

    def number_rows(self, const int32_t[::1] numbers, int64_t first_row):
        """Say which rows the next batch has, for plans with keys that tell the first and the last.

        Parameters
        ----------
        numbers : (n_rows,) int32
            Counted from `first_row`. They have to be there until the rows have been taken.
        """
        self.plan.first_row = first_row
        self.plan.rows = &numbers[0] if numbers.shape[0] else NULL

    # ------------------------------------------------------------------------- parts of the keys

    cdef int begin_part(self) except -1:
        """See to it that what is asked of a part of the keys alone is known."""
        return 0

    def move_clock(self, const int64_t[::1] times not None, const uint8_t[::1] valid):
        """Move the watermark as rows do, which parts of the keys take.

        Parameters
        ----------
        times : (n_rows,) int64
        valid : (n_rows,) uint8 or None

        Returns
        -------
        Buffer
            (n_rows,) int64: where it is before each row.

        Notes
        -----
        O(n_rows). Rows that are late move nothing: they are behind.
        """
        cdef Py_ssize_t n = times.shape[0], i
        cdef const int64_t* time = &times[0] if n else NULL
        cdef const uint8_t* flags = NULL
        cdef int64_t* marks
        if valid is not None and valid.shape[0] != n:
            raise ValueError("the columns of a batch differ in length")
        marks = <int64_t*>large_malloc((n + 1) * sizeof(int64_t))
        if marks == NULL:
            raise MemoryError
        if valid is not None and n:
            flags = &valid[0]
        with nogil:
            if self.uses_all(time, flags, n):
                see_all(&self.router.clock, time, flags, n, marks)
            else:
                for i in range(n):
                    marks[i] = self.router.clock.watermark
                    if (flags == NULL or flags[i] == 1) and self.is_of_use(time[i]):
                        see(&self.router.clock, time[i])
        return buffer_of(marks, n * sizeof(int64_t))

    cdef bint uses_all(
        self, const int64_t* times, const uint8_t* valid, Py_ssize_t n
    ) noexcept nogil:
        """Whether each row after the largest time would be used, as far as one of them tells.

        None is late where the watermark is not ahead of the rows, and an end that can be written
        can be for earlier times too.
        """
        cdef const Clock* clock = &self.router.clock
        cdef int64_t most = largest_of(times, valid, n)
        return (not clock.is_float and clock.watermark <= clock.largest
                and (most <= clock.largest or self.is_of_use(most)))

    def follow_marks(self, const int64_t[::1] marks not None):
        """Say where the watermark of all keys is before each row of the next batch.

        Parameters
        ----------
        marks : (n_rows,) int64
            They have to be there until the rows have been taken.
        """
        self.marks = &marks[0] if marks.shape[0] else NULL

    # ---------------------------------------------------------------------------------- a block

    cdef void reduce_block(
        self, const int64_t* times, bint keyed, Py_ssize_t base, Py_ssize_t n, Py_ssize_t n_rows
    ) noexcept nogil:
        """Take the rows of a block into their records."""
        if keyed:
            reduce_rows(&self.plan, self.columns, self.n_columns, times, self.slots, base, n,
                        &self.rows.arena)
        elif self.block.n_runs:
            reduce_runs(&self.plan, self.columns, self.n_columns, times, self.block.runs,
                        self.block.n_runs, base, n_rows, &self.rows.arena)

    cdef int read_block(
        self, const int64_t* times, Py_ssize_t base, Py_ssize_t n_rows
    ) noexcept nogil:
        """Read what was closed in a block that is reduced."""
        cdef int status
        if self.plan.keeps:
            if kept_failed(&self.plan):
                return NO_MEMORY
            if kept_values(&self.plan) > self.max_kept:
                return TOO_MANY_KEPT
        if self.block.n_wholes == 0:
            return self.read_slots(self.block.closing, self.block.n_closing)
        status = self.read_slots(self.block.closing, self.block.n_before)
        if status == DONE:
            status = self.read_whole_windows(times, base, n_rows)
        if status == DONE:
            status = self.read_slots(self.block.closing + self.block.n_before,
                                     self.block.n_closing - self.block.n_before)
        return status

    cdef int read_whole_windows(
        self, const int64_t* times, Py_ssize_t base, Py_ssize_t n_rows
    ) noexcept nogil:
        """Read windows straight off their rows."""
        cdef Py_ssize_t i
        cdef int64_t last
        if self.edge_room(self.block.n_wholes) != DONE:
            return NO_MEMORY
        for i in range(self.block.n_wholes):
            last = times[base + self.block.wholes[i].end - 1]
            self.windows[i] = self.n_edges
            self.add_edges(times[base + self.block.wholes[i].begin], self.end_after(last))
        return read_wholes(&self.plan, self.columns, self.n_columns, times, self.block.wholes,
                           self.windows, self.block.n_wholes, base, n_rows, &self.scratch,
                           &self.results)

    cdef int edge_room(self, Py_ssize_t n) noexcept nogil:
        """Make room for the edges of n more results."""
        cdef Py_ssize_t room = max(self.n_edges + n, 2 * self.cap_edges)
        if self.n_edges + n <= self.cap_edges:
            return DONE
        if not (large_grow(<void**>&self.starts, room * 8)
                and large_grow(<void**>&self.ends, room * 8)):
            return NO_MEMORY
        if self.router.allows and not large_grow(<void**>&self.revised, room * 8):
            return NO_MEMORY
        if self.has_places and not large_grow(<void**>&self.places, room * 8):
            return NO_MEMORY
        self.cap_edges = room
        return DONE

    cdef int expect_results(self, Py_ssize_t n) except -1:
        """Make room for n more results of other states."""
        if results_room(&self.results, n) != DONE or self.edge_room(n) != DONE:
            raise MemoryError
        return 0

    cdef void add_edges(self, int64_t start, int64_t end) noexcept nogil:
        """Note where the next result lies."""
        self.starts[self.n_edges] = start
        self.ends[self.n_edges] = end
        self.n_edges = self.n_edges + 1

    cdef void fold_slots(self, const int32_t* slots, Py_ssize_t n, Word* out) noexcept nogil:
        """Fold records one after the other, all at once where nothing was merged into any."""
        cdef Py_ssize_t i
        cdef bint merged = False
        for i in range(n):
            merged |= self.rows.seats[slots[i]].base != NULL
        if not merged:
            fold_records(&self.plan, &self.rows.arena, slots, n, out)
            return
        for i in range(n):
            self.fold_slot(slots[i], out + i * self.plan.narrow)

    cdef void fold_slot(self, int32_t slot, Word* out) noexcept nogil:
        """Fold a record, and add what was merged into it before it began."""
        cdef const Word* base = self.rows.seats[slot].base
        cdef const Acc* acc
        fold_records(&self.plan, &self.rows.arena, &slot, 1, out)
        if base == NULL:
            return
        memcpy(self.sum_of, base, self.plan.narrow * sizeof(Word))
        merge_record(&self.plan, self.sum_of, out)
        for a in range(self.plan.n_accs):
            acc = &self.plan.accs[a]
            if acc.kept != NULL:  # the values of both are in the record
                memcpy(self.sum_of + acc.narrow, out + acc.narrow, kept_words(acc) * sizeof(Word))
        memcpy(out, self.sum_of, self.plan.narrow * sizeof(Word))
        kept_fold(&self.plan, out)

    cdef int read_slots(self, const int32_t* slots, Py_ssize_t n) noexcept nogil:
        """Read slots, and give those that are closed back."""
        cdef Py_ssize_t done = 0, size, i
        cdef Seat* seat
        cdef int status = DONE
        while done < n and status == DONE:
            size = min(<Py_ssize_t>CHUNK, n - done)
            if (results_room(&self.results, size) != DONE or self.edge_room(size) != DONE):
                return NO_MEMORY
            self.fold_slots(slots + done, size, self.folded)
            for i in range(size):
                seat = &self.rows.seats[slots[done + i]]
                self.results.windows[self.results.n + i] = self.n_edges
                if self.results.keyed:
                    self.results.codes[self.results.n + i] = seat.code
                if self.router.allows:
                    seat.revision += 1
                    self.revised[self.n_edges] = seat.revision
                if self.has_places:
                    self.places[self.n_edges] = seat.end
                self.add_edges(seat.first, self.end_after(seat.last))
            status = results_read(&self.results, &self.plan, self.folded, size)
            for i in range(size):
                if self.rows.seats[slots[done + i]].standing == IS_CLOSED:
                    rows_spare(&self.rows, slots[done + i])
            done += size
        return status

    # ---------------------------------------------------------------------------------- results out

    cdef void write_edges(self, Word* starts, Word* ends) noexcept nogil:
        """Start and end of every result; they leave with these."""
        cdef Py_ssize_t i, n = self.results.n
        for i in range(n):
            starts[i].i = self.starts[i]
            ends[i].i = self.ends[i]
        if self.is_float:
            for i in range(n):
                starts[i].f = float_of_order(starts[i].i)
                ends[i].f = float_of_order(ends[i].i)
        self.n_edges = 0

    def take_revisions(self):
        """Hand over the revisions of the results that wait, as `WindowState.take_revisions` does.
        """
        cdef int64_t* out = <int64_t*>malloc((self.n_edges + 1) * sizeof(int64_t))
        if out == NULL:
            raise MemoryError
        if self.n_edges:
            memcpy(out, self.revised, self.n_edges * sizeof(int64_t))
        return buffer_of(out, self.n_edges * sizeof(int64_t))

    def overflow(self):
        """Tell which output did not fit, as `WindowState.overflow` does."""
        cdef int64_t at = self.results.bad_window
        return (self.results.bad_output, self.outside(self.starts[at]),
                self.outside(self.ends[at]), self.known_code(self.results.bad_code))

    @property
    def n_open(self):
        """How many windows are open."""
        return self.rows.n_open

    @property
    def n_waiting(self):
        """How many rows wait for the watermark."""
        return 0

    # ------------------------------------------------------------------------------- state in, out

    cdef tuple dump_records(self, const int32_t* slots, Py_ssize_t n):
        """Write records down.

        Returns
        -------
        tuple (numbers, codes, records, kept)
            What is known of each record; its key; records, then what was merged into them; the
            values that they keep.
        """
        cdef Py_ssize_t i, n_kept = 0, n_bases = 0, b = 0, at = 0
        cdef Py_ssize_t wide = self.plan.wide, cold = self.plan.cold, width = wide + cold
        cdef Py_ssize_t narrow = self.plan.narrow
        cdef const Seat* seat
        cdef int64_t* numbers = <int64_t*>malloc((n * RECORD_WORDS + 1) * sizeof(int64_t))
        cdef int32_t* codes = <int32_t*>malloc((n + 1) * sizeof(int32_t))
        cdef Word* kept = <Word*>malloc((kept_values(&self.plan) + 1) * sizeof(Word))
        cdef Word* records
        for i in range(n):
            n_bases += self.rows.seats[slots[i]].base != NULL
        records = <Word*>malloc((n * width + n_bases * narrow + 1) * sizeof(Word))
        if numbers == NULL or codes == NULL or records == NULL or kept == NULL:
            free(numbers)
            free(codes)
            free(records)
            free(kept)
            raise MemoryError
        for i in range(n):
            seat = &self.rows.seats[slots[i]]
            numbers[at] = seat.first
            numbers[at + 1] = seat.last
            numbers[at + 2] = seat.rows
            numbers[at + 3] = seat.base != NULL
            at += RECORD_WORDS
            codes[i] = seat.code
            memcpy(records + i * width, self.rows.arena.records + slots[i] * wide,
                   wide * sizeof(Word))
            memcpy(records + i * width + wide, self.rows.arena.colds + slots[i] * cold,
                   cold * sizeof(Word))
            n_kept += kept_out(&self.plan, records + i * width, kept + n_kept)
            if seat.base != NULL:
                memcpy(records + n * width + b * narrow, seat.base, narrow * sizeof(Word))
                b += 1
        return (buffer_of(numbers, at * 8), buffer_of(codes, n * 4),
                buffer_of(records, (n * width + n_bases * narrow) * sizeof(Word)),
                buffer_of(kept, n_kept * sizeof(Word)))

    cdef Py_ssize_t check_records(
        self, const int64_t[::1] numbers, const int32_t[::1] codes, const int64_t[::1] records,
        const int64_t[::1] kept, Py_ssize_t n_keys, Py_ssize_t n, Py_ssize_t* n_kept
    ) except -2:
        """Find the first of n records of a dump that does not fit, or -1; count what they keep."""
        cdef Py_ssize_t width = self.plan.wide + self.plan.cold, narrow = self.plan.narrow
        cdef Py_ssize_t i, at, n_mine, b = 0, k = 0
        cdef Word* record
        if n > self.rows.max_open - self.rows.n_open:
            return 0
        for i in range(codes.shape[0]):
            if not 0 <= codes[i] < (n_keys if self.plan.lanes == 1 else 1):
                return min(i, n)
        for i in range(n):
            at = HEAD + i * RECORD_WORDS
            if numbers[at + 3] not in (0, 1):
                return i
            b += numbers[at + 3]
        if records.shape[0] != n * width + b * narrow:
            return 0
        record = <Word*>malloc((width + 1) * sizeof(Word))
        if record == NULL:
            raise MemoryError
        b = 0
        try:
            for i in range(n):
                at = HEAD + i * RECORD_WORDS
                if numbers[at] > numbers[at + 1] or not 1 <= records[i * width] <= MOST_ROWS:
                    return i
                memcpy(record, &records[i * width], width * sizeof(Word))
                if numbers[at + 3]:
                    if not 1 <= records[n * width + b * narrow] <= MOST_ROWS:
                        return i
                    self.count_in(record, <const Word*>&records[n * width + b * narrow])
                    b += 1
                n_mine = kept_in(&self.plan, record)
                if n_mine < 0 or n_mine > kept.shape[0] - k:
                    return i
                k += n_mine
        finally:
            free(record)
        n_kept[0] = k
        return -1

    cdef void count_in(self, Word* record, const Word* base) noexcept:
        """Add the rows and nulls of what was merged to those of a record."""
        cdef const Acc* acc
        cdef int a, other
        cdef bint again
        for a in range(self.plan.n_accs):
            acc = &self.plan.accs[a]
            if acc.kept == NULL or acc.nulls < 0:
                continue
            again = False
            for other in range(a):
                again = again or (self.plan.accs[other].kept != NULL
                                  and self.plan.accs[other].nulls == acc.nulls)
            if not again:
                record[self.plan.wide + self.plan.accs[acc.nulls].rare].u += (
                    base[self.plan.accs[acc.nulls].narrow].u)
        record[0].u += base[0].u

    cdef int take_records(
        self, const int64_t[::1] numbers, const int32_t[::1] codes, const int64_t[::1] records,
        const int64_t[::1] kept, Py_ssize_t n, int32_t* slots
    ) except -1:
        """Take n records of a dump that have been checked; `slots` is where they go."""
        cdef Py_ssize_t wide = self.plan.wide, cold = self.plan.cold, width = wide + cold
        cdef Py_ssize_t narrow = self.plan.narrow, i, at, b = 0, k = 0
        cdef Seat* seat
        cdef Word* record
        for i in range(n):
            at = HEAD + i * RECORD_WORDS
            if rows_open(&self.rows, codes[i], numbers[at], &slots[i]) != DONE:
                raise MemoryError
            seat = &self.rows.seats[slots[i]]
            record = self.rows.arena.records + slots[i] * wide
            seat.last = numbers[at + 1]
            seat.end = self.end_after(seat.last)
            seat.rows = numbers[at + 2]
            memcpy(record, &records[i * width], wide * sizeof(Word))
            if cold:
                memcpy(self.rows.arena.colds + slots[i] * cold, &records[i * width + wide],
                       cold * sizeof(Word))
            if self.plan.keeps:
                k += self.take_kept(record, kept, k)
            if numbers[at + 3]:
                seat.base = <Word*>malloc(narrow * sizeof(Word))
                if seat.base == NULL:
                    raise MemoryError
                memcpy(seat.base, &records[n * width + b * narrow], narrow * sizeof(Word))
                self.clear_kept(seat.base)
                b += 1
        if self.plan.keeps and kept_failed(&self.plan):
            raise MemoryError
        return 0

    cdef Py_ssize_t take_kept(self, Word* record, const int64_t[::1] kept, Py_ssize_t at) noexcept:
        """Give a record the values that it keeps, and count them."""
        return kept_load(&self.plan, record,
                         <const Word*>&kept[0] + at if kept.shape[0] else NULL)

    cdef void clear_kept(self, Word* base) noexcept nogil:
        """See to it that a sum that was read points nowhere."""
        for a in range(self.plan.n_accs):
            if self.plan.accs[a].kept != NULL:
                memset(base + self.plan.accs[a].narrow, 0,
                       kept_words(&self.plan.accs[a]) * sizeof(Word))
