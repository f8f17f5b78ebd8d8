"""The running state of windows that rows make: sessions, and bars of so many rows or so much.

A row belongs to a window of its key, its *slot*; three rules say to which. Sessions take rows as
they arrive, bars take them in order of time out of a buffer that waits for the watermark. What
happens to the rows of a slot is the same: they are reduced block by block, as those of grids are,
and a slot that is closed is read when its block has been reduced.

    sessions    a row joins the session that it is closer to than the gap, and makes one of two; the
                records of both are folded then and added up like panes, and later rows go into an
                empty record beside that sum
    BY_COUNT    windows of n rows, one every `every` rows; where they overlap, window k is of class
                k % n_classes, and those of one class do not overlap
    BY_SUM      a running sum, compensated or of 128-bit integers, closes the bar that brings it to
                the limit

Without keys, windows that lie within a block are slices, read straight off their rows.
"""

cimport cython
from cpython.buffer cimport PyBuffer_Release
from libc.math cimport fabs, floor, isfinite
from libc.stdint cimport INT64_MAX, INT64_MIN, int32_t, int64_t, uint8_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, qsort
from libc.string cimport memcpy, memset

from tidegate._kernels.buffer cimport Buffer, buffer_of
from tidegate._kernels.clock cimport see
from tidegate._kernels.exact cimport (
    Exact, exact, exact_add, exact_mul, exact_neg, exact_push, exact_push_product,
)
from tidegate._kernels.grid cimport float_of_order, order_of_float
from tidegate._kernels.kept cimport (
    KEPT_WORDS, VALUES_AT, VALUES_N, kept_drop, kept_extend, kept_failed, kept_fold, kept_in,
    kept_load, kept_out, kept_values,
)
from tidegate._kernels.lanes cimport all_rise, wide_hi, wide_lo, wide_of, wide_t
from tidegate._kernels.memory cimport grow
from tidegate._kernels.output cimport results_read, results_room
from tidegate._kernels.push cimport as_float, has_value, push_row
from tidegate._kernels.records cimport (
    DISORDER, DONE, LANES, NO_MEMORY, TAME, TOO_MANY_KEPT, UNSIGNED, Acc, Column, Run,
    Word,
)
from tidegate._kernels.results cimport fold_records, merge_record
from tidegate._kernels.route cimport IS_LATE, NAN_TIME, NO_PLACE, NULL_TIME, Left, leave
from tidegate._kernels.row_store cimport (
    IS_ABSORBED, IS_CLOSED, RowStore, Seat, line_next, line_up, rows_free, rows_init,
    rows_keys, rows_open, rows_spare, treap_near, treap_put, treap_remove,
)
from tidegate._kernels.rows cimport reduce_rows
from tidegate._kernels.runs cimport reduce_runs
from tidegate._kernels.whole cimport all_plain, read_wholes
from tidegate._kernels.window_state cimport WindowState

from tidegate._kernels.reorder import ReorderBuffer

cdef extern from *:
    """
    #include "lanes.h"
    #include "records.h"
    #undef CYTHON_INLINE
    #define CYTHON_INLINE TG_ALWAYS_INLINE
    TG_CLONES static Py_ssize_t tg_near_run(
        const int64_t *, Py_ssize_t, Py_ssize_t, int64_t, int64_t);
    TG_CLONES static int tg_row_times_rise(const int64_t *, Py_ssize_t);
    TG_CLONES static Py_ssize_t tg_first_odd(const double *, const uint8_t *, Py_ssize_t, int);
    """

cdef enum Rule:
    BY_GAP
    BY_COUNT
    BY_SUM

cdef enum Rest:        # of a sum that has gone beyond the limit
    IS_DROPPED
    IS_CARRIED
    IS_SPLIT

cdef enum Place:       # of a row among the sessions of its key
    JOINS
    OPENS
    BRIDGES            # also a status: the row makes one of two, once those before are reduced
    COMES_LATE

cdef enum:
    BLOCK = 8192          # as in window_state
    CHUNK = 512           # records folded and read at a time
    MATRIX = 1 << 20      # places of rows in windows that overlap, at a time
    HEAD = 3              # words of a dump: how many records, states of keys and rows that wait
    RECORD_WORDS = 5      # of each record: first, last, rows, class, whether it has a base
    STATE_WORDS = 5       # of each state of a key: class, skip, seen and the sum

cdef int64_t MOST_ROWS = <int64_t>1 << 62


cdef struct Bar:       # of a key (and a class)
    int64_t seen       # rows that came
    int64_t skip       # rows until the next window begins
    Word[2] total      # the running sum: two floats, or a 128-bit integer
    int32_t slot       # the open window, -1: none


cdef struct Ending:    # a bar at the end of input
    int64_t last
    int64_t first
    int32_t code
    int32_t slot


cdef int by_ending(const void* a, const void* b) noexcept nogil:
    """Order of two unfinished bars: by window end, then by key, then by window start."""
    cdef const Ending* x = <const Ending*>a
    cdef const Ending* y = <const Ending*>b
    if x.last != y.last:
        return 1 if x.last > y.last else -1
    if x.code != y.code:
        return 1 if x.code > y.code else -1
    return (x.first > y.first) - (x.first < y.first)


cdef struct Sorted:
    int64_t time
    int64_t row


cdef int by_time(const void* a, const void* b) noexcept nogil:
    """Order of two rows: by time, then by arrival."""
    cdef const Sorted* x = <const Sorted*>a
    cdef const Sorted* y = <const Sorted*>b
    if x.time != y.time:
        return 1 if x.time > y.time else -1
    return (x.row > y.row) - (x.row < y.row)


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


cdef bint never_falls "tg_row_times_rise"(const int64_t* times, Py_ssize_t n) noexcept nogil:
    """Whether n > 0 times never fall."""
    return all_rise(times + 1, n - 1)


cdef Py_ssize_t first_odd "tg_first_odd"(
    const double* x, const uint8_t* valid, Py_ssize_t n, bint skip_nan
) noexcept nogil:
    """The first value that is there and is no number that can be added up; -1: none."""
    cdef Py_ssize_t i, block, end
    cdef int64_t odd
    for block in range(0, n, 64):
        end = min(block + 64, n)
        odd = 0
        for i in range(block, end):
            odd |= not fabs(x[i]) < TAME
        if odd:
            for i in range(block, end):
                if not fabs(x[i]) < TAME and (valid == NULL or valid[i]) and (
                        not skip_nan or x[i] == x[i]):
                    return i
    return -1


cdef int in_order(const int64_t* times, int64_t* rows, Py_ssize_t n) noexcept nogil:
    """Bring the numbers of rows into order of their times; rows of one time stay in order."""
    cdef Sorted* sorted_rows = <Sorted*>malloc((n + 1) * sizeof(Sorted))
    cdef Py_ssize_t i
    if sorted_rows == NULL:
        return NO_MEMORY
    for i in range(n):
        sorted_rows[i].time = times[rows[i]]
        sorted_rows[i].row = rows[i]
    qsort(sorted_rows, n, sizeof(Sorted), by_time)
    for i in range(n):
        rows[i] = sorted_rows[i].row
    free(sorted_rows)
    return DONE


cdef Buffer words_at(const void* values, const int64_t* rows, Py_ssize_t n):
    """Copy 8-byte words of some rows; zeros where there are none."""
    cdef int64_t* out = <int64_t*>calloc(n + 1, 8)
    cdef Py_ssize_t i
    if out == NULL:
        raise MemoryError
    if values != NULL:
        for i in range(n):
            out[i] = (<const int64_t*>values)[rows[i]]
    return buffer_of(out, n * 8)


cdef Buffer flags_at(const uint8_t* flags, const int64_t* rows, Py_ssize_t n):
    """Copy the flags of some rows; None where there are none."""
    cdef uint8_t* out
    cdef Py_ssize_t i
    if flags == NULL:
        return None
    out = <uint8_t*>malloc(n + 1)
    if out == NULL:
        raise MemoryError
    for i in range(n):
        out[i] = flags[rows[i]]
    return buffer_of(out, n)


