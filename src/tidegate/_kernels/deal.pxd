"""Rows of many keys into records, eight keys at a time."""

from libc.stdint cimport int32_t

from tidegate._kernels.records cimport Column, Plan, Word
from tidegate._kernels.store cimport Store


cdef struct Dealer:
    double* hands       # the values of each key, one hand after the other
    int32_t* held       # by key code: how many values its hand has
    Py_ssize_t n_keys
    int pause           # runs that are not dealt
    int n_vain          # panes in a row that were not read straight off their hands after all
    int pause_wholes    # panes that are not tried
    Word* nobody        # a record for lanes without a key
    int32_t* seen       # by key code: one of its rows
    int32_t* slots      # by key code: its record, -1: it has no rows in the run
    Py_ssize_t n_dealt  # keys that have some
    Py_ssize_t n_new    # those of them whose record knows of no row yet


cdef bint can_deal(const Plan* plan, const Column* columns, int n_columns) noexcept nogil
cdef void dealer_free(Dealer* dealer) noexcept nogil
cdef bint may_deal(const Store* store, Py_ssize_t n_rows) noexcept nogil
cdef bint is_worth(Dealer* dealer, const Store* store, Py_ssize_t n_rows) noexcept nogil
cdef int dealer_room(Dealer* dealer, Py_ssize_t n_keys) noexcept nogil
cdef Py_ssize_t deal(
    Dealer* dealer, const double* x, const int32_t* codes, Py_ssize_t n
) noexcept nogil
cdef int deal_rows(
    Dealer* dealer, const Plan* plan, const Column* columns, int n_columns, Store* store,
    int32_t place, const int32_t* codes, const int32_t* rows, Py_ssize_t base, Py_ssize_t n_rows,
) noexcept nogil
