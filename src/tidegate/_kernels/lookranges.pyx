"""The ranges of rows of look-backs, laid one behind the other; and the numbers of the rows."""

from libc.limits cimport INT_MAX
from libc.stdint cimport int32_t, int64_t

from tidegate._kernels.pool cimport Block, block_free, block_grow, block_take

cdef struct Windows:
    # Which rows windows have, as `RowWords` of `rolling_rows` has it
    const int64_t* first
    const int64_t* upto
    const int64_t* n_rows  # NULL: nobody asks for them
    Py_ssize_t n
    const int64_t* lists
    int64_t n_lists


cdef inline bint is_in(const Windows* windows, Py_ssize_t i, int width) noexcept nogil:
    """Whether the lists have the ranges of a window of several."""
    cdef int64_t place = -1 - windows.first[i], n = windows.upto[i]
    return place >= 0 and 0 < n <= (windows.n_lists - place) // width


cdef int64_t count_ranges(const Windows* windows, int width, int32_t* offsets) noexcept nogil:
    """Tell where the ranges of each window begin, and how many there are, if offsets can.

    -1: there are too many; -2: a window has some that are not there.
    """
    cdef int64_t n = 0
    cdef Py_ssize_t i
    for i in range(windows.n):
        offsets[i] = <int32_t>n
        if windows.first[i] >= 0:
            n += windows.upto[i] != windows.first[i]
        elif is_in(windows, i, width):
            n += windows.upto[i]
        else:
            return -2
        if n > INT_MAX:
            return -1
    offsets[windows.n] = <int32_t>n
    return n


cdef void lay(
    const Windows* windows, int width, int64_t* starts, int64_t* stops, int64_t* n_rows
) noexcept nogil:
    """Lay the ranges of windows one behind the other; `n_rows` NULL: nobody asks for them."""
    cdef int64_t at = 0, k
    cdef const int64_t* own
    cdef Py_ssize_t i
    for i in range(windows.n):
        if windows.first[i] < 0:
            own = windows.lists - 1 - windows.first[i]
            for k in range(windows.upto[i]):
                starts[at], stops[at] = own[width * k], own[width * k + 1]
                if n_rows != NULL:
                    n_rows[at] = own[width * k + 2]
                at += 1
        elif windows.upto[i] != windows.first[i]:
            starts[at], stops[at] = windows.first[i], windows.upto[i]
            if n_rows != NULL:
                n_rows[at] = windows.n_rows[i]
            at += 1


def lay_ranges(
    const int64_t[::1] first not None,
    const int64_t[::1] upto not None,
    const int64_t[::1] n_rows,
    const int64_t[::1] lists not None,
):
    """Lay the ranges of windows one behind the other.

    Parameters
    ----------
    first, upto, n_rows : ndarray
        (n_windows,) int64, the outputs OF_FROM, OF_UPTO and, where it is told how many rows of each
        range are the window's, OF_ROWS of a `RollingState`; else None.
    lists : ndarray
        (n_words,) int64, the lists of the first.

    Returns
    -------
    tuple (n_ranges, offsets, starts, stops, rows)
        Memory of (n_windows + 1,) int32, and three times (n_ranges,) int64; `rows` None if nobody
        asks. None where there are more than offsets can tell.

    Notes
    -----
    O(n_windows + n_ranges); releases the GIL.
    """
    cdef Windows windows = Windows(NULL, NULL, NULL, first.shape[0], NULL, lists.shape[0])
    cdef Block none = Block(NULL, NULL, 0), offsets, starts, stops, rows
    cdef bint has_rows = n_rows is not None
    cdef int width = 3 if has_rows else 2
    cdef int64_t n = 0, size
    cdef bint has_memory
    if upto.shape[0] != windows.n or (has_rows and n_rows.shape[0] != windows.n):
        raise ValueError("give the words of each window")
    if windows.n:
        windows.first, windows.upto = &first[0], &upto[0]
        windows.n_rows = &n_rows[0] if has_rows else NULL
    if windows.n_lists:
        windows.lists = &lists[0]
    offsets = starts = stops = rows = none
    try:
        with nogil:
            has_memory = block_grow(&offsets, 0, (windows.n + 1) * sizeof(int32_t))
            if has_memory:
                n = count_ranges(&windows, width, <int32_t*>offsets.at)
            size = n * sizeof(int64_t)
            if n > 0:
                has_memory = (block_grow(&starts, 0, size) and block_grow(&stops, 0, size)
                              and (not has_rows or block_grow(&rows, 0, size)))
                if has_memory:
                    lay(&windows, width, <int64_t*>starts.at, <int64_t*>stops.at,
                        <int64_t*>rows.at)
        if not has_memory:
            raise MemoryError
        if n == -2:
            raise ValueError("a window has ranges that are not in the lists")
        if n == -1:
            return None
        return (
            n,
            block_take(&offsets, (windows.n + 1) * sizeof(int32_t)),
            block_take(&starts, size),
            block_take(&stops, size),
            block_take(&rows, size) if has_rows else None,
        )
    finally:
        block_free(&offsets)
        block_free(&starts)
        block_free(&stops)
        block_free(&rows)


def offsets_of_one(Py_ssize_t n):
    """Tell where the ranges of n windows of one range each begin.

    Returns
    -------
    pyarrow.Buffer
        Of (n + 1,) int32.
    """
    cdef Block offsets = Block(NULL, NULL, 0)
    cdef Py_ssize_t i
    if not 0 <= n <= INT_MAX:
        raise ValueError("there are too many")
    if not block_grow(&offsets, 0, (n + 1) * sizeof(int32_t)):
        raise MemoryError
    for i in range(n + 1):
        (<int32_t*>offsets.at)[i] = <int32_t>i
    return block_take(&offsets, (n + 1) * sizeof(int32_t))


def number_rows(int64_t first, Py_ssize_t n):
    """Number rows.

    Returns
    -------
    pyarrow.Buffer
        Of (n,) int64, from `first` on.
    """
    cdef Block numbers = Block(NULL, NULL, 0)
    cdef Py_ssize_t i
    if not block_grow(&numbers, 0, n * sizeof(int64_t)):
        raise MemoryError
    for i in range(n):
        (<int64_t*>numbers.at)[i] = first + i
    return block_take(&numbers, n * sizeof(int64_t))


def number_each(const int32_t[::1] codes not None, int64_t[::1] n_each not None):
    """Tell which of the rows of its key each row is.

    Parameters
    ----------
    codes : ndarray
        (n_rows,) int32 of the keys.
    n_each : ndarray
        (n_keys,) int64, the rows of each key before; those that come are added.

    Returns
    -------
    pyarrow.Buffer
        Of (n_rows,) int64, from 0 on.
    """
    cdef Block places = Block(NULL, NULL, 0)
    cdef Py_ssize_t i, n = codes.shape[0], n_keys = n_each.shape[0]
    cdef int64_t* place
    for i in range(n):
        if not 0 <= codes[i] < n_keys:
            raise ValueError("a code is no key")
    if not block_grow(&places, 0, n * sizeof(int64_t)):
        raise MemoryError
    place = <int64_t*>places.at
    with nogil:
        for i in range(n):
            place[i] = n_each[codes[i]]
            n_each[codes[i]] += 1
    return block_take(&places, n * sizeof(int64_t))
