"""C functions of the user's over the values of windows."""

from libc.stdint cimport int64_t, intptr_t

ctypedef double (*Function)(const double*, intptr_t) noexcept nogil


cdef void call_all(
    Function function, const double* values, const int64_t* begins, const int64_t* lengths,
    Py_ssize_t n, double* out
) noexcept nogil:
    """Call the function for each window with values."""
    cdef Py_ssize_t i
    for i in range(n):
        if lengths[i]:
            out[i] = function(values + begins[i], lengths[i])


def call_windows(size_t address, const double[::1] values not None,
                 const int64_t[::1] begins not None,
                 const int64_t[::1] lengths not None, double[::1] out not None):
    """Call ``double f(const double *values, intptr_t n)`` for each window with values.

    Parameters
    ----------
    address : int
        Where the function is.
    values : (n_values,) float64
    begins, lengths : (n_windows,) int64
        Where the values of each window begin, and how many there are: within `values`, else it
        is a ValueError.
    out : (n_windows,) float64
        OUT: what it returns; left as it is where a window has no value.

    Notes
    -----
    Releases the GIL.
    """
    cdef Py_ssize_t n = lengths.shape[0], i
    if begins.shape[0] != n or out.shape[0] != n or address == 0:
        raise ValueError("the windows differ in number, or there is no function")
    for i in range(n):
        if lengths[i] and not (0 <= begins[i] and 0 < lengths[i] <= values.shape[0] - begins[i]):
            raise ValueError("a window is not within the values")
    if n and values.shape[0]:
        with nogil:
            call_all(<Function>address, &values[0], &begins[0], &lengths[0], n, &out[0])
