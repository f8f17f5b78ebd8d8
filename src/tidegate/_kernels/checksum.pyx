"""CRC-32C: the checksum of what is stored, and read again.

It finds every burst of up to 32 changed bits. RFC 3720, appendix B.4, has values to test it by.
"""

from libc.stdint cimport uint8_t, uint32_t

cdef extern from "checksum.h":
    void tg_crc_table(uint32_t*) noexcept nogil
    uint32_t tg_crc_by_table(const uint32_t*, uint32_t, const uint8_t*, size_t) noexcept nogil
    bint tg_crc_has_instruction() noexcept nogil
    uint32_t tg_crc_by_instruction(uint32_t, const uint8_t*, size_t) noexcept nogil

cdef uint32_t[256] TABLE
tg_crc_table(TABLE)
cdef bint HAS_INSTRUCTION = tg_crc_has_instruction()


def crc32c(
    const uint8_t[::1] content not None,  # IN (n_bytes,)
    uint32_t before=0,
    bint by_table=False,
):
    """Return the CRC-32C of bytes, or of what had the checksum `before` with these behind it.

    Parameters
    ----------
    content : buffer of bytes, shape (n_bytes,)
    before : int
        The checksum of what stands before.
    by_table : bool
        Do without the instruction that this machine may have; the answer is the same.

    Notes
    -----
    O(n_bytes); releases the GIL.
    """
    cdef uint32_t crc = before
    cdef Py_ssize_t size = content.shape[0]
    cdef const uint8_t* at
    if size == 0:
        return crc
    at = &content[0]
    with nogil:
        if HAS_INSTRUCTION and not by_table:
            crc = tg_crc_by_instruction(crc, at, size)
        else:
            crc = tg_crc_by_table(TABLE, crc, at, size)
    return crc
