"""What a run counts beside its state."""

from libc.stdint cimport int64_t


cdef class Counts:
    """What a run counts beside its state.

    Attributes
    ----------
    rows_in, late, rejected : int
        Rows.
    windows : int
        Results handed out.
    """

    def __cinit__(self, int64_t rows_in=0, int64_t late=0, int64_t rejected=0, int64_t windows=0):
        self.rows_in = rows_in
        self.late = late
        self.rejected = rejected
        self.windows = windows

    def as_tuple(self):
        """Give the counts in the order in which a new object takes them."""
        return self.rows_in, self.late, self.rejected, self.windows
