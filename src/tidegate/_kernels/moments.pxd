"""Sums of powers and of products around a shift; see moments.pyx."""

from libc.stdint cimport int64_t

from tidegate._kernels.records cimport Acc, Column, Output, Plan, Word

cdef extern from * nogil:
    """
    #define TG_PAIR_HIGH 0x1p480
    #define TG_PAIR_LOW 0x1p-400
    #define TG_POWER_HIGH 0x1p240
    #define TG_POWER_LOW 0x1p-180
    """
    const double PAIR_HIGH "TG_PAIR_HIGH"    # of tame values, where squares are summed
    const double PAIR_LOW "TG_PAIR_LOW"
    const double POWER_HIGH "TG_POWER_HIGH"  # and where fourth powers are
    const double POWER_LOW "TG_POWER_LOW"

cdef int moment_words(int kind, int lanes) noexcept nogil
cdef int moment_rare_words(int kind) noexcept nogil
cdef void push_moment(
    const Acc* acc, const Column* columns, Py_ssize_t row, int64_t time, int lanes, int lane,
    Word* at, Word* rare,
) noexcept nogil
cdef void push_moments(
    const Acc* acc, const Column* columns, const int64_t* times, Py_ssize_t begin, Py_ssize_t end,
    Py_ssize_t n_rows, int lane, Word* at, Word* rare,
) noexcept nogil
cdef void fold_moment(const Acc* acc, const Word* at, const Word* rare, Word* out) noexcept nogil
cdef void merge_moment(const Acc* acc, Word* a, const Word* b) noexcept nogil
cdef double read_moment(
    const Plan* plan, const Output* output, const Word* record, int64_t n
) noexcept nogil
