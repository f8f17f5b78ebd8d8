"""What the kernels of look-backs share.

A view is the rows of one key, in order; row i of it has number base + i since the key began. A
tile is up to TILE rows of a view that are answered together. Everything here depends on the rows
and their numbers alone, never on where a view or a tile was cut.

What remembers more than the rows of a window (sums of squares, of powers and of products) is made
anew of them at anchors: rows whose number is a multiple of ANCHOR and, for long windows, of more,
so that it costs little. From there on it is the same whether or not it has seen the rows before.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t

from tidegate._kernels.lanes cimport wide_t
from tidegate._kernels.records cimport Acc, Output, Word

cdef extern from "rolling_extreme.h" nogil:
    enum:
        TILE "TG_TILE"
        PAD "TG_PAD"
        BLOCK "TG_BLOCK"

    ctypedef struct Big "tg_big":
        pass

    ctypedef struct Even "tg_even":
        pass

    ctypedef struct Sum "tg_sum":
        Even even
        int32_t levels
        bint is_slow
        int64_t most
        int64_t retry
        double sum[3]
        Big* big

    ctypedef struct Tile "tg_tile":
        int64_t l[512]
        int64_t r[512]
        int64_t n
        int64_t first
        int64_t was_l
        int64_t was_r
        bint is_steady
        bint is_by_one

    ctypedef struct Series "tg_series":
        const Word* x
        const uint8_t* valid
        int numeric
        bint skip_nan

    ctypedef struct Pair "tg_v2":
        pass

    ctypedef struct Sums2 "tg_sums2":
        Pair hi
        Pair lo

    ctypedef struct Slip "tg_slip":
        Pair peak
        int64_t steps

    enum:
        FIXED_FIRST "TG_FIXED_FIRST"

    ctypedef struct Fixed "tg_fixed":
        int64_t is_on
        int64_t retry

    ctypedef struct Var "tg_var":
        Fixed fixed
        Sums2 sums
        Slip slip
        Word shift
        double scale
        double unscale
        int64_t stride
        int64_t same_from
        int64_t same_to

    ctypedef struct Moves "tg_moves":
        pass

    ctypedef struct Trail "tg_trail":
        pass

    ctypedef struct Blocks "tg_blocks":
        int64_t* queue
        int64_t* greatest
        int64_t head
        int64_t tail
        int64_t has
        int64_t end_of
        int64_t begin_of


cdef extern from "rolling_moments.h" nogil:
    ctypedef struct Moments "tg_moments":
        int64_t middle
        int64_t anchor
        int64_t apart
        int64_t odd
        void* older

    enum:
        IS_APART "TG_IS_APART"
        IS_ODD "TG_IS_ODD"

    ctypedef struct Totals "tg_totals":
        const uint8_t* care
        bint has_care


cdef extern from "rolling_ranks.h" nogil:
    enum:
        NEEDS_COUNTS "TG_COUNTS"
        NEEDS_MODES "TG_MODES"
        NEEDS_SELECTS "TG_SELECTS"

    ctypedef struct Ranks "tg_ranks":
        int needs

    ctypedef struct Seeker "tg_seeker":
        const int32_t* want
        int64_t* low
        int64_t* high


cdef enum:
    ANCHOR = 1 << 14   # rows
    ANCHOR_SHARE = 8   # rows up to the next anchor, for each of the window at one


cdef inline bint is_anchor(int64_t number, int64_t n_rows) noexcept nogil:
    """Whether a row is an anchor: its number, and how many rows the window before it has."""
    cdef int64_t multiple = number & -number
    return multiple >= ANCHOR and multiple // ANCHOR_SHARE >= n_rows


cdef struct Odd:
    # The last row of each kind, counted since the key began; -1: none.
    int64_t nan
    int64_t plus      # +inf
    int64_t minus
    int64_t missing   # no value


cdef struct Deque:
    # Rows that may still be the extreme of a window; their values never rise (never fall).
    int64_t* rows
    Word* values
    int64_t head
    int64_t n
    int64_t room      # a power of two


cdef struct AccState:
    # What is kept of one accumulator of one key; what is not used is NULL or 0.
    Sum* sums         # SUM: one; WEIGHTED: products, what they lack, weights, and what these lack
    Var* var
    Blocks* blocks
    Moments* moments  # PAIRS, POWERS
    Ranks* ranks      # KEPT
    Seeker* seekers   # of the ranks that its outputs ask for
    Deque deque
    wide_t total      # SUM_INT
    int64_t count     # NULLS: values in the window
    int64_t at        # FIRST, LAST: the row; WEIGHTED: the last one that needs care
    int64_t nan       # WEIGHTED: the last one that is NaN
    int64_t lacking   # WEIGHTED: the last one whose weight no float holds


cdef struct KeyState:
    int64_t base      # number of the first row that is kept
    int64_t left      # the window of the last row answered, in rows since the key began
    int64_t right
    Odd* odd          # of each column
    AccState* accs


cdef struct View:
    const int64_t* times
    Series* columns
    int64_t n
    int64_t base


cdef struct Look:
    # A look-back: by rows, or by time
    int64_t rows      # 0: by time
    int64_t size
    double size_f
    bint is_float
    bint has_left     # the left edge belongs to it
    bint has_right
    bint has_peers


cdef struct Scratch:
    # What a tile comes to, before it is written out.
    Tile tile
    Acc* accs         # `wide` is 1 for those that are read
    int n_accs
    int n_columns
    const Output* outputs
    int n_outputs
    bint may_be_even  # only sums, means and variances of floats
    Fixed* before     # of each accumulator: SQUARES before the rows that are tried
    Word** made       # of each output that is read with its accumulator: the results
    int64_t** upper   # of a quantile: the keys above those in `made`
    int32_t** want    # of a quantile: the ranks
    int* needs        # of each accumulator: which parts of Ranks, -1: none
    Totals* totals
    double** hi       # of each accumulator: SUM hi, SQUARES squares, the results of all others
    double** lo
    double** scale    # SQUARES: the scale of each row
    double* common    # SQUARES: the scale of all rows
    int* has_scale    # whether they differ in it
    double* filled    # NULLS: what all counts of the last tile were, 0 where they differed
    bint* is_lazy     # of each column: odd values show in its sums
    uint8_t** marks   # SUM: 1 where hi and lo are at the scale 2**-64, 2: where hi is no number
    bint* has_marks
    double** special  # of each column: the NaN or infinity of a window, else 0
    uint8_t** has_nan
    bint* is_calm     # of each column: no NaN, no infinity, nothing missing
    bint* is_full     # nothing missing
    bint* has_odd
    double* one       # cleaned values of entering rows
    double* other     # and of leaving ones
    Moves* entering
    Moves* leaving
    Trail* trail
