"""Results that wait to be taken: columns that grow, and their order."""

from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.stdlib cimport calloc, free, malloc, qsort
from libc.string cimport memcpy, memset

from tidegate._kernels.kept cimport kept_failed
from tidegate._kernels.pool cimport Block, block_free, block_grow, block_take
from tidegate._kernels.records cimport DONE, NO_MEMORY, OVERFLOWED, Output, Plan, Word
from tidegate._kernels.results cimport read_results


cdef int results_init(
    Results* results, const Output* outputs, int n_outputs, bint keyed
) noexcept nogil:
    """No results yet."""
    memset(results, 0, sizeof(Results))
    results.n_outputs = n_outputs
    results.outputs = outputs
    results.keyed = keyed
    results.memory = <Block*>calloc(2 * n_outputs + 2, sizeof(Block))
    results.values = <Word**>calloc(n_outputs + 1, sizeof(Word*))
    results.valid = <uint8_t**>calloc(n_outputs + 1, sizeof(uint8_t*))
    if results.memory == NULL or results.values == NULL or results.valid == NULL:
        return NO_MEMORY
    return DONE


cdef void results_free(Results* results) noexcept:
    """Give the memory back."""
    cdef int b
    if results.memory != NULL:
        for b in range(2 * results.n_outputs + 2):
            block_free(&results.memory[b])
    free(results.memory)
    free(results.values)
    free(results.valid)


cdef bint grow(Results* results, Py_ssize_t n) noexcept nogil:
    """Give all columns room for n results; False where one could not."""
    cdef int b
    cdef bint grown = block_grow(&results.memory[0], results.n * 8, n * 8)
    if results.keyed:
        grown = grown and block_grow(&results.memory[1], results.n * 4, n * 4)
    for b in range(2, 2 * results.n_outputs + 2, 2):
        grown = grown and block_grow(&results.memory[b], results.n * 8, n * 8)
        if results.memory[b + 1].owner != NULL:
            grown = grown and block_grow(&results.memory[b + 1], results.n, n)
    return grown


cdef int results_expect(Results* results, Py_ssize_t n) noexcept nogil:
    """Make room for n results in all."""
    cdef int o
    if n <= results.capacity:
        return DONE
    results.capacity = n if grow(results, n) else results.capacity
    results.windows = <int64_t*>results.memory[0].at
    results.codes = <int32_t*>results.memory[1].at
    for o in range(results.n_outputs):
        results.values[o] = <Word*>results.memory[2 + 2 * o].at
        results.valid[o] = <uint8_t*>results.memory[3 + 2 * o].at
    return DONE if results.capacity >= n else NO_MEMORY


cdef int results_room(Results* results, Py_ssize_t n) noexcept nogil:
    """Make room for n more results."""
    if results.n + n <= results.capacity:
        return DONE
    return results_expect(results, max(results.n + n, 2 * results.capacity, 64))


cdef int begin_flags(Results* results, int output) noexcept nogil:
    """Begin to tell which results of an output are valid: all were, up to here."""
    if not block_grow(&results.memory[3 + 2 * output], 0, results.capacity):
        return NO_MEMORY
    results.valid[output] = <uint8_t*>results.memory[3 + 2 * output].at
    memset(results.valid[output], 1, results.n)
    return DONE


cdef int results_read_one(
    Results* results, const Plan* plan, int output, const Word* records, Py_ssize_t n
) noexcept nogil:
    """Read one output of n folded records, behind the results that are there."""
    cdef const Output* what = &results.outputs[output]
    cdef Py_ssize_t at = results.n, bad
    cdef Word* values = results.values[output] + at
    cdef bint has_nulls = False
    bad = read_results(
        plan, what, records, n, values,
        NULL if results.valid[output] == NULL else results.valid[output] + at, &has_nulls)
    if has_nulls and results.valid[output] == NULL:
        if begin_flags(results, output) != DONE:
            return NO_MEMORY
        bad = read_results(plan, what, records, n, values, results.valid[output] + at, &has_nulls)
    if bad < 0:
        return NO_MEMORY if plan.keeps and kept_failed(plan) else DONE
    results.bad_output = output
    results.bad_window = results.windows[at + bad]
    results.bad_code = results.codes[at + bad] if results.keyed else 0
    return OVERFLOWED


cdef int results_read(
    Results* results, const Plan* plan, const Word* records, Py_ssize_t n
) noexcept nogil:
    """Read all outputs of n folded records; their windows and codes are in place already."""
    cdef int o, status
    for o in range(results.n_outputs):
        status = results_read_one(results, plan, o, records, n)
        if status != DONE:
            return status
    results.n += n
    return DONE


cdef tuple results_take(Results* results):
    """Hand over the window numbers, the codes and the outputs, and begin anew.

    Returns
    -------
    tuple (windows, codes, [(values, valid), ...])
        pyarrow.Buffers of int64, int32, 8-byte words and uint8; None: no codes, all valid.
    """
    cdef Py_ssize_t n = results.n
    cdef Block* memory = results.memory
    windows = block_take(&memory[0], n * 8)
    codes = block_take(&memory[1], n * 4) if results.keyed else None
    outputs = [
        (block_take(&memory[2 + 2 * o], n * 8),
         None if results.valid[o] == NULL else block_take(&memory[3 + 2 * o], n))
        for o in range(results.n_outputs)]
    results.n = 0
    results.capacity = 0
    memset(results.valid, 0, results.n_outputs * sizeof(uint8_t*))
    return windows, codes, outputs


cdef struct Ranked:
    int64_t window
    int64_t order
    Py_ssize_t at


cdef int by_window(const void* a, const void* b) noexcept nogil:
    """Order of two results for qsort."""
    cdef const Ranked* x = <const Ranked*>a
    cdef const Ranked* y = <const Ranked*>b
    if x.window != y.window:
        return 1 if x.window > y.window else -1
    return (x.order > y.order) - (x.order < y.order)


cdef int results_sort(
    Results* results, Py_ssize_t first, const int64_t* ranks
) noexcept nogil:
    """Bring the results from `first` on into order of window, then of the rank of their code.

    NULL: codes are ranks.
    """
    cdef Py_ssize_t i, n = results.n - first
    cdef Ranked* ranked = <Ranked*>malloc((n + 1) * sizeof(Ranked))
    cdef Word* values = <Word*>malloc((n + 1) * sizeof(Word))
    cdef uint8_t* valid = <uint8_t*>malloc(n + 1)
    cdef int32_t* codes = <int32_t*>values
    cdef int o, status = DONE
    if ranked == NULL or values == NULL or valid == NULL:
        status = NO_MEMORY
    else:
        for i in range(n):
            ranked[i].window = results.windows[first + i]
            ranked[i].order = results.codes[first + i]
            if ranks != NULL:
                ranked[i].order = ranks[ranked[i].order]
            ranked[i].at = first + i
        qsort(ranked, n, sizeof(Ranked), by_window)
        for o in range(results.n_outputs):
            for i in range(n):
                values[i] = results.values[o][ranked[i].at]
            memcpy(results.values[o] + first, values, n * sizeof(Word))
            if results.valid[o] != NULL:
                for i in range(n):
                    valid[i] = results.valid[o][ranked[i].at]
                memcpy(results.valid[o] + first, valid, n)
        for i in range(n):
            results.windows[first + i] = ranked[i].window
            codes[i] = results.codes[ranked[i].at]
        memcpy(results.codes + first, codes, n * sizeof(int32_t))
    free(ranked)
    free(values)
    free(valid)
    return status
