"""Rows of two sorted columns of times, brought together: for each left row the right row before it.

The left rows go in blocks that stay in the first cache: how many right times lie before each of
them, which right row that is, and then column after column what that row holds. Without keys the
right row follows from the count; with keys a table has the last row of each key that was passed.
Whether the times rise at all is looked at on the way, block by block, right before they are used.
"""

cimport cython
from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from tidegate._kernels.grid cimport float_of_order
from tidegate._kernels.lanes cimport all_rise, prefetch_here

cdef extern from *:
    """
    #include "lanes.h"
    #undef CYTHON_INLINE
    #define CYTHON_INLINE TG_ALWAYS_INLINE

    static inline void tg_ask_for(const void *p) { __builtin_prefetch(p, 0, 2); }

    TG_CLONES static int tg_rises(const int64_t *, Py_ssize_t);
    TG_CLONES static void tg_find_places(
        const int64_t *, const int64_t *, const Py_ssize_t *, Py_ssize_t, Py_ssize_t, int,
        int64_t *);
    TG_CLONES static void tg_neighbours(Py_ssize_t, int, Py_ssize_t, int64_t *);
    TG_CLONES static Py_ssize_t tg_missing(const int64_t *, Py_ssize_t);
    TG_CLONES static void tg_drop_beyond(
        uint64_t, int, const int64_t *, const int64_t *, Py_ssize_t, int64_t *);
    TG_CLONES static void tg_flag_rows(
        const int64_t *, const uint8_t *, Py_ssize_t, uint8_t *);
    TG_CLONES static void tg_copy_words(
        const uint64_t *, const int64_t *, Py_ssize_t, int, uint64_t *);
    """

    void ask_for "tg_ask_for"(const void*) noexcept nogil

ctypedef fused word_t:
    uint8_t
    uint16_t
    uint32_t
    uint64_t

cdef enum:
    BLOCK = 2048      # left rows: their places are 16 kB
    CHAINS = 4        # merges side by side: each alone would wait for its own loads
    DENSE = 2         # right rows to a left one up to which counting costs less than halving
    ROOM = 6          # strides are so many times the distance between two places
    LONGEST = 1 << 16  # stride
    NEAR = 4          # right rows to a left one up to which all of them are worth asking for
    AHEAD = 16        # rows between asking for a place of the table and reading it
    LARGE = 1 << 15   # places of a table that the second cache does not hold for sure
    LINE = 64         # bytes that come together
    BACKWARD = 0
    FORWARD = 1
    NEAREST = 2
    UNSORTED = -1


cdef struct Rule:
    int direction
    bint exact             # rows at one time match
    bint bounded
    bint is_float          # times are images of floats: distances are those of the floats
    uint64_t tolerance
    double tolerance_f


cdef struct Times:
    const int64_t* at      # (n,) rising, or so they say
    const int32_t* codes   # (n,) of the keys; NULL: no keys
    Py_ssize_t n


cdef struct Taken:
    const uint8_t* values  # (n_right, width) bytes
    const uint8_t* valid   # (n_right,), 1 = valid; NULL: all are
    uint8_t* out           # (n_left, width) bytes
    uint8_t* bits          # (n_left,) bits; NULL where valid is
    int width


# ----------------------------------------------------------------------------------- places in time

cdef inline bint is_before(int64_t right, int64_t left, bint strict) noexcept nogil:
    """Whether a right time counts as before a left one."""
    if strict:
        return right < left
    return right <= left


cdef Py_ssize_t search(
    const int64_t* at, Py_ssize_t low, Py_ssize_t high, int64_t time, bint strict
) noexcept nogil:
    """The first of the places [low, high) that is not before a time, or high."""
    cdef Py_ssize_t middle
    while low < high:
        middle = low + (high - low) // 2
        if is_before(at[middle], time, strict):
            low = middle + 1
        else:
            high = middle
    return low


cdef Py_ssize_t search_up(
    const int64_t* at, Py_ssize_t low, Py_ssize_t n, int64_t time, bint strict
) noexcept nogil:
    """As `search` in [low, n), where it is likely to be near `low`."""
    cdef Py_ssize_t step = 1
    while step < n - low and is_before(at[low + step], time, strict):
        low += step
        step *= 2
    return search(at, low, min(n, low + step), time, strict)


