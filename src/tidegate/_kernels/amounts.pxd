"""Running sums that close a bar."""

from libc.stdint cimport int64_t, uint64_t

from tidegate._kernels.exact cimport Exact, exact, exact_push, exact_push_product
from tidegate._kernels.lanes cimport wide_hi, wide_lo, wide_of, wide_t
from tidegate._kernels.push cimport has_value, number_of
from tidegate._kernels.records cimport FLOAT, UNSIGNED, Column, Word

cdef enum Rest:        # of a sum that has gone beyond the limit
    IS_DROPPED
    IS_CARRIED
    IS_SPLIT


cdef struct Amounts:   # what is added up, and up to which limit
    int first          # the column whose values are added up, or multiplied by those of the other
    int second         # -1: none
    bint is_int
    int64_t limit
    double limit_f
    int rest


cdef bint are_calm(
    const Amounts* amounts, const Column* columns, Py_ssize_t base, Py_ssize_t n
) noexcept nogil
cdef Py_ssize_t add_amounts(
    const Amounts* amounts, const Column* columns, Word* total, Py_ssize_t base, Py_ssize_t i,
    Py_ssize_t n, bint calm, bint* closes
) noexcept nogil
cdef int64_t take_limit(const Amounts* amounts, Word* total) noexcept nogil
cdef bint is_below(const Amounts* amounts, int64_t first, int64_t second) noexcept nogil


cdef inline void add_integer(Word* total, const Column* column, Py_ssize_t row) noexcept nogil:
    """Add an integer to a sum of floats, all of its digits."""
    cdef wide_t whole
    cdef double rounded
    if column.numeric == UNSIGNED:
        whole = (<const uint64_t*>column.values)[row]
    else:
        whole = (<const int64_t*>column.values)[row]
    rounded = <double>whole
    exact_push(&total[0].f, &total[1].f, rounded)
    exact_push(&total[0].f, &total[1].f, <double>(whole - <wide_t>rounded))


cdef inline bint reaches(const Exact* so_far, double limit) noexcept nogil:
    """Whether a sum is not below a limit."""
    return so_far.hi > limit or (so_far.hi == limit and so_far.lo >= 0.0)


cdef inline bint add_amount(
    const Amounts* amounts, const Column* columns, Word* total, Py_ssize_t row
) noexcept nogil:
    """Add what a row brings to the running sum; whether that has reached the limit."""
    cdef const Column* column = &columns[amounts.first]
    cdef const Column* other
    cdef Exact so_far
    cdef wide_t whole
    if not has_value(column, row):
        return False
    if amounts.is_int:
        whole = wide_of(total[0].u, total[1].i)
        if column.numeric == UNSIGNED:
            whole = whole + (<const uint64_t*>column.values)[row]
        else:
            whole = whole + (<const int64_t*>column.values)[row]
        total[0].u = wide_lo(whole)
        total[1].i = wide_hi(whole)
        return whole >= amounts.limit
    if amounts.second >= 0:
        other = &columns[amounts.second]
        if not has_value(other, row):
            return False
        exact_push_product(  # of two floats: so a pair holds all digits of each product
            &total[0].f, &total[1].f,
            number_of((<const Word*>column.values)[row], column.numeric),
            number_of((<const Word*>other.values)[row], other.numeric))
    elif column.numeric == FLOAT:
        exact_push(&total[0].f, &total[1].f, (<const double*>column.values)[row])
    else:
        add_integer(total, column, row)
    so_far = exact(total[0].f, total[1].f)
    return reaches(&so_far, amounts.limit_f)