cdef Buffer codes_at(const int32_t* codes, const int64_t* rows, Py_ssize_t n):
    """Copy the key codes of some rows; None where there are none."""
    cdef int32_t* out
    cdef Py_ssize_t i
    if codes == NULL:
        return None
    out = <int32_t*>malloc((n + 1) * 4)
    if out == NULL:
        raise MemoryError
    for i in range(n):
        out[i] = codes[rows[i]]
    return buffer_of(out, n * 4)


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


def first_wild(const double[::1] values not None, const uint8_t[::1] valid, bint skip_nan):
    """Find the first value that cannot be added up: a NaN, an infinity, from 2**480 on.

    Parameters
    ----------
    values : (n_rows,) float64
    valid : (n_rows,) uint8 or None
        Only rows with a 1 count; None: all.
    skip_nan : bool
        A NaN is a missing value.

    Returns
    -------
    int
        -1 where there is none.
    """
    cdef Py_ssize_t n = values.shape[0], at = -1
    if valid is not None and valid.shape[0] != n:
        raise ValueError("the columns of a batch differ in length")
    if n:
        with nogil:
            at = first_odd(&values[0], NULL if valid is None else &valid[0], n, skip_nan)
    return at


@cython.final
cdef class RowWindowState(WindowState):
    """Open sessions or bars, the watermark, what waits for it, and what waits to be taken.

    It is made as a `WindowState`, without a grid; `lay_rule` says what windows are.
    """

    cdef RowStore rows
    cdef int rule
    cdef bint is_float
    # Sessions
    cdef int64_t gap
    cdef int64_t most
    cdef double gap_f
    cdef double most_f
    cdef bint has_most
    cdef int32_t bridge_from    # the sessions that the next row makes one
    cdef int32_t bridge_to
    # Bars
    cdef Bar* bars              # by key code and class
    cdef Py_ssize_t n_bars
    cdef int64_t size
    cdef int64_t every
    cdef int64_t stride
    cdef Py_ssize_t n_classes
    cdef int first_column       # whose values are added up, or multiplied by those of the other
    cdef int second_column
    cdef bint is_int
    cdef int64_t limit
    cdef double limit_f
    cdef int rest
    cdef bint complete_only
    cdef int32_t* matrix        # slots of the rows of a block, class by class
    cdef object waiting         # a ReorderBuffer
    # The block that is looked at
    cdef Py_ssize_t n_runs
    cdef Py_ssize_t n_wholes
    cdef Py_ssize_t n_before    # slots that were closed before the first of the whole windows
    cdef bint may_be_whole
    cdef int32_t* closing       # slots in the order of the result
    cdef Py_ssize_t n_closing
    cdef Py_ssize_t cap_closing
    # The results
    cdef int64_t* starts        # of those that wait to be taken
    cdef int64_t* ends
    cdef Py_ssize_t n_edges
    cdef Py_ssize_t cap_edges
    cdef Word* folded
    cdef Word* sum_of

    def __cinit__(self, *args):
        rows_init(&self.rows, &self.plan, self.store.max_slots)
        self.folded = <Word*>malloc(CHUNK * self.plan.narrow * sizeof(Word))
        self.sum_of = <Word*>malloc(self.plan.narrow * sizeof(Word))
        if self.folded == NULL or self.sum_of == NULL:
            raise MemoryError
        self.is_float = self.router.grid.is_float
        self.n_classes = 1
        self.second_column = -1
        self.waiting = ReorderBuffer(self.n_columns)

    def __dealloc__(self):
        rows_free(&self.rows)
        free(self.bars)
        free(self.matrix)
        free(self.closing)
        free(self.starts)
        free(self.ends)
        free(self.folded)
        free(self.sum_of)

    def lay_rule(self, int rule, tuple numbers not None):
        """Say what windows are, before any row comes.

        Parameters
        ----------
        rule : int
            BY_GAP, BY_COUNT or BY_SUM.
        numbers : tuple
            BY_GAP: gap, most (0: sessions may be of any length), gap_f, most_f, in the unit of the
            times. BY_COUNT: size, every, complete_only. BY_SUM: two columns (-1: one only),
            whether their values are integers, limit, limit_f, rest, complete_only.
        """
        cdef int64_t block = BLOCK
        self.rule = rule
        if rule == BY_GAP:
            self.gap, self.most, self.gap_f, self.most_f = numbers
            self.has_most = self.most > 0 or self.most_f > 0.0
        elif rule == BY_COUNT:
            self.size, self.every, self.complete_only = numbers
            self.n_classes = max(1, (self.size + self.every - 1) // self.every)
            self.stride = self.every * self.n_classes
            if self.n_classes > 1:
                block = max(1, min(block, <int64_t>MATRIX // self.n_classes))
                self.matrix = <int32_t*>malloc(self.n_classes * block * sizeof(int32_t))
                if self.matrix == NULL:
                    raise MemoryError
        else:
            (self.first_column, self.second_column, self.is_int, self.limit, self.limit_f,
             self.rest, self.complete_only) = numbers
            for column in (self.first_column, self.second_column):
                if column >= self.n_columns:
                    raise ValueError("the sum is of a column that is not there")

    cdef int make_keys(self, Py_ssize_t n_keys) except -1:
        """Make room for the codes below n_keys."""
        cdef Py_ssize_t n = n_keys * self.n_classes, room, k
        if self.rule == BY_GAP:
            if rows_keys(&self.rows, n_keys) != DONE:
                raise MemoryError
            return 0
        if n > self.n_bars:
            room = max(n, 2 * self.n_bars)
            room = (room + self.n_classes - 1) // self.n_classes * self.n_classes
            if not grow(<void**>&self.bars, room * sizeof(Bar)):
                raise MemoryError
            for k in range(self.n_bars, room):
                memset(&self.bars[k], 0, sizeof(Bar))
                self.bars[k].slot = -1
                self.bars[k].skip = (k % self.n_classes) * self.every
            self.n_bars = room
        return 0

    # ------------------------------------------------------------------------------------ rows in

    def push(self, times not None, time_valid, codes, Py_ssize_t n_keys, list columns not None,
             Py_ssize_t start=0, later=None):
        """Take a batch of rows, as `WindowState.push` does; nothing has to be known of later ones.
        """
        cdef Py_ssize_t n_rows = len(times), n_taken = start
        cdef int i, n_views = 0, status
        cdef const int64_t* time
        cdef const uint8_t* valid
        cdef const int32_t* code
        if len(columns) != self.n_columns:
            raise ValueError("the columns are not those of the plan")
        self.make_keys(n_keys)
        try:
            time = <const int64_t*>self.view(&n_views, times, n_rows * 8)
            valid = <const uint8_t*>self.view(&n_views, time_valid, n_rows)
            code = <const int32_t*>self.view(&n_views, codes, n_rows * 4)
            if (code == NULL) == (self.plan.lanes == 1):
                raise ValueError("a plan with keys takes key codes, and no other does")
            for i in range(self.n_columns):
                self.columns[i].values = self.view(&n_views, columns[i][0], n_rows * 8)
                self.columns[i].valid = <const uint8_t*>self.view(&n_views, columns[i][1], n_rows)
            if self.rule == BY_GAP:
                with nogil:
                    status = self.take_sessions(time, valid, code, n_rows, &n_taken)
                return status, n_taken
            before = self.router.clock.largest
            rows = self.take_in(time, valid, code, n_rows, before)
        finally:
            for i in range(n_views):
                PyBuffer_Release(&self.views[i])
        if type(rows) is int:
            return rows, 0
        return self.take_ordered(rows, times, codes, columns), n_rows

    cdef object take_in(
        self, const int64_t* times, const uint8_t* valid, const int32_t* codes,
        Py_ssize_t n_rows, int64_t before
    ):
        """Put late and rejected rows on the side, move the clock, and bring the others into order.

        None where the rows are in order as they stand, and after all that wait; a status where
        something is in the way.
        """
        cdef int64_t* kept = <int64_t*>malloc((n_rows + 1) * sizeof(int64_t))
        cdef Py_ssize_t n_kept = 0, i
        cdef bint rises = True
        cdef int status
        if kept == NULL:
            raise MemoryError
        try:
            with nogil:
                status = self.screen(times, valid, n_rows, kept, &n_kept, &rises)
                if status == DONE and not rises:
                    status = in_order(times, kept, n_kept)
            if status != DONE:
                return status
            if rises and n_kept == n_rows:
                if n_rows == 0 or not len(self.waiting) or times[0] >= before:
                    return None
                for i in range(n_rows):
                    kept[i] = i
            return self.picked(times, codes, kept, n_kept)
        finally:
            free(kept)

    cdef int screen(
        self, const int64_t* times, const uint8_t* valid, Py_ssize_t n_rows, int64_t* kept,
        Py_ssize_t* n_kept, bint* rises
    ) noexcept nogil:
        """Tell which rows are used, moving the clock row by row."""
        cdef int64_t before = INT64_MIN, mark
        cdef Py_ssize_t i, n = 0
        cdef int status = DONE
        if valid == NULL and not self.is_float and n_rows and never_falls(times, n_rows):
            # The watermark that a row moves is not after the next one.
            if times[0] >= self.router.clock.watermark and not (
                    self.guesses and times[0] < self.router.clock.largest):
                see(&self.router.clock, times[n_rows - 1])
                n_kept[0] = n_rows
                return DONE
        for i in range(n_rows):
            mark = self.router.clock.watermark
            if valid != NULL and valid[i] != 1:
                status = leave(&self.left, i, NULL_TIME if valid[i] == 0 else NAN_TIME, 0, mark)
            elif self.is_float and not isfinite(float_of_order(times[i])):
                status = leave(&self.left, i, NO_PLACE, 0, mark)
            elif times[i] < mark:
                status = leave(&self.left, i, IS_LATE, times[i], mark)
            else:
                if self.guesses and times[i] < self.router.clock.largest:
                    return DISORDER
                rises[0] = rises[0] and times[i] >= before
                before = times[i]
                see(&self.router.clock, times[i])
                kept[n] = i
                n += 1
            if status != DONE:
                return status
        n_kept[0] = n
        return DONE

    cdef tuple picked(
        self, const int64_t* times, const int32_t* codes, const int64_t* kept, Py_ssize_t n
    ):
        """Copy rows out of the columns, as the buffer of those that wait takes them."""
        cdef int c
        columns = [(words_at(self.columns[c].values, kept, n),
                    flags_at(self.columns[c].valid, kept, n)) for c in range(self.n_columns)]
        return (memoryview(words_at(times, kept, n)).cast("q"), codes_at(codes, kept, n), columns)

    cdef int take_ordered(self, object rows, object times, object codes, list columns) except -1:
        """Take rows that have been screened, as far as the watermark has come."""
        cdef int64_t mark = INT64_MAX if self.guesses else self.router.clock.watermark
        cdef Py_ssize_t n
        cdef int status
        if rows is not None:
            self.waiting.push(*rows)
            return self.release(mark, self.guesses)
        status = self.release(mark, self.guesses)
        n = len(times) if self.guesses else places_before(times, mark)
        if status == DONE and n:
            status = self.take_views(times, codes, columns, len(times), n)
        if n < len(times):
            self.waiting.push(
                times[n:], None if codes is None else codes[n:],
                [tuple([None if part is None else part[n:] for part in column])
                 for column in columns])
        return status

    cdef int release(self, int64_t upto, bint is_end) except -1:
        """Take the rows that wait and are before a time, or all."""
        cdef Py_ssize_t n
        if not len(self.waiting) or not (is_end or self.waiting.has_before(upto)):
            return DONE
        times, codes, columns = self.waiting.release(upto, is_end)
        n = memoryview(times).nbytes // 8
        return self.take_views(times, None if self.plan.lanes > 1 else codes, columns, n, n)

    cdef int take_views(
        self, object times, object codes, list columns, Py_ssize_t n_rows, Py_ssize_t n
    ) except -1:
        """Take the first n of the rows of some columns, which are in order of time."""
        cdef int i, n_views = 0, status
        cdef const int64_t* time
        cdef const int32_t* code
        try:
            time = <const int64_t*>self.view(&n_views, times, n_rows * 8)
            code = <const int32_t*>self.view(&n_views, codes, n_rows * 4)
            for i in range(self.n_columns):
                self.columns[i].values = self.view(&n_views, columns[i][0], n_rows * 8)
                self.columns[i].valid = <const uint8_t*>self.view(&n_views, columns[i][1], n_rows)
            with nogil:
                status = self.take_bars(time, code, n, n_rows)
        finally:
            for i in range(n_views):
                PyBuffer_Release(&self.views[i])
        return status

    # ---------------------------------------------------------------------------------- a block

    cdef int begin_block(self, Py_ssize_t n) noexcept nogil:
        """Forget the last block, and see to it that n windows can be closed in the next one."""
        self.n_runs = 0
        self.n_wholes = 0
        self.n_before = 0
        self.n_closing = 0
        return self.closing_room(n)

    cdef int closing_room(self, Py_ssize_t n) noexcept nogil:
        """Make room for n more slots that are closed."""
        cdef Py_ssize_t room = max(self.n_closing + n, 2 * self.cap_closing)
        if self.n_closing + n > self.cap_closing:
            if not grow(<void**>&self.closing, room * sizeof(int32_t)):
                return NO_MEMORY
            self.cap_closing = room
        return DONE

    cdef void add_run(
        self, int32_t slot, Py_ssize_t begin, Py_ssize_t end, bint ordered
    ) noexcept nogil:
        """Note a run of rows; its lane depends on how many rows its record has, so these count."""
        cdef Word* record = self.rows.arena.records + slot * self.rows.arena.wide
        cdef Run* run = &self.runs[self.n_runs]
        run.begin = <int32_t>begin
        run.end = <int32_t>end
        run.slot = slot
        run.lane = <int32_t>(record.i % LANES)
        run.ordered = ordered
        record.i += end - begin
        self.n_runs = self.n_runs + 1

    cdef void add_whole(self, Py_ssize_t begin, Py_ssize_t end) noexcept nogil:
        """Note rows that are a whole window."""
        cdef Run* run = &self.wholes[self.n_wholes]
        if self.n_wholes == 0:
            self.n_before = self.n_closing
        run.begin = <int32_t>begin
        run.end = <int32_t>end
        run.slot = 0
        run.lane = 0
        run.ordered = True
        self.n_wholes = self.n_wholes + 1

    cdef void add_closing(self, int32_t slot) noexcept nogil:
        """Note a slot that gets no more rows; its record may lack some of this block."""
        self.closing[self.n_closing] = slot
        self.n_closing = self.n_closing + 1

    cdef int end_block(
        self, const int64_t* times, bint keyed, Py_ssize_t base, Py_ssize_t n, Py_ssize_t n_rows
    ) noexcept nogil:
        """Reduce the rows of a block, and read what was closed in it."""
        if keyed:
            reduce_rows(&self.plan, self.columns, self.n_columns, times, self.slots, base, n,
                        &self.rows.arena)
        elif self.n_runs:
            reduce_runs(&self.plan, self.columns, self.n_columns, times, self.runs, self.n_runs,
                        base, n_rows, &self.rows.arena)
        return self.read_block(times, base, n_rows)

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
        if self.n_wholes == 0:
            return self.read_slots(self.closing, self.n_closing)
        status = self.read_slots(self.closing, self.n_before)
        if status == DONE:
            status = self.read_whole_windows(times, base, n_rows)
        if status == DONE:
            status = self.read_slots(
                self.closing + self.n_before, self.n_closing - self.n_before)
        return status

    cdef int read_whole_windows(
        self, const int64_t* times, Py_ssize_t base, Py_ssize_t n_rows
    ) noexcept nogil:
        """Read windows straight off their rows."""
        cdef Py_ssize_t i
        cdef int64_t last, end
        if self.edge_room(self.n_wholes) != DONE:
            return NO_MEMORY
        for i in range(self.n_wholes):
            last = times[base + self.wholes[i].end - 1]
            end = last
            if self.rule == BY_GAP:
                self.end_of(last, &end)
            self.windows[i] = self.n_edges
            self.add_edges(times[base + self.wholes[i].begin], end)
        return read_wholes(&self.plan, self.columns, self.n_columns, times, self.wholes,
                           self.windows, self.n_wholes, base, n_rows, &self.scratch, &self.results)

    cdef int edge_room(self, Py_ssize_t n) noexcept nogil:
        """Make room for the edges of n more results."""
        cdef Py_ssize_t room = max(self.n_edges + n, 2 * self.cap_edges)
        if self.n_edges + n > self.cap_edges:
            if not (grow(<void**>&self.starts, room * 8) and grow(<void**>&self.ends, room * 8)):
                return NO_MEMORY
            self.cap_edges = room
        return DONE

    cdef void add_edges(self, int64_t start, int64_t end) noexcept nogil:
        """Note where the next result lies."""
        self.starts[self.n_edges] = start
        self.ends[self.n_edges] = end
        self.n_edges = self.n_edges + 1

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
                memcpy(self.sum_of + acc.narrow, out + acc.narrow, KEPT_WORDS * sizeof(Word))
        memcpy(out, self.sum_of, self.plan.narrow * sizeof(Word))
        kept_fold(&self.plan, out)

    cdef int read_slots(self, const int32_t* slots, Py_ssize_t n) noexcept nogil:
        """Read slots that are closed, and give them back."""
        cdef Py_ssize_t done = 0, size, i
        cdef const Seat* seat
        cdef int status = DONE
        while done < n and status == DONE:
            size = min(<Py_ssize_t>CHUNK, n - done)
            if (results_room(&self.results, size) != DONE or self.edge_room(size) != DONE):
                return NO_MEMORY
            for i in range(size):
                seat = &self.rows.seats[slots[done + i]]
                self.fold_slot(slots[done + i], self.folded + i * self.plan.narrow)
                self.results.windows[self.results.n + i] = self.n_edges
                if self.results.keyed:
                    self.results.codes[self.results.n + i] = seat.code
                self.add_edges(seat.first, seat.end if self.rule == BY_GAP else seat.last)
            status = results_read(&self.results, &self.plan, self.folded, size)
            for i in range(size):
                rows_spare(&self.rows, slots[done + i])
            done += size
        return status

    # --------------------------------------------------------------------------------- sessions

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
        return COMES_LATE if end <= self.router.clock.watermark else OPENS

    cdef int open_session(
        self, int64_t time, int64_t end, int32_t code, int32_t* slot
    ) noexcept nogil:
        """Open the session of a row."""
        cdef int status = rows_open(&self.rows, code, time, slot)
        if status == DONE:
            self.rows.seats[slot[0]].end = end
            treap_put(&self.rows, slot[0])
            status = line_up(&self.rows, slot[0])
            self.may_be_whole = self.may_be_whole and self.n_wholes == 0
        return status

    cdef inline int64_t reached(self) noexcept nogil:
        """Up to where sessions are closed: a one-shot run guesses that rows are in order."""
        if self.guesses and not self.router.clock.moves:
            return self.router.clock.largest
        return self.router.clock.watermark

    cdef int close_due(self) noexcept nogil:
        """Close the sessions that end up to the watermark, but read none."""
        cdef int64_t upto = self.reached()
        cdef int32_t slot
        if not self.rows.n_line or self.rows.line[0].end > upto:
            return DONE
        if self.closing_room(self.rows.n_open) != DONE:
            return NO_MEMORY
        while True:
            slot = line_next(&self.rows, upto)
            if slot < 0:
                return DONE
            self.add_closing(slot)

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
        if next >= n or self.rows.n_open or not self.may_be_whole:
            return False
        self.end_of(times[last], &end)
        return times[next] >= end and self.end_of(times[next], &far)

    cdef int route_sessions(
        self, const int64_t* times, const uint8_t* valid, const int32_t* codes, Py_ssize_t base,
        Py_ssize_t n, Py_ssize_t* taken
    ) noexcept nogil:
        """Find the slots of the rows of a block; stops at a row that makes one session of two."""
        cdef const int64_t* block = times + base
        cdef Seat* seat
        cdef int64_t time, end, mark
        cdef int32_t slot = -1, other = -1, code = 0
        cdef Py_ssize_t i = 0, j
        cdef int status = DONE, place
        while i < n and status == DONE:
            time = block[i]
            mark = self.router.clock.watermark
            slot = -1
            j = i + 1
            taken[0] = i
            if codes != NULL:
                code = codes[base + i]
            if valid != NULL and valid[base + i] != 1:
                status = leave(&self.left, base + i,
                               NULL_TIME if valid[base + i] == 0 else NAN_TIME, 0, mark)
            elif not self.end_of(time, &end):
                status = leave(&self.left, base + i, NO_PLACE, 0, mark)
            elif self.guesses and time < self.router.clock.largest:
                return DISORDER
            else:
                place = self.seat_row(time, end, code, &slot, &other)
                if place == BRIDGES:
                    self.bridge_from = slot
                    self.bridge_to = other
                    return BRIDGES
                if place == COMES_LATE:
                    status = leave(&self.left, base + i, IS_LATE, time, mark)
                else:
                    if place == OPENS:
                        see(&self.router.clock, time)  # what it closes comes before it
                        status = self.close_due()
                        if status != DONE:
                            return status
                        if codes == NULL and valid == NULL:
                            j = self.run_from(block, i, n, time)
                            if self.is_whole(block, j - 1, j, n):
                                self.add_whole(i, j)
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
                        if codes == NULL and valid == NULL and (
                                seat.left < 0 and seat.right < 0
                                and self.rows.roots[0] == slot):
                            j = self.run_from(block, i, n, seat.first)
                        seat.last = block[j - 1]
                        self.end_of(seat.last, &seat.end)
                    else:
                        j = i + 1
                    self.router.used = self.router.used + (j - i)
                    see(&self.router.clock, block[j - 1])
            if codes != NULL:
                self.slots[i] = slot
            elif slot >= 0:
                self.add_run(slot, i, j, True)
            if status == DONE:
                status = self.close_due()
            i = j
        taken[0] = i
        return status

    cdef int take_sessions(
        self, const int64_t* times, const uint8_t* valid, const int32_t* codes,
        Py_ssize_t n_rows, Py_ssize_t* n_taken
    ) noexcept nogil:
        """Take rows as they come, block by block."""
        cdef Py_ssize_t at = n_taken[0], size, taken = 0
        cdef int status = DONE, reduced
        cdef bint at_once = self.guesses or (
            self.router.clock.moves and self.router.clock.lateness == 0
            and self.router.clock.lateness_f == 0.0)
        cdef bint plain = at_once and codes == NULL and (
            all_plain(&self.plan, self.columns, self.n_columns))
        while at < n_rows and status == DONE:
            size = min(<Py_ssize_t>BLOCK, n_rows - at)
            self.make_floats(at, size)
            self.may_be_whole = plain
            status = self.begin_block(size)
            if status != DONE:
                break
            status = self.route_sessions(times, valid, codes, at, size, &taken)
            reduced = self.end_block(times, codes != NULL, at, taken, n_rows)
            if reduced != DONE and status in (DONE, BRIDGES):
                status = reduced
            if status == BRIDGES:
                status = self.bridge()
            at += taken
        n_taken[0] = at
        return status

    cdef int bridge(self) noexcept nogil:
        """Make one session of two; the record of the first begins anew, beside their sum."""
        cdef int32_t low = self.bridge_from, high = self.bridge_to
        cdef Seat* seat = &self.rows.seats[low]
        cdef Seat* other = &self.rows.seats[high]
        cdef Word* base = <Word*>malloc(self.plan.narrow * sizeof(Word))
        cdef const Acc* acc
        if base == NULL:
            return NO_MEMORY
        self.fold_slot(low, base)
        self.fold_slot(high, self.folded)
        merge_record(&self.plan, base, self.folded)
        for a in range(self.plan.n_accs):
            acc = &self.plan.accs[a]
            if acc.kept != NULL:
                memset(base + acc.narrow, 0, KEPT_WORDS * sizeof(Word))
        free(seat.base)
        seat.base = base
        seat.last = other.last
        seat.end = other.end
        self.join_kept(low, high)
        treap_remove(&self.rows, high)
        other.standing = IS_ABSORBED
        free(other.base)
        other.base = NULL
        self.rows.n_open = self.rows.n_open - 1
        return NO_MEMORY if self.plan.keeps and kept_failed(&self.plan) else DONE

    cdef void join_kept(self, int32_t low, int32_t high) noexcept nogil:
        """Empty a record, but let it keep its values and those of another: the fewer move."""
        cdef Word* record = self.rows.arena.records + low * self.rows.arena.wide
        cdef Word* other = self.rows.arena.records + high * self.rows.arena.wide
        cdef Word[KEPT_WORDS] mine
        cdef Word* at
        cdef Word* theirs
        cdef const Acc* acc
        for a in range(self.plan.n_accs):
            acc = &self.plan.accs[a]
            if acc.kept != NULL:
                at = record + acc.wide
                theirs = other + acc.wide
                if theirs[VALUES_N].i > at[VALUES_N].i:
                    memcpy(mine, at, KEPT_WORDS * sizeof(Word))
                    memcpy(at, theirs, KEPT_WORDS * sizeof(Word))
                    memcpy(theirs, mine, KEPT_WORDS * sizeof(Word))
                if theirs[VALUES_N].i:
                    kept_extend(acc, at, <const Word*>theirs[VALUES_AT].p, theirs[VALUES_N].i)
        if self.plan.keeps:
            kept_drop(&self.plan, other)
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

    # ------------------------------------------------------------------------------------- bars

    cdef int take_bars(
        self, const int64_t* times, const int32_t* codes, Py_ssize_t n, Py_ssize_t n_rows
    ) noexcept nogil:
        """Take the first n rows, which are in order of time, block by block."""
        cdef Py_ssize_t at = 0, size, most = BLOCK
        cdef int status = DONE
        cdef bint plain = (codes == NULL and self.n_classes == 1
                           and all_plain(&self.plan, self.columns, self.n_columns))
        if self.n_classes > 1:
            most = max(<Py_ssize_t>1, min(most, <Py_ssize_t>MATRIX // self.n_classes))
        while at < n and status == DONE:
            size = min(most, n - at)
            self.make_floats(at, size)
            self.may_be_whole = plain
            status = self.begin_block(2 * size)
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
                    status = self.end_block(times, codes != NULL, at, size, n_rows)
            at += size
            self.router.used = self.router.used + size
        return status

    cdef inline int open_bar(self, Bar* bar, int32_t code, int64_t time) noexcept nogil:
        """Open the window of a key."""
        return rows_open(&self.rows, code, time, &bar.slot)

    cdef inline void close_bar(self, Bar* bar) noexcept nogil:
        """Close the window of a key."""
        self.rows.seats[bar.slot].standing = IS_CLOSED
        self.rows.n_open = self.rows.n_open - 1
        self.add_closing(bar.slot)
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
            if bar.slot < 0 and self.may_be_whole and self.size <= n - i:
                self.add_whole(i, i + self.size)
                i += self.size
                bar.skip = self.stride - self.size
                continue
            if bar.slot < 0:
                status = self.open_bar(bar, 0, times[base + i])
                if status != DONE:
                    return status
                self.may_be_whole = self.may_be_whole and self.n_wholes == 0
            seat = &self.rows.seats[bar.slot]
            size = min(<Py_ssize_t>(self.size - seat.rows), n - i)
            self.add_run(bar.slot, i, i + size, True)
            seat.rows += size
            i += size
            seat.last = times[base + i - 1]
            if seat.rows == self.size:
                self.close_bar(bar)
                bar.skip = self.stride - self.size
        return DONE

    cdef inline int count_row(
        self, Bar* bar, int32_t code, int64_t time, int32_t* slot
    ) noexcept nogil:
        """Count one row; its slot is -1 where it is between windows."""
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
        seat.last = time
        if seat.rows == self.size:
            self.close_bar(bar)
            bar.skip = self.stride - self.size
        return DONE

    cdef int route_key_counts(
        self, const int64_t* times, const int32_t* codes, Py_ssize_t base, Py_ssize_t n
    ) noexcept nogil:
        """Windows of so many rows of a key."""
        cdef Py_ssize_t i
        cdef int status
        for i in range(n):
            status = self.count_row(&self.bars[codes[base + i]], codes[base + i], times[base + i],
                                    &self.slots[i])
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
        cdef int status = self.closing_room(n * min(self.n_classes, n + 1))
        for i in range(n):
            if status != DONE:
                return status
            if codes != NULL:
                code = codes[base + i]
            for c in range(self.n_classes):
                status = self.count_row(&self.bars[code * self.n_classes + c], code,
                                        times[base + i], &self.matrix[c * n + i])
                if status != DONE:
                    return status
        for c in range(self.n_classes):
            if codes != NULL:
                reduce_rows(&self.plan, self.columns, self.n_columns, times, self.matrix + c * n,
                            base, n, &self.rows.arena)
            else:
                self.find_runs(self.matrix + c * n, n)
                if self.n_runs:
                    reduce_runs(&self.plan, self.columns, self.n_columns, times, self.runs,
                                self.n_runs, base, n_rows, &self.rows.arena)
        return DONE

    cdef void find_runs(self, const int32_t* slots, Py_ssize_t n) noexcept nogil:
        """Find the runs of rows of one slot."""
        cdef Py_ssize_t i = 0, j
        self.n_runs = 0
        while i < n:
            j = i + 1
            while j < n and slots[j] == slots[i]:
                j += 1
            if slots[i] >= 0:
                self.add_run(slots[i], i, j, True)
            i = j

    cdef inline bint add_amount(self, Bar* bar, Py_ssize_t row) noexcept nogil:
        """Add what a row brings to the running sum; whether that has reached the limit."""
        cdef const Column* column = &self.columns[self.first_column]
        cdef const Column* other
        cdef Exact total
        cdef wide_t sum_so_far
        if not has_value(column, row):
            return False
        if self.is_int:
            sum_so_far = wide_of(bar.total[0].u, bar.total[1].i)
            if column.numeric == UNSIGNED:
                sum_so_far = sum_so_far + (<const uint64_t*>column.values)[row]
            else:
                sum_so_far = sum_so_far + (<const int64_t*>column.values)[row]
            bar.total[0].u = wide_lo(sum_so_far)
            bar.total[1].i = wide_hi(sum_so_far)
            return sum_so_far >= self.limit
        if self.second_column >= 0:
            other = &self.columns[self.second_column]
            if not has_value(other, row):
                return False
            exact_push_product(&bar.total[0].f, &bar.total[1].f, as_float(column, row),
                               as_float(other, row))
        else:
            exact_push(&bar.total[0].f, &bar.total[1].f, (<const double*>column.values)[row])
        total = exact(bar.total[0].f, bar.total[1].f)
        return total.hi > self.limit_f or (total.hi == self.limit_f and total.lo >= 0.0)

    cdef int64_t take_limit(self, Bar* bar) noexcept nogil:
        """Take the limit off a sum that has reached it, as often as it goes, which is returned."""
        cdef wide_t whole, times
        cdef Exact total, limit, back
        cdef double n
        if self.rest == IS_DROPPED:
            bar.total[0].i = bar.total[1].i = 0
            return 1
        if self.is_int:
            whole = wide_of(bar.total[0].u, bar.total[1].i)
            times = whole / self.limit
            whole = whole - times * self.limit
            bar.total[0].u = wide_lo(whole)
            bar.total[1].i = wide_hi(whole)
            return MOST_ROWS if times > MOST_ROWS else <int64_t>times
        total = exact(bar.total[0].f, bar.total[1].f)
        limit.hi = self.limit_f
        limit.lo = 0.0
        n = floor(total.hi / self.limit_f)
        back.hi = n
        back.lo = 0.0
        total = exact_add(total, exact_neg(exact_mul(back, limit)))
        if total.hi < 0.0:  # the quotient was rounded up
            total = exact_add(total, limit)
            n -= 1.0
        elif total.hi > limit.hi or (total.hi == limit.hi and total.lo >= 0.0):
            total = exact_add(total, exact_neg(limit))
            n += 1.0
        bar.total[0].f = total.hi
        bar.total[1].f = total.lo
        return <int64_t>min(max(n, 1.0), <double>MOST_ROWS)

    cdef int add_alone(
        self, const int64_t* times, int32_t code, Py_ssize_t row, int64_t n
    ) noexcept nogil:
        """Close n more bars that a row makes alone."""
        cdef int32_t slot
        cdef int64_t _k
        cdef const Acc* acc
        cdef int status = self.closing_room(n + BLOCK)
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
                self.rows.n_open = self.rows.n_open - 1
                self.add_closing(slot)
        return status

    cdef int route_sums(
        self, const int64_t* times, const int32_t* codes, Py_ssize_t base, Py_ssize_t n
    ) noexcept nogil:
        """Bars that close when a sum reaches the limit."""
        cdef Bar* bar = &self.bars[0]
        cdef int32_t code = 0
        cdef Py_ssize_t i = 0, begin = 0
        cdef bint keyed = codes != NULL, closes, fresh
        cdef int64_t n_limits
        cdef int status = DONE
        fresh = not keyed and bar.slot < 0  # the rows since `begin` have no slot yet
        while i < n:
            if keyed:
                code = codes[base + i]
                bar = &self.bars[code]
                if bar.slot < 0:
                    status = self.open_bar(bar, code, times[base + i])
                    if status != DONE:
                        return status
                self.slots[i] = bar.slot
                bar.seen += 1
                self.rows.seats[bar.slot].last = times[base + i]
                if not self.add_amount(bar, base + i):
                    i += 1
                    continue
                self.close_bar(bar)
            else:
                closes = False
                while i < n and not closes:
                    closes = self.add_amount(bar, base + i)
                    i += 1
                status = self.end_slice(bar, times, base, begin, i, fresh, closes)
                if status != DONE or not closes:
                    break
                begin = i
                fresh = True
                i -= 1
            n_limits = self.take_limit(bar)
            if self.rest == IS_SPLIT and n_limits > 1:
                self.may_be_whole = self.may_be_whole and self.n_wholes == 0
                status = self.add_alone(times, code, base + i, n_limits - 1)
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
        if fresh and closes and self.may_be_whole:
            self.add_whole(begin, end)
            return DONE
        if bar.slot < 0:
            status = self.open_bar(bar, 0, times[base + begin])
            if status != DONE:
                return status
            self.may_be_whole = self.may_be_whole and self.n_wholes == 0
        self.add_run(bar.slot, begin, end, True)
        self.rows.seats[bar.slot].last = times[base + end - 1]
        if closes:
            self.close_bar(bar)
        return DONE

    cdef int end_bars(self) noexcept nogil:
        """Close what is unfinished at the end of input; read it unless only whole bars are wanted.
        """
        cdef Ending* endings = <Ending*>malloc((self.rows.n_open + 1) * sizeof(Ending))
        cdef const Seat* seat
        cdef Py_ssize_t k, n = 0
        cdef int status
        if endings == NULL:
            return NO_MEMORY
        status = self.begin_block(self.rows.n_open)
        if status != DONE:
            free(endings)
            return status
        for k in range(self.n_bars):
            if self.bars[k].slot >= 0:
                seat = &self.rows.seats[self.bars[k].slot]
                endings[n].last = seat.last
                endings[n].first = seat.first
                endings[n].code = seat.code
                endings[n].slot = self.bars[k].slot
                self.bars[k].slot = -1
                n += 1
        self.rows.n_open = 0
        qsort(endings, n, sizeof(Ending), by_ending)
        for k in range(n):
            if self.complete_only:
                rows_spare(&self.rows, endings[k].slot)
            else:
                self.add_closing(endings[k].slot)
        free(endings)
        return self.read_slots(self.closing, self.n_closing)

    # ---------------------------------------------------------------------------------- results out

    def close(self, int64_t watermark):
        """Close what ends up to a time, and take the rows before it; the largest time is the end.
        """
        cdef bint is_end = watermark == INT64_MAX
        cdef int status = DONE
        if watermark > self.router.clock.watermark:
            self.router.clock.watermark = watermark
        if self.rule == BY_GAP:
            with nogil:
                status = self.begin_block(0)
                if status == DONE:
                    status = self.close_up_to(watermark)
            return status
        status = self.release(self.router.clock.watermark, is_end)
        if status == DONE and is_end:
            with nogil:
                status = self.end_bars()
        return status

    cdef int close_up_to(self, int64_t watermark) noexcept nogil:
        """Close and read sessions, a few at a time."""
        cdef int32_t slot
        cdef int status = self.closing_room(CHUNK)
        while status == DONE:
            self.n_closing = 0
            while self.n_closing < CHUNK:
                slot = line_next(&self.rows, watermark)
                if slot < 0:
                    return self.read_slots(self.closing, self.n_closing)
                self.add_closing(slot)
            status = self.read_slots(self.closing, self.n_closing)
        return status

    cdef void write_edges(self, Word* starts, Word* ends) noexcept:
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

    def overflow(self):
        """Tell which output did not fit, as `WindowState.overflow` does."""
        cdef int64_t at = self.results.bad_window
        return (self.results.bad_output, self.outside(self.starts[at]),
                self.outside(self.ends[at]), self.results.bad_code)

    cdef tuple describe(self, const Left* row):
        """A row left out; the window of a late one is the session that it would have made."""
        cdef int64_t end = row.pane
        if self.rule == BY_GAP and row.reason == IS_LATE:
            self.end_of(row.pane, &end)
        return (row.row, row.reason, self.outside(row.pane), self.outside(end),
                self.outside(row.watermark))

    def rehearse(self, times not None, time_valid):
        """Find the first row that might be late, without taking any.

        Of sessions, a row that is found may still join one that is open: that has to be tried.
        """
        cdef const int64_t[::1] time = times
        cdef const uint8_t[::1] valid = time_valid
        cdef int64_t end
        cdef Py_ssize_t row
        cdef Left left
        clock = self.router.clock
        for row in range(time.shape[0]):
            if valid is not None and valid[row] != 1:
                continue
            if self.rule == BY_GAP:
                if not self.end_of(time[row], &end):
                    continue
                if end > self.router.clock.watermark:
                    see(&self.router.clock, time[row])
                    continue
            elif time[row] >= self.router.clock.watermark:
                if not self.is_float or isfinite(float_of_order(time[row])):
                    see(&self.router.clock, time[row])
                continue
            left.row = row
            left.reason = IS_LATE
            left.pane = time[row]
            left.watermark = self.router.clock.watermark
            self.router.clock = clock
            return self.describe(&left)
        self.router.clock = clock
        return None

    @property
    def n_open(self):
        """How many sessions or bars are open."""
        return self.rows.n_open

    @property
    def n_waiting(self):
        """How many rows wait for the watermark."""
        return len(self.waiting)

    # ------------------------------------------------------------------------------- state in, out

    cdef int32_t* slots_in_order(self, Py_ssize_t* n) except NULL:
        """All open windows: sessions by key and time, bars as they stand; to be freed."""
        cdef int32_t* slots = <int32_t*>malloc((self.rows.n_open + 1) * sizeof(int32_t))
        cdef int32_t before, after, slot
        cdef Py_ssize_t k
        n[0] = 0
        if slots == NULL:
            raise MemoryError
        if self.rule != BY_GAP:
            for k in range(self.n_bars):
                if self.bars[k].slot >= 0:
                    slots[n[0]] = self.bars[k].slot
                    n[0] += 1
            return slots
        for k in range(self.rows.n_roots):
            if self.rows.roots[k] < 0:
                continue
            treap_near(&self.rows, <int32_t>k, INT64_MIN, &before, &after)
            slot = before if before >= 0 else after
            while slot >= 0:
                slots[n[0]] = slot
                n[0] += 1
                treap_near(&self.rows, <int32_t>k, self.rows.seats[slot].first, &before, &after)
                slot = after
        return slots

    def dump(self):
        """Write the state down, as `WindowState.dump` does.

        Returns
        -------
        tuple (clock, numbers, codes, records, kept)
            numbers: how many records, states of keys and waiting rows there are, then what is known
            of each record and of each key; codes of the records, keys and waiting rows; records,
            then the sums of what was merged; the values that records keep, then the waiting rows,
            column by column, and their flags.
        """
        cdef Py_ssize_t n = 0, i, k, n_states = 0, n_kept = 0, n_bases = 0, n_waiting
        cdef Py_ssize_t wide = self.plan.wide, cold = self.plan.cold, width = wide + cold
        cdef Py_ssize_t narrow = self.plan.narrow, at
        cdef const Seat* seat
        cdef const Bar* bar
        cdef int64_t* numbers
        cdef int32_t* codes
        cdef Word* records
        cdef Word* kept
        cdef int32_t* slots = self.slots_in_order(&n)
        for k in range(self.n_bars):
            n_states += self.bars[k].seen > 0
        for i in range(n):
            n_bases += self.rows.seats[slots[i]].base != NULL
        numbers = <int64_t*>malloc(
            (HEAD + n * RECORD_WORDS + n_states * STATE_WORDS) * sizeof(int64_t))
        codes = <int32_t*>malloc((n + n_states + 1) * sizeof(int32_t))
        records = <Word*>malloc((n * width + n_bases * narrow + 1) * sizeof(Word))
        kept = <Word*>malloc((kept_values(&self.plan) + 1) * sizeof(Word))
        if numbers == NULL or codes == NULL or records == NULL or kept == NULL:
            free(slots)
            free(numbers)
            free(codes)
            free(records)
            free(kept)
            raise MemoryError
        numbers[0] = n
        numbers[1] = n_states
        numbers[2] = n_waiting = len(self.waiting)
        at = HEAD
        n_bases = 0
        for i in range(n):
            seat = &self.rows.seats[slots[i]]
            numbers[at] = seat.first
            numbers[at + 1] = seat.last
            numbers[at + 2] = seat.rows
            numbers[at + 3] = 0
            numbers[at + 4] = seat.base != NULL
            at += RECORD_WORDS
            codes[i] = seat.code
            memcpy(records + i * width, self.rows.arena.records + slots[i] * wide,
                   wide * sizeof(Word))
            memcpy(records + i * width + wide, self.rows.arena.colds + slots[i] * cold,
                   cold * sizeof(Word))
            n_kept += kept_out(&self.plan, records + i * width, kept + n_kept)
            if seat.base != NULL:
                memcpy(records + n * width + n_bases * narrow, seat.base, narrow * sizeof(Word))
                n_bases += 1
        i = 0
        for k in range(self.n_bars):
            bar = &self.bars[k]
            if bar.slot >= 0:  # bars come in the order of these
                numbers[HEAD + i * RECORD_WORDS + 3] = k % self.n_classes
                i += 1
        i = n
        for k in range(self.n_bars):
            bar = &self.bars[k]
            if bar.seen:
                numbers[at] = k % self.n_classes
                numbers[at + 1] = bar.skip
                numbers[at + 2] = bar.seen
                numbers[at + 3] = bar.total[0].i
                numbers[at + 4] = bar.total[1].i
                at += STATE_WORDS
                codes[i] = <int32_t>(k // self.n_classes)
                i += 1
        free(slots)
        clock = (self.router.clock.largest, self.router.clock.watermark, 0, self.router.used)
        out = (clock, buffer_of(numbers, at * 8), buffer_of(codes, i * 4),
               buffer_of(records, (n * width + n_bases * narrow) * sizeof(Word)),
               buffer_of(kept, n_kept * sizeof(Word)))
        return out if n_waiting == 0 else self.with_waiting(out, n_waiting)

    cdef tuple with_waiting(self, tuple state, Py_ssize_t n):
        """Put the rows that wait behind the rest of a dump."""
        times, codes, columns = self.waiting.peek()
        parts = [bytes(state[4]), bytes(times)]
        for values, flags in columns:
            parts.append(bytes(values))
            parts.append(b"\1" * n if flags is None else bytes(flags))
            parts.append(bytes((8 - n % 8) % 8))
        return (state[0], state[1], bytes(state[2]) + bytes(codes), state[3], b"".join(parts))

    def load(self, tuple clock not None, const int64_t[::1] numbers not None,
             const int32_t[::1] codes not None, const int64_t[::1] records not None,
             const int64_t[::1] kept not None, Py_ssize_t n_keys):
        """Add what was written down to the state, all of it or nothing.

        Parameters
        ----------
        clock, numbers, codes, records, kept
            As from `dump`.
        n_keys : int
            Codes must be below it.

        Returns
        -------
        int
            -1, or the first record that cannot be: its key is unknown, or has windows here
            already, or what it says of itself does not fit together.
        """
        cdef Py_ssize_t n, n_states, n_waiting, n_bases = 0, n_kept = 0, i
        cdef uint8_t* here
        self.make_keys(n_keys)
        if numbers.shape[0] < HEAD:
            return 0
        n, n_states, n_waiting = numbers[0], numbers[1], numbers[2]
        for i in (n, n_states, n_waiting):
            if not 0 <= i < <int64_t>1 << 40:
                return 0
        if (numbers.shape[0] != HEAD + n * RECORD_WORDS + n_states * STATE_WORDS
                or codes.shape[0] != n + n_states + n_waiting):
            return 0
        for i in range(codes.shape[0]):
            if not 0 <= codes[i] < (n_keys if self.plan.lanes == 1 else 1):
                return min(i, n)
        here = <uint8_t*>calloc(max(n_keys, 1), 1)
        if here == NULL:
            raise MemoryError
        try:
            self.mark_mine(here, n_keys)
            for i in range(codes.shape[0]):
                if here[codes[i]]:
                    return min(i, n)
            i = self.check_records(numbers, codes, records, kept, here, n, &n_bases, &n_kept)
            if i >= 0:
                return i
            if not self.check_states(numbers, codes, n, n_states, here):
                return n
        finally:
            free(here)
        waiting = self.waiting_in(kept, codes, n_kept, n + n_states, n_waiting)
        if waiting is None:
            return n
        self.take_records(numbers, codes, records, kept, n)
        self.take_states(numbers, codes, n, n_states)
        if n_waiting:
            self.waiting.push(*waiting)
        self.router.clock.largest = max(self.router.clock.largest, <int64_t>clock[0])
        self.router.clock.watermark = max(self.router.clock.watermark, <int64_t>clock[1])
        self.router.used += <int64_t>clock[3]
        return -1

    cdef int mark_mine(self, uint8_t* here, Py_ssize_t n_keys) except -1:
        """Mark the keys that have rows in this state."""
        cdef Py_ssize_t k
        cdef const int32_t[::1] codes
        if self.rule == BY_GAP:
            for k in range(min(n_keys, self.rows.n_roots)):
                here[k] = self.rows.roots[k] >= 0
            return 0
        for k in range(min(n_keys * self.n_classes, self.n_bars)):
            here[k // self.n_classes] |= self.bars[k].seen > 0
        if len(self.waiting):
            codes = memoryview(self.waiting.peek()[1]).cast("i")
            for k in range(codes.shape[0]):
                here[codes[k] if self.plan.lanes == 1 else 0] = 1
        return 0

    cdef Py_ssize_t check_records(
        self, const int64_t[::1] numbers, const int32_t[::1] codes, const int64_t[::1] records,
        const int64_t[::1] kept, uint8_t* here, Py_ssize_t n, Py_ssize_t* n_bases,
        Py_ssize_t* n_kept
    ) except -2:
        """Find the first record that does not fit, or -1; count what is merged and kept."""
        cdef Py_ssize_t width = self.plan.wide + self.plan.cold, narrow = self.plan.narrow
        cdef Py_ssize_t i, at, n_mine, b = 0, k = 0
        cdef int64_t end, before, n_rows
        cdef Word* record
        for i in range(n):
            at = HEAD + i * RECORD_WORDS
            if numbers[at + 4] not in (0, 1):
                return i
            b += numbers[at + 4]
        if records.shape[0] != n * width + b * narrow or (self.rule != BY_GAP and b):
            return 0
        b = 0
        record = <Word*>malloc((width + 1) * sizeof(Word))
        if record == NULL:
            raise MemoryError
        try:
            for i in range(n):
                at = HEAD + i * RECORD_WORDS
                if numbers[at] > numbers[at + 1] or not 1 <= records[i * width] <= MOST_ROWS:
                    return i
                if self.rule == BY_GAP:
                    if not self.end_of(numbers[at + 1], &end):
                        return i
                    if i and codes[i] == codes[i - 1]:
                        before = numbers[at - RECORD_WORDS + 1]
                        if numbers[at] <= before:
                            return i
                    elif here[codes[i]]:
                        return i
                    here[codes[i]] = 1
                elif not 0 <= numbers[at + 3] < self.n_classes:
                    return i
                memcpy(record, &records[i * width], width * sizeof(Word))
                if numbers[at + 4]:
                    n_rows = records[n * width + b * narrow]
                    if not 1 <= n_rows <= MOST_ROWS:
                        return i
                    self.count_in(record, <const Word*>&records[n * width + b * narrow])
                    b += 1
                n_mine = kept_in(&self.plan, record)
                if n_mine < 0 or n_mine > kept.shape[0] - k:
                    return i
                k += n_mine
        finally:
            free(record)
        n_bases[0] = b
        n_kept[0] = k
        return -1

    cdef void count_in(self, Word* record, const Word* base) noexcept:
        """Add the rows and nulls of what was merged to those of a record."""
        cdef const Acc* acc
        cdef int a, other
        cdef bint again
        for a in range(self.plan.n_accs):
            acc = &self.plan.accs[a]
            if acc.kept == NULL:
                continue
            again = False
            for other in range(a):
                again = again or (self.plan.accs[other].kept != NULL
                                  and self.plan.accs[other].nulls == acc.nulls)
            if not again:
                record[self.plan.wide + self.plan.accs[acc.nulls].rare].u += (
                    base[self.plan.accs[acc.nulls].narrow].u)
        record[0].u += base[0].u

    cdef bint check_states(
        self, const int64_t[::1] numbers, const int32_t[::1] codes, Py_ssize_t n,
        Py_ssize_t n_states, uint8_t* here
    ) except -1:
        """Whether the states of keys can be, and every bar is of one of them."""
        cdef Py_ssize_t i, k, at
        cdef Py_ssize_t n_bars = self.n_bars
        cdef int64_t* known
        cdef bint fits = True
        if self.rule == BY_GAP:
            return n_states == 0
        known = <int64_t*>calloc(n_bars + 1, sizeof(int64_t))
        if known == NULL:
            raise MemoryError
        at = HEAD + n * RECORD_WORDS
        for i in range(n_states):
            if not 0 <= numbers[at] < self.n_classes:
                fits = False
                break
            k = codes[n + i] * self.n_classes + numbers[at]
            fits = fits and not known[k] and 1 <= numbers[at + 2] <= MOST_ROWS and (
                0 <= numbers[at + 1] <= MOST_ROWS)
            known[k] = 1
            at += STATE_WORDS
        for i in range(n):
            if not fits:
                break
            at = HEAD + i * RECORD_WORDS
            k = codes[i] * self.n_classes + numbers[at + 3]
            fits = known[k] == 1 and numbers[at + 2] >= 0 and (
                self.rule != BY_COUNT or 1 <= numbers[at + 2] < self.size)
            known[k] = 2
        free(known)
        return fits

    cdef object waiting_in(
        self, const int64_t[::1] kept, const int32_t[::1] codes, Py_ssize_t first,
        Py_ssize_t first_code, Py_ssize_t n
    ):
        """The rows that wait, as the buffer takes them; None where they are not whole."""
        cdef Py_ssize_t n_flags = (n + 7) // 8, at = first, i
        if kept.shape[0] - first != (
                n + self.n_columns * (n + n_flags) if n else 0) or (n and self.rule == BY_GAP):
            return None
        if n == 0:
            return ()
        words = memoryview(kept)
        times = kept[at:at + n]
        for i in range(1, n):
            if times[i] < times[i - 1]:
                return None
        at += n
        columns = []
        for _ in range(self.n_columns):
            columns.append((words[at:at + n], words[at + n:at + n + n_flags].cast("B")[:n]))
            at += n + n_flags
        return times, memoryview(codes)[first_code:], columns

    cdef int take_records(
        self, const int64_t[::1] numbers, const int32_t[::1] codes, const int64_t[::1] records,
        const int64_t[::1] kept, Py_ssize_t n
    ) except -1:
        """Take records that have been checked."""
        cdef Py_ssize_t wide = self.plan.wide, cold = self.plan.cold, width = wide + cold
        cdef Py_ssize_t narrow = self.plan.narrow, i, at, b = 0, k = 0
        cdef int32_t slot
        cdef Seat* seat
        cdef Word* record
        for i in range(n):
            at = HEAD + i * RECORD_WORDS
            if rows_open(&self.rows, codes[i], numbers[at], &slot) != DONE:
                raise MemoryError
            seat = &self.rows.seats[slot]
            record = self.rows.arena.records + slot * wide
            seat.last = numbers[at + 1]
            seat.rows = numbers[at + 2]
            memcpy(record, &records[i * width], wide * sizeof(Word))
            if cold:
                memcpy(self.rows.arena.colds + slot * cold, &records[i * width + wide],
                       cold * sizeof(Word))
            if self.plan.keeps:
                k += self.take_kept(record, kept, k)
            if numbers[at + 4]:
                seat.base = <Word*>malloc(narrow * sizeof(Word))
                if seat.base == NULL:
                    raise MemoryError
                memcpy(seat.base, &records[n * width + b * narrow], narrow * sizeof(Word))
                self.clear_kept(seat.base)
                b += 1
            if self.rule == BY_GAP:
                self.end_of(seat.last, &seat.end)
                treap_put(&self.rows, slot)
                if line_up(&self.rows, slot) != DONE:
                    raise MemoryError
            else:
                self.bars[codes[i] * self.n_classes + numbers[at + 3]].slot = slot
        if self.plan.keeps and kept_failed(&self.plan):
            raise MemoryError
        return 0

    cdef Py_ssize_t take_kept(self, Word* record, const int64_t[::1] kept, Py_ssize_t at) noexcept:
        """Give a record the values that it keeps, and count them."""
        cdef Py_ssize_t n = 0
        for a in range(self.plan.n_accs):
            if self.plan.accs[a].kept != NULL:
                n += (record + self.plan.accs[a].wide)[VALUES_N].i
        kept_load(&self.plan, record, <const Word*>&kept[at] if n else NULL)
        return n

    cdef void clear_kept(self, Word* base) noexcept:
        """See to it that a sum that was read points nowhere."""
        for a in range(self.plan.n_accs):
            if self.plan.accs[a].kept != NULL:
                memset(base + self.plan.accs[a].narrow, 0, KEPT_WORDS * sizeof(Word))

    cdef void take_states(
        self, const int64_t[::1] numbers, const int32_t[::1] codes, Py_ssize_t n,
        Py_ssize_t n_states
    ) noexcept:
        """Take the states of keys."""
        cdef Py_ssize_t at = HEAD + n * RECORD_WORDS, i
        cdef Bar* bar
        for i in range(n_states):
            bar = &self.bars[codes[n + i] * self.n_classes + numbers[at]]
            bar.skip = numbers[at + 1]
            bar.seen = numbers[at + 2]
            bar.total[0].i = numbers[at + 3]
            bar.total[1].i = numbers[at + 4]
            at += STATE_WORDS

    def clear(self):
        """Forget everything that is open, and what waits."""
        rows_free(&self.rows)
        rows_init(&self.rows, &self.plan, self.store.max_slots)
        free(self.bars)
        self.bars = NULL
        self.n_bars = 0
        self.waiting = ReorderBuffer(self.n_columns)
