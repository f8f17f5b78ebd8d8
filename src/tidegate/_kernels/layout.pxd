"""How the accumulators of a plan lie in a record."""

from tidegate._kernels.records cimport Column, Plan


cdef int plan_init(
    Plan* plan, list accs, const Column* columns, int lanes, bint is_float
) except -1
cdef void plan_free(Plan* plan) noexcept
