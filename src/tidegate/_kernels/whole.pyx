"""Windows that begin and end within a block of rows.

In a one-shot run whose rows are in order, most short windows are a slice of one block: all of
their rows are there, and none will come. Such a window needs no record in the store: it is read
straight off its rows, with the same lanes and the same tree, and so with the same bits.

A block is looked at once, column by column, on its way from the bus: where no value needs care,
there are loops over windows, see calm.pyx; else a window goes row by row.
"""

from libc.stdint cimport INT64_MIN, int64_t, uint8_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

from tidegate._kernels.calm cimport Slices, fold_wholes, is_calm, read_simple
from tidegate._kernels.folds cimport fold_acc
from tidegate._kernels.moment_runs cimport push_moments
from tidegate._kernels.output cimport Results, results_read_one, results_room
from tidegate._kernels.push cimport floats_of, has_floats, push_row
from tidegate._kernels.records cimport (
    DONE, FLOAT, GREATEST, KEPT, KEPT_TIMES, LANES, LEAST, NO_MEMORY, OF_EXTREME, OF_ROWS, OF_SUM,
    OF_WORD, PAIRS, POWERS, ROWS, ROW_RUNS, ROW_SPAN, SQUARES, SQUARES_INT, SUM, SUM_INT, UNSIGNED,
    WEIGHTED, Acc, Column, Output, Plan, Run, Word,
)
from tidegate._kernels.rowruns cimport RUN_BEGIN, RUN_END, RUN_WORDS, number_of_row, numbers_of

cdef extern from *:
    """
    #include "lanes.h"
    #undef CYTHON_INLINE
    #define CYTHON_INLINE TG_ALWAYS_INLINE
    """

cdef enum:
    WHOLES = 256  # windows read at a time: they stay in the nearest cache
    TRUSTED = 2   # a column is taken to be calm until a result tells that it is not
    SHORT = 64    # rows of a window, on average, up to which columns are looked at first


cdef inline Slices slices_of(
    const Acc* acc, const Column* columns, const Slices* all, Py_ssize_t base
) noexcept nogil:
    """The slices of what an accumulator reads."""
    cdef Slices s = all[0]
    s.x = s.y = NULL
    s.bias = 0
    if acc.kind != ROWS:
        s.x = <const Word*>columns[acc.column].values + base
        s.bias = INT64_MIN if columns[acc.column].numeric == UNSIGNED else 0
    if acc.kind == WEIGHTED:
        s.x = <const Word*>floats_of(&columns[acc.column], base)
        s.y = <const Word*>floats_of(&columns[acc.weight], base)
    return s


cdef int scratch_init(Scratch* scratch, const Plan* plan, int n_columns) noexcept nogil:
    """Take the memory that `read_wholes` needs."""
    scratch.record = <Word*>calloc(plan.wide + plan.cold + 1, sizeof(Word))
    scratch.folded = <Word*>malloc(WHOLES * plan.narrow * sizeof(Word))
    scratch.calm = <uint8_t*>malloc(n_columns + 1)
    scratch.wanted = <uint8_t*>malloc(plan.n_accs + 1)
    if (scratch.record == NULL or scratch.folded == NULL or scratch.calm == NULL
            or scratch.wanted == NULL):
        return NO_MEMORY
    return DONE


cdef void scratch_free(Scratch* scratch) noexcept nogil:
    """Give it back."""
    free(scratch.record)
    free(scratch.folded)
    free(scratch.calm)
    free(scratch.wanted)


cdef bint all_plain(const Plan* plan, const Column* columns, int n_columns) noexcept nogil:
    """Whether every row of every column has a value that counts."""
    for c in range(n_columns):
        if columns[c].valid != NULL or columns[c].skip_nan:
            return False
    return True


cdef void fold_with_care(
    const Plan* plan, const Acc* acc, const Column* columns, const int64_t* times,
    const Run* run, Py_ssize_t base, Py_ssize_t n_rows, Word* record, Word* out,
) noexcept nogil:
    """One accumulator of one window, row by row where need be."""
    cdef Word* rare = record + plan.wide
    cdef Py_ssize_t i
    memcpy(record, plan.blank + acc.wide, (plan.wide - acc.wide) * sizeof(Word))
    memcpy(rare, plan.blank_cold + acc.rare, (plan.cold - acc.rare) * sizeof(Word))
    if acc.kind == PAIRS or acc.kind == POWERS:
        push_moments(acc, columns, times, base + run.begin, base + run.end, n_rows, 0, record, rare)
        fold_acc(acc, record, rare, out)
        return
    for i in range(run.end - run.begin):
        push_row(acc, columns, base + run.begin + i, times[base + run.begin + i], LANES,
                 <int>(i % LANES), record, rare)
    fold_acc(acc, record, rare, out)


