"""What the windows of a look-back come to, a tile of rows at a time; see rolling_tile.pyx."""

from libc.stdint cimport int64_t

from tidegate._kernels.records cimport Acc, Output
from tidegate._kernels.rolling_state cimport KeyState, Look, Scratch, Tile, View

cdef int scratch_init(
    Scratch* s, Acc* accs, int n_accs, int n_columns, const Output* outputs, int n_outputs
) noexcept
cdef void scratch_free(Scratch* s) noexcept
cdef int key_init(KeyState* key, const Scratch* s) noexcept nogil
cdef void key_free(KeyState* key, const Scratch* s) noexcept nogil
cdef int key_use_blocks(KeyState* key, const Scratch* s, int64_t n_rows) noexcept nogil
cdef bint key_take_up(
    KeyState* key, Scratch* s, const View* view, const Look* look, bint is_share
) noexcept nogil
cdef int key_anchor(
    KeyState* key, const Scratch* s, const View* view, const Look* look, int64_t number
) noexcept nogil
cdef int64_t find_bounds(
    Tile* tile, const Look* look, const View* view, const KeyState* key, int64_t first,
    int64_t n,
) noexcept nogil
cdef int compute_tile(
    Scratch* s, const View* view, const Look* look, KeyState* key
) noexcept nogil
