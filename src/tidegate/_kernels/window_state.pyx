"""The running state of one windowed aggregation: rows in, results out."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.math cimport NAN, fabs
from libc.stdint cimport INT64_MAX, INT64_MIN, int32_t, int64_t, uint8_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

from tidegate._kernels.buffer cimport Buffer, buffer_of
from tidegate._kernels.clock cimport Clock, see
from tidegate._kernels.deal cimport can_deal, dealer_free
from tidegate._kernels.emit cimport Member, close_windows, first_due, members_of
from tidegate._kernels.excerpt cimport excerpt_free, excerpt_init, excerpt_make
from tidegate._kernels.grid cimport (
    Grid, Pane, edge, float_of_order, last_window, locate, pane_at, window_end, window_start,
    wrapped,
)
from tidegate._kernels.kept cimport (
    keeps_rows, kept_failed, kept_in, kept_load, kept_out, kept_values,
)
from tidegate._kernels.key_clocks cimport (
    Line, clocks_dump, clocks_free, clocks_have, clocks_keys, clocks_load, clocks_seat, close_key,
    close_keys, correct_key, route_by_key,
)
from tidegate._kernels.lanes cimport sub_overflows
from tidegate._kernels.lives cimport Lives, is_dead, lives_codes, lives_free, lives_load
from tidegate._kernels.layout cimport plan_free, plan_init
from tidegate._kernels.origins cimport origins_codes, origins_free, origins_load
from tidegate._kernels.output cimport results_expect, results_free, results_init, results_take
from tidegate._kernels.pool cimport Block, block_grow, block_take
from tidegate._kernels.records cimport (
    ASKS_LATER, CORRECTS, DONE, FLOAT, LANES, MOST_ROWS, MUST_CLOSE, NEEDS_EDGES, NO_MEMORY,
    ROW_SPANS, TOO_MANY_KEPT, UNSIGNED, WEIGHTED, Acc, Column, Kept, Output, Run, Word,
)
from tidegate._kernels.route cimport (
    IS_LATE, REFUSES_ALL, Left, LeftRows, Offer, Router, enter_dry, is_in_part, route_rows,
    route_runs,
)
from tidegate._kernels.revise cimport correct
from tidegate._kernels.slab cimport Slab
from tidegate._kernels.stamps cimport Stamps, stamps_dump, stamps_free, stamps_init, stamps_load
from tidegate._kernels.store cimport (
    live_slots, store_bytes, store_clear, store_free, store_has, store_init, store_keys, store_pane,
    store_slot,
)
from tidegate._kernels.rows cimport reduce_excerpt, reduce_rows
from tidegate._kernels.rowruns cimport ENTRY_WORDS, entry_words, show_spans
from tidegate._kernels.runs cimport reduce_runs
from tidegate._kernels.whole cimport (
    all_plain, read_wholes, scratch_free, scratch_init,
)
from tidegate._kernels.whole_keys cimport Whole, read_whole_keys

cdef extern from *:
    """
    #include "lanes.h"
    TG_CLONES static int64_t tg_least_time(const int64_t *, const uint8_t *, Py_ssize_t);
    TG_CLONES static void tg_floats_of_signed(const int64_t *, Py_ssize_t, double *);
    TG_CLONES static void tg_floats_of_unsigned(const uint64_t *, Py_ssize_t, double *);
    """


ORIGINS = "source_largest"
cdef double MAX_EXACT = <int64_t>1 << 53  # no integer below it is rounded

LIVES = ("key_dies_at", "key_ranks")
CLOCKS = ("key_largest", "key_watermarks")
REVISIONS = ("revision_windows", "revision_codes", "revision_counts")

cdef enum:
    BLOCK = 8192           # rows routed, then reduced, while their columns are in the cache
    FEW = 4096            # rows of a small batch: it goes into the nearest caches
    DEALT = 65536         # rows of keys that are dealt
    LINE = 8              # words in a cache line
    SPARE = 1024          # results
    MOST_PARTS = 256      # of keys: a byte says which
    SPILL = 128 << 10     # bytes of open records from which a one-shot run closes what it can


cdef int64_t least_time "tg_least_time"(
    const int64_t* times, const uint8_t* valid, Py_ssize_t n
) noexcept nogil:
    """The smallest of n times that are there."""
    cdef int64_t least = INT64_MAX
    cdef Py_ssize_t i
    if valid == NULL:
        for i in range(n):
            least = times[i] if times[i] < least else least
    else:
        for i in range(n):
            if valid[i] == 1 and times[i] < least:
                least = times[i]
    return least


cdef void floats_of_signed "tg_floats_of_signed"(
    const int64_t* x, Py_ssize_t n, double* out
) noexcept nogil:
    """Convert integers; those that may not fit become NaN, so that care is taken."""
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = <double>x[i]
        out[i] = out[i] if fabs(out[i]) < MAX_EXACT else <double>NAN


cdef void floats_of_unsigned "tg_floats_of_unsigned"(
    const uint64_t* x, Py_ssize_t n, double* out
) noexcept nogil:
    """Convert integers; those that may not fit become NaN, so that care is taken."""
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = <double>x[i]
        out[i] = out[i] if out[i] < MAX_EXACT else <double>NAN


def least_time_of(const int64_t[::1] times not None, const uint8_t[::1] valid):
    """Find the smallest time.

    Parameters
    ----------
    times : (n_rows,) int64
    valid : (n_rows,) uint8 or None
        Only rows with a 1 count; None: all.

    Returns
    -------
    int
        2**63 - 1 where no row counts.
    """
    cdef Py_ssize_t n = times.shape[0]
    cdef int64_t least
    if valid is not None and valid.shape[0] != n:
        raise ValueError("the columns of a batch differ in length")
    with nogil:
        least = INT64_MAX if n == 0 else least_time(
            &times[0], NULL if valid is None else &valid[0], n)
    return least


cdef Buffer copied(const int64_t* values, Py_ssize_t n):
    """Copy int64 into memory of their own."""
    cdef int64_t* memory = <int64_t*>malloc((n + 1) * sizeof(int64_t))
    if memory == NULL:
        raise MemoryError
    if n:
        memcpy(memory, values, n * sizeof(int64_t))
    return buffer_of(memory, n * sizeof(int64_t))


cdef class WindowState:
    """Open windows, the watermark, and what waits to be taken.

    Parameters
    ----------
    accs : list of (kind, column, weight, nulls, sum, numeric)
        The accumulators of a record; the first is ROWS, and `nulls` and `sum` point into the list.
    outputs : list of (op, acc, numeric, ddof, other, how, by)
        What to read from a record.
    columns : list of (numeric, skip_nan)
        The input columns.
    keyed : bool
        Rows come with key codes.
    grid : tuple (is_float, anchor, width, per_size, per_step, origin, width_f)
    clock : tuple (moves, is_float, lateness, lateness_f)
    max_open : int
        How many records may be open at a time.
    max_kept : int
        How many values they may keep.
    """

    def __cinit__(self, list accs not None, list outputs not None, list columns not None,
                  bint keyed, tuple grid not None, tuple clock not None, int64_t max_open,
                  int64_t max_kept):
        cdef int i
        self.outputs = <Output*>calloc(len(outputs) + 1, sizeof(Output))
        self.columns = <Column*>calloc(len(columns) + 1, sizeof(Column))
        self.views = <Py_buffer*>calloc(2 * len(columns) + 4, sizeof(Py_buffer))
        self.runs = <Run*>calloc(BLOCK, sizeof(Run))
        self.wholes = <Run*>calloc(BLOCK, sizeof(Run))
        self.windows = <int64_t*>malloc(BLOCK * sizeof(int64_t))
        self.slots = <int32_t*>malloc(DEALT * sizeof(int32_t))
        if (self.outputs == NULL or self.columns == NULL or self.views == NULL
                or self.runs == NULL or self.slots == NULL or self.wholes == NULL
                or self.windows == NULL):
            raise MemoryError
        self.n_columns = len(columns)
        for i in range(len(columns)):
            self.columns[i].numeric, self.columns[i].skip_nan = columns[i]
        for i in range(len(outputs)):
            (self.outputs[i].op, self.outputs[i].acc, self.outputs[i].numeric,
             self.outputs[i].ddof, self.outputs[i].other, self.outputs[i].how,
             self.outputs[i].by) = outputs[i]
        for item in accs:
            if item[0] == WEIGHTED:
                for i in (item[1], item[2]):
                    if self.columns[i].numeric != FLOAT and self.columns[i].floats == NULL:
                        # load() of the last rows of a block reads a few beyond them
                        self.columns[i].floats = <double*>calloc(BLOCK + 2 * LANES, sizeof(double))
                        if self.columns[i].floats == NULL:
                            raise MemoryError
        plan_init(&self.plan, accs, self.columns, 1 if keyed else LANES, grid[0])
        self.dealer.nobody = <Word*>calloc(self.plan.wide, sizeof(Word))
        if (self.dealer.nobody == NULL
                or results_init(&self.results, self.outputs, len(outputs), keyed)
                or scratch_init(&self.scratch, &self.plan, len(columns))):
            raise MemoryError
        self.lay_grid(grid)
        (self.router.clock.moves, self.router.clock.is_float, self.router.clock.lateness,
         self.router.clock.lateness_f) = clock
        self.router.clock.largest = INT64_MIN
        self.router.clock.watermark = INT64_MIN
        self.router.closed_to = INT64_MIN
        self.router.whole_to = INT64_MIN
        self.router.share_first = INT64_MIN
        self.router.share_last = INT64_MAX
        stamps_init(&self.router.stamps)
        self.spill_at = SPILL
        self.max_kept = max_kept
        store_init(&self.store, &self.plan, max_open)

    def __dealloc__(self):
        store_free(&self.store)
        clocks_free(&self.clocks)
        results_free(&self.results)
        free(self.left.rows)
        stamps_free(&self.router.stamps)
        origins_free(&self.router.origins)
        lives_free(&self.router.lives)
        plan_free(&self.plan)
        free(self.outputs)
        if self.columns != NULL:
            for c in range(self.n_columns):
                free(self.columns[c].floats)
        free(self.columns)
        free(self.views)
        free(self.runs)
        free(self.wholes)
        free(self.windows)
        scratch_free(&self.scratch)
        dealer_free(&self.dealer)
        excerpt_free(&self.excerpt)
        free(self.dealer.nobody)
        free(self.slots)

    # ------------------------------------------------------------------------------------ rows in

    def push(self, times not None, time_valid, codes, Py_ssize_t n_keys, list columns not None,
             Py_ssize_t start=0, later=None, sources=None):
        """Take a batch of rows.

        Parameters
        ----------
        times : (n_rows,) int64
            Times, or the ordered images of float times.
        time_valid : (n_rows,) uint8 or None
            1 valid, 0 null, 2 NaN; None: all valid.
        codes : (n_rows,) int32 or None
            Key codes below n_keys, checked by the caller.
        columns : list of (values, valid)
            (n_rows,) 8-byte values and (n_rows,) uint8 or None, in the order of the plan.
        start : int
            Rows before it have been taken already.
        later : int or None
            No later batch has a time below this one. Only used where the watermark waits; where
            it is None and much is open, the push stops with ASKS_LATER.
        sources : (n_rows,) int32, optional
            The codes of the sources of the rows, where there are several; see `origins_upto`.

        Returns
        -------
        tuple (status, n_taken)
            What stopped the loop (a `Status`), and how many rows of the batch have been taken.

        Notes
        -----
        One pass, block by block; releases the GIL.
        """
        cdef Py_ssize_t n_rows = len(times), n_taken = start
        cdef bint knows = later is not None
        cdef int64_t horizon = later if knows else INT64_MIN
        cdef int status
        cdef Batch batch
        self.make_room(n_keys)
        try:
            self.view_batch(&batch, times, time_valid, codes, columns, sources)
            with nogil:
                status = self.take_rows(batch.times, batch.valid, batch.codes, n_rows, horizon,
                                        knows, &n_taken)
        finally:
            self.end_views()
        return status, n_taken

    cdef int make_room(self, Py_ssize_t n_keys) except -1:
        """Make room for the key codes below n_keys."""
        if (store_keys(&self.store, n_keys) != DONE
                or (self.clocks.on and clocks_keys(&self.clocks, n_keys) != DONE)
                or (self.router.lives.on and lives_codes(&self.router.lives, n_keys) != DONE)):
            raise MemoryError
        return 0

    cdef int view_batch(
        self, Batch* batch, times, time_valid, codes, list columns, sources
    ) except -1:
        """Hold on to the arrays of a batch, as `push` takes them, until `end_views`."""
        cdef Py_ssize_t n_rows = len(times)
        cdef int i
        if len(columns) != self.n_columns:
            raise ValueError("the columns are not those of the plan")
        batch.times = <const int64_t*>self.view(times, n_rows * 8)
        batch.valid = <const uint8_t*>self.view(time_valid, n_rows)
        batch.codes = <const int32_t*>self.view(codes, n_rows * 4)
        if (batch.codes == NULL) == (self.plan.lanes == 1):
            raise ValueError("a plan with keys takes key codes, and no other does")
        self.router.origins.of_row = <const int32_t*>self.view(sources, n_rows * 4)
        if self.router.origins.on and self.router.origins.of_row == NULL and n_rows:
            raise ValueError("a plan with sources takes the codes of them")
        for i in range(self.n_columns):
            self.columns[i].values = self.view(columns[i][0], n_rows * 8)
            self.columns[i].valid = <const uint8_t*>self.view(columns[i][1], n_rows)
        return 0

    cdef void end_views(self) noexcept:
        """Let go of what `view` holds."""
        while self.n_views:
            self.n_views -= 1
            PyBuffer_Release(&self.views[self.n_views])

    cdef void* view(self, object array, Py_ssize_t size) except? NULL:
        """Hold on to the bytes of an array; None is NULL."""
        if array is None:
            return NULL
        PyObject_GetBuffer(array, &self.views[self.n_views], PyBUF_SIMPLE)
        self.n_views += 1
        if self.views[self.n_views - 1].len != size:
            raise ValueError("the columns of a batch differ in length")
        return self.views[self.n_views - 1].buf

    cdef int take_rows(
        self, const int64_t* times, const uint8_t* valid, const int32_t* codes,
        Py_ssize_t n_rows, int64_t later, bint knows, Py_ssize_t* n_taken
    ) noexcept nogil:
        """Route and reduce block by block, closing windows on the way."""
        cdef Py_ssize_t at = n_taken[0], size, n_runs = 0, n_wholes = 0, n_seated = 0, taken = 0
        cdef Offer offer
        cdef bint deals
        cdef int64_t* ahead = NULL
        cdef int status = DONE
        if self.clocks.on:
            return self.take_by_key(times, valid, codes, n_rows, n_taken)
        self.router.takes_wholes = (
            self.guesses and codes == NULL and self.router.grid.per_size == 1
            and self.router.grid.per_step == 1 and self.plan.numbered < 0
            and all_plain(&self.plan, self.columns, self.n_columns))
        self.router.near = n_rows - at <= FEW
        deals = (codes != NULL and n_rows - at > BLOCK
                 and all_plain(&self.plan, self.columns, self.n_columns)
                 and can_deal(&self.plan, self.columns, self.n_columns))
        offer.dealer = &self.dealer
        offer.plan = &self.plan
        offer.columns = self.columns
        offer.n_columns = self.n_columns
        offer.takes_wholes = (
            self.guesses and valid == NULL and self.router.grid.per_size == 1
            and self.router.grid.per_step == 1 and self.router.part.n <= 1
            and self.plan.numbered < 0
            and not self.router.clock.moves and not self.router.allows
            and not self.router.lives.on and not self.router.origins.on)
        if self.router.takes_wholes and n_rows - at > BLOCK:
            status = self.expect(times[at], times[n_rows - 1], n_rows - at)
        while at < n_rows and status == DONE:
            size = min(<Py_ssize_t>(DEALT if deals else BLOCK), n_rows - at)
            self.make_floats(at, size)
            if codes != NULL:
                status = self.route_keys(times, valid, codes, at, size, &taken, &n_seated,
                                         &offer if deals else NULL)
                if n_seated and self.router.part.n > 1:
                    excerpt_make(&self.excerpt, self.columns, times, at, n_seated)
                    reduce_excerpt(&self.plan, &self.excerpt, self.slots, at, n_seated,
                                   &self.store.arena)
                elif n_seated:
                    reduce_rows(&self.plan, self.columns, self.n_columns, times, self.slots, at,
                                taken, &self.store.arena)
            else:
                status = route_runs(&self.router, &self.store, &self.left, times, valid, at, size,
                                    self.runs, &n_runs, self.wholes, self.windows, &n_wholes,
                                    &taken, at + size < n_rows)
                reduce_runs(&self.plan, self.columns, self.n_columns, times, self.runs, n_runs, at,
                            n_rows, &self.store.arena)
                if n_wholes and (status == DONE or status == NEEDS_EDGES):
                    status = self.take_wholes(times, n_wholes, at, n_rows) or status
            at += taken
            if self.plan.keeps and status in (DONE, MUST_CLOSE, CORRECTS):
                if kept_failed(&self.plan):
                    status = NO_MEMORY
                    break
                if kept_values(&self.plan) > self.max_kept:
                    status = TOO_MANY_KEPT
                    break
            if status == CORRECTS:
                status = correct(&self.router, &self.store, &self.results,
                                 0 if codes == NULL else codes[at - 1])
            elif status == MUST_CLOSE or (status == DONE and self.router.clock.moves):
                status = close_windows(
                    &self.router, &self.store, &self.results, self.router.clock.watermark)
            elif status == DONE and store_bytes(&self.store) > self.spill_at:
                if self.guesses:
                    status = self.close_older_half()
                elif knows:
                    status = self.spill(times, valid, n_rows, at, later, &ahead)
                else:
                    status = ASKS_LATER
        free(ahead)
        n_taken[0] = at
        return status

    cdef int take_buffered(
        self, const int64_t* times, const uint8_t* valid, const int32_t* codes,
        Py_ssize_t n_rows, Py_ssize_t* n_taken
    ) except -1:
        """Take a few rows of columns that the state points to, as far as `push` would.

        Returns
        -------
        int
            A `Status`.
        """
        return self.take_rows(times, valid, codes, n_rows, INT64_MIN, True, n_taken)

    cdef int take_last(
        self, const int64_t* times, const uint8_t* valid, const int32_t* codes,
        Py_ssize_t n_rows, Py_ssize_t* n_taken
    ) except -1:
        """Take the last of some rows; those before it that are not taken have come here before.

        It may stay where it is, not taken, until `take_rest`.
        """
        return self.take_buffered(times, valid, codes, n_rows, n_taken)

    cdef int take_rest(
        self, const int64_t* times, const uint8_t* valid, const int32_t* codes,
        Py_ssize_t n_rows, Py_ssize_t* n_taken
    ) except -1:
        """Take what `take_last` has left where it is, or has not got to."""
        return self.take_buffered(times, valid, codes, n_rows, n_taken)

    cdef int64_t kept_of_row(self) noexcept:
        """How many values are kept of one row at most."""
        cdef int64_t n = 0
        for a in range(self.plan.n_accs):
            n += (self.plan.accs[a].kept != NULL) + (
                entry_words(&self.plan.accs[a]) - 1 if keeps_rows(&self.plan.accs[a]) else 0)
        return n

    cdef int64_t headroom(self, Py_ssize_t n_keys) noexcept:
        """How many rows, those that wait counted, pass no limit, of so many keys at most."""
        cdef int64_t n = self.store.max_slots - live_slots(&self.store)
        if self.plan.keeps:
            n = min(n, (self.max_kept - kept_values(&self.plan)) // self.kept_of_row())
        return n

    cdef int take_by_key(
        self, const int64_t* times, const uint8_t* valid, const int32_t* codes,
        Py_ssize_t n_rows, Py_ssize_t* n_taken
    ) noexcept nogil:
        """Do what `take_rows` does, with a watermark for each key."""
        cdef Py_ssize_t at = n_taken[0], taken = 0
        cdef int status = DONE
        while at < n_rows and status == DONE:
            status = route_by_key(
                &self.router, &self.store, &self.clocks, &self.left, times, valid, codes, at,
                min(<Py_ssize_t>BLOCK, n_rows - at), self.slots, &taken)
            self.make_floats(at, taken)
            reduce_rows(&self.plan, self.columns, self.n_columns, times, self.slots, at, taken,
                        &self.store.arena)
            at += taken
            if self.plan.keeps:
                if kept_failed(&self.plan):
                    status = NO_MEMORY
                elif kept_values(&self.plan) > self.max_kept:
                    status = TOO_MANY_KEPT
            if status == MUST_CLOSE:
                status = close_key(&self.router, &self.store, &self.clocks, &self.results,
                                   codes[at - 1])
            elif status == CORRECTS:
                status = correct_key(&self.router, &self.store, &self.clocks, &self.results,
                                     codes[at - 1])
        n_taken[0] = at
        return status

    cdef void make_floats(self, Py_ssize_t base, Py_ssize_t n_rows) noexcept nogil:
        """Convert the integers of a block that are weighted, or weights, all at once."""
        cdef const Column* column
        for c in range(self.n_columns):
            column = &self.columns[c]
            if column.floats != NULL and column.valid == NULL:
                if column.numeric == UNSIGNED:
                    floats_of_unsigned(
                        <const uint64_t*>column.values + base, n_rows, column.floats)
                else:
                    floats_of_signed(<const int64_t*>column.values + base, n_rows, column.floats)

    cdef int expect(self, int64_t first, int64_t last, Py_ssize_t n_rows) noexcept nogil:
        """Make room for the windows of rows that seem to be in order: growing later is a copy.

        Of windows with fewer than four rows there may be more; room is made for them later, as
        for those that close together at the end.
        """
        cdef int64_t span
        if sub_overflows(last, first, &span) or span < 0 or self.router.grid.is_float:
            return DONE
        if self.router.grid.is_table:
            span = self.router.grid.n_edges
        else:
            span = span // self.router.grid.width
        return results_expect(
            &self.results, self.results.n + min(span, <int64_t>n_rows // 4) + SPARE)

    cdef int take_wholes(
        self, const int64_t* times, Py_ssize_t n, Py_ssize_t base, Py_ssize_t n_rows
    ) noexcept nogil:
        """Close what is older than the whole windows of a block, then read these."""
        cdef int status = close_windows(
            &self.router, &self.store, &self.results,
            edge(&self.router.grid, self.windows[0]))
        if status == DONE:
            status = read_wholes(&self.plan, self.columns, self.n_columns, times, self.wholes,
                                 self.windows, n, base, n_rows, &self.scratch, &self.results)
        if status == DONE:
            self.router.closed_to = max(self.router.closed_to, self.router.whole_to)
        return status

    cdef int route_keys(
        self, const int64_t* times, const uint8_t* valid, const int32_t* codes, Py_ssize_t at,
        Py_ssize_t size, Py_ssize_t* n_taken, Py_ssize_t* n_seated, Offer* offer
    ) noexcept nogil:
        """Find the records of rows, but for those of a whole window, which is read instead."""
        cdef bint takes_wholes
        cdef Whole rows
        cdef int status
        if offer != NULL:
            offer.n_whole = 0
        status = route_rows(&self.router, &self.store, &self.left, times, valid, codes, at, size,
                            self.slots, n_taken, n_seated, offer)
        if status != DONE or offer == NULL or not offer.n_whole:
            return status
        rows.times = times
        rows.codes = codes
        rows.base = at
        rows.n = offer.n_whole
        status = self.take_whole_keys(&rows, offer.largest, n_taken)
        if status != DONE or n_taken[0]:
            return status
        takes_wholes = offer.takes_wholes
        offer.takes_wholes = False
        status = route_rows(&self.router, &self.store, &self.left, times, valid, codes, at, size,
                            self.slots, n_taken, n_seated, offer)
        offer.takes_wholes = takes_wholes
        return status

    cdef int take_whole_keys(
        self, Whole* rows, int64_t largest, Py_ssize_t* n_taken
    ) noexcept nogil:
        """Close what is older than a whole window, then read it; no row is taken where it can't."""
        cdef Pane pane = self.router.pane
        cdef bint is_read = False
        cdef int status = close_windows(
            &self.router, &self.store, &self.results, edge(&self.router.grid, pane.index))
        rows.window = pane.index
        if status == DONE:
            status = read_whole_keys(&self.plan, self.columns, self.n_columns, rows,
                                     self.store.n_recent, &self.dealer, &self.results, &is_read)
        if not is_read:
            return status
        self.router.whole_to = pane.last + 1
        self.router.closed_to = max(self.router.closed_to, self.router.whole_to)
        self.router.used = self.router.used + rows.n
        see(&self.router.clock, largest)
        n_taken[0] = rows.n
        return DONE

    cdef int close_older_half(self) noexcept nogil:
        """Close the older half of the time that is open, on the guess that rows are in order."""
        cdef int64_t oldest = edge(&self.router.grid, self.store.least)
        cdef int64_t newest = self.router.clock.largest
        cdef int64_t middle = (oldest & newest) + ((oldest ^ newest) >> 1)  # a sum may overflow
        cdef int status = close_windows(&self.router, &self.store, &self.results, middle)
        self.spill_at = max(<Py_ssize_t>SPILL, 2 * store_bytes(&self.store))
        return status

    cdef int spill(
        self, const int64_t* times, const uint8_t* valid, Py_ssize_t n_rows, Py_ssize_t at,
        int64_t later, int64_t** ahead
    ) noexcept nogil:
        """Close the windows that no row ahead can reach: a look at all times ahead, once."""
        cdef Py_ssize_t n_blocks = (n_rows + BLOCK - 1) // BLOCK, block, first
        cdef int64_t least
        cdef int status
        if ahead[0] == NULL:
            ahead[0] = <int64_t*>malloc((n_blocks + 1) * sizeof(int64_t))
            if ahead[0] == NULL:
                return NO_MEMORY
            ahead[0][n_blocks] = later
            for block in range(n_blocks - 1, -1, -1):
                first = block * BLOCK
                least = later
                if first + BLOCK > at:
                    least = least_time(times + first, NULL if valid == NULL else valid + first,
                                       min(<Py_ssize_t>BLOCK, n_rows - first))
                ahead[0][block] = min(ahead[0][block + 1], least)
        status = close_windows(&self.router, &self.store, &self.results, ahead[0][at // BLOCK])
        self.spill_at = max(<Py_ssize_t>SPILL, 2 * store_bytes(&self.store))
        return status

    def rehearse(self, times not None, time_valid, const int32_t[::1] sources=None):
        """Find the first row that a push would leave out, without taking any.

        Parameters
        ----------
        times, time_valid, sources
            As for `push`.

        Returns
        -------
        tuple (row, reason, start, end, watermark) or None
            The row and why; start and end of its last window and the watermark for a late one.
        """
        cdef const int64_t[::1] time = times
        cdef const uint8_t[::1] valid
        cdef const uint8_t* flags = NULL
        cdef Router router = self.router
        cdef LeftRows left
        cdef Py_ssize_t row, n_rows = time.shape[0]
        cdef int status = DONE
        memset(&left, 0, sizeof(LeftRows))
        if router.origins.on and n_rows:
            if sources is None or sources.shape[0] != n_rows:
                raise ValueError("the columns of a batch differ in length")
            router.origins.of_row = &sources[0]
            router.origins.largest = <int64_t*>malloc((router.origins.n + 1) * sizeof(int64_t))
            if router.origins.largest == NULL:
                raise MemoryError
            memcpy(router.origins.largest, self.router.origins.largest,
                   router.origins.n * sizeof(int64_t))
        if time_valid is not None:
            valid = time_valid
            if valid.shape[0] != n_rows:
                raise ValueError("the columns of a batch differ in length")
            if n_rows:
                flags = &valid[0]
        with nogil:
            for row in range(n_rows):
                status = enter_dry(&router, &left, &time[0], flags, row)
                if status != DONE or (left.n and left.rows[0].reason == IS_LATE):
                    break
                left.n = 0
        out = self.describe(&left.rows[0]) if left.n else None
        free(left.rows)
        if router.origins.on and n_rows:
            free(router.origins.largest)
        if status != DONE:
            raise MemoryError
        return out

    cdef int64_t next_due(self) noexcept:
        """End of the first open window, INT64_MAX where none is open."""
        if not self.store.n_open:
            return INT64_MAX
        return window_end(&self.router.grid, first_due(&self.router, &self.store))

    cdef tuple describe(self, const Left* row):
        """A row left out, as Python has it."""
        cdef int64_t window = last_window(&self.router.grid, row.pane)
        return (row.row, row.reason, self.outside(window_start(&self.router.grid, window)),
                self.outside(window_end(&self.router.grid, window)),
                self.outside(row.watermark))

    cdef object outside(self, int64_t time):
        """An ordered time as the user has it."""
        if self.router.grid.is_float:
            return float_of_order(time)
        return time

    # ---------------------------------------------------------------------------------- results out

    def close(self, int64_t watermark):
        """Close the windows that end up to a time; the clock moves there.

        Returns
        -------
        int
            A `Status`.
        """
        cdef int status
        with nogil:
            if self.clocks.on:
                status = close_keys(
                    &self.router, &self.store, &self.clocks, &self.results, watermark)
            else:
                status = close_windows(&self.router, &self.store, &self.results, watermark)
        if status == DONE and watermark > self.router.clock.watermark:
            self.router.clock.watermark = watermark
        return status

    def take_results(self):
        """Hand over the results of the windows closed so far.

        Returns
        -------
        tuple (n, starts, ends, codes, [(values, valid), ...])
            pyarrow.Buffers of int64 (float64 for float times), int64, int32, and of each output
            8-byte words and uint8. None: no keys, all valid.
        """
        cdef Py_ssize_t n = self.results.n
        cdef Block edges
        memset(&edges, 0, sizeof(Block))
        if not block_grow(&edges, 0, n * 8 + 1):
            raise MemoryError
        with nogil:
            self.write_edges(<Word*>self.results.windows, <Word*>edges.at)
        starts, codes, outputs = results_take(&self.results)
        return n, starts, block_take(&edges, n * 8), codes, outputs

    def take_into(self, Slab slab not None):
        """Move the results of the windows closed so far behind those in a slab.

        Returns
        -------
        int
            Where the first of them stands; -1 where there is no room for all, and nothing is moved.
        """
        if slab.n_outputs != self.results.n_outputs:
            raise ValueError("the slab is not one of the plan")
        return self.move_into(slab)

    cdef Py_ssize_t move_into(self, Slab slab) noexcept:
        """Do what `take_into` does, with a slab of the plan."""
        cdef Py_ssize_t n = self.results.n, at = slab.n, i
        cdef int o
        if n > slab.capacity - at or not self.move_runs(slab):
            return -1
        self.write_edges(slab.starts + at, slab.ends + at)
        for o in range(slab.n_outputs):
            if o == slab.runs:
                continue
            memcpy(slab.values[o] + at, self.results.values[o], n * sizeof(Word))
            for i in range(n):
                slab.put_bit(o, at + i, self.results.valid[o] == NULL or self.results.valid[o][i])
        slab.n += n
        self.results.n = 0
        return at

    cdef bint move_runs(self, Slab slab) noexcept:
        """Move the runs of rows of all results into a slab, if there are any and it has room."""
        cdef Kept* kept
        if slab.runs < 0:
            return True
        kept = self.plan.accs[self.outputs[slab.runs].acc].kept
        if not slab.put_runs(self.results.values[slab.runs], kept.lists, self.results.n):
            return False
        kept.n_lists = 0
        return True

    cdef void write_edges(self, Word* starts, Word* ends) noexcept nogil:
        """Start and end of the window of every result; `starts` may be the window numbers."""
        cdef const Grid* grid = &self.router.grid
        cdef int64_t window, step = grid.width * grid.per_step
        cdef Py_ssize_t i
        if not grid.is_float and not grid.is_table:
            for i in range(self.results.n):
                starts[i].i = wrapped(self.results.windows[i], step, grid.anchor)
                ends[i].i = starts[i].i + grid.width * grid.per_size
        else:
            for i in range(self.results.n):
                window = self.results.windows[i]
                starts[i].i = window_start(grid, window)
                ends[i].i = window_end(grid, window)
        if grid.is_float:
            for i in range(self.results.n):
                starts[i].f = float_of_order(starts[i].i)
                ends[i].f = float_of_order(ends[i].i)

    def overflow(self):
        """Tell which output did not fit.

        Returns
        -------
        tuple (output, start, end, code)
        """
        cdef int64_t window = self.results.bad_window
        return (self.results.bad_output, self.outside(window_start(&self.router.grid, window)),
                self.outside(window_end(&self.router.grid, window)), self.results.bad_code)

    def take_left(self):
        """Hand over the rows left out since the last call, in order.

        Returns
        -------
        list of (row, reason, start, end, watermark)
            Rows count within their batch.
        """
        cdef Py_ssize_t i
        out = [self.describe(&self.left.rows[i]) for i in range(self.left.n)]
        self.left.n = 0
        return out

    @property
    def n_results(self):
        """How many results wait to be taken."""
        return self.results.n

    @property
    def n_runs(self):
        """How many runs of rows the results that wait have."""
        if self.plan.numbered < 0 or self.plan.accs[self.plan.numbered].kept == NULL:
            return 0
        return (self.plan.accs[self.plan.numbered].kept.n_lists - self.results.n) // 2

    @property
    def n_left(self):
        """How many rows left out wait to be taken."""
        return self.left.n

    def count_left(self):
        """Count the rows left out that wait to be taken.

        Returns
        -------
        tuple (n_late, n_rejected)
        """
        cdef Py_ssize_t i, late = 0
        for i in range(self.left.n):
            late += self.left.rows[i].reason == IS_LATE
        return late, self.left.n - late

    def lay_grid(self, tuple grid not None):
        """Move the grid, before any row has been used."""
        if self.router.used:
            raise ValueError("the grid cannot move once rows are in it")
        (self.router.grid.is_float, self.router.grid.anchor, self.router.grid.width,
         self.router.grid.per_size, self.router.grid.per_step, self.router.grid.origin,
         self.router.grid.width_f) = grid
        self.router.has_pane = False

    def lay_edges(self, const int64_t[::1] edges not None, int64_t first, bint has_gaps,
                  int64_t lowest, int64_t highest):
        """Take the windows from a table of edges; a larger one may come at any time.

        Parameters
        ----------
        edges : (n_edges,) int64
            Ordered times that do not fall; window k is [edges[k - first], edges[k + 1 - first]).
            They are held on to, and must not change.
        first : int
            Number of the window that starts at the first of them. Windows keep their numbers and
            edges in a larger table.
        has_gaps : bool
            Times off the table are in no window, and there must be an edge; else a push stops
            there with NEEDS_EDGES.
        lowest, highest : int
            Times outside [lowest, highest] have no place in any table: they are rejected.
        """
        cdef Grid* grid = &self.router.grid
        if has_gaps and edges.shape[0] == 0:
            raise ValueError("a table with gaps around it has edges")
        self.edges = edges
        grid.is_table = True
        grid.edges = &edges[0] if edges.shape[0] else NULL
        grid.n_edges = edges.shape[0]
        grid.first_edge = first
        grid.has_gaps = has_gaps
        grid.lowest = lowest
        grid.highest = highest

    @property
    def used(self):
        """How many rows were used."""
        return self.router.used

    @property
    def falls(self):
        """How many runs of rows, without keys, began before the largest time so far."""
        return self.router.falls

    @property
    def progress(self):
        """How far windows are closed, and the largest time, in the kernels' order.

        Both are -2**63 before there is one.
        """
        return self.router.closed_to, self.router.clock.largest

    @property
    def first_row(self):
        """The number of the first row of the next batch, for plans that tell of rows by number."""
        return self.plan.first_row

    @first_row.setter
    def first_row(self, int64_t number):
        self.plan.first_row = number

    def rows_to_limit(self, Py_ssize_t n_keys):
        """Tell how many rows, those that wait counted, pass no limit whatever they are.

        Parameters
        ----------
        n_keys : int
            How many key codes there are, those of the rows to come counted.
        """
        return self.headroom(n_keys)

    @property
    def n_open(self):
        """How many records are open."""
        return live_slots(&self.store)

    @property
    def n_kept(self):
        """How many values the open records keep."""
        return kept_values(&self.plan)

    @property
    def n_keeping(self):
        """How many values they can keep of one row."""
        return self.kept_of_row()

    @property
    def can_deal(self):
        """Whether the kernels take rows of eight keys together, see `deal_rows`."""
        return can_deal(&self.plan, self.columns, self.n_columns)

    def take_lists(self, int output):
        """Hand over the lists of an output, before or after `take_results`.

        Returns
        -------
        Buffer
            8-byte words: the length of a list, its values, and so on; the results say where.
        """
        cdef Kept* kept = self.plan.accs[self.outputs[output].acc].kept
        cdef Word* lists = kept.lists
        cdef Py_ssize_t n = kept.n_lists
        kept.lists = NULL
        kept.n_lists = kept.cap_lists = 0
        return buffer_of(lists, n * sizeof(Word))

    def take_runs(self, const int64_t[::1] places not None):
        """Hand over the runs or spans of rows of the results that `take_results` has given.

        Parameters
        ----------
        places : (n_results,) int64
            The words of the output that is runs or spans of rows.

        Returns
        -------
        tuple (n_runs, offsets, starts, stops), of spans also rows, froms, befores
            Buffers of (n_results + 1,) int32, where the runs of a result begin, and of (n_runs,)
            int64; froms and befores are times, half open, float64 where times are. Where there are
            more than 32 bits can count, offsets are of no use.
        """
        cdef const Acc* acc = &self.plan.accs[self.plan.numbered]
        cdef int size = entry_words(acc), w
        cdef Py_ssize_t n = places.shape[0], i, k, n_runs = (acc.kept.n_lists - n) // size, at = 0
        cdef int32_t* offsets = <int32_t*>malloc((n + 1) * sizeof(int32_t))
        cdef Word* columns[ENTRY_WORDS]
        cdef const Word* runs
        out = [n_runs, buffer_of(offsets, (n + 1) * sizeof(int32_t))]
        for w in range(size):
            columns[w] = <Word*>malloc((n_runs + 1) * sizeof(Word))
            out.append(buffer_of(columns[w], n_runs * sizeof(Word)))
            if columns[w] == NULL:
                raise MemoryError
        if offsets == NULL:
            raise MemoryError
        offsets[0] = 0
        for i in range(n):
            runs = acc.kept.lists + places[i]
            for k in range(runs[0].i // size):
                for w in range(size):
                    columns[w][at] = runs[1 + k * size + w]
                at += 1
            offsets[i + 1] = <int32_t>at
        if acc.kind == ROW_SPANS:
            show_spans(columns, n_runs, self.router.grid.is_float)
        acc.kept.n_lists = 0
        return tuple(out)

    @property
    def largest(self):
        """The largest time seen, or None."""
        return None if self.router.clock.largest == INT64_MIN else self.outside(
            self.router.clock.largest)

    @property
    def watermark(self):
        """The watermark, or None before it is anywhere; the least one, where each key has one."""
        cdef const Clock* clock = &self.router.clock
        cdef int64_t least = INT64_MAX
        cdef Py_ssize_t k
        if self.clocks.on and clock.largest != INT64_MIN:
            for k in range(self.clocks.n):
                if self.clocks.lines[k].largest != INT64_MIN:
                    least = min(least, self.clocks.lines[k].watermark)
            return self.outside(least)
        if clock.watermark == INT64_MIN and (not clock.moves or clock.largest == INT64_MIN):
            return None
        return self.outside(clock.watermark)

    # ------------------------------------------------------------------------------- state in, out

    def dump(self, bint in_order=False):
        """Write the state down.

        Parameters
        ----------
        in_order : bool
            Write the records of a window by key code, however they came; O(n log n) then.

        Returns
        -------
        tuple (clock, panes, codes, records, kept)
            clock: (largest, watermark, closed_to, used); buffers of int64, int32, records, and the
            values that these keep, one record after the other.
        """
        cdef Py_ssize_t n = live_slots(&self.store), i = 0, n_kept = 0
        cdef Py_ssize_t width = self.plan.wide + self.plan.cold
        cdef int64_t* panes = <int64_t*>malloc((n + 1) * 8)
        cdef int32_t* codes = <int32_t*>malloc((n + 1) * 4)
        cdef Word* records = <Word*>malloc((n + 1) * width * sizeof(Word))
        cdef Word* kept = <Word*>malloc((kept_values(&self.plan) + 1) * sizeof(Word))
        cdef int32_t p, slot
        cdef Py_ssize_t k, n_members, capacity = 0
        cdef Member* members = NULL
        cdef const Line* line
        if panes == NULL or codes == NULL or records == NULL or kept == NULL:
            free(panes)
            free(codes)
            free(records)
            free(kept)
            raise MemoryError
        for p in range(self.store.n_open):
            if in_order:
                n_members = members_of(&self.store, self.store.open[p], &members, &capacity)
                if n_members < 0:
                    in_order = False  # no memory for it
                for k in range(n_members):
                    panes[i] = self.store.pool[self.store.open[p]].index
                    codes[i] = members[k].code
                    n_kept += self.write_record(members[k].slot, i, records, kept + n_kept)
                    i += 1
                if in_order:
                    continue
            slot = self.store.pool[self.store.open[p]].head
            while slot >= 0:
                panes[i] = self.store.pool[self.store.open[p]].index
                codes[i] = self.store.code_of[slot]
                n_kept += self.write_record(slot, i, records, kept + n_kept)
                i += 1
                slot = self.store.next_of[slot]
        for k in range(self.clocks.n):
            line = &self.clocks.lines[k]
            for p in range(line.begin, line.end):
                panes[i] = line.seats[p].pane
                codes[i] = <int32_t>k
                n_kept += self.write_record(line.seats[p].slot, i, records, kept + n_kept)
                i += 1
        free(members)
        clock = (self.router.clock.largest, self.router.clock.watermark, self.router.closed_to,
                 self.router.used)
        return (clock, buffer_of(panes, i * 8), buffer_of(codes, i * 4),
                buffer_of(records, i * width * sizeof(Word)),
                buffer_of(kept, n_kept * sizeof(Word)))

    cdef Py_ssize_t write_record(
        self, int32_t slot, Py_ssize_t i, Word* records, Word* kept
    ) noexcept nogil:
        """Write a record down as the i-th one, and what it keeps; tell how much that is."""
        cdef Py_ssize_t wide = self.plan.wide, cold = self.plan.cold, width = wide + cold
        memcpy(records + i * width, self.store.arena.records + slot * wide, wide * sizeof(Word))
        memcpy(records + i * width + wide, self.store.arena.colds + slot * cold,
               cold * sizeof(Word))
        return kept_out(&self.plan, records + i * width, kept)

    @property
    def reached(self):
        """The watermark in the kernels' order, -2**63 before it is anywhere."""
        return self.router.clock.watermark

    def load(self, tuple clock not None, const int64_t[::1] panes not None,
             const int32_t[::1] codes not None, const int64_t[::1] records not None,
             const int64_t[::1] kept not None, Py_ssize_t n_keys):
        """Add records to the state, all of them or none.

        Parameters
        ----------
        clock, panes, codes, records, kept
            As from `dump`.
        n_keys : int
            Codes must be below it.

        Returns
        -------
        int
            -1, or the first record that cannot be: its pane is off the grid, its key unknown, or
            it is there already, or the values that it keeps are not there. Of a part of the keys
            only the records of these are added.
        """
        cdef Py_ssize_t n = panes.shape[0], n_kept = 0, n_mine, i
        cdef Py_ssize_t wide = self.plan.wide, cold = self.plan.cold, width = wide + cold
        cdef int32_t slot
        cdef int status
        cdef Pane pane
        cdef bint keyed = self.plan.lanes == 1
        if codes.shape[0] != n or records.shape[0] != n * width:
            raise ValueError("the records are not those of the plan")
        self.make_room(n_keys)
        for i in range(n):
            if codes[i] < 0 or codes[i] >= (n_keys if keyed else 1):
                return i
            if not pane_at(&self.router.grid, panes[i], &pane) or not pane.covered:
                return i
            if not 1 <= records[i * width] <= MOST_ROWS or (
                    clocks_have(&self.clocks, panes[i], codes[i]) if self.clocks.on
                    else store_has(&self.store, panes[i], codes[i])):
                return i
            n_mine = kept_in(&self.plan, <const Word*>&records[i * width])
            if n_mine < 0 or n_mine > kept.shape[0] - n_kept:
                return i
            n_kept += n_mine
        if n_kept != kept.shape[0]:
            return max(n - 1, 0)
        n_kept = 0
        for i in range(n):
            if self.router.part.n > 1 and not is_in_part(&self.router.part, codes[i]):
                n_kept += kept_in(&self.plan, <const Word*>&records[i * width])
                continue
            status = self.find_record(panes[i], codes[i], &slot)
            if status != DONE:
                raise MemoryError
            memcpy(self.store.arena.records + slot * wide, &records[i * width],
                   wide * sizeof(Word))
            if cold:
                memcpy(self.store.arena.colds + slot * cold, &records[i * width + wide],
                       cold * sizeof(Word))
            if self.plan.keeps:
                n_mine = kept_in(&self.plan, <const Word*>&records[i * width])
                kept_load(&self.plan, self.store.arena.records + slot * wide,
                          <const Word*>&kept[n_kept] if n_mine else NULL)
                n_kept += n_mine
        if self.plan.keeps and kept_failed(&self.plan):
            raise MemoryError
        self.router.has_pane = False
        self.router.clock.largest = max(self.router.clock.largest, <int64_t>clock[0])
        self.router.clock.watermark = max(self.router.clock.watermark, <int64_t>clock[1])
        self.router.closed_to = max(self.router.closed_to, <int64_t>clock[2])
        self.router.used += <int64_t>clock[3]
        return -1

    cdef int find_record(self, int64_t pane, int32_t code, int32_t* slot) noexcept nogil:
        """Find the record of a pane (of a key), making it where there is none."""
        cdef int32_t place
        cdef int status
        if self.clocks.on:
            return clocks_seat(
                &self.router, &self.store, &self.clocks.lines[code], pane, code, slot)
        status = store_pane(&self.store, pane, &place)
        if status == DONE and self.plan.lanes == 1:
            return store_slot(&self.store, place, code, slot)
        slot[0] = self.store.pool[place].head
        return status

    def keep_clocks(self, bint jumps, int64_t jump, double jump_f):
        """Keep a watermark for each key; before any row.

        Parameters
        ----------
        jumps : bool
            Reject times too far ahead of the largest of their key.
        jump, jump_f : int, float
            How far that is, for int times and for float times.
        """
        if self.plan.lanes > 1:
            raise ValueError("a plan without keys has one watermark")
        self.clocks.on = True
        self.clocks.floor = INT64_MIN
        self.clocks.jumps = jumps
        self.clocks.jump = jump
        self.clocks.jump_f = jump_f

    def follow_sources(self, bint idles, int64_t idle, double idle_f):
        """Follow the slowest of several sources; before any row.

        Parameters
        ----------
        idles : bool
            A source that is too far behind the others does not count.
        idle, idle_f : int, float
            How far that is, for int times and for float times.
        """
        self.router.origins.on = True
        self.router.origins.idles = idles
        self.router.origins.idle = idle
        self.router.origins.idle_f = idle_f
        self.router.origins.slowest = -1

    def origins_upto(self, Py_ssize_t n):
        """Make room for the codes of sources below n, before rows of them are pushed."""
        if origins_codes(&self.router.origins, n) != DONE:
            raise MemoryError

    def forget_keys(self, int64_t ttl, double ttl_f):
        """Let keys be forgotten, see `living`; before any row.

        Parameters
        ----------
        ttl, ttl_f : int, float
            How long after their last row, for int times and for float times.
        """
        self.router.lives.on = True
        self.router.lives.ttl = ttl
        self.router.lives.ttl_f = ttl_f

    def living(self):
        """List the keys that are not to be forgotten, in the order in which results have them.

        Returns
        -------
        (Buffer, Buffer)
            (n,) int64 codes, in any order, and (n,) int64 ranks to order them by.
        """
        cdef const Lives* lives = &self.router.lives
        cdef int64_t* codes = <int64_t*>malloc((lives.n + 1) * sizeof(int64_t))
        cdef int64_t* ranks = <int64_t*>malloc((lives.n + 1) * sizeof(int64_t))
        cdef Py_ssize_t k, n = 0
        if codes == NULL or ranks == NULL:
            free(codes)
            free(ranks)
            raise MemoryError
        for k in range(lives.n):
            if not is_dead(lives, k, self.router.clock.watermark):
                codes[n] = k
                ranks[n] = lives.rank[k]
                n += 1
        return buffer_of(codes, n * 8), buffer_of(ranks, n * 8)

    def allow(self, int64_t units, double units_f):
        """Hold closed windows that much longer, for corrections; before any row.

        Parameters
        ----------
        units, units_f : int, float
            For int times, and for float times.
        """
        self.router.allows = True
        self.router.allowed = units
        self.router.allowed_f = units_f

    def take_revisions(self):
        """Hand over the revisions of the results that wait, where corrections are allowed.

        Returns
        -------
        Buffer
            (n_results,) int64.
        """
        cdef Stamps* stamps = &self.router.stamps
        cdef Buffer out = buffer_of(stamps.at, stamps.n * sizeof(int64_t))
        stamps.at = NULL
        stamps.n = stamps.capacity = 0
        return out

    def dump_extra(self):
        """Write down what a state has beside its windows, by the options that it was given.

        Returns
        -------
        dict of str to Buffer
            Of int64. Names with ``codes`` hold key codes; those that begin with ``key_`` have a
            value for each code.
        """
        out = {}
        if self.router.allows:
            out.update(zip(REVISIONS, stamps_dump(&self.router.stamps), strict=True))
        if self.clocks.on:
            out.update(zip(CLOCKS, clocks_dump(&self.clocks), strict=True))
        if self.router.origins.on:
            out[ORIGINS] = copied(self.router.origins.largest, self.router.origins.n)
        if self.router.lives.on:
            out[LIVES[0]] = copied(self.router.lives.dies_at, self.router.lives.n)
            out[LIVES[1]] = copied(self.router.lives.rank, self.router.lives.n)
        return out

    def load_extra(self, dict extra not None, Py_ssize_t n_keys):
        """Add what `dump_extra` gives, as arrays.

        Returns
        -------
        bool
            False where it cannot be; the state is of no use then.
        """
        if self.router.allows:
            windows, codes, counts = (extra[name] for name in REVISIONS)
            if not stamps_load(
                    &self.router.stamps, windows, codes, counts, n_keys):
                return False
        if self.clocks.on:
            largest, watermarks = (extra[name] for name in CLOCKS)
            if not clocks_load(&self.router, &self.clocks, largest, watermarks, n_keys):
                return False
        if self.router.origins.on:
            origins_load(&self.router.origins, &self.router.clock, extra[ORIGINS])
        if self.router.lives.on:
            dies_at, ranks = (extra[name] for name in LIVES)
            return lives_load(&self.router.lives, dies_at, ranks, n_keys)
        return True

    def pane_end(self, int64_t time):
        """The first time after the pane that holds a time; None where it can't be written."""
        cdef Pane pane
        if not locate(&self.router.grid, time, &pane) or pane.last == INT64_MAX:
            return None
        return pane.last + 1

    def count_used(self, int64_t n):
        """Count rows that other states have used in place of this one."""
        self.router.used += n

    def count_falls(self, int64_t n):
        """Count runs that other states have seen fall."""
        self.router.falls += n

    def gather_left(self, list others not None):
        """Take over the rows that other states have left out; they go before its own."""
        cdef WindowState other
        cdef LeftRows left
        memset(&left, 0, sizeof(LeftRows))
        for other in [*others, self]:
            left.capacity += other.left.n
        left.rows = <Left*>malloc((left.capacity + 1) * sizeof(Left))
        if left.rows == NULL:
            raise MemoryError
        for other in [*others, self]:
            if other.left.n:
                memcpy(left.rows + left.n, other.left.rows, other.left.n * sizeof(Left))
            left.n += other.left.n
            other.left.n = 0
        free(self.left.rows)
        self.left = left

    def restrict(self, int64_t first, int64_t last, int passes=REFUSES_ALL):
        """Refuse rows outside [first, last]: a push stops there with FOREIGN.

        Parameters
        ----------
        first, last : int
            Where panes begin and end. Once the watermark is at `first`, rows before it are no
            longer refused: the windows that end up to there get no more rows.
        passes : int
            1: rows before `first` are seen, and left to others; 2: rows after `last` are.
        """
        self.router.share_first = first
        self.router.share_last = last
        self.router.passes = passes

    def begin_at(self, WindowState other not None, int64_t upto):
        """Begin, without a row, where another state stands: with the windows that end after `upto`.

        The other one is of the same plan, and all its rows are in windows that end up to there.
        """
        self.plan.first_row = other.plan.first_row
        self.router.clock = other.router.clock
        self.router.closed_to = max(upto, other.router.closed_to)
        self.router.used = self.router.falls = 0
        self.router.has_pane = False
        self.left.n = 0
        self.results.n = 0
        if self.store.n_open:
            store_clear(&self.store)

    def clear(self):
        """Forget all open windows."""
        store_clear(&self.store)
        self.router.has_pane = False

    # ------------------------------------------------------------------------- parts of the keys

    def take_part(self, int32_t number, int32_t n, int32_t shift):
        """Take the rows of one of n parts of the keys from now on; others are only seen.

        What a row does to the watermark, and whether it is late, does not depend on whose it is: so
        n states that see all rows, and take a part each, say together what one would.

        Parameters
        ----------
        number, n : int
            From 0 to n - 1; at most 256 parts.
        shift : int
            2**shift codes that follow each other are in one part.
        """
        if self.plan.lanes > 1 or not 0 <= number < n or n > MOST_PARTS or not 0 <= shift < 31:
            raise ValueError("there is no such part")
        if excerpt_init(&self.excerpt, self.columns, self.n_columns, DEALT) != DONE:
            raise MemoryError
        self.router.part.number = number
        self.router.part.n = n
        self.router.part.shift = shift
        self.router.part.rows = self.excerpt.rows

    def follow(self, WindowState part not None):
        """Come to where a state is that has seen the same rows, but for its windows and results.

        The rows that it left out are moved here.
        """
        cdef LeftRows left = self.left
        self.router.clock = part.router.clock
        self.router.closed_to = part.router.closed_to
        self.router.used = part.router.used
        self.router.falls = part.router.falls
        self.router.has_pane = False
        if part.left.n:
            self.left = part.left
            part.left = left
