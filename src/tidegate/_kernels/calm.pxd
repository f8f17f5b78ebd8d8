"""Windows of calm rows; see calm.pyx."""

from libc.stdint cimport int64_t

from tidegate._kernels.records cimport Acc, Column, Run, Word

cdef extern from "records.h" nogil:
    ctypedef struct Slices "tg_slices":
        const Word* x          # the column, from the first row of the block on
        const Word* y          # WEIGHTED: the weights
        int64_t bias           # that makes unsigned integers sort as signed ones
        const int64_t* times
        const Run* runs
        Py_ssize_t n
        Py_ssize_t room        # rows that can be read

cdef bint is_calm(const Column* column, Py_ssize_t first, Py_ssize_t n) noexcept nogil
cdef bint read_simple(
    const Acc* acc, const Slices* s, int64_t bias, bint tells, Word* out, Py_ssize_t width,
    Word* also
) noexcept nogil
cdef void fold_wholes(
    const Acc* acc, const Slices* s, Word* out, Py_ssize_t width
) noexcept nogil
