"""Windows that come out again, corrected by rows that came after they were closed."""

from libc.stdint cimport int32_t

from tidegate._kernels.output cimport Results
from tidegate._kernels.route cimport Router
from tidegate._kernels.store cimport Store


cdef int correct(Router* router, Store* store, Results* results, int32_t code) noexcept nogil
