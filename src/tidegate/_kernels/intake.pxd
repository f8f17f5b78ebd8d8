from tidegate._kernels.row_buffer cimport RowTaker


cdef class BatchTaker(RowTaker):
    cdef public object _run