cdef Py_ssize_t search_down(
    const int64_t* at, Py_ssize_t high, int64_t time, bint strict
) noexcept nogil:
    """As `search` in [0, high), where it is likely to be near `high`."""
    cdef Py_ssize_t step = 1
    while step < high and not is_before(at[high - step], time, strict):
        high -= step
        step *= 2
    return search(at, max(0, high - step), high, time, strict)


cdef inline Py_ssize_t count_on(
    const int64_t* at, Py_ssize_t place, int64_t time, bint strict
) noexcept nogil:
    """Go on from a place to the first that is not before a time, four at a time."""
    cdef int n
    while True:
        n = (
            is_before(at[place], time, strict) + is_before(at[place + 1], time, strict)
            + is_before(at[place + 2], time, strict) + is_before(at[place + 3], time, strict)
        )
        place += n
        if n < 4:
            return place


cdef inline Py_ssize_t halve_on(
    const int64_t* at, Py_ssize_t place, Py_ssize_t stride, int64_t time, bint strict
) noexcept nogil:
    """The same by halving a stride, a power of two, that is nearly always long enough."""
    while is_before(at[place + stride - 1], time, strict):
        place += stride
    stride >>= 1
    while stride:
        place = place + stride if is_before(at[place + stride - 1], time, strict) else place
        stride >>= 1
    return place


cdef inline Py_ssize_t go_on(
    const int64_t* at, Py_ssize_t place, Py_ssize_t stride, int64_t time, bint strict
) noexcept nogil:
    """Go on from a place to the first that is not before a time."""
    if stride == CHAINS:
        return count_on(at, place, time, strict)
    return halve_on(at, place, stride, time, strict)


cdef inline void chains(
    const int64_t* at, const int64_t* left, const Py_ssize_t* starts, Py_ssize_t n,
    Py_ssize_t stride, bint strict, int64_t* places
) noexcept nogil:
    """Places of CHAINS * n left times; there are `stride` right times after the last place."""
    cdef Py_ssize_t a = starts[0], b = starts[1], c = starts[2], d = starts[3], i
    for i in range(n):
        places[i] = a = go_on(at, a, stride, left[i], strict)
        places[i + n] = b = go_on(at, b, stride, left[i + n], strict)
        places[i + 2 * n] = c = go_on(at, c, stride, left[i + 2 * n], strict)
        places[i + 3 * n] = d = go_on(at, d, stride, left[i + 3 * n], strict)


cdef void find_places "tg_find_places"(
    const int64_t* at, const int64_t* left, const Py_ssize_t* starts, Py_ssize_t n,
    Py_ssize_t stride, bint strict, int64_t* places
) noexcept nogil:
    """The same, with a loop of its own for either meaning of before, and for short strides."""
    if stride == CHAINS and strict:
        chains(at, left, starts, n, CHAINS, True, places)
    elif stride == CHAINS:
        chains(at, left, starts, n, CHAINS, False, places)
    elif strict:
        chains(at, left, starts, n, stride, True, places)
    else:
        chains(at, left, starts, n, stride, False, places)


cdef Py_ssize_t stride_of(Py_ssize_t n, Py_ssize_t span) noexcept nogil:
    """How far to look at once for the places of n times in a span: CHAINS, or a power of two."""
    cdef Py_ssize_t stride = CHAINS
    if span <= DENSE * n:
        return stride
    while stride * n < ROOM * span and stride < LONGEST:
        stride *= 2
    return max(stride, 2 * CHAINS)


cdef void find_block(
    const Times* right, const int64_t* left, Py_ssize_t n, Py_ssize_t low, Py_ssize_t high,
    bint strict, int64_t* places
) noexcept nogil:
    """Places of n left times, the first of which is `low` and the last `high`."""
    cdef Py_ssize_t starts[CHAINS]
    cdef Py_ssize_t i, k, part = n // CHAINS, place = low, stride = stride_of(n, high - low)
    if low == high:
        for i in range(n):
            places[i] = low
        return
    i = 0
    if high + stride <= right.n and part:
        starts[0] = low
        for k in range(1, CHAINS):
            starts[k] = search(right.at, starts[k - 1], high, left[k * part], strict)
        find_places(right.at, left, starts, part, stride, strict, places)
        i = CHAINS * part
        place = places[i - 1]
    while i < n:
        places[i] = place = search_up(right.at, place, high, left[i], strict)
        i += 1


# ----------------------------------------------------------------------------- the rows of the keys

