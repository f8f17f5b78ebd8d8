"""Indices of a dictionary column -> the codes of its entries."""

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t

ctypedef fused index_t:
    uint8_t
    uint16_t
    uint32_t
    uint64_t

cdef enum:
    NO_CODE = -1


cdef Py_ssize_t remap_rows(
    const index_t* indices, const uint8_t* valid, int32_t* code_of, Py_ssize_t n_entries,
    int32_t* codes, int32_t* fresh, Py_ssize_t n_rows,
) noexcept nogil:
    """Translate indices; collect the entries without a code in order of first appearance."""
    cdef Py_ssize_t row, n_fresh = 0
    cdef uint64_t entry
    cdef int32_t code
    for row in range(n_rows):
        entry = indices[row]
        if valid != NULL and not valid[row]:
            entry = n_entries
        elif entry >= <uint64_t>n_entries:
            return -1 - row
        code = code_of[entry]
        if code == NO_CODE:
            code_of[entry] = -2
            fresh[n_fresh] = <int32_t>entry
            n_fresh += 1
        codes[row] = code
    return n_fresh


def remap(
    const index_t[::1] indices not None,  # IN (n_rows,)
    const uint8_t[::1] valid,  # IN (n_rows,), 1 = valid; None = no nulls
    int32_t[::1] code_of not None,  # INOUT (n_entries + 1,), -1 = no code yet; the last: null
    int32_t[::1] codes not None,  # OUT (n_rows,)
    int32_t[::1] fresh not None,  # OUT (n_entries + 1,), entries without a code
):
    """Translate dictionary indices to codes.

    Returns
    -------
    int
        How many entries without a code were found. They are marked -2 in `code_of` and stand in
        `fresh` in order of first appearance: give them codes and call again. If negative, the index
        in row ``-1 - result`` is not in the dictionary.
    """
    cdef Py_ssize_t n_rows = indices.shape[0], n_entries = code_of.shape[0] - 1, result = 0
    cdef const uint8_t* is_valid = NULL
    if codes.shape[0] != n_rows or fresh.shape[0] <= n_entries or n_entries < 0:
        raise ValueError("the arrays do not fit each other")
    if valid is not None and valid.shape[0] != n_rows:
        raise ValueError("indices and valid differ in length")
    if n_rows == 0:
        return 0
    if valid is not None:
        is_valid = &valid[0]
    with nogil:
        result = remap_rows(
            &indices[0], is_valid, &code_of[0], n_entries, &codes[0], &fresh[0], n_rows
        )
    return result
