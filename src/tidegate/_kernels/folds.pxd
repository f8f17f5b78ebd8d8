"""Records of lanes folded, and of panes added up; see folds.pyx."""

from libc.stdint cimport int32_t, int64_t

from tidegate._kernels.exact cimport Exact, exact
from tidegate._kernels.lanes cimport wide_t
from tidegate._kernels.records cimport UNSIGNED, Acc, Arena, Plan, Word

cdef void fold_records(
    const Plan* plan, const Arena* arena, const int32_t* slots, Py_ssize_t n, Word* out,
) noexcept nogil
cdef void fold_acc(const Acc* acc, const Word* at, const Word* rare, Word* out) noexcept nogil
cdef void merge_record(const Plan* plan, Word* into, const Word* other) noexcept nogil


cdef inline Exact pair_at(const Word* at) noexcept nogil:
    """An accumulated pair, normalised."""
    return exact(at[0].f, at[1].f)


cdef inline int64_t values_in(const Plan* plan, const Acc* acc, const Word* record) noexcept nogil:
    """How many rows of a folded record have a value."""
    return record[0].i - record[plan.accs[acc.nulls].narrow].i


cdef inline wide_t shift_of(const Acc* acc, const Word* at) noexcept nogil:
    """The shift of SQUARES_INT."""
    if acc.numeric == UNSIGNED:
        return <wide_t>at[2].u
    return <wide_t>at[2].i
