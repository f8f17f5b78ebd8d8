"""Results that wait to be taken: columns that grow, and their order."""

from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.stdlib cimport calloc, free, malloc, qsort
from libc.string cimport memcpy

from tidegate._kernels.memory cimport grow
from tidegate._kernels.records cimport DONE, NO_MEMORY, OVERFLOWED, Output, Plan, Word
from tidegate._kernels.results cimport read_results


cdef int results_init(Results* results, const Output* outputs, int n_outputs) noexcept nogil:
    """No results yet."""
    results.n_outputs = n_outputs
    results.outputs = outputs
    results.n = 0
    results.capacity = 0
    results.windows = NULL
    results.codes = NULL
    results.values = <Word**>calloc(n_outputs + 1, sizeof(Word*))
    results.valid = <uint8_t**>calloc(n_outputs + 1, sizeof(uint8_t*))
    return DONE if results.values != NULL and results.valid != NULL else NO_MEMORY


cdef void results_free(Results* results) noexcept nogil:
    """Give the memory back."""
    cdef int o
    for o in range(results.n_outputs):
        if results.values != NULL:
            free(results.values[o])
        if results.valid != NULL:
            free(results.valid[o])
    free(results.windows)
    free(results.codes)
    free(results.values)
    free(results.valid)


cdef int results_room(Results* results, Py_ssize_t n) noexcept nogil:
    """Make room for n more results."""
    cdef Py_ssize_t capacity
    cdef int o
    if results.n + n <= results.capacity:
        return DONE
    capacity = max(results.n + n, 2 * results.capacity, 64)
    if not (grow(<void**>&results.windows, capacity * 8)
            and grow(<void**>&results.codes, capacity * 4)):
        return NO_MEMORY
    for o in range(results.n_outputs):
        if not (grow(<void**>&results.values[o], capacity * 8)
                and grow(<void**>&results.valid[o], capacity)):
            return NO_MEMORY
    results.capacity = capacity
    return DONE


cdef int results_read(
    Results* results, const Plan* plan, const Word* records, Py_ssize_t n
) noexcept nogil:
    """Read all outputs of n folded records; their windows and codes are in place already."""
    cdef int o
    cdef Py_ssize_t bad, at = results.n
    for o in range(results.n_outputs):
        bad = read_results(plan, &results.outputs[o], records, n, results.values[o] + at,
                           results.valid[o] + at)
        if bad >= 0:
            results.bad_output = o
            results.bad_window = results.windows[at + bad]
            results.bad_code = results.codes[at + bad]
            return OVERFLOWED
    results.n += n
    return DONE


cdef struct Ranked:
    int64_t window
    int32_t code
    Py_ssize_t at


cdef int by_window(const void* a, const void* b) noexcept nogil:
    """Order of two results for qsort."""
    cdef const Ranked* x = <const Ranked*>a
    cdef const Ranked* y = <const Ranked*>b
    if x.window != y.window:
        return 1 if x.window > y.window else -1
    return (x.code > y.code) - (x.code < y.code)


cdef int results_sort(Results* results, Py_ssize_t first) noexcept nogil:
    """Bring the results from `first` on into order."""
    cdef Py_ssize_t i, n = results.n - first
    cdef Ranked* ranked = <Ranked*>malloc((n + 1) * sizeof(Ranked))
    cdef Word* values = <Word*>malloc((n + 1) * sizeof(Word))
    cdef uint8_t* valid = <uint8_t*>malloc(n + 1)
    cdef int o, status = DONE
    if ranked == NULL or values == NULL or valid == NULL:
        status = NO_MEMORY
    else:
        for i in range(n):
            ranked[i].window = results.windows[first + i]
            ranked[i].code = results.codes[first + i]
            ranked[i].at = first + i
        qsort(ranked, n, sizeof(Ranked), by_window)
        for o in range(results.n_outputs):
            for i in range(n):
                values[i] = results.values[o][ranked[i].at]
                valid[i] = results.valid[o][ranked[i].at]
            memcpy(results.values[o] + first, values, n * sizeof(Word))
            memcpy(results.valid[o] + first, valid, n)
        for i in range(n):
            results.windows[first + i] = ranked[i].window
            results.codes[first + i] = ranked[i].code
    free(ranked)
    free(values)
    free(valid)
    return status
