"""Results of sessions and bars of parts of the keys, in the order in which one state gives them.

By window end; of one end, sessions by key, bars by the row that closed them, and those that are
unfinished by key.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.stdlib cimport malloc, qsort
from libc.string cimport memset

from tidegate._kernels.buffer cimport buffer_of
from tidegate._kernels.partition cimport BINS
from tidegate._kernels.records cimport DONE
from tidegate._kernels.route cimport Left
from tidegate._kernels.row_state cimport RowState

cdef enum:
    MOST_PARTS = BINS


cdef struct Source:      # results of a part
    const int64_t* starts
    const int64_t* ends
    const int64_t* places
    Py_ssize_t n
    Py_ssize_t at


cdef inline bint goes_before(const Source* a, const Source* b) noexcept nogil:
    """Whether the next result of one part goes before that of another."""
    cdef int64_t x = a.ends[a.at], y = b.ends[b.at]
    return (x < y) | ((x == y) & (a.places[a.at] < b.places[b.at]))


cdef void merge_two(Source* a, Source* b, uint8_t* source) noexcept nogil:
    """Tell of which of two parts each result comes."""
    cdef Py_ssize_t k = 0
    cdef bint is_second
    while a.at < a.n and b.at < b.n:
        is_second = goes_before(b, a)  # no branch: who is next cannot be foreseen
        source[k] = is_second
        a.at += not is_second
        b.at += is_second
        k += 1
    memset(source + k, 0, a.n - a.at)
    memset(source + k + (a.n - a.at), 1, b.n - b.at)


cdef void merge(Source* parts, int n_parts, uint8_t* source) noexcept nogil:
    """Tell of which part each result comes."""
    cdef Py_ssize_t k = 0
    cdef int p, best = 0
    while best >= 0:
        best = -1
        for p in range(n_parts):
            if parts[p].at < parts[p].n and (
                    best < 0 or goes_before(&parts[p], &parts[best])):
                best = p
        if best >= 0:
            source[k] = <uint8_t>best
            parts[best].at += 1
            k += 1


cdef void recode(RowState state, bint by_code) noexcept nogil:
    """Give new results the codes that all know, and places by them where that is asked for."""
    cdef int32_t* codes = state.results.codes
    cdef int64_t* places = state.places
    cdef Py_ssize_t i
    for i in range(state.n_placed, state.results.n):
        codes[i] = state.known_code(codes[i])
        if by_code:
            places[i] = codes[i]


def be_part(RowState state not None, int32_t number, int32_t n):
    """Let a state note where its results belong among those of others, before any row comes.

    Parameters
    ----------
    state : RowState
        From now on it has the codes of a part.
    number, n : int
        Which of how many parts, see `Picker`.
    """
    if not 0 <= number < n <= MOST_PARTS:
        raise ValueError("there is no such part")
    state.has_places = True
    state.part_number = number
    state.n_parts = n
    state.begin_part()


def place_results(RowState state not None, *, bint by_row=False):
    """Say where the results of the last push, or since then, belong among those of all parts.

    Parameters
    ----------
    state : RowState
        From now on these results have the codes that all know.
    by_row : bool
        Whether results of one end go by the rows that closed them, which bars have noted, or by
        key.
    """
    if not state.has_places:
        raise ValueError("be_part() comes first")
    with nogil:
        recode(state, not by_row)
    state.n_placed = state.results.n


cdef int look_at(list parts, Source* sources, Py_ssize_t* n) except -1:
    """Look at the results of some parts, and count them; how many parts there are."""
    cdef RowState part
    cdef Py_ssize_t p
    if len(parts) > MOST_PARTS:
        raise ValueError("there are more parts than there may be")
    n[0] = 0
    for p in range(len(parts)):
        part = parts[p]
        if part.n_placed != part.results.n:
            raise ValueError("place_results() comes first")
        sources[p].starts = part.starts
        sources[p].ends = part.ends
        sources[p].places = part.places
        sources[p].n = part.results.n
        sources[p].at = 0
        n[0] += part.results.n
    return <int>len(parts)


def order_results(RowState head not None, list parts not None):
    """Find the order in which the results of several states come out, and make room for them.

    Returns
    -------
    Buffer
        (n_results,) uint8: from which of the states each one comes. See `WindowState.weave`.
    """
    cdef Source[MOST_PARTS] sources
    cdef Py_ssize_t n
    cdef int n_parts = look_at(parts, sources, &n)
    cdef uint8_t* source
    head.expect_results(n)
    source = <uint8_t*>malloc(n + 1)
    if source == NULL:
        raise MemoryError
    with nogil:
        if n_parts == 2:
            merge_two(&sources[0], &sources[1], source)
        else:
            merge(sources, n_parts, source)
    return buffer_of(source, n)


def weave_edges(RowState head not None, list parts not None, const uint8_t[::1] source not None):
    """Take over where the results of several states lie, as `WindowState.weave` does the rest.

    Another thread may do that at the same time.
    """
    cdef Source[MOST_PARTS] sources
    cdef Source* one
    cdef RowState part
    cdef Py_ssize_t k, n
    look_at(parts, sources, &n)
    if n != source.shape[0]:
        raise ValueError("order_results() comes before weave_edges()")
    if head.edge_room(n) != DONE:
        raise MemoryError
    with nogil:
        for k in range(n):
            one = &sources[source[k]]
            head.add_edges(one.starts[one.at], one.ends[one.at])
            one.at += 1
    for part in parts:
        part.n_edges = part.n_placed = 0


def name_left(RowState state not None, const int32_t[::1] rows not None, int64_t first):
    """Give the rows that the last push has left out the numbers that they have among all.

    Parameters
    ----------
    rows : (n_rows,) int32
        The numbers of the rows of that push.
    first : int
        What to add to the numbers.
    """
    cdef Py_ssize_t i
    cdef Left* left
    for i in range(state.n_named, state.left.n):
        left = &state.left.rows[i]
        if not 0 <= left.row < rows.shape[0]:
            raise ValueError("a row was left out that is none of these")
        left.row = first + rows[left.row]
    state.n_named = state.left.n


cdef int by_row(const void* a, const void* b) noexcept nogil:
    """Order of two rows that were left out: by their numbers."""
    cdef int64_t x = (<const Left*>a).row, y = (<const Left*>b).row
    return (x > y) - (x < y)


def gather_left(RowState head not None, list parts not None):
    """Move the rows that several states have left out to one, in their order."""
    cdef RowState part
    head.gather_left(parts)
    if head.left.n:
        qsort(head.left.rows, head.left.n, sizeof(Left), by_row)
    for part in parts:
        part.n_named = 0
