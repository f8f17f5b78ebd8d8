"""Columns of values that are no words: text, bytes, decimals of more than 64 bits.

Their rows carry codes; what these stand for lies in two arrays that `lay_texts` shows to a state.
Codes in open records can be looked through and replaced: so values that nothing refers to any more
can be let go of. Windows that rows make have them in three places: records, the sums that stand
beside the records of merged sessions, and rows that wait for the watermark.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t

from tidegate._kernels.kept cimport VALUES_AT, VALUES_N
from tidegate._kernels.records cimport (
    FIRST, GREATEST_TEXT, KEPT, LAST, LEAST_TEXT, Acc, Plan, Word,
)
from tidegate._kernels.row_state cimport RowState
from tidegate._kernels.row_store cimport IS_OPEN, RowStore
from tidegate._kernels.waiting cimport WaitingState
from tidegate._kernels.window_state cimport WindowState


def lay_texts(WindowState state not None, int column, const int64_t[::1] offsets not None,
              const uint8_t[::1] content not None, bint is_number):
    """Tell a state what the codes of a column stand for.

    Parameters
    ----------
    state : WindowState
    column : int
        Which of its columns.
    offsets : (n_codes + 1,) int64
        Where the value of each code begins in `content`, and where it ends. Both arrays are held
        on to; what stands in them must not change, but larger ones may come.
    content : (n_bytes,) uint8
    is_number : bool
        The values are two's complement numbers, the low byte first, of one width of whole words.
    """
    if not 0 <= column < state.n_columns:
        raise ValueError("there is no such column")
    if state.texts is None:
        state.texts = {}
    state.texts[column] = (offsets, content)
    state.columns[column].texts.offsets = &offsets[0]
    # Of no bytes at all there is an address too: nothing is read from it.
    state.columns[column].texts.content = (
        &content[0] if content.shape[0] else <const uint8_t*>&offsets[0])
    state.columns[column].texts.is_number = is_number


cdef Word* codes_of(
    const Plan* plan, const Acc* acc, Word* record, const Word* cold, Py_ssize_t* n
) noexcept nogil:
    """The codes that an accumulator of a record refers to."""
    cdef Word* at = record + acc.wide
    cdef int64_t n_values = record[0].i - cold[plan.accs[acc.nulls].rare].i
    n[0] = 1 if n_values > 0 else 0
    if acc.kind == KEPT:
        n[0] = at[VALUES_N].i
        return <Word*>at[VALUES_AT].p
    return at + 1 if acc.kind == FIRST or acc.kind == LAST else at


cdef Word* codes_of_sum(
    const Plan* plan, const Acc* acc, Word* folded, Py_ssize_t* n
) noexcept nogil:
    """The code that an accumulator of a folded record refers to; it keeps no values."""
    cdef Word* at = folded + acc.narrow
    n[0] = 1 if folded[0].i - folded[plan.accs[acc.nulls].narrow].i > 0 else 0
    return at + 1 if acc.kind == FIRST or acc.kind == LAST else at


cdef bint has_codes(const Acc* acc, int column) noexcept nogil:
    """Whether an accumulator keeps codes of a column."""
    return acc.column == column and acc.kind in (FIRST, LAST, LEAST_TEXT, GREATEST_TEXT, KEPT)


cdef bint mark(
    const Word* codes, Py_ssize_t n, uint8_t* used, Py_ssize_t n_codes
) noexcept nogil:
    """Mark codes; False where one is of nothing."""
    cdef Py_ssize_t i
    for i in range(n):
        if not 0 <= codes[i].i < n_codes:
            return False
        used[codes[i].i] = 1
    return True


cdef void replace(Word* codes, Py_ssize_t n, const int32_t* by) noexcept nogil:
    """Replace codes."""
    cdef Py_ssize_t i
    for i in range(n):
        codes[i].i = by[codes[i].i]


cdef bint use(
    const Acc* acc, Word* codes, Py_ssize_t n, uint8_t* used, Py_ssize_t n_codes, const int32_t* by
) noexcept nogil:
    """Mark or replace what an accumulator refers to; False where that cannot be."""
    if by != NULL:
        replace(codes, n, by)
        return True
    return mark(codes, n, used, n_codes) and (
        n > 0 or acc.kind not in (LEAST_TEXT, GREATEST_TEXT) or codes.i == -1)


cdef bint use_record(
    const Plan* plan, int column, Word* record, const Word* cold, Word* base, uint8_t* used,
    Py_ssize_t n_codes, const int32_t* by
) noexcept nogil:
    """Mark or replace the codes of a column in a record, and in the sum beside it."""
    cdef const Acc* acc
    cdef Word* codes
    cdef Py_ssize_t n
    for a in range(plan.n_accs):
        acc = &plan.accs[a]
        if not has_codes(acc, column):
            continue
        codes = codes_of(plan, acc, record, cold, &n)
        if not use(acc, codes, n, used, n_codes, by):
            return False
        if base != NULL and acc.kind != KEPT:
            codes = codes_of_sum(plan, acc, base, &n)
            if not use(acc, codes, n, used, n_codes, by):
                return False
    return True


cdef int32_t walk(
    WindowState state, int column, uint8_t* used, Py_ssize_t n_codes, const int32_t* by
) noexcept nogil:
    """Mark or replace all codes of a column in the open records; -1, or the first bad record."""
    cdef const Plan* plan = &state.plan
    cdef int32_t p, slot, at = 0
    for p in range(state.store.n_open):
        slot = state.store.pool[state.store.open[p]].head
        while slot >= 0:
            if not use_record(
                    plan, column, state.store.arena.records + slot * <Py_ssize_t>plan.wide,
                    state.store.arena.colds + slot * <Py_ssize_t>plan.cold, NULL, used, n_codes,
                    by):
                return at
            at = at + 1
            slot = state.store.next_of[slot]
    return -1


cdef int32_t walk_rows(
    const RowStore* rows, int column, uint8_t* used, Py_ssize_t n_codes, const int32_t* by
) noexcept nogil:
    """The same of windows that rows make; their records by slot."""
    cdef const Plan* plan = rows.plan
    cdef int32_t slot, at = 0
    for slot in range(<int32_t>rows.n_slots):
        if rows.seats[slot].standing != IS_OPEN:
            continue
        if not use_record(
                plan, column, rows.arena.records + slot * <Py_ssize_t>plan.wide,
                rows.arena.colds + slot * <Py_ssize_t>plan.cold, rows.seats[slot].base, used,
                n_codes, by):
            return at
        at = at + 1
    return -1


cdef int32_t walk_any(
    WindowState state, int column, uint8_t* used, Py_ssize_t n_codes, const int32_t* by
) noexcept:
    """Walk through the records of a state of either kind."""
    cdef const RowStore* rows = NULL
    cdef int32_t bad
    if isinstance(state, RowState):
        rows = &(<RowState>state).rows
    with nogil:
        if rows != NULL:
            bad = walk_rows(rows, column, used, n_codes, by)
        else:
            bad = walk(state, column, used, n_codes, by)
    return bad


def mark_codes(WindowState state not None, int column, uint8_t[::1] used not None):
    """Find out which codes of a column the open records and the rows that wait refer to.

    Parameters
    ----------
    state : WindowState
    column : int
    used : (n_codes + 1,) uint8
        OUT: 1 where a code is referred to; the last one is not looked at.

    Returns
    -------
    int
        -1, or the first record that refers to a code that is not there; rows that wait count as
        the one after the last.

    Notes
    -----
    O(open records + values that they keep + rows that wait).
    """
    cdef int32_t bad = walk_any(state, column, &used[0], used.shape[0] - 1, NULL)
    if bad < 0 and isinstance(state, WaitingState):
        if not (<WaitingState>state).waiting.mark_codes(column, used):
            return state.n_open
    return bad


def replace_codes(WindowState state not None, int column, const int32_t[::1] by not None):
    """Replace the codes of a column in all open records and rows that wait.

    Parameters
    ----------
    state : WindowState
    column : int
    by : (n_codes + 1,) int32
        What comes instead of each code that `mark_codes` marks; the last one is not looked at.
    """
    walk_any(state, column, NULL, 0, &by[0])
    if isinstance(state, WaitingState):
        (<WaitingState>state).waiting.replace_codes(column, by)
