"""Results of several states, each of some of the keys, in the order in which one gives them."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uintptr_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from tidegate._kernels.buffer cimport buffer_of
from tidegate._kernels.kept cimport copy_list
from tidegate._kernels.output cimport Results, begin_flags, results_expect
from tidegate._kernels.records cimport DONE, NO_MEMORY, OF_RUNS, Acc, Kept, Word
from tidegate._kernels.window_state cimport WindowState

cdef enum:
    MOST_PARTS = 256  # as `WindowState.take_part` has it


cdef inline bint is_before(
    const Results* a, Py_ssize_t i, const Results* b, Py_ssize_t k
) noexcept nogil:
    """Whether one result goes before another."""
    return a.windows[i] < b.windows[k] or (
        a.windows[i] == b.windows[k] and a.codes[i] < b.codes[k])


cdef void results_order(
    Results** parts, int n_parts, Py_ssize_t* at, uint8_t* source
) noexcept nogil:
    """Tell of which part each result comes, by window, then by key code.

    The results of each part are in that order. `source` has room for all, `at` for the parts.
    """
    cdef Py_ssize_t k = 0
    cdef int p, best = 0
    memset(at, 0, n_parts * sizeof(Py_ssize_t))
    while best >= 0:
        best = -1
        for p in range(n_parts):
            if at[p] < parts[p].n and (
                    best < 0 or is_before(parts[p], at[p], parts[best], at[best])):
                best = p
        if best >= 0:
            source[k] = <uint8_t>best
            at[best] += 1
            k += 1


ctypedef fused Value:
    int64_t
    int32_t


cdef void weave_two(
    const Value* a, const Value* b, const uint8_t* source, Py_ssize_t n, Value* out
) noexcept nogil:
    """Put values of two parts behind one another as `source` says."""
    cdef Py_ssize_t k
    cdef uintptr_t first, both, is_second
    for k in range(n):
        is_second = source[k]  # no branch: which is next cannot be foreseen
        first = <uintptr_t>a
        both = first ^ <uintptr_t>b
        out[k] = (<const Value*>(first ^ (both & -is_second)))[0]
        b += is_second
        a += 1 - is_second


cdef void weave_values(
    Value** parts, int n_parts, Py_ssize_t* at, const uint8_t* source, Py_ssize_t n, Value* out
) noexcept nogil:
    """Put values of all parts behind one another as `source` says."""
    cdef Py_ssize_t k
    cdef int p
    if n_parts == 2:
        weave_two(parts[0], parts[1], source, n, out)
        return
    memset(at, 0, n_parts * sizeof(Py_ssize_t))
    for k in range(n):
        p = source[k]
        out[k] = parts[p][at[p]]
        at[p] += 1


cdef int results_weave(
    Results* out, Results** parts, int n_parts, Py_ssize_t* at, const uint8_t* source,
    Py_ssize_t n, int output
) noexcept nogil:
    """Put one output of all parts behind what `out` has, in the order of `source`.

    There is room for n more. Output -1: the windows and the codes.
    """
    cdef int64_t* words[MOST_PARTS]
    cdef int32_t* codes[MOST_PARTS]
    cdef Py_ssize_t k, first = out.n
    cdef bint has_flags = False
    cdef int p
    for p in range(n_parts):
        words[p] = parts[p].windows if output < 0 else <int64_t*>parts[p].values[output]
        codes[p] = parts[p].codes
    if output < 0:
        weave_values[int64_t](words, n_parts, at, source, n, out.windows + first)
        weave_values[int32_t](codes, n_parts, at, source, n, out.codes + first)
        return DONE
    weave_values[int64_t](
        words, n_parts, at, source, n, <int64_t*>out.values[output] + first)
    for p in range(n_parts):
        has_flags = has_flags or parts[p].valid[output] != NULL
    if has_flags and out.valid[output] == NULL and begin_flags(out, output) != DONE:
        return NO_MEMORY
    if out.valid[output] == NULL:
        return DONE
    memset(at, 0, n_parts * sizeof(Py_ssize_t))
    for k in range(n):
        p = source[k]
        out.valid[output][first + k] = (
            1 if parts[p].valid[output] == NULL else parts[p].valid[output][at[p]])
        at[p] += 1
    return DONE


cdef Py_ssize_t point_at(list parts, Results** results) except -1:
    """Point at the results of some states, and count them."""
    cdef WindowState part
    cdef Py_ssize_t p, n = 0
    if len(parts) > MOST_PARTS:
        raise ValueError("there are more parts than there may be")
    for p in range(len(parts)):
        part = parts[p]
        results[p] = &part.results
        n += part.results.n
    return n


def order_parts(WindowState head not None, list parts not None):
    """Find the order in which the results of several states come out, and make room for them.

    Returns
    -------
    Buffer
        (n_results,) uint8: from which of the states each one comes. See `weave`.
    """
    cdef Results* results[MOST_PARTS]
    cdef Py_ssize_t at[MOST_PARTS]
    cdef Py_ssize_t n = point_at(parts, results)
    cdef int n_parts = <int>len(parts)
    cdef uint8_t* source = <uint8_t*>malloc(n + 1)
    if source == NULL or results_expect(&head.results, head.results.n + n) != DONE:
        free(source)
        raise MemoryError
    with nogil:
        results_order(results, n_parts, at, source)
    return buffer_of(source, n)


cdef int weave_runs(
    WindowState head, list parts, const uint8_t[::1] source, int output
) except -1:
    """Take the runs or spans of rows of the results of several states over."""
    cdef const Acc* acc = &head.plan.accs[head.outputs[output].acc]
    cdef Kept* kept[MOST_PARTS]
    cdef const Word* values[MOST_PARTS]
    cdef Word* out = head.results.values[output] + head.results.n
    cdef WindowState part
    cdef Py_ssize_t n_parts = len(parts), p, k
    for p in range(n_parts):
        part = parts[p]
        values[p] = part.results.values[output]
        kept[p] = part.plan.accs[head.outputs[output].acc].kept
    with nogil:
        for k in range(source.shape[0]):
            p = source[k]
            copy_list(acc, kept[p].lists + values[p][0].i, &out[k])
            values[p] += 1
        for p in range(n_parts):
            kept[p].n_lists = 0
    return NO_MEMORY if acc.kept.failed else DONE


def weave(
    WindowState head not None, list parts not None, const uint8_t[::1] source not None, int output
):
    """Take one output of the results of several states over; -1: their windows and codes.

    Several threads may do this at a time, each with other outputs. When all are done,
    `end_weaving`.

    Parameters
    ----------
    parts, source
        As given to, and by, `order_parts`.
    """
    cdef Results* results[MOST_PARTS]
    cdef Py_ssize_t at[MOST_PARTS]
    cdef Py_ssize_t n = point_at(parts, results)
    cdef int n_parts = <int>len(parts), status = DONE
    if n != source.shape[0] or head.results.n + n > head.results.capacity:
        raise ValueError("order_parts() comes before weave()")
    if not -1 <= output < head.results.n_outputs:
        raise ValueError("there is no such output")
    if n and output >= 0 and head.outputs[output].op == OF_RUNS:
        status = weave_runs(head, parts, source, output)
    elif n:
        with nogil:
            status = results_weave(
                &head.results, results, n_parts, at, &source[0], n, output)
    if status != DONE:
        raise MemoryError


def end_weaving(WindowState head not None, list parts not None):
    """Count the results that were taken over as those of this state alone."""
    cdef WindowState part
    for part in parts:
        head.results.n += part.results.n
        part.results.n = 0
        part.left.n = 0