cdef void pass_up(
    const Times* right, const int32_t* left, Py_ssize_t n, Py_ssize_t begin, int64_t* table,
    Py_ssize_t trash, int64_t* rows
) noexcept nogil:
    """Places, in rising order, into the last rows of the left rows' keys before them.

    Between two left rows lie none, one or two right rows most of the time: these go into the
    table without a branch, the missing ones into a place that nobody reads.
    """
    cdef Py_ssize_t i, place, there = begin, end = right.n - 1
    cdef const int32_t* codes = right.codes
    cdef Py_ssize_t first, second
    cdef bint is_large = trash > LARGE
    for i in range(n):
        place = rows[i]
        if is_large:
            if i + AHEAD < n:
                prefetch_here(table + left[i + AHEAD])
            prefetch_here(table + codes[min(place + AHEAD, end)])
        first = codes[min(there, end)]
        second = codes[min(there + 1, end)]
        first = first if there < place else trash
        second = second if there + 1 < place else trash
        table[first] = there
        table[second] = there + 1
        there += 2
        while there < place:
            table[codes[there]] = there
            there += 1
        there = place
        rows[i] = table[left[i]]


cdef void pass_down(
    const Times* right, const int32_t* left, Py_ssize_t n, Py_ssize_t end, int64_t* table,
    Py_ssize_t trash, int64_t* rows
) noexcept nogil:
    """Places, from the last one down, into the first rows of the left rows' keys from them on."""
    cdef Py_ssize_t i, place, there = end - 1
    cdef const int32_t* codes = right.codes
    cdef Py_ssize_t first, second
    cdef bint is_large = trash > LARGE
    for i in range(n - 1, -1, -1):
        place = rows[i]
        if is_large:
            if i >= AHEAD:
                prefetch_here(table + left[i - AHEAD])
            prefetch_here(table + codes[max(place - AHEAD, 0)])
        first = codes[max(there, 0)]
        second = codes[max(there - 1, 0)]
        first = first if there >= place else trash
        second = second if there - 1 >= place else trash
        table[first] = there
        table[second] = there - 1
        there -= 2
        while there >= place:
            table[codes[there]] = there
            there -= 1
        there = place - 1
        rows[i] = table[left[i]]


cdef void fill(
    const Times* right, Py_ssize_t place, Py_ssize_t step, Py_ssize_t n_keys, int64_t* table
) noexcept nogil:
    """Put the row of each key into the table that is nearest to a place, in one direction."""
    cdef int32_t code
    memset(table, 0xFF, n_keys * sizeof(int64_t))
    while n_keys and 0 <= place < right.n:
        code = right.codes[place]
        if table[code] < 0:
            table[code] = place
            n_keys -= 1
        place += step


# ------------------------------------------------------------------------------------ what is taken

cdef void drop_beyond "tg_drop_beyond"(
    uint64_t tolerance, bint forward, const int64_t* right, const int64_t* left, Py_ssize_t n,
    int64_t* rows
) noexcept nogil:
    """Forget the rows that are further away than a tolerance."""
    cdef Py_ssize_t i
    cdef uint64_t apart
    for i in range(n):
        apart = <uint64_t>left[i] - <uint64_t>right[rows[i] if rows[i] > 0 else 0]
        apart = 0 - apart if forward else apart
        rows[i] = rows[i] if apart <= tolerance else -1


cdef void drop_far(
    const Rule* rule, const int64_t* right, const int64_t* left, Py_ssize_t n, int64_t* rows
) noexcept nogil:
    """Forget the rows that are not within the tolerance."""
    cdef Py_ssize_t i
    cdef double apart
    if not rule.is_float:
        drop_beyond(rule.tolerance, rule.direction == FORWARD, right, left, n, rows)
        return
    for i in range(n):
        apart = float_of_order(left[i]) - float_of_order(right[max(rows[i], 0)])
        if rule.direction == FORWARD:
            apart = -apart
        if apart > rule.tolerance_f:  # not so for the NaN of two equal infinities
            rows[i] = -1


cdef Py_ssize_t count_missing "tg_missing"(const int64_t* rows, Py_ssize_t n) noexcept nogil:
    """How many rows are -1."""
    cdef Py_ssize_t i
    cdef int64_t missing = 0
    for i in range(n):
        missing += rows[i] < 0
    return missing


