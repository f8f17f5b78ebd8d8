"""The watermark of every row, and which rows are late."""

from libc.stdint cimport INT64_MIN, int64_t, uint8_t

from tidegate._kernels.lanes cimport add_overflows, sub_overflows

ctypedef fused time_t:
    int64_t
    double

cdef inline time_t behind(time_t time, time_t lateness) noexcept nogil:
    """time - lateness, held at the smallest time."""
    cdef int64_t out
    if time_t is double:
        return time - lateness
    else:
        return INT64_MIN if sub_overflows(time, lateness, &out) else out


cdef bint is_free(time_t largest, time_t lateness) noexcept nogil:
    """Whether the lateness can be taken from this time, and so from all larger ones."""
    if time_t is double:
        return True
    else:
        return largest >= INT64_MIN + lateness


cdef time_t loop_plain(
    const time_t* times, Py_ssize_t n, time_t lateness, time_t largest, time_t* marks,
    uint8_t* late
) noexcept nogil:
    """Fill marks and late where every time is there; return the largest.

    Without a branch in a row: new maxima come at random, and half of them were guessed wrong.
    """
    cdef Py_ssize_t i
    cdef time_t mark, t
    for i in range(n):
        t = times[i]
        largest = t if t > largest else largest
        mark = largest - lateness
        marks[i] = mark
        late[i] = t < mark
    return largest


cdef bint loop(
    const time_t* times, const uint8_t* valid, Py_ssize_t n, time_t lateness, bint any_before,
    time_t* so_far, time_t* marks, uint8_t* late
) noexcept nogil:
    """Fill marks and late; return whether there has been any time."""
    cdef Py_ssize_t i
    cdef time_t largest = so_far[0], mark = behind(largest, lateness), t
    for i in range(n):
        if valid == NULL and any_before and is_free(largest, lateness):
            largest = loop_plain(times + i, n - i, lateness, largest, marks + i, late + i)
            break
        if valid != NULL and valid[i] != 1:
            late[i] = 0
            marks[i] = mark
            continue
        t = times[i]
        if not any_before or t > largest:
            any_before = True
            largest = t
            mark = behind(t, lateness)
        late[i] = t < mark
        marks[i] = mark
    so_far[0] = largest
    return any_before


def watermarks(const time_t[::1] times not None, const uint8_t[::1] valid, time_t lateness,
               bint any_before, time_t largest, time_t[::1] marks not None,
               uint8_t[::1] late not None):
    """Follow the watermark row by row.

    Parameters
    ----------
    times : (n_rows,) int64 or float64
        NaN where `valid` is not 1 only.
    valid : (n_rows,) uint8 or None
        Rows without a 1 do not move the watermark and are not late.
    lateness : int or float
        Not negative, in the unit of the times.
    any_before, largest
        The largest time of the rows before, where there were any.
    marks : (n_rows,) out
        The watermark after each row.
    late : (n_rows,) uint8, out
        1 where the time of the row lies before the watermark.

    Returns
    -------
    tuple (any, largest)
        Whether there has been any time, and the largest.

    Notes
    -----
    One pass, O(n_rows); releases the GIL.
    """
    cdef Py_ssize_t n = times.shape[0]
    if marks.shape[0] != n or late.shape[0] != n or (valid is not None and valid.shape[0] != n):
        raise ValueError("the columns differ in length")
    if n == 0:
        return any_before, largest
    with nogil:
        any_before = loop(&times[0], NULL if valid is None else &valid[0], n, lateness, any_before,
                          &largest, &marks[0], &late[0])
    return any_before, largest


cdef void loop_far(
    const time_t* times, const uint8_t* valid, Py_ssize_t n, time_t jump, bint any_before,
    time_t largest, uint8_t* flags
) noexcept nogil:
    """Fill the flags."""
    cdef Py_ssize_t i
    cdef int64_t most
    cdef time_t t
    for i in range(n):
        flags[i] = 1 if valid == NULL else valid[i]
        t = times[i]
        if flags[i] != 1 or (any_before and t <= largest):
            continue
        if any_before:
            if time_t is double:
                if t > largest + jump:
                    flags[i] = 3
            elif not add_overflows(largest, jump, &most) and t > most:
                flags[i] = 3
        if flags[i] == 1:
            any_before = True
            largest = t


def far_times(const time_t[::1] times not None, const uint8_t[::1] valid, time_t jump,
              bint any_before, time_t largest, uint8_t[::1] flags not None):
    """Mark the times that are further than `jump` ahead of the largest one before them.

    Parameters
    ----------
    times, valid, any_before, largest
        As for `watermarks`.
    jump : int or float
        Not negative.
    flags : (n_rows,) uint8, out
        `valid`, with 3 for the times that are too far ahead.

    Notes
    -----
    One pass, O(n_rows); releases the GIL.
    """
    cdef Py_ssize_t n = times.shape[0]
    if flags.shape[0] != n or (valid is not None and valid.shape[0] != n):
        raise ValueError("the columns differ in length")
    if n:
        with nogil:
            loop_far(&times[0], NULL if valid is None else &valid[0], n, jump, any_before,
                     largest, &flags[0])