cdef inline bint needs_calm(const Acc* acc) noexcept nogil:
    """Whether the loops over windows are right for calm values only."""
    return acc.kind in (SUM, SQUARES, LEAST, GREATEST, WEIGHTED, SUM_INT)


cdef inline bint has_loop(const Acc* acc, const Column* columns) noexcept nogil:
    """Whether there are loops over windows for an accumulator."""
    if acc.kind == WEIGHTED:
        return has_floats(&columns[acc.column]) and has_floats(&columns[acc.weight])
    return acc.kind in (KEPT, KEPT_TIMES) or (
        acc.kind != SQUARES_INT and acc.kind < WEIGHTED)


cdef inline bint all_calm(const Acc* acc, const uint8_t* calm) noexcept nogil:
    """Whether the loops over windows are right for all rows of a block."""
    if not needs_calm(acc):
        return True
    return calm[acc.column] and (acc.weight < 0 or calm[acc.weight])


cdef void number_wholes(
    const Acc* acc, const Column* columns, const Slices* s, Py_ssize_t base, int width, Word* out
) noexcept nogil:
    """The numbers of the rows of windows, which follow each other."""
    cdef const Run* run
    cdef const int64_t* numbers = numbers_of(acc, columns)
    cdef int64_t first = number_of_row(acc, NULL, base)
    cdef Py_ssize_t i
    for i in range(s.n):
        run = &s.runs[i]
        if numbers != NULL:
            first = numbers[base + run.begin] - run.begin
        if acc.kind == ROW_SPAN:
            out[0].i = first + run.begin
            out[1].i = first + run.end - 1
        else:
            memset(out, 0, RUN_WORDS * sizeof(Word))
            out[RUN_BEGIN].i = first + run.begin
            out[RUN_END].i = first + run.end
        out += width


cdef void fold_any(
    const Plan* plan, const Acc* acc, const Column* columns, const Slices* all,
    Py_ssize_t base, Scratch* scratch,
) noexcept nogil:
    """One accumulator of windows whatever their values."""
    cdef Word* out = scratch.folded + acc.narrow
    cdef Slices s
    cdef Py_ssize_t n = all.n, first, size
    cdef bint has
    if acc.kind == ROW_SPAN or acc.kind == ROW_RUNS:
        number_wholes(acc, columns, all, base, plan.narrow, out)
        return
    s = slices_of(acc, columns, all, base)
    has = has_loop(acc, columns)
    if has and all_calm(acc, scratch.calm):
        fold_wholes(acc, &s, out, plan.narrow)
        return
    s.n = 1
    while n > 0:
        first = base + s.runs.begin
        size = s.runs.end - s.runs.begin
        if has and is_calm(&columns[acc.column], first, size) and (
                acc.weight < 0 or is_calm(&columns[acc.weight], first, size)):
            fold_wholes(acc, &s, out, plan.narrow)
        else:
            fold_with_care(plan, acc, columns, s.times - base, s.runs, base, base + s.room,
                           scratch.record, out)
        out += plan.narrow
        s.runs += 1
        n -= 1


cdef inline bint is_simple(const Acc* acc, const Output* output) noexcept nogil:
    """Whether a result is one word of its rows, where they are calm and there is a value."""
    return acc.kind < WEIGHTED and (output.op in (OF_ROWS, OF_WORD, OF_EXTREME) or (
        output.op == OF_SUM and output.numeric != FLOAT))


cdef inline void want(const Plan* plan, const Acc* acc, uint8_t* wanted) noexcept nogil:
    """Mark what a result that is read from a record needs of it."""
    wanted[0] = True  # ROWS
    wanted[acc - plan.accs] = True
    if acc.nulls >= 0:
        wanted[acc.nulls] = True
    if acc.sum >= 0:
        wanted[acc.sum] = True


cdef inline int twin_of(const Plan* plan, const Results* results, int output) noexcept nogil:
    """The result that is the other extreme of a float column, read in the same pass; -1: none."""
    cdef const Acc* acc = &plan.accs[results.outputs[output].acc]
    cdef const Acc* other
    if results.outputs[output].op != OF_EXTREME or (
            acc.kind != LEAST and acc.kind != GREATEST):
        return -1
    for o in range(results.n_outputs):
        other = &plan.accs[results.outputs[o].acc]
        if (results.outputs[o].op == OF_EXTREME and other.column == acc.column
                and other.kind == LEAST + GREATEST - acc.kind):
            return o
    return -1


