"""Columns of values that are no words: text, bytes, decimals of more than 64 bits.

Their rows carry codes; what these stand for lies in two arrays that `lay_texts` shows to a state.
Codes in open records can be looked through and replaced: so values that nothing refers to any more
can be let go of.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t

from tidegate._kernels.kept cimport VALUES_AT, VALUES_N
from tidegate._kernels.records cimport (
    FIRST, GREATEST_TEXT, KEPT, LAST, LEAST_TEXT, Acc, Plan, Word,
)
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


cdef int32_t walk(
    WindowState state, int column, uint8_t* used, Py_ssize_t n_codes, const int32_t* by
) noexcept nogil:
    """Mark or replace all codes of a column in the open records; -1, or the first bad record."""
    cdef const Plan* plan = &state.plan
    cdef const Acc* acc
    cdef Word* record
    cdef const Word* cold
    cdef Word* codes
    cdef Py_ssize_t n
    cdef int32_t p, slot, at = 0
    for p in range(state.store.n_open):
        slot = state.store.pool[state.store.open[p]].head
        while slot >= 0:
            record = state.store.arena.records + slot * <Py_ssize_t>plan.wide
            cold = state.store.arena.colds + slot * <Py_ssize_t>plan.cold
            for a in range(plan.n_accs):
                acc = &plan.accs[a]
                if not has_codes(acc, column):
                    continue
                codes = codes_of(plan, acc, record, cold, &n)
                if by != NULL:
                    replace(codes, n, by)
                elif not mark(codes, n, used, n_codes) or (
                        n == 0 and acc.kind in (LEAST_TEXT, GREATEST_TEXT) and codes.i != -1):
                    return at
            at = at + 1
            slot = state.store.next_of[slot]
    return -1


def mark_codes(WindowState state not None, int column, uint8_t[::1] used not None):
    """Find out which codes of a column the open records refer to.

    Parameters
    ----------
    state : WindowState
    column : int
    used : (n_codes + 1,) uint8
        OUT: 1 where a code is referred to; the last one is not looked at.

    Returns
    -------
    int
        -1, or the first record that refers to a code that is not there.

    Notes
    -----
    O(open records + values that they keep).
    """
    cdef int32_t bad
    with nogil:
        bad = walk(state, column, &used[0], used.shape[0] - 1, NULL)
    return bad


def replace_codes(WindowState state not None, int column, const int32_t[::1] by not None):
    """Replace the codes of a column in all open records.

    Parameters
    ----------
    state : WindowState
    column : int
    by : (n_codes + 1,) int32
        What comes instead of each code that `mark_codes` marks; the last one is not looked at.
    """
    with nogil:
        walk(state, column, NULL, 0, &by[0])
