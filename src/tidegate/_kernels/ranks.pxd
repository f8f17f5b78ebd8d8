"""Order of values as keys; see ranks.pyx."""

from libc.stdint cimport int64_t

from tidegate._kernels.records cimport Word

cdef enum:
    ROUNDS = 64   # bad splits after which a heap has to help

cdef Word value_of_key(int numeric, int64_t key) noexcept nogil
cdef void sort(int64_t* a, Py_ssize_t n, int rounds) noexcept nogil
cdef double between(int numeric, int64_t low, int64_t high, double part) noexcept nogil
cdef Py_ssize_t quantile_rank(double q, int how, Py_ssize_t n, double* part) noexcept nogil
cdef double quantile(
    int64_t* keys, Py_ssize_t n, int numeric, double q, int how, int64_t* rank
) noexcept nogil
cdef double far_from_middle(int numeric, int64_t key, int64_t low, int64_t high) noexcept nogil
cdef double median_deviation(int64_t* keys, Py_ssize_t n, int numeric) noexcept nogil
