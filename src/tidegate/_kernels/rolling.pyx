"""Look-back windows: rows in time order in, one result a row out."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.math cimport ldexp, sqrt
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memchr, memcpy, memmove, memset

from tidegate._kernels.buffer cimport buffer_of
from tidegate._kernels.gate cimport is_far
from tidegate._kernels.lanes cimport prefetch_here, wide_hi, wide_lo, wide_of, wide_t
from tidegate._kernels.pool cimport Block, block_free, block_grow, block_take
from tidegate._kernels.records cimport (
    DISORDER, DONE, FLOAT, NO_MEMORY, NULLS, OF_COUNT, OF_FROM, OF_HALF, OF_LIST, OF_MEAN,
    OF_RANGE, OF_ROWS, OF_SEM, OF_STD, OF_SUM, OF_UPTO, OF_VAR, OVERFLOWED, PAIRS, POWERS, ROWS,
    SIGNED, SQUARES, SQUARES_INT, SUM, TOO_MANY_KEPT, UNSIGNED, Acc, Output, Word,
)
from tidegate._kernels.rolling_rows cimport (
    LookRows, RowWords, WordList, list_grow, rows_find, rows_free, rows_write, rows_write_even,
)
from tidegate._kernels.rolling_state cimport (
    ANCHOR, PAD, TILE, AccState, Even, Fixed, KeyState, Look, Odd, Scratch, Series, Sum, Tile, Var,
    View, is_anchor,
)
from tidegate._kernels.rolling_tile cimport (
    compute_tile, find_bounds, key_anchor, key_free, key_init, key_take_up, key_use_blocks,
    scratch_free, scratch_init,
)

cdef extern from *:
    """
    #include "lanes.h"
    #undef CYTHON_INLINE
    #define CYTHON_INLINE TG_ALWAYS_INLINE /* else calls of what only asks for memory go away */
    """

cdef extern from "rolling_two.h" nogil:
    bint even_is_ready "tg_even_is_ready"(const Even*, int64_t)
    bint even_windows "tg_even_windows"(
        Even*, const double*, int64_t, int64_t, int64_t, double*, double*)

cdef extern from "rolling_var.h" nogil:
    int64_t var_steady "tg_var_steady"(
        Var*, const Series*, int64_t, int64_t, int64_t, int64_t, double*)
    double fixed_scale "tg_fixed_scale"(const Fixed*)
    bint fixed_can_be "tg_fixed_can_be"(const Fixed*)

cdef extern from "rolling_extreme.h" nogil:
    bint has_value "tg_has"(const Series*, int64_t)
    void means "tg_means"(const double*, const double*, const double*, int64_t, double*)
    void means_of "tg_means_of"(const double*, const double*, double, int64_t, double*)
    double fewest_of "tg_fewest"(const double*, int64_t)
    bint never_falls "tg_times_rise"(const int64_t*, int64_t)
    void spread "tg_spread"(
        const double*, const double*, bint, double, double, bint, int64_t, double*)

ANCHOR_ROWS = ANCHOR   # the numbers of rows that `may_begin` is true of are multiples of it

cdef enum:
    KEPT_SCRATCH = 4 << 20  # bytes of a block that is kept from one batch to the next
    FEW = 16           # rows that a key first has room for
    MARGIN = 64        # results that may be written beyond the last
    NEAR = 1024        # keys whose rows and sums stay in the cache
    SOON = 4           # keys ahead of the one that is answered, whose memory is asked for
    LINE = 64          # bytes
    STEP = 8 * TILE    # rows of a batch that are kept at least, where windows reach behind it
    VAR_WORDS = 23     # of a Var that a dump has: all but what can be found out again
    MOMENT_WORDS = 2   # of Moments: where it is cut in two, and the anchor

cdef struct Rows:
    # The rows of a key that are kept: those of its last window, and some that have left it.
    int64_t* times
    Word** values      # of each column; NULL where only its nulls count
    uint8_t** valid
    uint8_t* has_null  # of each column: whether `valid` says anything
    int64_t n
    int64_t room


cdef struct Kept:
    KeyState state
    Rows rows


cdef struct Target:
    # Where results go
    Word* values
    uint8_t* valid     # NULL: all valid so far
    Block memory       # that `values` are in
    Block flags        # and `valid`
    Word* tail         # of a share that writes among others: its last results go here first
    WordList lists     # of OF_LIST: the length of a list, its values, and so on
    int64_t row        # of OF_LIST in place: the values before this row of the view
    int64_t place      # end here in `lists`


cdef struct Share:
    # What is asked of one of several states that all see the same rows
    bint has_keys      # those of the codes in [low, high) alone
    int64_t low
    int64_t high
    int64_t n          # how many rows they have
    int64_t first      # without keys: rows before this one are only looked back on,
    int64_t right      # the window of the last of them ends here,
    int64_t base       # and the first of them has this number;
    bint is_among      # results go to places among those of all rows,
    int64_t place      # of which this is that of the first row


cdef inline void split_wide(wide_t x, double* top, double* rest) noexcept nogil:
    """An integer as the sum of two float64s; the first is the nearest to it."""
    cdef int64_t near = <int64_t>x
    top[0] = <double>near
    rest[0] = 0.0
    if near != x or near >> 53 != near >> 63:
        top[0] = <double>x
        rest[0] = <double>(x - <wide_t>top[0])


cdef inline void ask_whole(const void* at, Py_ssize_t size) noexcept nogil:
    """Ask for all of a few lines of memory, if it is there."""
    cdef Py_ssize_t k = 0
    while at != NULL and k < size:
        prefetch_here(<const char*>at + k)
        k += LINE


cdef bint room_in(Block* block, Py_ssize_t size) noexcept nogil:
    """Have room for so much; what was there may be gone. False without memory."""
    return size <= block.size or block_grow(block, 0, size)


cdef void drop(Block* block, Py_ssize_t size):
    """Give a block back that is larger than a size."""
    if block.size > size:
        block_free(block)


cdef class RollingState:
    """What is kept of the keys of look-back windows, and the results of the rows that come.

    Parameters
    ----------
    accs : list of (kind, column, weight, nulls, sum, numeric)
        The accumulators, as `WindowState` takes them.
    outputs : list of (op, acc, numeric, ddof, other, how, by)
        What to read from them. OF_LIST with `how` gives the values of all rows once, and of each
        result the place where those of its window begin among them. OF_FROM and OF_UPTO give the
        rows of windows; see `RowWords`.
    columns : list of (numeric, skip_nan)
        The input columns.
    keyed : bool
        Rows come with key codes.
    look : tuple (rows, size, size_f, is_float, has_left, has_right, has_peers)
        The look-back: `rows` of it, or, where that is 0, a length of time.
    min_samples : int
        How many values a result needs, but for counts.
    max_kept : int
        How many values lists may hold at a time.
    """

    cdef Acc* accs
    cdef int n_accs
    cdef Output* outputs
    cdef int n_outputs
    cdef Series* columns     # of a batch
    cdef Series* own         # of the view that is computed
    cdef int n_columns
    cdef bint keyed
    cdef Look look
    cdef int64_t min_samples
    cdef int64_t max_kept
    cdef Scratch scratch
    cdef bint has_scratch
    cdef Kept** keys
    cdef int64_t n_keys
    cdef int64_t kept        # rows
    cdef int64_t* counts     # rows of each key in a batch, and where they go; 0 between batches
    cdef int64_t* places
    cdef int64_t n_counts
    cdef bint has_places     # an output has all values of a batch once
    cdef LookRows rows       # of the view that is computed
    cdef int from_output     # OF_FROM
    cdef int upto_output     # OF_UPTO
    cdef Block order         # of the rows of a batch by key: their numbers,
    cdef Block touched       # their keys,
    cdef Block sorted_times
    cdef Block* sorted_values
    cdef Block* sorted_valid
    cdef Block spare         # for results on their way into their places
    cdef Target* targets
    cdef int64_t n_results
    cdef Share share_of
    cdef RollingState whole  # that the results of a share go to, or that its keys are of
    cdef bint has_lent_keys  # `keys` is the table of another state
    cdef bint forgets        # keys that are quiet for longer than
    cdef int64_t ttl         # for int times
    cdef double ttl_f        # and for float times
    cdef int64_t bad_row     # where a result does not fit
    cdef int bad_output
    cdef Py_buffer* views

    def __cinit__(self, list accs not None, list outputs not None, list columns not None,
                  bint keyed, tuple look not None, int64_t min_samples, int64_t max_kept):
        cdef int i
        self.n_accs = len(accs)
        self.n_outputs = len(outputs)
        self.n_columns = len(columns)
        self.keyed = keyed
        self.min_samples = min_samples
        self.max_kept = max_kept
        (self.look.rows, self.look.size, self.look.size_f, self.look.is_float, self.look.has_left,
         self.look.has_right, self.look.has_peers) = look
        self.accs = <Acc*>calloc(self.n_accs + 1, sizeof(Acc))
        self.outputs = <Output*>calloc(self.n_outputs + 1, sizeof(Output))
        self.columns = <Series*>calloc(self.n_columns + 1, sizeof(Series))
        self.own = <Series*>calloc(self.n_columns + 1, sizeof(Series))
        self.targets = <Target*>calloc(self.n_outputs + 1, sizeof(Target))
        self.views = <Py_buffer*>calloc(2 * self.n_columns + 3, sizeof(Py_buffer))
        self.sorted_values = <Block*>calloc(self.n_columns + 1, sizeof(Block))
        self.sorted_valid = <Block*>calloc(self.n_columns + 1, sizeof(Block))
        if (self.accs == NULL or self.outputs == NULL or self.columns == NULL or self.own == NULL
                or self.targets == NULL
                or self.views == NULL or self.sorted_values == NULL
                or self.sorted_valid == NULL):
            raise MemoryError
        for i in range(self.n_accs):
            (self.accs[i].kind, self.accs[i].column, self.accs[i].weight, self.accs[i].nulls,
             self.accs[i].sum, self.accs[i].numeric) = accs[i]
        self.rows.column = -1
        for i in range(self.n_outputs):
            (self.outputs[i].op, self.outputs[i].acc, self.outputs[i].numeric,
             self.outputs[i].ddof, self.outputs[i].other, self.outputs[i].how,
             self.outputs[i].by) = outputs[i]
            if self.outputs[i].op == OF_LIST and self.outputs[i].how:
                self.has_places = True
            if self.outputs[i].op == OF_FROM:
                self.from_output = i
                self.rows.column = self.outputs[i].how
                self.rows.has_places = self.outputs[i].ddof == 2
            if self.outputs[i].op == OF_UPTO:
                self.upto_output = i
        for i in range(self.n_columns):
            self.columns[i].numeric, self.columns[i].skip_nan = columns[i]
            self.own[i] = self.columns[i]
        for i in range(self.n_accs):
            self.accs[i].numeric_x = FLOAT if self.look.is_float else SIGNED
            if self.accs[i].weight >= 0:
                self.accs[i].numeric_x = self.columns[self.accs[i].weight].numeric
        for i in range(self.n_outputs):  # variances are kept here without the sum beside them
            self.accs[self.outputs[i].acc].wide = 1
            if self.outputs[i].other >= 0:
                self.accs[self.outputs[i].other].wide = 1
            if self.accs[self.outputs[i].acc].nulls >= 0:
                self.accs[self.accs[self.outputs[i].acc].nulls].wide = 1
        self.has_scratch = True
        if scratch_init(&self.scratch, self.accs, self.n_accs, self.n_columns, self.outputs,
                        self.n_outputs) != DONE:
            raise MemoryError
        self.scratch.may_be_even = self.has_sums_alone()

    cdef bint has_sums_alone(self) noexcept:
        """Whether all that is asked for are sums, means and variances of floats over rows."""
        cdef int i, k
        cdef const Output* output
        cdef int64_t count = self.look.rows - (not self.look.has_left) + self.look.has_right
        if self.look.rows == 0 or count < max(self.min_samples, <int64_t>1):
            return False
        for i in range(self.n_accs):
            if self.accs[i].kind == NULLS and self.accs[i].weight < 0:
                continue
            if self.accs[i].kind not in (SUM, SQUARES, ROWS):
                return False
        for i in range(self.n_outputs):
            output = &self.outputs[i]
            if output.op in (OF_SUM, OF_MEAN) and self.accs[output.acc].kind == SUM:
                for k in range(i):  # each of these goes to one place
                    if self.outputs[k].acc == output.acc and self.outputs[k].op == output.op:
                        return False
            elif output.op not in (OF_ROWS, OF_FROM, OF_UPTO) and not (
                    output.op in (OF_VAR, OF_STD) and self.accs[output.acc].kind == SQUARES
                    and count >= output.ddof + 1.0):
                return False
        return self.n_outputs > 0

    def __dealloc__(self):
        cdef int64_t k
        cdef int o
        if self.has_lent_keys:
            self.keys, self.n_keys = NULL, 0
        if self.has_scratch:
            for k in range(self.n_keys):
                self.forget(k)
            scratch_free(&self.scratch)
        free(self.keys)
        if self.sorted_values != NULL and self.sorted_valid != NULL:
            self.drop_sorted(0)
        rows_free(&self.rows)
        if self.targets != NULL:
            for o in range(self.n_outputs):
                block_free(&self.targets[o].memory)
                block_free(&self.targets[o].flags)
                free(self.targets[o].lists.at)
                free(self.targets[o].tail)
        free(self.targets)
        free(self.accs)
        free(self.outputs)
        free(self.columns)
        free(self.own)
        free(self.views)
        free(self.counts)
        free(self.places)
        free(self.sorted_values)
        free(self.sorted_valid)

    # ----------------------------------------------------------------------------------- rows in

    def push(self, times not None, codes, int64_t n_keys, list columns not None, bint is_all):
        """Take rows in time order and compute the result of each.

        Parameters
        ----------
        times : (n_rows,) int64
            Never falling, also from one call to the next.
        codes : (n_rows,) int32 or None
            Key codes below n_keys.
        columns : list of (values, valid)
            (n_rows,) 8-byte values and (n_rows,) uint8 or None, in the order of the plan. The
            numbers and places of rows may be None where these are all, and came in order of time.
        is_all : bool
            These are all rows that there are: nothing of them is kept.

        Returns
        -------
        int
            A `Status`; where it is not DONE the state is of no use any more. DISORDER: the times
            of a key fall.

        Notes
        -----
        O(n_rows), whatever the length of the look-back; releases the GIL.
        """
        cdef Py_ssize_t n_rows = len(times)
        cdef int i, n_views = 0, status
        cdef const int64_t* time
        cdef const int32_t* code
        if len(columns) != self.n_columns:
            raise ValueError("the columns are not those of the plan")
        try:
            time = <const int64_t*>self.view(&n_views, times, n_rows * 8)
            code = <const int32_t*>self.view(&n_views, codes, n_rows * 4)
            if (code == NULL) == self.keyed:
                raise ValueError("a plan with keys takes key codes, and no other does")
            for i in range(self.n_columns):
                self.columns[i].x = <const Word*>self.view(&n_views, columns[i][0], n_rows * 8)
                self.columns[i].valid = <const uint8_t*>self.view(&n_views, columns[i][1], n_rows)
            if self.rows.column >= 0 and not is_all and self.columns[self.rows.column].x == NULL:
                raise ValueError("rows of a stream have numbers")
            with nogil:
                status = self.take_rows(time, code, n_keys, n_rows, is_all)
        finally:
            for i in range(n_views):
                PyBuffer_Release(&self.views[i])
        return status

    def ask_for_keys(self, int64_t low, int64_t high):
        """Answer rows of key codes in [low, high) alone, in the next `push`.

        It is the one of all rows, or keys are lent before it. The results are handed over by `put`.
        """
        self.share_of.has_keys = True
        self.share_of.low = low
        self.share_of.high = high

    def lend_keys(self, list shares not None, int64_t n_keys):
        """Let other states keep the rows of the keys here, each those that it is asked for.

        Until `take_keys_back` nothing else may be asked of this one. Keys are lent for one `push`.

        Parameters
        ----------
        shares : list of RollingState
            Without keys of their own, of the same plan; no two are asked for the same key.
        n_keys : int
            No code is as large as that.
        """
        cdef RollingState share
        if self.room_for_keys(n_keys) != DONE:
            raise MemoryError
        for share in shares:
            if share.n_keys or share.n_accs != self.n_accs or share.n_columns != self.n_columns:
                raise ValueError("keys are lent to states of the same plan that have none")
            if not (share.share_of.has_keys and 0 <= share.share_of.low
                    and share.share_of.high <= n_keys):
                raise ValueError("keys are lent to those that are asked for them")
            share.keys, share.n_keys = self.keys, self.n_keys
            share.has_lent_keys = True
            share.whole = self

    def take_keys_back(self, list shares not None):
        """Keep the rows of keys by oneself again; the results of the shares stay theirs."""
        cdef RollingState share
        for share in shares:
            if share.whole is not self or not share.has_lent_keys:
                raise ValueError("these keys were not lent")
            share.keys, share.n_keys = NULL, 0
            share.has_lent_keys = False
            share.whole = None
            self.kept = self.kept + share.kept
            share.kept = 0
            share.drop_sorted(KEPT_SCRATCH)

    def begin(self, int64_t n_rows):
        """Make room for the results of all rows, which shares of them put there.

        It is this one that they are taken from; where memory is got by the thread that will let
        go of it, it is of pages that were used before.
        """
        if self.begin_results(n_rows) != DONE:
            raise MemoryError

    def ask_from(self, int64_t first, int64_t right, int64_t base):
        """Answer rows from one on, in the next `push` of rows without keys, which is the first.

        Parameters
        ----------
        first : int
            Rows before this one are only looked back on; their results mean nothing.
        right : int
            Where the window of the row before it ends; it begins with row 0.
        base : int
            The number of row 0 since the first row of all.
        """
        if not 0 <= right <= first or base < 0:
            raise ValueError("the window of a row ends behind it")
        self.share_of.first = first
        self.share_of.right = right
        self.share_of.base = base

    def ask_among(self, RollingState whole not None, int64_t place):
        """Write the results of the next `push`, of rows without keys, among those of others.

        Parameters
        ----------
        whole : RollingState
            Has the room for all results.
        place : int
            Where among these the result of row 0 would be.
        """
        cdef int o
        if place < 0 or whole.n_outputs != self.n_outputs:
            raise ValueError("the results of a share go among those of the same plan")
        for o in range(self.n_outputs):
            self.targets[o].tail = <Word*>malloc(2 * MARGIN * sizeof(Word))
            if self.targets[o].tail == NULL:
                raise MemoryError
        self.whole = whole
        self.share_of.is_among = True
        self.share_of.place = place

    def be_whole(self):
        """Go on from the rows of a share as one that has seen all."""
        cdef int o
        for o in range(self.n_outputs):
            free(self.targets[o].tail)
            self.targets[o].tail = self.targets[o].values = NULL
        self.whole = None
        memset(&self.share_of, 0, sizeof(Share))

    @property
    def n_seen(self):
        """How many rows have been taken, of a state without keys."""
        if self.keyed or self.n_keys == 0 or self.keys[0] == NULL:
            return 0
        return self.keys[0].state.base + self.keys[0].rows.n

    def forget_keys(self, int64_t ttl, double ttl_f):
        """Let keys begin anew that had no row for longer than a while; before any row.

        Parameters
        ----------
        ttl, ttl_f : int, float
            How long, for int times and for float times.
        """
        self.forgets = True
        self.ttl = ttl
        self.ttl_f = ttl_f

    def forget_quiet(self, int64_t watermark):
        """Let go of what is kept of the keys that a watermark finds quiet for too long.

        Notes
        -----
        O(n_keys). It changes no result: a row that the watermark lets through would find the key
        as quiet.
        """
        cdef int64_t k
        for k in range(self.n_keys if self.forgets else 0):
            if self.keys[k] != NULL and self.is_over(self.keys[k], watermark):
                self.forget(k)

    cdef const void* view(self, int* n_views, source, Py_ssize_t size) except? NULL:
        """The memory of an array, checked for its size; NULL for None."""
        if source is None:
            return NULL
        PyObject_GetBuffer(source, &self.views[n_views[0]], PyBUF_SIMPLE)
        n_views[0] += 1
        if self.views[n_views[0] - 1].len != size:
            raise ValueError("the columns of a batch differ in length")
        return self.views[n_views[0] - 1].buf

    cdef int take_rows(self, const int64_t* times, const int32_t* codes, int64_t n_keys,
                       int64_t n_rows, bint is_all) noexcept nogil:
        """Take rows; `push` without Python."""
        if n_rows == 0:
            return DONE
        if self.begin_results(n_rows) != DONE:
            return NO_MEMORY
        if codes != NULL:
            return self.take_keyed(times, codes, n_keys, n_rows, is_all)
        return self.take_run(0, times, n_rows, 0, is_all)

    cdef int take_run(self, int64_t code, const int64_t* times, int64_t n, int64_t at,
                      bint is_all) noexcept nogil:
        """Rows of one key, which stand in the columns from row `at` on."""
        if is_all:
            return self.take_all(times, n, at)
        if self.room_for_keys(code + 1) != DONE:
            return NO_MEMORY
        if self.share_of.first or self.share_of.base:
            return self.take_from(times, n)
        if self.forgets:
            return self.take_lives(code, times, n, at)
        return self.take_on(code, times, n, at)

    cdef int take_lives(
        self, int64_t code, const int64_t* times, int64_t n, int64_t at
    ) noexcept nogil:
        """More rows of a key, which begins anew where it was quiet for too long."""
        cdef int64_t begin = 0, i
        cdef int status
        if self.keys[code] != NULL and self.is_over(self.keys[code], times[0]):
            self.forget(code)
        for i in range(1, n):
            if is_far(self.look.is_float, times[i], times[i - 1], self.ttl, self.ttl_f):
                status = self.take_on(code, times + begin, i - begin, at + begin)
                if status != DONE:
                    return status
                self.forget(code)
                begin = i
        return self.take_on(code, times + begin, n - begin, at + begin)

    cdef bint is_over(self, const Kept* kept, int64_t time) noexcept nogil:
        """Whether a time is too long after the last row of a key."""
        return kept.rows.n > 0 and is_far(
            self.look.is_float, time, kept.rows.times[kept.rows.n - 1], self.ttl, self.ttl_f)

    cdef int take_all(self, const int64_t* times, int64_t n, int64_t at) noexcept nogil:
        """All rows of a key, where they stand."""
        cdef KeyState key
        cdef View view
        cdef int status
        self.look_in_place(&view, times, n, at, self.share_of.base)
        status = key_init(&key, &self.scratch)
        if status == DONE:
            status = self.begin_share(&key, &view)
        if status == DONE:
            status = key_use_blocks(&key, &self.scratch, n)
        if status == DONE:
            status = self.compute(&key, &view, self.share_of.first, at + self.share_of.first)
        if status == DONE:
            self.share(times + self.share_of.first, n - self.share_of.first,
                       at + self.share_of.first)
        key_free(&key, &self.scratch)
        return status

    cdef int take_from(self, const int64_t* times, int64_t n) noexcept nogil:
        """Rows of a share that others will come after."""
        cdef Kept* kept = self.begin_key(0)
        cdef int64_t first = self.share_of.first
        cdef View view
        cdef int status
        if kept == NULL:
            return NO_MEMORY
        self.look_in_place(&view, times, n, 0, self.share_of.base)
        status = self.begin_share(&kept.state, &view)
        if status == DONE:
            status = self.compute(&kept.state, &view, first, first)
        if status == DONE:
            status = self.keep_window(kept, &view, 0)
        if status == DONE:
            self.share(times + first, n - first, first)
        return status

    cdef int begin_share(self, KeyState* key, const View* view) noexcept nogil:
        """Take up the window before the first row of a share; of all rows, nothing."""
        key.base = view.base
        key.left = view.base
        key.right = view.base + self.share_of.right
        if self.share_of.first and not key_take_up(key, &self.scratch, view, &self.look, True):
            return NO_MEMORY
        return DONE

    cdef int take_on(
        self, int64_t code, const int64_t* times, int64_t n, int64_t at
    ) noexcept nogil:
        """More rows of a key."""
        cdef Kept* kept = self.keys[code]
        cdef View view
        cdef int64_t number, done = 0, step
        cdef int status = DONE
        if kept == NULL:
            kept = self.begin_key(code)
            if kept == NULL:
                return NO_MEMORY
        number = kept.state.base + kept.rows.n
        while status == DONE and done < n:
            if n - done > STEP and kept.state.left >= number and not self.has_places:
                self.look_in_place(&view, times, n, at, number)
                status = self.compute(&kept.state, &view, done, at + done)
                if status == DONE:
                    status = self.keep_window(kept, &view, at)
                break
            step = n - done
            if not self.has_places:
                step = min(step, max(kept.rows.n, <int64_t>STEP))
            status = self.take_kept(kept, times + done, step, at + done)
            done += step
        if status == DONE:
            self.share(times, n, at)
        return status

    cdef int take_kept(
        self, Kept* kept, const int64_t* times, int64_t n, int64_t at
    ) noexcept nogil:
        """More rows of a key, whose windows reach back to those that are kept."""
        cdef View view
        cdef int64_t first = kept.rows.n
        cdef int status
        if self.keep(&kept.rows, times, n, at) != DONE:
            return NO_MEMORY
        self.kept = self.kept + n
        self.look_at(kept, &view)
        status = self.compute(&kept.state, &view, first, at)
        self.let_go(kept)
        return status

    cdef int keep_window(self, Kept* kept, const View* view, int64_t at) noexcept nogil:
        """Keep the rows of the last window of a view of the columns from row `at` on."""
        cdef int64_t left = kept.state.left - view.base, n = view.n - left
        self.kept = self.kept + n - kept.rows.n
        kept.rows.n = 0
        kept.state.base = kept.state.left
        return self.keep(&kept.rows, view.times + left, n, at + left)

    cdef int take_keyed(self, const int64_t* times, const int32_t* codes, int64_t n_keys,
                        int64_t n_rows, bint is_all) noexcept nogil:
        """Rows of many keys: one key after the other, and the results back into their places."""
        cdef int64_t n_touched = 0, n_mine = 0, k, at = 0, n
        cdef int64_t* touched
        cdef int64_t* order
        cdef int64_t* sorted_times
        cdef int status
        if not (room_in(&self.touched, n_rows * sizeof(int64_t))
                and room_in(&self.order, (n_rows + 1) * sizeof(int64_t))
                and room_in(&self.sorted_times, n_rows * sizeof(int64_t))
                and self.room_for_counts(n_keys) == DONE):
            return NO_MEMORY
        touched, order = <int64_t*>self.touched.at, <int64_t*>self.order.at
        sorted_times = <int64_t*>self.sorted_times.at
        n_touched = self.order_by_key(codes, n_rows, touched, order)
        for k in range(n_touched):
            n_mine += self.counts[touched[k]]
        for k in range(n_mine):
            sorted_times[k] = times[order[k]]
        status = self.sort_columns(order, n_mine)
        if self.rows.column >= 0 and self.columns[self.rows.column].x == NULL:
            self.columns[self.rows.column].x = <const Word*>order  # these are their numbers
        for k in range(n_touched if status == DONE else 0):
            if n_touched > NEAR and not is_all:
                self.ask_for(touched, k, n_touched)
            n = self.counts[touched[k]]
            status = self.take_run(touched[k], sorted_times + at, n, at, is_all)
            if status != DONE:
                break
            at += n
        for k in range(n_touched):
            self.counts[touched[k]] = 0
        if status == OVERFLOWED:
            self.bad_row = order[self.bad_row]
        elif status == DONE and self.share_of.has_keys:
            self.share_of.n = n_mine
        elif status == DONE:
            status = self.put_in_place(order, n_rows)
        if self.order.size > KEPT_SCRATCH and not self.share_of.has_keys:
            with gil:
                self.drop_sorted(KEPT_SCRATCH)
        return status

    cdef inline void ask_for(
        self, const int64_t* touched, int64_t k, int64_t n_touched
    ) noexcept nogil:
        """Ask for what is kept of keys to come, what tells where it is before that."""
        cdef Kept* kept
        if k + 3 * SOON < n_touched and touched[k + 3 * SOON] < self.n_keys:
            prefetch_here(self.keys + touched[k + 3 * SOON])
        if k + 2 * SOON < n_touched and touched[k + 2 * SOON] < self.n_keys:
            ask_whole(self.keys[touched[k + 2 * SOON]], sizeof(Kept))
        if k + SOON < n_touched and touched[k + SOON] < self.n_keys:
            kept = self.keys[touched[k + SOON]]
            if kept != NULL:
                prefetch_here(kept.rows.times + kept.rows.n)
                prefetch_here(kept.rows.values)
                prefetch_here(kept.rows.valid)
                prefetch_here(kept.rows.has_null)
                ask_whole(kept.state.odd, self.n_columns * sizeof(Odd))
                ask_whole(kept.state.accs, self.n_accs * sizeof(AccState))
        if k + 2 < n_touched and touched[k + 2] < self.n_keys:
            kept = self.keys[touched[k + 2]]
            if kept != NULL:
                self.ask_for_key(kept)

    cdef inline void ask_for_key(self, const Kept* kept) noexcept nogil:
        """Ask for the last rows of a key, for those that leave its window next, and its sums."""
        cdef const AccState* acc
        cdef int64_t left = kept.state.left - kept.state.base
        cdef int c, a
        prefetch_here(kept.rows.times + left)
        for c in range(self.n_columns):
            prefetch_here(kept.rows.values[c] + left)
            prefetch_here(kept.rows.values[c] + kept.rows.n)
            prefetch_here(kept.rows.valid[c] + kept.rows.n)
        for a in range(self.n_accs):
            acc = &kept.state.accs[a]
            ask_whole(acc.sums, sizeof(Sum))
            ask_whole(acc.var, sizeof(Var))
            prefetch_here(acc.moments)
            prefetch_here(acc.ranks)

    cdef void drop_sorted(self, Py_ssize_t size):
        """Give back the memory that rows were sorted in, blocks of more than a size."""
        cdef int c
        drop(&self.order, size)
        drop(&self.touched, size)
        drop(&self.sorted_times, size)
        drop(&self.spare, size)
        for c in range(self.n_columns):
            drop(&self.sorted_values[c], size)
            drop(&self.sorted_valid[c], size)

    cdef int64_t order_by_key(self, const int32_t* codes, int64_t n, int64_t* touched,
                              int64_t* order) noexcept nogil:
        """Sort rows by key, keys by first appearance; return how many keys there are.

        After it `counts` has the number of rows of each key that is touched. Of a share of the
        keys, the rows are those of its keys.
        """
        cdef int64_t* counts = self.counts
        cdef int64_t* places = self.places
        cdef const Share* share = &self.share_of
        cdef int64_t i, k, n_touched = 0, n_mine = 0, at = 0
        for i in range(n):
            if counts[codes[i]] == 0:
                touched[n_touched] = codes[i]
                n_touched += 1
            counts[codes[i]] += 1
        for k in range(n_touched):
            i = touched[k]
            if share.has_keys and not share.low <= i < share.high:
                places[i] = n  # of no account; it stays there
                counts[i] = 0
                continue
            touched[n_mine] = i
            n_mine += 1
            places[i] = at
            at += counts[i]
        if share.has_keys:  # no branch: which key comes next, nobody can tell
            for i in range(n):
                order[places[codes[i]]] = i
                places[codes[i]] += counts[codes[i]] != 0
            return n_mine
        for i in range(n):
            order[places[codes[i]]] = i
            places[codes[i]] += 1
        return n_mine

    cdef int sort_columns(self, const int64_t* order, int64_t n) noexcept nogil:
        """Bring the columns into an order of rows; they are in memory of their own after that."""
        cdef int c
        cdef int64_t i
        cdef Word* values
        cdef uint8_t* valid
        for c in range(self.n_columns):
            if self.columns[c].x != NULL:
                if not room_in(&self.sorted_values[c], n * sizeof(Word)):
                    return NO_MEMORY
                values = <Word*>self.sorted_values[c].at
                for i in range(n):
                    values[i] = self.columns[c].x[order[i]]
                self.columns[c].x = values
            if self.columns[c].valid != NULL:
                if not room_in(&self.sorted_valid[c], n):
                    return NO_MEMORY
                valid = <uint8_t*>self.sorted_valid[c].at
                for i in range(n):
                    valid[i] = self.columns[c].valid[order[i]]
                self.columns[c].valid = valid
        return DONE

    cdef int put_in_place(self, const int64_t* order, int64_t n) noexcept nogil:
        """Bring the results back into the order of the rows."""
        cdef int o
        cdef int64_t i
        cdef Target* target
        cdef Word* values
        cdef uint8_t* valid
        for o in range(self.n_outputs):
            target = &self.targets[o]
            if not room_in(&self.spare, (n + MARGIN) * sizeof(Word)):
                return NO_MEMORY
            values = <Word*>self.spare.at
            for i in range(n):
                values[order[i]] = target.values[i]
            self.spare, target.memory = target.memory, self.spare
            target.values = values
            if target.valid != NULL:
                valid = <uint8_t*>self.spare.at
                memcpy(valid, target.valid, n)
                for i in range(n):
                    target.valid[order[i]] = valid[i]
        return DONE

    # ------------------------------------------------------------------------- rows that are kept

    cdef int room_for_keys(self, int64_t n) noexcept nogil:
        """Make room for codes below n."""
        cdef int64_t room
        cdef void* grown
        if n <= self.n_keys:
            return DONE
        room = n if n > 2 * self.n_keys else 2 * self.n_keys
        grown = realloc(self.keys, room * sizeof(Kept*))
        if grown == NULL:
            return NO_MEMORY
        self.keys = <Kept**>grown
        memset(self.keys + self.n_keys, 0, (room - self.n_keys) * sizeof(Kept*))
        self.n_keys = room
        return DONE

    cdef void forget(self, int64_t code) noexcept nogil:
        """Give the memory of a key back."""
        cdef Kept* kept = self.keys[code]
        cdef int c
        if kept == NULL:
            return
        self.kept = self.kept - kept.rows.n
        key_free(&kept.state, &self.scratch)
        for c in range(self.n_columns):
            if kept.rows.values != NULL:
                free(kept.rows.values[c])
            if kept.rows.valid != NULL:
                free(kept.rows.valid[c])
        free(kept.rows.values)
        free(kept.rows.valid)
        free(kept.rows.has_null)
        free(kept.rows.times)
        free(kept)
        self.keys[code] = NULL

    cdef int room_for_counts(self, int64_t n) noexcept nogil:
        """Make room to count the rows of n keys."""
        cdef int64_t room = n if n > 2 * self.n_counts else 2 * self.n_counts
        if n <= self.n_counts:
            return DONE
        free(self.counts)
        free(self.places)
        self.counts = <int64_t*>calloc(room, sizeof(int64_t))
        self.places = <int64_t*>calloc(room, sizeof(int64_t))
        self.n_counts = room
        if self.counts == NULL or self.places == NULL:
            self.n_counts = 0
            return NO_MEMORY
        return DONE

    cdef Kept* begin_key(self, int64_t code) noexcept nogil:
        """Begin with a key; NULL where there is no memory."""
        cdef Kept* kept = <Kept*>calloc(1, sizeof(Kept))
        if kept == NULL:
            return NULL
        self.keys[code] = kept
        kept.rows.values = <Word**>calloc(self.n_columns + 1, sizeof(Word*))
        kept.rows.valid = <uint8_t**>calloc(self.n_columns + 1, sizeof(uint8_t*))
        kept.rows.has_null = <uint8_t*>calloc(self.n_columns + 1, 1)
        if (kept.rows.values == NULL or kept.rows.valid == NULL or kept.rows.has_null == NULL
                or key_init(&kept.state, &self.scratch) != DONE):
            self.forget(code)
            return NULL
        return kept

    cdef int rows_room(self, Rows* rows, int64_t n) noexcept nogil:
        """Make room for n rows in all."""
        cdef int64_t room = n if n > 2 * rows.room else 2 * rows.room
        cdef int c
        cdef void* grown
        if n <= rows.room:
            return DONE
        room = room if room > FEW else FEW
        grown = realloc(rows.times, room * sizeof(int64_t))
        if grown == NULL:
            return NO_MEMORY
        rows.times = <int64_t*>grown
        for c in range(self.n_columns):
            grown = realloc(rows.values[c], room * sizeof(Word))
            if grown == NULL:
                return NO_MEMORY
            rows.values[c] = <Word*>grown
            grown = realloc(rows.valid[c], room)
            if grown == NULL:
                return NO_MEMORY
            rows.valid[c] = <uint8_t*>grown
        rows.room = room
        return DONE

    cdef int keep(self, Rows* rows, const int64_t* times, int64_t n, int64_t at) noexcept nogil:
        """Keep rows that stand in the columns from row `at` on."""
        cdef int c
        if self.rows_room(rows, rows.n + n) != DONE:
            return NO_MEMORY
        memcpy(rows.times + rows.n, times, n * sizeof(int64_t))
        for c in range(self.n_columns):
            if self.columns[c].x != NULL:
                memcpy(rows.values[c] + rows.n, self.columns[c].x + at, n * sizeof(Word))
            else:
                memset(rows.values[c] + rows.n, 0, n * sizeof(Word))
            if self.columns[c].valid != NULL:
                memcpy(rows.valid[c] + rows.n, self.columns[c].valid + at, n)
                rows.has_null[c] = 1
            else:
                memset(rows.valid[c] + rows.n, 1, n)
        rows.n += n
        return DONE

    cdef void look_in_place(
        self, View* view, const int64_t* times, int64_t n, int64_t at, int64_t base
    ) noexcept nogil:
        """View rows that stand in the columns from row `at` on."""
        cdef int c
        view.times = times
        view.columns = self.own
        view.n = n
        view.base = base
        for c in range(self.n_columns):
            self.own[c].x = NULL if self.columns[c].x == NULL else self.columns[c].x + at
            self.own[c].valid = (
                NULL if self.columns[c].valid == NULL else self.columns[c].valid + at)

    cdef void look_at(self, const Kept* kept, View* view) noexcept nogil:
        """View the rows of a key."""
        cdef int c
        view.times = kept.rows.times
        view.columns = self.own
        view.n = kept.rows.n
        view.base = kept.state.base
        for c in range(self.n_columns):
            self.own[c].x = kept.rows.values[c]
            self.own[c].valid = kept.rows.valid[c] if kept.rows.has_null[c] else NULL

    cdef void let_go(self, Kept* kept) noexcept nogil:
        """Forget rows that have left the window, once they are many."""
        cdef Rows* rows = &kept.rows
        cdef int64_t gone = kept.state.left - kept.state.base, left = rows.n - gone
        cdef int c
        if gone < FEW or gone < left:
            return
        memmove(rows.times, rows.times + gone, left * sizeof(int64_t))
        for c in range(self.n_columns):
            memmove(rows.values[c], rows.values[c] + gone, left * sizeof(Word))
            memmove(rows.valid[c], rows.valid[c] + gone, left)
        rows.n = left
        kept.state.base += gone
        self.kept = self.kept - gone

    @property
    def n_kept(self):
        """How many rows are kept, those among them that no window to come needs."""
        return self.kept

    # ----------------------------------------------------------------------------- state out, in

    def dump(self):
        """Write down what is kept.

        Returns
        -------
        tuple (heads, sums, times, columns)
            (n, 5) int64: code, rows, their first number, and between which of them the window
            lies; of each key the words that rows do not tell, of variances and of sums of powers
            and products; of all rows int64 times, and a list of 8-byte values and uint8 flags.
            Buffers.
        """
        cdef int64_t k, n = 0, at = 0
        cdef int c, a
        cdef Kept* kept
        for k in range(self.n_keys):
            n += self.keys[k] != NULL
        heads = bytearray(n * 5 * 8)
        sums = bytearray(n * self.n_words() * 8)
        times = bytearray(self.kept * 8)
        columns = [(bytearray(self.kept * 8), bytearray(self.kept)) for _ in range(self.n_columns)]
        cdef int64_t[::1] head = memoryview(heads).cast("q") if n else None
        n = 0
        for k in range(self.n_keys):
            kept = self.keys[k]
            if kept == NULL:
                continue
            head[5 * n] = k
            head[5 * n + 1] = kept.rows.n
            head[5 * n + 2] = kept.state.base
            head[5 * n + 3] = kept.state.left - kept.state.base
            head[5 * n + 4] = kept.state.right - kept.state.base
            copy_out(times, at * 8, kept.rows.times, kept.rows.n * 8)
            for c in range(self.n_columns):
                copy_out(columns[c][0], at * 8, kept.rows.values[c], kept.rows.n * 8)
                copy_out(columns[c][1], at, kept.rows.valid[c], kept.rows.n)
            where = n * self.n_words()
            for a in range(self.n_accs):
                copy_out(sums, where * 8, state_of(&kept.state, a), words_of(self.accs[a].kind) * 8)
                where += words_of(self.accs[a].kind)
            at += kept.rows.n
            n += 1
        return heads, sums, times, columns

    cdef bint reaches_back(self, int64_t base, int64_t rows) noexcept:
        """Whether the rows that are kept are enough for the next window."""
        cdef int64_t back = self.look.rows - (not self.look.has_left)
        if self.look.rows == 0:
            return True
        return base == 0 if base + rows <= back else rows >= back

    cdef int n_words(self) noexcept:
        """How many words of a key there are that rows alone do not tell."""
        cdef int a, n = 0
        for a in range(self.n_accs):
            n += words_of(self.accs[a].kind)
        return n

    def load(self, const int64_t[::1] heads not None, const uint8_t[::1] sums not None,
             const int64_t[::1] times not None, list columns not None, int64_t n_keys):
        """Take over what `dump` wrote down, before any row.

        Parameters
        ----------
        heads, sums, times, columns
            As `dump` gives them.
        n_keys : int
            How many codes there are.

        Returns
        -------
        bool
            False where it cannot be: the state is of no use then.
        """
        cdef int64_t n = heads.shape[0] // 5, k, at = 0, rows
        cdef int c, a, n_views = 0, status
        cdef Kept* kept
        cdef View view
        where = 0
        if (heads.shape[0] % 5 or sums.shape[0] != n * self.n_words() * 8
                or len(columns) != self.n_columns):
            return False
        for k in range(n):
            rows = heads[5 * k + 1]
            if not (0 <= heads[5 * k] < n_keys and 0 <= rows <= times.shape[0] - at
                    and 0 <= heads[5 * k + 2] < <int64_t>1 << 61
                    and 0 <= heads[5 * k + 3] <= heads[5 * k + 4] <= rows
                    and self.reaches_back(heads[5 * k + 2], rows)):
                return False
            at += rows
        if at != times.shape[0]:
            return False
        try:
            for c in range(self.n_columns):
                self.columns[c].x = <const Word*>self.view(&n_views, columns[c][0], at * 8)
                self.columns[c].valid = <const uint8_t*>self.view(&n_views, columns[c][1], at)
            if self.room_for_keys(n_keys) != DONE:
                raise MemoryError
            at = 0
            for k in range(n):
                if self.keys[heads[5 * k]] != NULL:
                    return False
                kept = self.begin_key(heads[5 * k])
                if kept == NULL:
                    raise MemoryError
                rows = heads[5 * k + 1]
                if rows:
                    status = self.keep(&kept.rows, &times[at], rows, at)
                    if status != DONE:
                        raise MemoryError
                self.kept += rows
                kept.state.base = heads[5 * k + 2]
                kept.state.left = kept.state.base + heads[5 * k + 3]
                kept.state.right = kept.state.base + heads[5 * k + 4]
                for a in range(self.n_accs):
                    if words_of(self.accs[a].kind):
                        memcpy(state_of(&kept.state, a), &sums[where * 8],
                               words_of(self.accs[a].kind) * 8)
                        where += words_of(self.accs[a].kind)
                    if kept.state.accs[a].var != NULL and not fixed_can_be(
                            &kept.state.accs[a].var.fixed):
                        return False
                self.look_at(kept, &view)
                if not key_take_up(&kept.state, &self.scratch, &view, &self.look, False):
                    return False
                at += rows
        finally:
            for c in range(n_views):
                PyBuffer_Release(&self.views[c])
        return True

    # ------------------------------------------------------------------------------- results out

    cdef int begin_results(self, int64_t n) noexcept nogil:
        """Make room for n results."""
        cdef int o
        cdef Target* target
        for o in range(self.n_outputs):
            target = &self.targets[o]
            target.valid = NULL
            target.lists.n = 0
            if self.share_of.is_among:
                target.values = self.whole.targets[o].values + self.share_of.place
                continue
            if not block_grow(&target.memory, 0, (n + MARGIN) * sizeof(Word)):
                return NO_MEMORY
            target.values = <Word*>target.memory.at
        self.n_results = n
        return DONE

    cdef int compute(
        self, KeyState* key, const View* view, int64_t first, int64_t at
    ) noexcept nogil:
        """The results of the rows of a view from `first` on, which go to places from `at` on."""
        cdef int64_t row = first, n, done, number
        cdef int status, o
        for o in range(self.n_outputs):
            if self.outputs[o].op == OF_LIST and self.outputs[o].how:
                status = self.write_values(o, view, key.left - view.base)
                if status != DONE:
                    return status
        if self.rows.column >= 0 and not rows_find(&self.rows, view, key.left - view.base):
            return NO_MEMORY
        while row < view.n:
            number = view.base + row
            n = min(min(<int64_t>TILE, view.n - row), ANCHOR - number % ANCHOR)
            if self.share_of.is_among:
                n = min(n, self.rows_ahead(at + row - first))
            if is_anchor(number, key.right - key.left) and key_anchor(
                    key, &self.scratch, view, &self.look, number) != DONE:
                return NO_MEMORY
            if not never_falls(view.times + row - (row > 0), n + (row > 0)):
                return DISORDER
            if self.scratch.may_be_even:
                done = self.take_even(key, view, row, n, at + row - first)
                if done:
                    status = self.write_even_rows(row, done, at + row - first)
                    if status != DONE:
                        return status
                    row += done
                    continue
            n = find_bounds(&self.scratch.tile, &self.look, view, key, row, n)
            status = compute_tile(&self.scratch, view, &self.look, key)
            for o in range(self.n_outputs):
                if status == DONE:
                    status = self.write(o, view, at + row - first)
            if status != DONE:
                return status
            row += n
        if self.share_of.is_among and at + view.n - first == self.n_results:
            self.write_tail(self.n_results)
        return DONE

    cdef RowWords row_words(self, int64_t at) noexcept nogil:
        """Where the rows of windows go, from a result on."""
        cdef Target* target = &self.targets[self.from_output]
        return RowWords(
            target.values + at, self.targets[self.upto_output].values + at, &target.lists)

    cdef bint has_room(self) noexcept nogil:
        """Whether the ranges of windows of several may be as many as they are."""
        cdef int64_t width = 2 + self.rows.has_places
        return self.targets[self.from_output].lists.n // width <= self.max_kept

    cdef int write_rows(self, int64_t at) noexcept nogil:
        """The rows of the windows of a tile."""
        cdef RowWords out = self.row_words(at)
        cdef const Tile* tile = &self.scratch.tile
        if not rows_write(&self.rows, tile.l, tile.r, tile.n, &out):
            return NO_MEMORY
        return DONE if self.has_room() else TOO_MANY_KEPT

    cdef int write_even_rows(self, int64_t row, int64_t n, int64_t at) noexcept nogil:
        """How many rows windows that are all as long have, and which, from a row of the view on."""
        cdef int64_t back = self.look.rows - (not self.look.has_left), i
        cdef int64_t count = back + self.look.has_right
        cdef RowWords out
        cdef int o
        for o in range(self.n_outputs):
            if self.outputs[o].op == OF_ROWS:
                for i in range(at, at + n):
                    self.targets[o].values[i].i = count
        if self.rows.column < 0:
            return DONE
        out = self.row_words(at)
        if not rows_write_even(&self.rows, row - back, count, n, &out):
            return NO_MEMORY
        return DONE if self.has_room() else TOO_MANY_KEPT

    cdef int64_t rows_ahead(self, int64_t at) noexcept nogil:
        """How many rows from one on may be answered at once, of a share among others.

        A tile may write MARGIN results too many, which is where others are: the last ones that
        are left go to a place of their own first.
        """
        cdef int64_t left = self.n_results - at
        cdef int o
        if left > MARGIN:
            return left - MARGIN
        for o in range(self.n_outputs if left == MARGIN or at == self.share_of.first else 0):
            self.targets[o].values = self.targets[o].tail - at
        return left

    cdef void write_tail(self, int64_t end) noexcept nogil:
        """Put the last results of a share, up to `end`, into their places."""
        cdef int o
        cdef int64_t n = min(<int64_t>MARGIN, end - self.share_of.first)
        cdef Word* values
        for o in range(self.n_outputs):
            values = self.whole.targets[o].values + self.share_of.place
            memcpy(values + end - n, self.targets[o].tail, n * sizeof(Word))
            self.targets[o].values = values

    cdef int64_t take_even(
        self, KeyState* key, const View* view, int64_t first, int64_t n, int64_t at
    ) noexcept nogil:
        """Answer rows whose columns need no care, up to n; return how many, 0: none."""
        cdef int64_t number = view.base + first, back = self.look.rows - (not self.look.has_left)
        cdef int64_t row = first + self.look.has_right - 1, count = back + self.look.has_right
        cdef int a
        if number <= back:
            return 0
        for a in range(self.n_accs):
            if self.accs[a].kind == SUM or self.accs[a].kind == SQUARES:
                if not self.is_even(key, view, a, number, number - 1 - back, row, n):
                    return 0
        n = self.take_squares(key, view, row, n, count)
        for a in range(self.n_accs if n else 0):
            if self.accs[a].kind == SUM and not self.write_sums(
                    key, view, a, row, n, count, number, at):
                self.put_squares_back(key)
                return 0
        if n:
            self.write_squares(key, n, <double>count, at)
            self.move_on(key, number + n - 1 - back, number + n - 1 + self.look.has_right)
        return n

    cdef bint is_even(
        self, const KeyState* key, const View* view, int a, int64_t number, int64_t left,
        int64_t row, int64_t n,
    ) noexcept nogil:
        """Whether a column may be such for windows from number `left` on and n more rows."""
        cdef int column = self.accs[a].column
        cdef bint is_ready
        if self.accs[a].kind == SUM:
            is_ready = even_is_ready(&key.accs[a].sums.even, number)
        else:
            is_ready = key.accs[a].var.fixed.is_on or key.accs[a].var.fixed.retry == number
        return is_ready and is_calm(&view.columns[column], &key.odd[column], left, row, n)

    cdef int64_t take_squares(
        self, KeyState* key, const View* view, int64_t row, int64_t n, int64_t count
    ) noexcept nogil:
        """Squares of windows that take in a row from `row` on; how many of n all columns have."""
        cdef int64_t done, number = view.base + row + 1 - self.look.has_right
        cdef int a = 0, i, first = -1
        for i in range(self.n_accs):
            if self.accs[i].kind == SQUARES:
                self.scratch.before[i] = key.accs[i].var.fixed
                first = i if first < 0 else first
        while a < self.n_accs and n > 0:
            if self.accs[a].kind == SQUARES:
                done = var_steady(
                    key.accs[a].var, &view.columns[self.accs[a].column], row - count, row, n,
                    number, self.scratch.hi[a])
                if done < n and a != first:
                    self.put_squares_back(key)
                    a = first - 1
                n = done
            a += 1
        if n == 0:
            self.put_squares_back(key)
        return n

    cdef void put_squares_back(self, KeyState* key) noexcept nogil:
        """Undo what `take_squares` did."""
        cdef int a
        for a in range(self.n_accs):
            if self.accs[a].kind == SQUARES:
                key.accs[a].var.fixed = self.scratch.before[a]

    cdef void write_squares(
        self, KeyState* key, int64_t n, double count, int64_t at
    ) noexcept nogil:
        """Variances and deviations of n rows, of the squares that are there."""
        cdef int o
        cdef const Output* output
        for o in range(self.n_outputs):
            output = &self.outputs[o]
            if output.op == OF_VAR or output.op == OF_STD:
                spread(self.scratch.hi[output.acc], &count, True, output.ddof,
                       fixed_scale(&key.accs[output.acc].var.fixed), output.op == OF_STD, n,
                       &self.targets[o].values[at].f)

    cdef bint write_sums(
        self, KeyState* key, const View* view, int a, int64_t row, int64_t n, int64_t count,
        int64_t number, int64_t at,
    ) noexcept nogil:
        """Sums and means of a column over the windows of n rows, into their places."""
        cdef double* sums = NULL
        cdef double* means = NULL
        cdef const Output* output
        cdef int o
        for o in range(self.n_outputs):
            output = &self.outputs[o]
            if output.acc == a and output.op == OF_SUM:
                sums = &self.targets[o].values[at].f
            elif output.acc == a:
                means = &self.targets[o].values[at].f
        return even_windows(&key.accs[a].sums.even, &view.columns[self.accs[a].column].x[row].f,
                            n, count, number, sums, means)

    cdef void move_on(self, KeyState* key, int64_t left, int64_t right) noexcept nogil:
        """Let rows [left, right) be the window of a key, of which nothing else is known."""
        cdef int a
        for a in range(self.n_accs):
            if self.accs[a].kind == SUM:
                key.accs[a].sums.levels = 0
                key.accs[a].sums.is_slow = False
                key.accs[a].sums.retry = 0
            key.accs[a].count = right - left
        key.left = left
        key.right = right

    cdef void share(self, const int64_t* times, int64_t n, int64_t at) noexcept nogil:
        """Give rows of one time, which have results from `at` on, that of the last of them."""
        cdef int64_t row
        cdef int o
        cdef Target* target
        for o in range(self.n_outputs if self.look.has_peers else 0):
            target = &self.targets[o]
            for row in range(n - 2, -1, -1):
                if times[row] == times[row + 1]:
                    target.values[at + row] = target.values[at + row + 1]
                    if target.valid != NULL:
                        target.valid[at + row] = target.valid[at + row + 1]

    cdef int write(self, int o, const View* view, int64_t at) noexcept nogil:
        """One output of a tile."""
        cdef const Output* output = &self.outputs[o]
        cdef Scratch* s = &self.scratch
        cdef Word* out = self.targets[o].values + at
        cdef const double* hi = s.hi[output.acc]
        cdef int64_t i, n = s.tile.n
        cdef int status
        if output.op == OF_ROWS:
            for i in range(n):
                out[i].i = s.tile.r[i] - s.tile.l[i]
            return DONE
        if output.op == OF_COUNT:
            for i in range(n):
                out[i].i = <int64_t>hi[i]
            return DONE
        if output.op == OF_FROM:
            return self.write_rows(at)
        if output.op == OF_UPTO:
            return DONE
        if output.op == OF_MEAN:
            self.write_means(o, at)
        elif output.op == OF_VAR or output.op == OF_STD or output.op == OF_SEM:
            self.write_spreads(o, at)
        elif s.made[o] != NULL:
            memcpy(out, s.made[o], n * sizeof(Word))
        elif output.op == OF_HALF and output.how:
            memcpy(out, s.lo[output.acc], n * sizeof(Word))
        elif output.op == OF_LIST and output.how:
            self.write_places(o, view, at)
        elif output.op == OF_LIST:
            status = self.write_lists(o, view, at)
            if status != DONE:
                return status
        elif (output.op == OF_SUM or output.op == OF_RANGE) and output.numeric != FLOAT:
            i = self.write_ranges(o, at) if output.op == OF_RANGE else self.write_int_sums(o, at)
            if i >= 0:
                self.bad_row = at + i
                self.bad_output = o
                return OVERFLOWED
        elif output.op == OF_RANGE:
            for i in range(n):
                out[i].f = hi[i] - s.hi[output.other][i]
        else:
            memcpy(out, hi, n * sizeof(Word))
            if output.op == OF_SUM and s.has_marks[output.acc]:
                for i in range(n):
                    if s.marks[output.acc][i] == 1:
                        out[i].f = ldexp(out[i].f, 64)
        return self.mark_nulls(o, at)

    cdef void write_means(self, int o, int64_t at) noexcept nogil:
        """Means: the sum, to some 106 bits, over the number of values."""
        cdef const Output* output = &self.outputs[o]
        cdef Scratch* s = &self.scratch
        cdef int a = output.acc, column = self.accs[output.acc].column
        cdef const double* hi = s.hi[a]
        cdef const double* lo = s.lo[a]
        cdef const double* counts = s.hi[self.accs[a].nulls]
        cdef double* out = &self.targets[o].values[at].f
        cdef double[TILE + PAD] top, rest
        cdef int64_t i
        if output.numeric != FLOAT:
            for i in range(s.tile.n):
                split_wide(wide_of((<Word*>hi)[i].u, (<Word*>lo)[i].i), &top[i], &rest[i])
            means(top, rest, counts, s.tile.n, out)
            return
        if s.tile.is_steady and s.is_full[column]:
            means_of(hi, lo, counts[0], s.tile.n, out)
        else:
            means(hi, lo, counts, s.tile.n, out)
        if s.has_marks[a]:
            for i in range(s.tile.n):
                if s.marks[a][i] == 1:
                    out[i] = ldexp(out[i], 64)
                elif s.marks[a][i] == 2:
                    out[i] = hi[i]

    cdef void write_spreads(self, int o, int64_t at) noexcept nogil:
        """Variances and standard deviations."""
        cdef const Output* output = &self.outputs[o]
        cdef Scratch* s = &self.scratch
        cdef int a = output.acc, column = self.accs[output.acc].column
        cdef const double* squares = s.hi[a]
        cdef const double* counts = s.hi[self.accs[a].nulls]
        cdef const double* scale = s.scale[a]
        cdef double* out = &self.targets[o].values[at].f
        cdef bint root = output.op != OF_VAR
        cdef int64_t i
        spread(squares, counts, s.tile.is_steady and s.is_full[column], output.ddof,
               1.0 if s.has_scale[a] else s.common[a], root, s.tile.n, out)
        if s.has_scale[a]:
            for i in range(s.tile.n):
                out[i] = out[i] * scale[i] if root else out[i] * scale[i] * scale[i]
        if s.has_odd[column]:
            for i in range(s.tile.n):
                if s.special[column][i] != 0.0:
                    out[i] = s.special[column][i] - s.special[column][i]
        if output.op == OF_SEM:
            for i in range(s.tile.n):
                out[i] = out[i] / sqrt(counts[i])

    cdef int64_t write_ranges(self, int o, int64_t at) noexcept nogil:
        """Greatest less least of integers; the first that does not fit, or -1."""
        cdef const Output* output = &self.outputs[o]
        cdef const Word* high = <Word*>self.scratch.hi[output.acc]
        cdef const Word* low = <Word*>self.scratch.hi[output.other]
        cdef const double* counts = self.scratch.hi[self.accs[output.acc].nulls]
        cdef Word* out = self.targets[o].values + at
        cdef wide_t reach
        cdef int64_t i
        for i in range(self.scratch.tile.n):
            if counts[i] == 0.0:
                out[i].i = 0
                continue
            if output.numeric == UNSIGNED:
                reach = (<wide_t>high[i].u - <wide_t>low[i].u) * output.how
            else:
                reach = (<wide_t>high[i].i - <wide_t>low[i].i) * output.how
            out[i].u = wide_lo(reach)
            if wide_hi(reach) != 0 or (output.numeric != UNSIGNED and out[i].i < 0):
                return i
        return -1

    cdef int write_lists(self, int o, const View* view, int64_t at) noexcept nogil:
        """All values of each window, behind the other lists."""
        cdef Scratch* s = &self.scratch
        cdef Target* target = &self.targets[o]
        cdef const Series* c = &view.columns[self.accs[self.outputs[o].acc].column]
        cdef const double* counts = s.hi[self.accs[self.outputs[o].acc].nulls]
        cdef int64_t i, row, n
        for i in range(s.tile.n):
            n = target.lists.n + <int64_t>counts[i] + 1
            if not list_grow(&target.lists, n):
                return NO_MEMORY
            if n > self.max_kept:
                return TOO_MANY_KEPT
            target.values[at + i].i = target.lists.n
            target.lists.at[target.lists.n].i = <int64_t>counts[i]
            target.lists.n += 1
            for row in range(s.tile.l[i], s.tile.r[i]):
                if has_value(c, row):
                    target.lists.at[target.lists.n] = c.x[row]
                    target.lists.n += 1
        return DONE

    cdef int write_values(self, int o, const View* view, int64_t first) noexcept nogil:
        """The values of the rows of a view from `first` on, behind those of other views."""
        cdef Target* target = &self.targets[o]
        cdef const Series* c = &view.columns[self.accs[self.outputs[o].acc].column]
        cdef int64_t row
        if not list_grow(&target.lists, target.lists.n + view.n - first):
            return NO_MEMORY
        target.row = first
        target.place = target.lists.n
        for row in range(first, view.n):
            if has_value(c, row):
                target.lists.at[target.lists.n] = c.x[row]
                target.lists.n += 1
        return TOO_MANY_KEPT if target.lists.n > self.max_kept else DONE

    cdef void write_places(self, int o, const View* view, int64_t at) noexcept nogil:
        """Where the values of each window begin among those of all rows."""
        cdef Target* target = &self.targets[o]
        cdef const Series* c = &view.columns[self.accs[self.outputs[o].acc].column]
        cdef int64_t i
        for i in range(self.scratch.tile.n):
            while target.row < self.scratch.tile.l[i]:
                target.place += has_value(c, target.row)
                target.row += 1
            target.values[at + i].i = target.place

    cdef int64_t write_int_sums(self, int o, int64_t at) noexcept nogil:
        """Sums of integers; the first that does not fit, or -1."""
        cdef int a = self.outputs[o].acc
        cdef const Word* low = <Word*>self.scratch.hi[a]
        cdef const Word* high = <Word*>self.scratch.lo[a]
        cdef Word* out = self.targets[o].values + at
        cdef int64_t i
        for i in range(self.scratch.tile.n):
            out[i] = low[i]
            if self.outputs[o].numeric == UNSIGNED:
                if high[i].i != 0:
                    return i
            elif high[i].i != (-1 if low[i].i < 0 else 0):
                return i
        return -1

    cdef int mark_nulls(self, int o, int64_t at) noexcept nogil:
        """Flag the results of a tile that have too few values."""
        cdef const Output* output = &self.outputs[o]
        cdef const double* counts = self.scratch.hi[self.accs[output.acc].nulls]
        cdef bint keeps = output.op == OF_LIST and output.how != 0  # a place is one all the same
        cdef double need = <double>self.min_samples, fewest
        cdef uint8_t* valid
        cdef int64_t i, n = self.scratch.tile.n
        if output.op != OF_SUM and output.op != OF_HALF:
            need = max(need, output.ddof + 1.0)
        fewest = counts[0]
        if not (self.scratch.tile.is_steady and self.accs[output.acc].weight < 0
                and self.scratch.is_full[self.accs[output.acc].column]):
            fewest = fewest_of(counts, n)
        if fewest >= need:
            return DONE
        if not self.has_flags(&self.targets[o]):
            return NO_MEMORY
        valid = self.targets[o].valid + at
        for i in range(n):
            if counts[i] < need:
                valid[i] = 0
                if not keeps:
                    self.targets[o].values[at + i].i = 0
        return DONE

    def take(self):
        """Hand over the results of the last `push`, one a row.

        Returns
        -------
        list of (values, valid)
            Buffers of 8-byte words and uint8; None: all valid.
        """
        cdef int o
        results = []
        for o in range(self.n_outputs):
            values = block_take(&self.targets[o].memory, self.n_results * sizeof(Word))
            valid = None
            if self.targets[o].valid != NULL:
                valid = block_take(&self.targets[o].flags, self.n_results)
            results.append((values, valid))
            self.targets[o].values = NULL
            self.targets[o].valid = NULL
        self.n_results = 0
        return results

    def put(self, list values not None, list flags not None):
        """Put the results of a share of the keys among those of all rows.

        Parameters
        ----------
        values : list of (n_rows,) int64
            OUT: of each output.
        flags : list of (n_rows,) uint8
            OUT: 0 where a result is null; others are left as they are.

        Returns
        -------
        list of bool
            Whether there are null ones, of each output.
        """
        cdef int64_t[::1] value
        cdef uint8_t[::1] flag
        cdef const int64_t* order = <const int64_t*>self.order.at
        cdef Target* target
        cdef int64_t i
        cdef int o
        has_null = []
        for o in range(self.n_outputs):
            target = &self.targets[o]
            value = values[o]
            flag = flags[o]
            if value.shape[0] != self.n_results or flag.shape[0] != self.n_results:
                raise ValueError("the results of all rows go into places for all rows")
            has_null.append(target.valid != NULL)
            with nogil:
                for i in range(self.share_of.n):
                    value[order[i]] = target.values[i].i
                if target.valid != NULL:
                    for i in range(self.share_of.n):
                        flag[order[i]] = target.valid[i]
        return has_null

    def gather(self, list shares not None):
        """Finish the results that shares have put among those of all rows.

        Parameters
        ----------
        shares : list of (state, n)
            In order; n is how many rows each of them has answered. Their lists are there still,
            and will stand one behind the other.
        """
        cdef RollingState share
        cdef Target* target
        cdef int64_t n, at, i, n_lists
        cdef int o
        for o in range(self.n_outputs):
            target = &self.targets[o]
            at = n_lists = 0
            for share, n in shares:
                if not 0 <= n <= min(share.n_results, self.n_results - at):
                    raise ValueError("shares have more rows than there are")
                if share.targets[o].valid != NULL:
                    if not self.has_flags(target):
                        raise MemoryError
                    memcpy(target.valid + at, share.targets[o].valid + share.n_results - n, n)
                if self.outputs[o].op == OF_FROM:
                    for i in range(at, at + n if n_lists else at):
                        if target.values[i].i < 0:
                            target.values[i].i -= n_lists
                else:
                    for i in range(at, at + n if n_lists else at):
                        target.values[i].i += n_lists
                n_lists += share.targets[o].lists.n
                at += n

    cdef bint has_flags(self, Target* target) noexcept nogil:
        """Have a flag for each result, set where it is new; False where there is no memory."""
        if target.valid == NULL:
            if not block_grow(&target.flags, 0, self.n_results + MARGIN):
                return False
            target.valid = <uint8_t*>target.flags.at
            memset(target.valid, 1, self.n_results)
        return True

    def take_lists(self, int output):
        """Hand over the lists of an output.

        Returns
        -------
        Buffer
            8-byte words: the length of a list, its values, and so on; the results say where.
            Of lists in place the values alone; of OF_FROM as `RowWords` has it.
        """
        cdef Target* target = &self.targets[output]
        lists = buffer_of(target.lists.at, target.lists.n * sizeof(Word))
        target.lists = WordList(NULL, 0, 0)
        return lists

    def overflow(self):
        """Tell which output did not fit, and the result of which row of the batch it was."""
        return self.bad_output, self.bad_row


def may_begin(int64_t number, int64_t n_rows):
    """Tell whether a state may begin to answer at a row, having seen the window before it alone.

    Parameters
    ----------
    number : int
        Of the row, from 0 on.
    n_rows : int
        Of the window before it.

    Returns
    -------
    bool
        Whether the results of this row and of those to come are, to the last bit, what they are
        where all rows have been seen.
    """
    return is_anchor(number, n_rows)


cdef bint is_calm(
    const Series* c, const Odd* odd, int64_t left, int64_t row, int64_t n
) noexcept nogil:
    """Whether nothing from row number `left` on is missing or no number, as far as is known."""
    if max(max(odd.nan, odd.missing), max(odd.plus, odd.minus)) >= left:
        return False
    return c.valid == NULL or memchr(c.valid + row, 0, n) == NULL


cdef int words_of(int kind) noexcept:
    """How many words of an accumulator there are that rows alone do not tell."""
    if kind == SQUARES or kind == SQUARES_INT:
        return VAR_WORDS
    return MOMENT_WORDS if kind == PAIRS or kind == POWERS else 0


cdef void* state_of(KeyState* key, int a) noexcept:
    """Where they are."""
    if key.accs[a].var != NULL:
        return key.accs[a].var
    return key.accs[a].moments


cdef void copy_out(bytearray out, Py_ssize_t at, const void* source, Py_ssize_t size):
    """Copy bytes into their place."""
    if size:
        memcpy(<char*>out + at, source, size)
