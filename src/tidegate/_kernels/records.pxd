"""What the engine remembers of one pane (of one key): a record of accumulators.

A record is a run of 8-byte words. The first is the number of rows; then come the accumulators
that the plan needs, each at an offset of its own. The float accumulators of an unkeyed plan have
`LANES` lanes, row i of the pane going to lane i % LANES; those of a keyed plan have one. Before
records are combined or read, lanes are folded to one in a fixed tree (`fold`): from there on
there is one layout, `Acc.narrow`.

    ROWS                 n_rows
    NULLS                | rows without a value
    SUM                  hi[lanes] lo[lanes] | special wild_hi wild_lo
    SQUARES              hi[lanes] lo[lanes] shift | n_wild wild_shift wild_hi wild_lo
    SUM_INT              lo hi of a 128-bit integer
    SQUARES_INT          hi lo shift has_shift
    LEAST, GREATEST      value | n_nan; never -0.0, so that no order of rows can show
    LEAST_INT ...        value
    FIRST, LAST          time value
    WEIGHTED             hi[lanes] lo[lanes] of a*b, hi[lanes] lo[lanes] of b
                         | special_ab special_b wild_ab_hi wild_ab_lo wild_b_hi wild_b_lo
    LEAST_AT ...         rank of the value (the smaller the further out), its earliest time
    PAIRS, POWERS        as `moments` has them
    KEPT, KEPT_TIMES     the values, or their times, as `kept` has them
    LEAST_TEXT ...       code, -1: none; the order is that of the values behind the codes
    ROW_SPAN             number of the first row, of the last
    ROW_RUNS, ROW_SPANS  as `rowruns` has them

Behind the bar stands what only nulls, NaN, infinities and `wild` values (magnitude >= 2**480, whose
squares or sums could overflow) touch; wild values are kept scaled by 2**-544. It is kept apart, in
the cold part of a record: so the record of a key is one cache line, where that can be.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t

cdef extern from "records.h" nogil:
    enum:
        LANES "TG_LANES"
    const double TAME "TG_TAME"
    const int64_t MOST_ROWS "TG_MOST_ROWS"
    const double DOWN "TG_DOWN"

    ctypedef union Word "tg_word":
        double f
        int64_t i
        uint64_t u
        void* p

    ctypedef struct Kept "tg_kept":
        bint failed        # there was no memory
        int64_t n          # values kept, in all records
        Word* scratch      # values of one window
        Py_ssize_t room
        Word* lists        # of the results: the length of a list, its values, and so on
        Py_ssize_t n_lists
        Py_ssize_t cap_lists

    ctypedef struct Texts "tg_texts":
        const int64_t* offsets  # where the bytes of each code begin in `content`, and end
        const uint8_t* content
        bint is_number          # two's complement, the low byte first, all of one width

    ctypedef struct Acc "tg_acc":
        int kind
        int column   # which input column
        int weight   # WEIGHTED, PAIRS: the second input column, else -1
        int wide     # offset in a record, in words
        int rare     # offset in its cold part
        int narrow   # offset in a folded record, where the rare words follow the others
        int nulls    # which accumulator counts its rows without a value, or -1
        int sum      # SQUARES: which accumulator has the sum of the same column, else -1
        int numeric  # of the values
        int numeric_x  # PAIRS: of the weight, or of the times
        Kept* kept     # KEPT, KEPT_TIMES, ROW_RUNS, ROW_SPANS: what all records share
        const Texts* texts  # of the column; no offsets: its values are no codes
        const int64_t* first_row  # ROW_SPAN, ROW_RUNS: the number of the first row of the batch

    ctypedef struct Column "tg_column":
        const void* values      # n_rows values of 8 bytes
        const uint8_t* valid    # n_rows of 0 or 1, or NULL: all valid
        int numeric
        bint skip_nan           # a NaN is a missing value
        double* floats          # of integers that are weighted: those of the block, as floats
        Texts texts             # what codes stand for

    ctypedef struct Run "tg_run":
        int32_t begin      # rows [begin, end) of the block, all in one pane
        int32_t end
        int32_t slot       # the record
        int32_t lane       # lane of the first row
        bint ordered       # the times do not fall
        bint near          # few rows: what follows them in memory is wanted soon, see lanes.h

    ctypedef struct Plan "tg_plan":
        int n_accs
        int lanes          # LANES or 1
        int wide           # words in a record, whole cache lines
        int cold           # words in its cold part
        int narrow         # words in a folded record
        bint keeps         # some accumulator keeps values
        Acc* accs
        Word* blank        # an empty record
        Word* blank_cold
        int* targets       # with one lane: which folded word each of a record is, cold ones last
        int numbered       # the accumulator that tells of the numbers of rows, or -1
        int64_t first_row  # the number of the first row of the batch
        const int32_t* rows  # of a batch of picked rows: their numbers, counted from that; or NULL

    ctypedef struct Arena "tg_arena":
        Word* records
        Word* colds
        int64_t wide
        int64_t cold

    ctypedef struct Output "tg_output":
        int op
        int acc            # the accumulator that it is read from
        int numeric
        int ddof           # how many values are too few
        int other          # a second accumulator, or -1
        int how            # a choice of the operation
        double by          # a number that it takes


cdef enum Kind:
    ROWS
    NULLS
    SUM
    SQUARES
    SUM_INT
    SQUARES_INT
    LEAST
    GREATEST
    LEAST_INT
    GREATEST_INT
    FIRST
    LAST
    WEIGHTED
    LEAST_AT
    GREATEST_AT
    PAIRS
    POWERS
    KEPT
    KEPT_TIMES
    LEAST_TEXT
    GREATEST_TEXT
    ROW_SPAN
    ROW_RUNS
    ROW_SPANS


cdef enum Numeric:
    FLOAT
    SIGNED
    UNSIGNED


cdef enum Op:
    OF_ROWS      # number of rows
    OF_COUNT     # number of values
    OF_WORD      # FIRST, LAST: the value as it is
    OF_EXTREME
    OF_SUM
    OF_MEAN
    OF_VAR
    OF_STD
    OF_RATIO     # WEIGHTED: sum(a*b) / sum(b)
    OF_SEM       # standard deviation over the root of the number of values
    OF_RANGE     # GREATEST - LEAST, times `how`
    OF_TIME      # LEAST_AT, GREATEST_AT: the time
    OF_COV       # PAIRS
    OF_CORR
    OF_SLOPE     # of the column over the weight, times `by`
    OF_ZSCORE    # POWERS: of LAST, in standard deviations from the mean
    OF_SKEW      # POWERS; `how`: corrected for bias
    OF_KURT
    OF_QUANTILE  # KEPT: `by` is which, `how` how to take what lies between two values
    OF_RANK      # the same where that is one of the two
    OF_MAD
    OF_MODE
    OF_NUNIQUE
    OF_LIST      # `other`: their times
    OF_HALF      # one of two words: SUM_INT, ROW_SPAN; with `how` the second
    OF_RUNS      # ROW_RUNS, ROW_SPANS: the entries, as lists have them
    OF_FROM      # of look-backs: `how` is the column of row numbers, `ddof` 2 if places are behind
    OF_UPTO      # it; which rows a window has is in both of these


cdef enum Status:
    DONE
    NO_MEMORY
    TOO_MANY_OPEN   # more records than the limit allows
    MUST_CLOSE      # windows are due that the next row must not touch
    OVERFLOWED      # an integer result does not fit
    FOREIGN         # a row outside the share of times that this state was given
    DISORDER        # a row of a window that was closed on the guess that rows are in order
    ASKS_LATER      # much is open, and how early later batches are is not known
    TOO_MANY_KEPT   # more values than the limit allows
    NEEDS_EDGES     # the next row is off a table of edges that has to grow
    CORRECTS        # the last row taken is of a window that has come out already