cdef inline void want_all(const Plan* plan, const Output* output, uint8_t* wanted) noexcept nogil:
    """Mark what a result needs of all that it is read from."""
    want(plan, &plan.accs[output.acc], wanted)
    if output.other >= 0:
        want(plan, &plan.accs[output.other], wanted)


cdef inline void look_at(const Acc* acc, uint8_t* calm) noexcept nogil:
    """Mark the columns of an accumulator."""
    if acc.column >= 0:
        calm[acc.column] = False
    if acc.weight >= 0:
        calm[acc.weight] = False


cdef void look_at_columns(
    const Plan* plan, const Column* columns, int n_columns, const Results* results,
    Py_ssize_t first, Py_ssize_t n, Py_ssize_t n_windows, uint8_t* calm
) noexcept nogil:
    """Tell which columns are calm.

    Where windows are long, those of simple results alone are said to be until these tell that they
    are not: so such a column comes from the cache once. Short windows wait for what they read; a
    look at all rows brings it near.
    """
    cdef const Output* output
    memset(calm, TRUSTED if n > SHORT * n_windows else 0, n_columns)
    for o in range(results.n_outputs):
        output = &results.outputs[o]
        if not is_simple(&plan.accs[output.acc], output):
            look_at(&plan.accs[output.acc], calm)
            if output.other >= 0:
                look_at(&plan.accs[output.other], calm)
    for c in range(n_columns):
        calm[c] = calm[c] or is_calm(&columns[c], first, n)


cdef int read_some(
    const Plan* plan, const Column* columns, const Slices* all, Py_ssize_t base,
    Scratch* scratch, Results* results
) noexcept nogil:
    """Read a few windows: simple results straight off the rows, others by way of records."""
    cdef const Acc* acc
    cdef const Output* output
    cdef Slices s
    cdef int status = DONE, twin
    memset(scratch.wanted, 0, plan.n_accs)
    for o in range(results.n_outputs):
        output = &results.outputs[o]
        acc = &plan.accs[output.acc]
        if not is_simple(acc, output) or not all_calm(acc, scratch.calm):
            want_all(plan, output, scratch.wanted)
            continue
        if results.valid[o] != NULL:
            memset(results.valid[o] + results.n, 1, all.n)
        twin = twin_of(plan, results, o)
        if acc.kind != GREATEST or twin < 0 or twin_of(plan, results, twin) != o:
            s = slices_of(acc, columns, all, base)
            if not read_simple(acc, &s, INT64_MIN if output.numeric == UNSIGNED else 0,
                               acc.column >= 0 and scratch.calm[acc.column] == TRUSTED,
                               results.values[o] + results.n, 1,
                               results.values[twin] + results.n
                               if twin >= 0 and acc.kind == LEAST else NULL):
                scratch.calm[acc.column] = False  # once for each column
                return read_some(plan, columns, all, base, scratch, results)
    for a in range(plan.n_accs):
        if scratch.wanted[a]:
            fold_any(plan, &plan.accs[a], columns, all, base, scratch)
    for o in range(results.n_outputs):
        output = &results.outputs[o]
        acc = &plan.accs[output.acc]
        if status == DONE and not (is_simple(acc, output) and all_calm(acc, scratch.calm)):
            status = results_read_one(results, plan, o, scratch.folded, all.n)
    if status == DONE:
        results.n += all.n
    return status


cdef int read_wholes(
    const Plan* plan, const Column* columns, int n_columns, const int64_t* times,
    const Run* runs, const int64_t* windows, Py_ssize_t n, Py_ssize_t base, Py_ssize_t n_rows,
    Scratch* scratch, Results* results,
) noexcept nogil:
    """Turn runs that are whole windows into results.

    Runs count their rows from `base`; `windows` has their numbers. All columns must be plain.
    """
    cdef Py_ssize_t done = 0, first = base + runs[0].begin
    cdef Slices s
    cdef int status
    look_at_columns(plan, columns, n_columns, results, first,
                    base + runs[n - 1].end - first, n, scratch.calm)
    if results_room(results, n) != DONE:
        return NO_MEMORY
    s.times = times + base
    s.room = n_rows - base
    while done < n:
        s.runs = runs + done
        s.n = min(<Py_ssize_t>WHOLES, n - done)
        memcpy(results.windows + results.n, windows + done, s.n * sizeof(int64_t))
        status = read_some(plan, columns, &s, base, scratch, results)
        if status != DONE:
            return status
        done += s.n
    return DONE
