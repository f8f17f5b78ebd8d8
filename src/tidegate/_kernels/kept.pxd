"""Values that a record keeps; see kept.pyx."""

from libc.stdint cimport int64_t

from tidegate._kernels.records cimport ROW_RUNS, ROW_SPANS, Acc, Output, Plan, Word
from tidegate._kernels.rowruns cimport RUN_WORDS, SPAN_WORDS

cdef enum:
    # Words of KEPT and KEPT_TIMES in a record. A folded record has the same four: the values of a
    # window are those of RANGE_N folded records, one behind the other, from RANGE_AT on.
    RANGE_AT
    RANGE_N            # in a record: room for how many values
    VALUES_AT
    VALUES_N
    KEPT_WORDS

cdef bint kept_grow(const Acc* acc, Word* at, Py_ssize_t n) noexcept nogil
cdef void kept_extend(
    const Acc* acc, Word* at, const Word* values, Py_ssize_t n
) noexcept nogil
cdef void kept_drop(const Plan* plan, Word* record) noexcept nogil
cdef Py_ssize_t kept_out(const Plan* plan, Word* record, Word* out) noexcept nogil
cdef Py_ssize_t kept_in(const Plan* plan, const Word* record) noexcept nogil
cdef Py_ssize_t kept_load(const Plan* plan, Word* record, const Word* values) noexcept nogil
cdef void kept_join(const Plan* plan, Word* record, Word* other) noexcept nogil
cdef void kept_fold(const Plan* plan, Word* out) noexcept nogil
cdef bint kept_failed(const Plan* plan) noexcept nogil
cdef int64_t kept_values(const Plan* plan) noexcept nogil
cdef void copy_list(const Acc* acc, const Word* given, Word* value) noexcept nogil
cdef void read_runs(
    const Plan* plan, const Output* output, const Word* records, Py_ssize_t n, Word* values
) noexcept nogil
cdef void read_kept(
    const Plan* plan, const Output* output, const Word* records, Py_ssize_t n, Word* values
) noexcept nogil


cdef inline int kept_words(const Acc* acc) noexcept nogil:
    """How many words of a record tell what it keeps for an accumulator."""
    if acc.kind == ROW_SPANS:
        return SPAN_WORDS
    return RUN_WORDS if acc.kind == ROW_RUNS else KEPT_WORDS


cdef inline bint keeps_rows(const Acc* acc) noexcept nogil:
    """Whether what a record keeps for an accumulator are not values, but numbers of rows."""
    return acc.kind == ROW_RUNS or acc.kind == ROW_SPANS


cdef inline void kept_push(const Acc* acc, Word* at, Word value) noexcept nogil:
    """Keep one value."""
    if at[VALUES_N].i == at[RANGE_N].i and not kept_grow(acc, at, at[VALUES_N].i + 1):
        return
    (<Word*>at[VALUES_AT].p)[at[VALUES_N].i] = value
    at[VALUES_N].i += 1
    acc.kept.n += 1
