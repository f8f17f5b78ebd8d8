"""The open bar of a key, and the spans of rows in its record, ROW_SPANS.

A row whose number is higher than that of the one before, and whose turn is the same, makes its span
longer: the record is touched where one begins and where one ends.
"""

from libc.stdint cimport int32_t, int64_t

from tidegate._kernels.records cimport Acc, Arena, Plan, Word
from tidegate._kernels.rowruns cimport (
    NUMBER_BITS, RUN_BEGIN, RUN_END, SPAN_FROM, SPAN_ROWS, SPAN_TO, runs_more,
)


cdef struct Bar:       # of a key (and a class)
    int64_t seen       # rows that came
    int64_t skip       # rows until the next window begins
    Word[2] total      # the running sum: two floats, or a 128-bit integer
    int64_t last       # time of its last row
    int64_t number     # of its last row, with its turn, where ROW_SPANS are told; -1: none
    int64_t before     # rows that came before the span which that row belongs to
    int32_t slot       # the open window, -1: none


cdef struct Numbered:  # rows of a block
    bint is_told       # in ROW_SPANS, row by row
    const int64_t* numbers  # NULL: they are counted
    int64_t first


cdef inline Word* spans_of(const Plan* plan, const Arena* arena, const Bar* bar) noexcept nogil:
    """The spans in the record of an open bar."""
    return arena.records + bar.slot * arena.wide + plan.accs[plan.numbered].wide


cdef inline void end_span(
    const Plan* plan, const Arena* arena, const Bar* bar, int64_t n_rows
) noexcept nogil:
    """Write down where the last span of a bar, if it has spans, ends after so many rows."""
    cdef Word* at
    if bar.number >= 0:
        at = spans_of(plan, arena, bar)
        at[RUN_END].i = bar.number + 1
        at[SPAN_ROWS].i = n_rows - bar.before
        at[SPAN_TO].i = bar.last


cdef inline void resume_span(const Plan* plan, const Arena* arena, Bar* bar) noexcept nogil:
    """Let the last span of a bar that was written down go on."""
    cdef const Word* at = spans_of(plan, arena, bar)
    bar.number = at[RUN_END].i - 1
    bar.before = bar.seen - at[SPAN_ROWS].i


cdef inline void begin_span(
    const Plan* plan, const Arena* arena, Bar* bar, int64_t number, int64_t time
) noexcept nogil:
    """Begin a span with a row."""
    cdef Word* at = spans_of(plan, arena, bar)
    if bar.number >= 0:
        end_span(plan, arena, bar, bar.seen - 1)
        if not runs_more(&plan.accs[plan.numbered], at):
            return
    at[RUN_BEGIN].i = number
    at[SPAN_FROM].i = time
    bar.before = bar.seen - 1


cdef inline void tell_row(
    const Plan* plan, const Arena* arena, Bar* bar, const Numbered* numbered, Py_ssize_t i,
    int64_t time
) noexcept nogil:
    """Take the number of a row, which is counted already, into the spans of its bar.

    The bar has the time of the row before it still.
    """
    cdef int64_t number
    if numbered.numbers == NULL:  # no row was late, and all before had lower ones
        number = numbered.first + i
        if bar.number < 0:
            begin_span(plan, arena, bar, number, time)
    else:
        number = numbered.numbers[i]
        if number <= bar.number or (number ^ bar.number) >> NUMBER_BITS:
            begin_span(plan, arena, bar, number, time)
    bar.number = number