cdef void flag_rows "tg_flag_rows"(
    const int64_t* rows, const uint8_t* valid, Py_ssize_t n, uint8_t* bits
) noexcept nogil:
    """Set a bit for each row that is there and valid."""
    cdef Py_ssize_t i, k
    cdef unsigned int byte
    cdef int64_t row
    for i in range(0, n, 8):
        byte = 0
        if valid == NULL:
            for k in range(min(8, n - i)):
                byte |= <unsigned int>(rows[i + k] >= 0) << k
        else:
            for k in range(min(8, n - i)):
                row = rows[i + k] if rows[i + k] > 0 else 0
                byte |= <unsigned int>((rows[i + k] >= 0) & (valid[row] != 0)) << k
        bits[i // 8] = <uint8_t>byte


cdef inline void copy_rows(
    const word_t* values, const int64_t* rows, Py_ssize_t n, bint all_there, word_t* out
) noexcept nogil:
    """Values of rows; 0 for those that are not there."""
    cdef Py_ssize_t i
    cdef word_t value
    if all_there:
        for i in range(n):
            out[i] = values[rows[i]]
        return
    for i in range(n):
        value = values[rows[i] if rows[i] > 0 else 0]
        out[i] = value if rows[i] >= 0 else 0


cdef void copy_words "tg_copy_words"(
    const uint64_t* values, const int64_t* rows, Py_ssize_t n, bint all_there, uint64_t* out
) noexcept nogil:
    """The same, of words."""
    copy_rows(values, rows, n, all_there, out)


cdef void take_rows(
    const Taken* column, const int64_t* rows, Py_ssize_t n, bint all_there, Py_ssize_t at
) noexcept nogil:
    """Put what rows hold in a column at a place of its output."""
    cdef const uint64_t* values
    cdef uint64_t* out
    cdef Py_ssize_t i, row
    if column.values == NULL:
        memset(column.out + at * column.width, 0, n * column.width)
    elif column.width == 8:
        copy_words(<const uint64_t*>column.values, rows, n, all_there, <uint64_t*>column.out + at)
    elif column.width == 4:
        copy_rows(<const uint32_t*>column.values, rows, n, all_there, <uint32_t*>column.out + at)
    elif column.width == 2:
        copy_rows(<const uint16_t*>column.values, rows, n, all_there, <uint16_t*>column.out + at)
    elif column.width == 1:
        copy_rows(column.values, rows, n, all_there, column.out + at)
    else:
        values = <const uint64_t*>column.values
        out = <uint64_t*>column.out + 2 * at
        for i in range(n):
            row = max(rows[i], 0)
            out[2 * i] = values[2 * row] if rows[i] >= 0 else 0
            out[2 * i + 1] = values[2 * row + 1] if rows[i] >= 0 else 0
    if column.bits != NULL:
        flag_rows(rows, column.valid, n, column.bits + at // 8)


# ----------------------------------------------------------------------------------------- the join

cdef struct Join:
    Rule rule
    Times right
    Times left
    Py_ssize_t n_keys
    int64_t* table         # (n_keys + 1,); NULL: no keys
    Py_ssize_t begin       # left rows that are not done
    Py_ssize_t end
    Py_ssize_t first       # right rows of which this share says whether they rise
    Py_ssize_t stop
    Py_ssize_t place       # where the last block came to on the right
    Py_ssize_t checked     # up, down to which right row it is known that they rise
    bint is_filled


cdef struct Place:
    int64_t* index         # OUT; NULL: not wanted
    uint8_t* matched       # bits OUT
    Taken* taken
    int n_taken
    Py_ssize_t at          # the row of the output


cdef bint rises_on "tg_rises"(const int64_t* at, Py_ssize_t n) noexcept nogil:
    """Whether n times do not fall, from the one before them on."""
    return all_rise(at, n)


cdef bint rise(const int64_t* at, Py_ssize_t begin, Py_ssize_t end) noexcept nogil:
    """Whether the times [begin, end) do not fall, from the one before them on."""
    begin = max(begin, 1)
    return begin >= end or rises_on(at + begin, end - begin)


cdef void neighbours "tg_neighbours"(
    Py_ssize_t n, bint forward, Py_ssize_t n_right, int64_t* rows
) noexcept nogil:
    """Without keys: places into the rows before them, or from them on."""
    cdef Py_ssize_t i
    if not forward:
        for i in range(n):
            rows[i] -= 1
        return
    for i in range(n):
        rows[i] = rows[i] if rows[i] < n_right else -1


cdef Py_ssize_t put_rows(const Place* out, Py_ssize_t n, const int64_t* rows) noexcept nogil:
    """Write what n left rows match; how many do."""
    cdef Py_ssize_t missing = count_missing(rows, n), i
    if out.index != NULL:
        memcpy(out.index + out.at, rows, n * sizeof(int64_t))
    if missing:
        flag_rows(rows, NULL, n, out.matched + out.at // 8)
    else:
        memset(out.matched + out.at // 8, 0xFF, (n + 7) // 8)
    for i in range(out.n_taken):
        take_rows(&out.taken[i], rows, n, not missing, out.at)
    return n - missing


cdef inline bint is_nearer(
    int64_t after, int64_t time, int64_t before, bint is_float
) noexcept nogil:
    """Whether the time after is nearer than the one before."""
    if is_float:
        return (
            float_of_order(after) - float_of_order(time)
            < float_of_order(time) - float_of_order(before)
        )
    return <uint64_t>after - <uint64_t>time < <uint64_t>time - <uint64_t>before


cdef inline bint is_far(
    const Rule* rule, int64_t right, int64_t left
) noexcept nogil:
    """Whether two times are further apart than the tolerance."""
    cdef double apart
    if rule.is_float:
        apart = float_of_order(left) - float_of_order(right)
        return apart > rule.tolerance_f or -apart > rule.tolerance_f
    return (
        (<uint64_t>left - <uint64_t>right if left > right else <uint64_t>right - <uint64_t>left)
        > rule.tolerance
    )


cdef void nearest(
    const Rule* rule, const Times* right, const int64_t* left, Py_ssize_t n, const int64_t* after,
    int64_t* rows
) noexcept nogil:
    """Places after the rows before, and places of the rows after, into the nearer of both."""
    cdef Py_ssize_t i
    cdef int64_t back, forth, row
    cdef bint takes_forth
    for i in range(n):
        back, forth = rows[i] - 1, after[i]
        takes_forth = forth < right.n
        forth = forth if takes_forth else 0
        takes_forth &= (back < 0) | is_nearer(
            right.at[forth], left[i], right.at[back if back > 0 else 0], rule.is_float
        )
        row = forth if takes_forth else back
        if rule.bounded and row >= 0 and is_far(rule, right.at[row], left[i]):
            row = -1
        rows[i] = row


cdef void nearest_block(
    const Join* join, const int64_t* left, Py_ssize_t n, Py_ssize_t low, Py_ssize_t high,
    int64_t* rows
) noexcept nogil:
    """Places after the rows before into the nearest rows."""
    cdef int64_t after[BLOCK]
    cdef Py_ssize_t first, last
    if join.rule.exact:  # a row at the very time is the row before
        nearest(&join.rule, &join.right, left, n, rows, rows)
        return
    first = search_up(join.right.at, low, join.right.n, left[0], False)
    last = search_up(join.right.at, max(first, high), join.right.n, left[n - 1], False)
    find_block(&join.right, left, n, first, last, False, after)
    nearest(&join.rule, &join.right, left, n, after, rows)


cdef void ask_for_rows(
    const Place* out, Py_ssize_t begin, Py_ssize_t end
) noexcept nogil:
    """Ask for right rows of all columns that are about to be read here and there.

    The CPU foresees only what is read one after the other.
    """
    cdef Py_ssize_t i, at
    cdef const Taken* column
    for i in range(out.n_taken):
        column = &out.taken[i]
        at = begin * column.width
        while at < end * column.width:
            ask_for(column.values + at)
            at += LINE


cdef Py_ssize_t join_block(
    Join* join, const Place* out, Py_ssize_t begin, Py_ssize_t n, Py_ssize_t low, Py_ssize_t high,
) noexcept nogil:
    """Match n left rows, the places of which go from low to high."""
    cdef int64_t rows[BLOCK]
    cdef const int64_t* left = join.left.at + begin
    cdef bint forward = join.rule.direction == FORWARD
    if join.table != NULL and high - low <= NEAR * n:
        ask_for_rows(out, low, high)
    find_block(&join.right, left, n, low, high, join.rule.exact == forward, rows)
    if join.rule.direction == NEAREST:
        nearest_block(join, left, n, low, high, rows)
        return put_rows(out, n, rows)
    if join.table == NULL:
        neighbours(n, forward, join.right.n, rows)
    elif forward:
        pass_down(&join.right, join.left.codes + begin, n, join.place, join.table, join.n_keys,
                  rows)
    else:
        pass_up(&join.right, join.left.codes + begin, n, join.place, join.table, join.n_keys, rows)
    if join.rule.bounded:
        drop_far(&join.rule, join.right.at, left, n, rows)
    return put_rows(out, n, rows)


cdef Py_ssize_t join_up(Join* join, Place* out, Py_ssize_t n_rows) noexcept nogil:
    """Match the next rows of a share, from its first row on."""
    cdef const int64_t* left = join.left.at
    cdef const int64_t* right = join.right.at
    cdef bint strict = join.rule.exact == (join.rule.direction == FORWARD)
    cdef Py_ssize_t end = join.begin + n_rows, n, low, high, ahead, n_matched = 0
    if not join.is_filled:
        join.place = search(right, join.first, join.right.n, left[join.begin], strict)
        if join.table != NULL:
            fill(&join.right, join.place - 1, -1, join.n_keys, join.table)
        join.is_filled = True
    while join.begin < end:
        n = min(BLOCK, end - join.begin)
        low = search_up(right, join.place, join.right.n, left[join.begin], strict)
        high = search_up(right, low, join.right.n, left[join.begin + n - 1], strict)
        ahead = high
        if join.rule.direction == NEAREST:  # rows at the last time are looked at, too
            ahead = search_up(right, high, join.right.n, left[join.begin + n - 1], False)
        ahead = min(ahead + stride_of(n, ahead - low), join.right.n)
        if not (
            rise(left, join.begin, join.begin + n) and rise(right, join.checked, ahead)
        ):
            return UNSORTED
        join.checked = max(join.checked, ahead)
        n_matched += join_block(join, out, join.begin, n, low, high)
        join.place = high
        join.begin += n
        out.at += n
    if join.begin == join.end and not rise(right, join.checked, join.stop):
        return UNSORTED
    return n_matched


cdef Py_ssize_t join_down(Join* join, Place* out, Py_ssize_t n_rows) noexcept nogil:
    """Match the next rows of a share, from its last row down."""
    cdef const int64_t* left = join.left.at
    cdef const int64_t* right = join.right.at
    cdef bint strict = join.rule.exact
    cdef Py_ssize_t base = join.end - n_rows, n, low, high, ahead, n_matched = 0
    if not join.is_filled:
        join.place = search(right, 0, join.right.n, left[join.end - 1], strict)
        fill(&join.right, join.place, 1, join.n_keys, join.table)
        join.is_filled = True
    while join.end > base:
        n = (join.end - base - 1) % BLOCK + 1
        high = search_down(right, join.place, left[join.end - 1], strict)
        low = search_down(right, high, left[join.end - n], strict)
        ahead = high + stride_of(n, high - low)
        if not (
            rise(left, join.end - n, join.end)
            and rise(right, low + 1, max(join.checked, min(ahead, join.right.n)))
        ):
            return UNSORTED
        join.checked = min(join.checked, low + 1)
        out.at = join.end - n - base
        n_matched += join_block(join, out, join.end - n, n, low, high)
        join.place = low
        join.end -= n
    if join.begin == join.end and not rise(right, join.first, join.checked):
        return UNSORTED
    return n_matched


# ------------------------------------------------------------------------------------- from Python

cdef int set_rule(
    Rule* rule, int direction, bint exact, tolerance, bint is_float
) except -1:
    """Write a rule down; `tolerance` is None, an int or a float."""
    rule.direction, rule.exact, rule.is_float = direction, exact, is_float
    rule.bounded = tolerance is not None
    rule.tolerance, rule.tolerance_f = 0, 0.0
    if rule.bounded and is_float:
        rule.tolerance_f = tolerance
    elif rule.bounded:
        rule.tolerance = tolerance
    return 0


@cython.final
cdef class Columns:
    """Fixed-width columns of the right side, and where what is taken from them goes."""

    cdef Taken* taken
    cdef Py_ssize_t n
    cdef Py_ssize_t n_right
    cdef Py_ssize_t n_left
    cdef list kept

    def __cinit__(self, list columns not None, Py_ssize_t n_right, Py_ssize_t n_left):
        """Take (width, values, valid, out, bits) of each: bytes, flags, bytes, bits."""
        cdef const uint8_t[::1] values, valid
        cdef uint8_t[::1] out, bits
        cdef Taken* column
        self.kept, self.n_right, self.n_left = columns, n_right, n_left
        self.taken = <Taken*>malloc(max(len(columns), 1) * sizeof(Taken))
        if self.taken == NULL:
            raise MemoryError
        for width, values, valid, out, bits in columns:
            column = &self.taken[self.n]
            if width not in (1, 2, 4, 8, 16) or (valid is None) != (bits is None):
                raise ValueError("a column of another width, or flags without a place for them")
            if values.shape[0] != n_right * width or out.shape[0] != n_left * width:
                raise ValueError("the columns differ in length")
            column.width = width
            column.values = &values[0] if values.shape[0] else NULL
            column.out = &out[0] if out.shape[0] else NULL
            column.valid, column.bits = NULL, NULL
            if valid is not None:
                if valid.shape[0] != n_right or bits.shape[0] != (n_left + 7) // 8:
                    raise ValueError("the flags differ from their column in length")
                column.valid = &valid[0] if n_right else NULL
                column.bits = &bits[0] if n_left else NULL
            self.n += 1

    def __dealloc__(self):
        free(self.taken)


@cython.final
cdef class Matcher:
    """The right side of a join, and which of its rows a left one matches.

    Parameters
    ----------
    times : (n_right,) int64
        One or more.
    codes : (n_right,) int32 or None
        Of the keys, from 0 to n_keys - 1.
    n_keys : int
    direction : int
        0: the last row before; 1: the first row after; 2, without keys: the nearer of both.
    exact : bool
        Whether rows at the same time match.
    tolerance : int, float or None
        How far a row may be.
    is_float : bool
        Whether times are images of floats (`order_of_float`).
    """

    cdef Rule rule
    cdef Times right
    cdef Py_ssize_t n_keys
    cdef const int64_t[::1] _times
    cdef const int32_t[::1] _codes

    def __cinit__(self, const int64_t[::1] times not None, const int32_t[::1] codes,
                  Py_ssize_t n_keys, int direction, bint exact, tolerance, bint is_float):
        if not times.shape[0] or (codes is not None and codes.shape[0] != times.shape[0]):
            raise ValueError("there are no right rows, or the columns differ in length")
        if not 0 <= direction <= (NEAREST if codes is None else FORWARD):
            raise ValueError("no such direction")
        set_rule(&self.rule, direction, exact, tolerance, is_float)
        self._times, self._codes = times, codes
        self.right.at, self.right.n = &times[0], times.shape[0]
        self.right.codes = NULL if codes is None else &codes[0]
        self.n_keys = n_keys


@cython.final
cdef class Walk:
    """One way through a share of the left rows, in steps.

    Parameters
    ----------
    matcher : Matcher
        The right side.
    times : (n_left,) int64
    codes : (n_left,) int32 or None
    share : tuple (begin, end, first, stop)
        Left rows, and the right rows of which this share says whether they rise. Those before
        `first` lie before the first left row.
    table : (n_keys + 1,) int64, inout, optional
        The last row of each key before `first`, or -1; it is moved on. By default it is made.
    """

    cdef Join join
    cdef int64_t* own
    cdef Matcher _matcher
    cdef const int64_t[::1] _times
    cdef const int32_t[::1] _codes
    cdef int64_t[::1] _table

    def __cinit__(self, Matcher matcher not None, const int64_t[::1] times not None,
                  const int32_t[::1] codes, tuple share not None, int64_t[::1] table=None):
        cdef Join* join = &self.join
        cdef Py_ssize_t n = times.shape[0]
        self._matcher, self._times, self._codes = matcher, times, codes
        join.begin, join.end, join.first, join.stop = share
        if (codes is None) != (matcher.right.codes == NULL):
            raise ValueError("both sides have keys, or none")
        if codes is not None and codes.shape[0] != n:
            raise ValueError("the columns differ in length")
        if not (
            0 <= join.begin <= join.end <= n and 0 <= join.first <= join.stop <= matcher.right.n
        ):
            raise ValueError("a share of rows that are not there")
        join.rule, join.right, join.n_keys = matcher.rule, matcher.right, matcher.n_keys
        join.left.at, join.left.n = &times[0] if n else NULL, n
        join.left.codes = &codes[0] if n and codes is not None else NULL
        join.checked = join.first if self.goes_up() else join.stop
        if table is not None:
            if codes is None or not self.goes_up() or table.shape[0] <= join.n_keys:
                raise ValueError("a table for no keys, for too few, or for the way down")
            self._table, join.table = table, &table[0]
            join.place, join.is_filled = join.first, True
        elif codes is not None:
            self.own = <int64_t*>malloc((join.n_keys + 1) * sizeof(int64_t))
            if self.own == NULL:
                raise MemoryError
            join.table = self.own

    def __dealloc__(self):
        free(self.own)

    cdef bint goes_up(self):
        return self.join.rule.direction == BACKWARD or self._codes is None

    def step(self, Py_ssize_t n, int64_t[::1] index, uint8_t[::1] matched not None,
             Columns columns not None):
        """Find the right rows of the next n left ones, and take what they hold.

        They are the next ones from the first row of the share on, or, for the row after with keys,
        from the last row down.

        Parameters
        ----------
        n : int
            From 1 to the rows that are left.
        index : (n,) int64 or None, out
            The right row, or -1.
        matched : (n,) bits, out
        columns : Columns
            With room for n rows.

        Returns
        -------
        int
            How many rows have matched; -1: the times of a side fall somewhere, and what was
            written means nothing.

        Notes
        -----
        O(n + right rows between them), one pass over both; releases the GIL.
        """
        cdef Place out
        cdef Py_ssize_t n_matched
        cdef bint is_up = self.goes_up()
        if not 0 < n <= self.join.end - self.join.begin:
            raise ValueError("a step over rows that are not there")
        place_in(&out, n, index, matched, columns)
        if columns.n and columns.n_right != self.join.right.n:
            raise ValueError("the columns differ from the right side in length")
        with nogil:
            if is_up:
                n_matched = join_up(&self.join, &out, n)
            else:
                n_matched = join_down(&self.join, &out, n)
        return n_matched


cdef int place_in(
    Place* out, Py_ssize_t n, int64_t[::1] index, uint8_t[::1] matched, Columns columns
) except -1:
    """Check where results go."""
    if matched.shape[0] != (n + 7) // 8 or (index is not None and index.shape[0] != n):
        raise ValueError("the bits or the index differ from the rows in length")
    if columns.n and columns.n_left != n:
        raise ValueError("the columns differ from the rows in length")
    out.index = NULL if index is None else &index[0]
    out.matched, out.at = &matched[0], 0
    out.taken, out.n_taken = columns.taken, <int>columns.n
    return 0


def rises(const int64_t[::1] times not None):
    """Whether times never fall; O(n), releases the GIL."""
    cdef bint is_rising
    with nogil:
        is_rising = times.shape[0] < 2 or rise(&times[0], 0, times.shape[0])
    return is_rising


def take(const int64_t[::1] index not None, uint8_t[::1] matched not None,
         Columns columns not None):
    """Take what rows hold, where the index is known already.

    Parameters
    ----------
    index : (n_left,) int64
        Right rows, or -1.
    matched : (n_left,) bits, out
    columns : Columns

    Returns
    -------
    int
        How many rows are there.
    """
    cdef Py_ssize_t n = index.shape[0], n_rows, n_matched = 0
    cdef Place out
    if not n:
        return 0
    place_in(&out, n, None, matched, columns)
    if not all_within(&index[0], n, columns.n_right if columns.n else INT64_MAX):
        raise ValueError("a row that is not there")
    with nogil:
        while out.at < n:
            n_rows = min(BLOCK, n - out.at)
            n_matched += put_rows(&out, n_rows, &index[out.at])
            out.at += n_rows
    return n_matched


cdef bint all_within(const int64_t* index, Py_ssize_t n, int64_t n_right) noexcept nogil:
    """Whether all rows lie in [-1, n_right)."""
    cdef Py_ssize_t i
    cdef bint outside = False
    for i in range(n):
        outside |= (index[i] < -1) | (index[i] >= n_right)
    return not outside


def choose(const int64_t[::1] left not None, const int64_t[::1] right not None,
           bint is_float, int64_t[::1] before not None, const int64_t[::1] after not None):
    """Of the row before and the row after, keep the nearer one; the one before of two as near.

    Parameters
    ----------
    left : (n_left,) int64
    right : (n_right,) int64
    is_float : bool
        Whether times are images of floats.
    before : (n_left,) int64, inout
        Rows, or -1; gets the nearer ones.
    after : (n_left,) int64
        Rows, or -1.
    """
    cdef Py_ssize_t i, n = left.shape[0]
    cdef int64_t back, forth
    cdef bint takes_after
    if before.shape[0] != n or after.shape[0] != n:
        raise ValueError("the columns differ in length")
    if not right.shape[0]:
        return
    with nogil:
        for i in range(n):
            back, forth = before[i], after[i]
            takes_after = is_nearer(
                right[forth if forth > 0 else 0], left[i], right[back if back > 0 else 0], is_float
            )
            takes_after = (forth >= 0) & ((back < 0) | takes_after)
            before[i] = forth if takes_after else back
