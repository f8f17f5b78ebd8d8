"""What sessions and bars have in common: slots that rows go to, and the reading of those."""

from libc.stdint cimport int32_t, int64_t, uint8_t

from tidegate._kernels.clock cimport Clock
from tidegate._kernels.memory cimport grow
from tidegate._kernels.records cimport DONE, LANES, NO_MEMORY, Run, Word
from tidegate._kernels.row_store cimport RowStore
from tidegate._kernels.window_state cimport WindowState


cdef enum:
    ROWS_OF_BLOCK = 8192  # as in window_state
    HEAD = 3              # words of a dump: how many records, states of keys and rows that wait
    RECORD_WORDS = 4      # of each record: first, last, rows, whether there is a base


cdef struct Block:            # the rows that are looked at
    Run* runs                 # without keys
    Py_ssize_t n_runs
    Run* wholes               # windows that lie within the block
    Py_ssize_t n_wholes
    Py_ssize_t n_before       # slots that were closed before the first of these
    bint may_be_whole
    int32_t* closing          # slots that get no more rows, in the order of the result
    Py_ssize_t n_closing
    Py_ssize_t cap_closing


cdef class RowState(WindowState):
    cdef RowStore rows
    cdef Block block
    cdef bint is_float
    cdef int64_t* starts        # of the results that wait to be taken
    cdef int64_t* ends
    cdef int64_t* revised       # their revisions, where corrections are allowed
    cdef int64_t* places        # where they belong among those of other parts of the keys
    cdef bint has_places
    cdef int32_t part_number    # which part of the keys it has,
    cdef int32_t n_parts        # of how many; 0: all keys
    cdef const int64_t* marks   # the watermark of all keys before each row of the batch; NULL: none
    cdef Py_ssize_t n_placed
    cdef Py_ssize_t n_named     # rows that were left out, which have their numbers among all
    cdef Py_ssize_t n_edges
    cdef Py_ssize_t cap_edges
    cdef Word* folded
    cdef Word* sum_of

    cdef int64_t end_after(self, int64_t last) noexcept nogil
    cdef bint is_of_use(self, int64_t time) noexcept nogil
    cdef bint uses_all(
        self, const int64_t* times, const uint8_t* valid, Py_ssize_t n) noexcept nogil
    cdef int64_t most_open(self, Py_ssize_t n_keys) noexcept
    cdef void reduce_block(
        self, const int64_t* times, bint keyed, Py_ssize_t base, Py_ssize_t n, Py_ssize_t n_rows
    ) noexcept nogil
    cdef int read_block(
        self, const int64_t* times, Py_ssize_t base, Py_ssize_t n_rows
    ) noexcept nogil
    cdef int read_whole_windows(
        self, const int64_t* times, Py_ssize_t base, Py_ssize_t n_rows
    ) noexcept nogil
    cdef int make_clocks(self, Py_ssize_t n_keys) noexcept nogil
    cdef int64_t mark_of(self, int32_t code) noexcept nogil
    cdef int begin_part(self) except -1
    cdef int64_t place_of(self, int32_t code) noexcept nogil
    cdef int32_t known_code(self, int32_t code) noexcept nogil
    cdef bint is_too_far(self, int64_t time, int32_t code) noexcept nogil
    cdef bint see_key(self, int64_t time, int32_t code) noexcept nogil
    cdef void see_row(self, int64_t time, Py_ssize_t row) noexcept nogil
    cdef bytes keep_clock(self, const int32_t[::1] sources, Py_ssize_t n_rows)
    cdef void put_clock_back(self, const Clock* clock, bytes largest)
    cdef void promise(self, int64_t watermark) noexcept nogil
    cdef int edge_room(self, Py_ssize_t n) noexcept nogil
    cdef int expect_results(self, Py_ssize_t n) except -1
    cdef void add_edges(self, int64_t start, int64_t end) noexcept nogil
    cdef void fold_slots(self, const int32_t* slots, Py_ssize_t n, Word* out) noexcept nogil
    cdef void fold_slot(self, int32_t slot, Word* out) noexcept nogil
    cdef int read_slots(self, const int32_t* slots, Py_ssize_t n) noexcept nogil
    cdef tuple dump_records(self, const int32_t* slots, Py_ssize_t n)
    cdef Py_ssize_t check_records(
        self, const int64_t[::1] numbers, const int32_t[::1] codes, const int64_t[::1] records,
        const int64_t[::1] kept, Py_ssize_t n_keys, Py_ssize_t n, Py_ssize_t* n_kept
    ) except -2
    cdef void count_in(self, Word* record, const Word* base) noexcept
    cdef int take_records(
        self, const int64_t[::1] numbers, const int32_t[::1] codes, const int64_t[::1] records,
        const int64_t[::1] kept, Py_ssize_t n, int32_t* slots
    ) except -1
    cdef Py_ssize_t take_kept(
        self, Word* record, const int64_t[::1] kept, Py_ssize_t at) noexcept
    cdef void clear_kept(self, Word* base) noexcept nogil


cdef inline void keep_up(Clock* clock, const int64_t* marks, Py_ssize_t row) noexcept nogil:
    """Come to where the watermark of all keys is before a row."""
    if marks != NULL:
        clock.watermark = max(clock.watermark, marks[row])


cdef inline int closing_room(Block* block, Py_ssize_t n) noexcept nogil:
    """Make room for n more slots that are closed."""
    cdef Py_ssize_t room = max(block.n_closing + n, 2 * block.cap_closing)
    if block.n_closing + n > block.cap_closing:
        if not grow(<void**>&block.closing, room * sizeof(int32_t)):
            return NO_MEMORY
        block.cap_closing = room
    return DONE


cdef inline int begin_block(Block* block, Py_ssize_t n) noexcept nogil:
    """Forget the last block, and see to it that n windows can be closed in the next one."""
    block.n_runs = 0
    block.n_wholes = 0
    block.n_before = 0
    block.n_closing = 0
    return closing_room(block, n)


cdef inline void add_run(
    Block* block, RowStore* rows, int32_t slot, Py_ssize_t begin, Py_ssize_t end
) noexcept nogil:
    """Note a run of rows; its lane depends on how many rows its record has, so these count."""
    cdef Word* record = rows.arena.records + slot * rows.arena.wide
    cdef Run* run = &block.runs[block.n_runs]
    run.begin = <int32_t>begin
    run.end = <int32_t>end
    run.slot = slot
    run.lane = <int32_t>(record.i % LANES)
    run.ordered = True
    run.near = False
    record.i += end - begin
    block.n_runs += 1


cdef inline void add_whole(Block* block, Py_ssize_t begin, Py_ssize_t end) noexcept nogil:
    """Note rows that are a whole window."""
    cdef Run* run = &block.wholes[block.n_wholes]
    if block.n_wholes == 0:
        block.n_before = block.n_closing
    run.begin = <int32_t>begin
    run.end = <int32_t>end
    run.slot = 0
    run.lane = 0
    run.ordered = True
    run.near = False
    block.n_wholes += 1


cdef inline void add_closing(Block* block, int32_t slot) noexcept nogil:
    """Note a slot that gets no more rows; its record may lack some of this block."""
    block.closing[block.n_closing] = slot
    block.n_closing += 1


cdef inline void no_more_wholes(Block* block) noexcept nogil:
    """A window with a slot has begun: those after it come out after it."""
    block.may_be_whole = block.may_be_whole and block.n_wholes == 0
