"""Values that a record keeps, and what needs all of them: quantiles, modes, lists.

A record has its values in memory of its own, in order of arrival. The record of a window that is
read off its rows points to these. Folded records are not copied together when panes are added up:
panes that are added lie beside each other, and so a sum is a range of them.

Values are looked at as *keys*: int64 that sort as they do, so that there is one way to select and
to sort. -0.0 is 0.0, and NaN comes last.
"""

from libc.math cimport INFINITY, NAN, fabs, floor, isfinite, isnan, rint
from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t, uint64_t
from libc.stdlib cimport free, malloc, qsort
from libc.string cimport memcpy, memset

from tidegate._kernels.exact cimport Exact, exact, exact_add, exact_mul
from tidegate._kernels.grid cimport float_of_order, order_of_float
from tidegate._kernels.lanes cimport wide_t
from tidegate._kernels.memory cimport grow
from tidegate._kernels.records cimport (
    FLOAT, KEPT, KEPT_TIMES, OF_LIST, OF_MAD, OF_MODE, OF_NUNIQUE, OF_RANK, UNSIGNED, Acc, Output,
    Plan, Texts, Word,
)
from tidegate._kernels.texts cimport text_before

cdef extern from * nogil:
    """
    #define TG_KEPT_HUGE 0x1p1000
    #define TG_KEPT_GOLDEN UINT64_C(0x9E3779B97F4A7C15)
    """
    const double HUGE "TG_KEPT_HUGE"  # distances of larger values may overflow
    const uint64_t GOLDEN "TG_KEPT_GOLDEN"  # 2**64 over the golden ratio: hashes by multiplication

cdef struct Tally:
    int64_t key
    int64_t n


cdef struct Census:
    int64_t n_distinct
    int64_t most           # how often the most frequent key is there
    int64_t mode
    const Texts* texts     # what the keys are codes of; NULL: nothing, they are what they are


cdef enum Counted:
    IS_COUNTED
    IS_FULL
    COLLIDES

cdef enum Interpolation:
    LINEAR
    LOWER
    HIGHER
    NEAREST
    MIDPOINT

cdef int64_t MOST = <int64_t>1 << 40  # values of one record: a forged count must not overflow

cdef enum:
    FEW = 16      # values that are sorted by insertion
    ROUNDS = 64   # bad splits after which a heap has to help
    SMALL = 8     # least room
    FIRST_BITS = 7


# ------------------------------------------------------------------------------------------- keep

cdef bint kept_grow(const Acc* acc, Word* at, Py_ssize_t n) noexcept nogil:
    """Make room for n values."""
    cdef void* memory = at[VALUES_AT].p
    cdef Py_ssize_t room = max(n, 2 * <Py_ssize_t>at[RANGE_N].i, SMALL)
    if not grow(&memory, room * sizeof(Word)):
        acc.kept.failed = True
        return False
    at[VALUES_AT].p = memory
    at[RANGE_N].i = room
    return True


cdef void kept_extend(
    const Acc* acc, Word* at, const Word* values, Py_ssize_t n
) noexcept nogil:
    """Keep n values."""
    if at[VALUES_N].i + n > at[RANGE_N].i and not kept_grow(acc, at, at[VALUES_N].i + n):
        return
    memcpy(<Word*>at[VALUES_AT].p + at[VALUES_N].i, values, n * sizeof(Word))
    at[VALUES_N].i += n
    acc.kept.n += n


cdef void kept_drop(const Plan* plan, Word* record) noexcept nogil:
    """Give back what a record keeps."""
    cdef const Acc* acc
    cdef Word* at
    for a in range(plan.n_accs):
        acc = &plan.accs[a]
        if acc.kind == KEPT or acc.kind == KEPT_TIMES:
            at = record + acc.wide
            free(at[VALUES_AT].p)
            acc.kept.n -= at[VALUES_N].i
            at[VALUES_AT].p = NULL
            at[VALUES_N].i = at[RANGE_N].i = 0


cdef Py_ssize_t kept_out(const Plan* plan, Word* record, Word* out) noexcept nogil:
    """Write down what a copy of a record keeps, and how much; the copy has no addresses then."""
    cdef Word* at
    cdef Py_ssize_t n = 0
    for a in range(plan.n_accs):
        if plan.accs[a].kept != NULL:
            at = record + plan.accs[a].wide
            if at[VALUES_N].i:
                memcpy(out + n, at[VALUES_AT].p, at[VALUES_N].i * sizeof(Word))
            n += at[VALUES_N].i
            at[VALUES_AT].i = at[RANGE_AT].i = at[RANGE_N].i = 0
    return n


cdef Py_ssize_t kept_in(const Plan* plan, const Word* record) noexcept nogil:
    """How much a record that was written down keeps; -1 where it is not one value of each row."""
    cdef const Acc* acc
    cdef Py_ssize_t n = 0
    cdef int64_t nulls
    for a in range(plan.n_accs):
        acc = &plan.accs[a]
        if acc.kept != NULL:
            nulls = record[plan.wide + plan.accs[acc.nulls].rare].i
            if not 0 <= nulls <= record[0].i or (
                    (record + acc.wide)[VALUES_N].i != record[0].i - nulls):
                return -1
            if record[0].i - nulls > MOST:
                return -1
            n += record[0].i - nulls
    return n


cdef void kept_load(const Plan* plan, Word* record, const Word* values) noexcept nogil:
    """Give a record that was written down its values."""
    cdef const Acc* acc
    cdef Word* at
    cdef Py_ssize_t n
    for a in range(plan.n_accs):
        acc = &plan.accs[a]
        if acc.kept != NULL:
            at = record + acc.wide
            n = at[VALUES_N].i
            at[VALUES_AT].p = NULL
            at[RANGE_N].i = at[VALUES_N].i = 0
            if n:
                kept_extend(acc, at, values, n)
                values += n


cdef void kept_fold(const Plan* plan, Word* out) noexcept nogil:
    """Make a folded record a range of one."""
    for a in range(plan.n_accs):
        if plan.accs[a].kind == KEPT or plan.accs[a].kind == KEPT_TIMES:
            out[plan.accs[a].narrow + RANGE_AT].p = out + plan.accs[a].narrow
            out[plan.accs[a].narrow + RANGE_N].i = 1


cdef bint kept_failed(const Plan* plan) noexcept nogil:
    """Whether there was no memory for a value."""
    cdef bint failed = False
    for a in range(plan.n_accs):
        if plan.accs[a].kept != NULL:
            failed |= plan.accs[a].kept.failed
    return failed


cdef int64_t kept_values(const Plan* plan) noexcept nogil:
    """How many values are kept."""
    cdef int64_t n = 0
    for a in range(plan.n_accs):
        if plan.accs[a].kept != NULL:
            n += plan.accs[a].kept.n
    return n


# ----------------------------------------------------------------------------------------- gather

cdef Word* scratch_of(const Acc* acc, Py_ssize_t n) noexcept nogil:
    """Room for n values; NULL where there is no memory."""
    cdef Py_ssize_t room = max(n + 1, 2 * acc.kept.room)
    if n >= acc.kept.room:
        if not grow(<void**>&acc.kept.scratch, room * sizeof(Word)):
            acc.kept.failed = True
            return NULL
        acc.kept.room = room
    return acc.kept.scratch


cdef Word* gather(
    const Plan* plan, const Acc* acc, const Word* record, Py_ssize_t n
) noexcept nogil:
    """The n values of a window, pane by pane."""
    cdef const Word* at = record + acc.narrow
    cdef const Word* pane = <const Word*>at[RANGE_AT].p
    cdef Word* out = scratch_of(acc, n)
    cdef Py_ssize_t _pane, done = 0
    if out == NULL:
        return NULL
    for _pane in range(at[RANGE_N].i):
        if pane[VALUES_N].i and done + pane[VALUES_N].i <= n:
            memcpy(out + done, pane[VALUES_AT].p, pane[VALUES_N].i * sizeof(Word))
            done += pane[VALUES_N].i
        pane += plan.narrow
    return out


cdef int64_t* keys_of(
    const Plan* plan, const Acc* acc, const Word* record, Py_ssize_t n, bint* has_nan
) noexcept nogil:
    """The n values of a window as keys."""
    cdef Word* values = gather(plan, acc, record, n)
    cdef Py_ssize_t i
    has_nan[0] = False
    if values == NULL:
        return NULL
    if acc.numeric == FLOAT:
        for i in range(n):
            has_nan[0] |= isnan(values[i].f)
            values[i].i = INT64_MAX if isnan(values[i].f) else order_of_float(values[i].f)
    elif acc.numeric == UNSIGNED:
        for i in range(n):
            values[i].i ^= INT64_MIN
    return &values[0].i


cdef Word value_of_key(int numeric, int64_t key) noexcept nogil:
    """The value that a key came from."""
    cdef Word value
    value.i = key
    if numeric == FLOAT:
        value.f = NAN if key == INT64_MAX else float_of_order(key)
    elif numeric == UNSIGNED:
        value.i = key ^ INT64_MIN
    return value


# --------------------------------------------------------------------------------- select and sort

cdef inline void insert_sort(int64_t* a, Py_ssize_t n) noexcept nogil:
    """Sort a few keys."""
    cdef Py_ssize_t i, j
    cdef int64_t x
    for i in range(1, n):
        x = a[i]
        j = i
        while j > 0 and a[j - 1] > x:
            a[j] = a[j - 1]
            j -= 1
        a[j] = x


cdef void sift(int64_t* a, Py_ssize_t at, Py_ssize_t n) noexcept nogil:
    """Let a key sink to its place in a heap."""
    cdef Py_ssize_t child
    cdef int64_t x = a[at]
    while 2 * at + 1 < n:
        child = 2 * at + 1
        if child + 1 < n and a[child + 1] > a[child]:
            child += 1
        if a[child] <= x:
            break
        a[at] = a[child]
        at = child
    a[at] = x


cdef void heap_sort(int64_t* a, Py_ssize_t n) noexcept nogil:
    """Sort keys that no pivot splits well."""
    cdef Py_ssize_t i
    cdef int64_t x
    for i in range(n // 2 - 1, -1, -1):
        sift(a, i, n)
    for i in range(n - 1, 0, -1):
        x = a[0]
        a[0] = a[i]
        a[i] = x
        sift(a, 0, i)


cdef inline int64_t middle_of(int64_t a, int64_t b, int64_t c) noexcept nogil:
    """The median of three keys."""
    return max(min(a, b), min(max(a, b), c))


cdef inline int64_t pivot_of(const int64_t* a, Py_ssize_t n) noexcept nogil:
    """A key to split by: the median of three, or of three medians."""
    cdef Py_ssize_t s = n // 8
    if n < 128:
        return middle_of(a[0], a[n // 2], a[n - 1])
    return middle_of(
        middle_of(a[0], a[s], a[2 * s]),
        middle_of(a[3 * s], a[4 * s], a[5 * s]),
        middle_of(a[6 * s], a[7 * s], a[n - 1]))


cdef inline Py_ssize_t split(int64_t* a, Py_ssize_t n, int64_t pivot, bint equal) noexcept nogil:
    """Bring the keys below a pivot (or up to it) to the front; how many there are. No branches."""
    cdef Py_ssize_t i, j = 0
    cdef int64_t x
    for i in range(n):
        x = a[i]
        a[i] = a[j]
        a[j] = x
        j += x <= pivot if equal else x < pivot
    return j


cdef void select(int64_t* a, Py_ssize_t n, Py_ssize_t k) noexcept nogil:
    """Bring the key of rank k to its place: none before it is larger, none behind it smaller."""
    cdef Py_ssize_t below, same
    cdef int64_t pivot
    cdef int rounds = 0
    while n > FEW:
        rounds += 1
        if rounds > ROUNDS:
            heap_sort(a, n)
            return
        pivot = pivot_of(a, n)
        below = split(a, n, pivot, False)
        if k < below:
            n = below
            continue
        same = split(a + below, n - below, pivot, True)
        if k < below + same:
            return
        a += below + same
        n -= below + same
        k -= below + same
    insert_sort(a, n)


cdef void sort(int64_t* a, Py_ssize_t n, int rounds) noexcept nogil:
    """Sort keys."""
    cdef Py_ssize_t below, same
    cdef int64_t pivot
    while n > FEW:
        if rounds == 0:
            heap_sort(a, n)
            return
        rounds -= 1
        pivot = pivot_of(a, n)
        below = split(a, n, pivot, False)
        same = split(a + below, n - below, pivot, True)
        sort(a, below, rounds)
        a += below + same
        n -= below + same
    insert_sort(a, n)


# -------------------------------------------------------------------------------------- quantiles

cdef inline Exact exact_of_wide(wide_t x) noexcept nogil:
    """A 128-bit integer as a pair, exact up to 106 bits."""
    cdef double hi = <double>x
    return exact(hi, <double>(x - <wide_t>hi))


cdef inline Exact distance(int numeric, int64_t key, int64_t other) noexcept nogil:
    """The difference of two finite values."""
    if numeric == FLOAT:
        return exact(float_of_order(key), -float_of_order(other))
    return exact_of_wide(<wide_t>key - <wide_t>other)  # unsigned keys are off by the same


cdef inline Exact exact_value(int numeric, int64_t key) noexcept nogil:
    """A finite value as a pair."""
    cdef wide_t shift = <wide_t>INT64_MIN if numeric == UNSIGNED else <wide_t>0
    if numeric == FLOAT:
        return exact(float_of_order(key), 0.0)
    return exact_of_wide(<wide_t>key - shift)


cdef double between(int numeric, int64_t low, int64_t high, double part) noexcept nogil:
    """low + part * (high - low), rounded once; infinities as limits have them."""
    cdef double a, b, scale = 1.0
    cdef Exact x, y, share
    a = value_of_key(numeric, low).f if numeric == FLOAT else 0.0
    b = value_of_key(numeric, high).f if numeric == FLOAT else 0.0
    if low == high or part == 0.0:
        return exact_value(numeric, low).hi
    if not isfinite(a) or not isfinite(b):
        return a + b
    share.hi = part
    share.lo = 0.0
    if numeric != FLOAT:
        x = exact_value(numeric, low)
        y = distance(numeric, high, low)
    else:
        if fabs(a) > HUGE or fabs(b) > HUGE:
            scale = 16.0  # so that the distance can't overflow
        x = exact(a / scale, 0.0)
        y = exact_add(exact(b / scale, 0.0), exact(-a / scale, 0.0))
    return exact_add(x, exact_mul(share, y)).hi * scale


cdef Py_ssize_t quantile_rank(double q, int how, Py_ssize_t n, double* part) noexcept nogil:
    """The rank of a quantile of n values, and how much of the way to the next is to be gone."""
    cdef double h = q * <double>(n - 1)
    cdef Py_ssize_t k = <Py_ssize_t>floor(h)
    part[0] = h - <double>k
    if how == HIGHER and part[0] > 0.0:
        k += 1
    elif how == NEAREST:
        k = <Py_ssize_t>rint(h)
    elif how == MIDPOINT and part[0] > 0.0:
        part[0] = 0.5
    if how in (LOWER, HIGHER, NEAREST):
        part[0] = 0.0
    return min(max(k, 0), n - 1)


cdef double quantile(
    int64_t* keys, Py_ssize_t n, int numeric, double q, int how, int64_t* rank
) noexcept nogil:
    """A quantile of n keys between ranks, or the key of one rank."""
    cdef double part
    cdef Py_ssize_t k = quantile_rank(q, how, n, &part), i
    cdef int64_t low, high
    select(keys, n, k)
    low = keys[k]
    rank[0] = low
    if how in (LOWER, HIGHER, NEAREST):
        return 0.0
    high = low
    if part > 0.0 and k + 1 < n:
        high = keys[k + 1]
        for i in range(k + 2, n):
            high = min(high, keys[i])
    return between(numeric, low, high, part)


cdef double far_from_middle(int numeric, int64_t key, int64_t low, int64_t high) noexcept nogil:
    """How far a value is from the mean of two finite ones, rounded once."""
    cdef Exact d
    cdef double a = 0.0, b = 0.0, x
    if numeric != FLOAT:
        d = exact_add(distance(numeric, key, low), distance(numeric, key, high))
        return fabs(0.5 * d.hi)
    a = value_of_key(numeric, low).f
    b = value_of_key(numeric, high).f
    x = value_of_key(numeric, key).f
    if not isfinite(x):
        return INFINITY
    if max(fabs(x), max(fabs(a), fabs(b))) > HUGE:
        d = exact_add(exact(0.5 * x, 0.0), exact(-0.25 * a, -0.25 * b))
        return fabs(2.0 * d.hi)
    d = exact_add(distance(numeric, key, low), distance(numeric, key, high))
    return fabs(0.5 * d.hi)


cdef double median_deviation(int64_t* keys, Py_ssize_t n, int numeric) noexcept nogil:
    """The median of the distances from the median."""
    cdef int64_t low, high, rank
    cdef double a, b
    cdef Py_ssize_t i, k = (n - 1) // 2
    select(keys, n, k)
    low = high = keys[k]
    if n % 2 == 0:
        high = keys[k + 1]
        for i in range(k + 2, n):
            high = min(high, keys[i])
    a = value_of_key(numeric, low).f if numeric == FLOAT else 0.0
    b = value_of_key(numeric, high).f if numeric == FLOAT else 0.0
    if not isfinite(a) or not isfinite(b):
        return NAN
    for i in range(n):
        keys[i] = order_of_float(far_from_middle(numeric, keys[i], low, high))
    return quantile(keys, n, FLOAT, 0.5, LINEAR, &rank)


# --------------------------------------------------------------------------------- distinct values

cdef int bits_for(Py_ssize_t n) noexcept nogil:
    """So many bits that a table of n keys is at most half full."""
    cdef int bits = 3
    while (<Py_ssize_t>1 << bits) < 2 * n:
        bits += 1
    return bits


cdef inline void begin_census(Census* census) noexcept nogil:
    """No key yet."""
    census.n_distinct = 0
    census.most = 0
    census.mode = 0


cdef inline bint is_less(const Census* census, int64_t key) noexcept nogil:
    """Whether a key stands before the most frequent."""
    if census.texts != NULL:
        return text_before(census.texts, key, census.mode)
    return key < census.mode


cdef inline void note(const Tally* entry, Census* census) noexcept nogil:
    """Follow the number of keys and the most frequent, as the number of one rises."""
    census.n_distinct += entry.n == 1
    if entry.n > census.most or (entry.n == census.most and is_less(census, entry.key)):
        census.most = entry.n
        census.mode = entry.key


cdef int tally(
    const int64_t* keys, Py_ssize_t n, Tally* table, int bits, Census* census
) noexcept nogil:
    """Count keys in a table, unless it is too small or the keys were made to collide."""
    cdef Py_ssize_t i, at, budget = 8 * n + 64
    cdef Py_ssize_t mask = (<Py_ssize_t>1 << bits) - 1
    memset(table, 0, (mask + 1) * sizeof(Tally))
    begin_census(census)
    for i in range(n):
        at = <Py_ssize_t>((<uint64_t>keys[i] * GOLDEN) >> (64 - bits))
        while table[at].n and table[at].key != keys[i]:
            at = (at + 1) & mask
            budget -= 1
        if budget < 0:
            return COLLIDES
        table[at].key = keys[i]
        table[at].n += 1
        note(&table[at], census)
        if 2 * census.n_distinct > mask + 1:
            return IS_FULL
    return IS_COUNTED


cdef void count_sorted(int64_t* keys, Py_ssize_t n, Census* census) noexcept nogil:
    """The same by sorting, where keys were made to collide."""
    cdef Tally entry
    cdef Py_ssize_t i
    begin_census(census)
    sort(keys, n, ROUNDS)
    entry.n = 0
    for i in range(n):
        entry.n = entry.n + 1 if i > 0 and keys[i] == keys[i - 1] else 1
        entry.key = keys[i]
        note(&entry, census)


cdef void count_keys(int64_t* keys, Py_ssize_t n, Tally* table, Census* census) noexcept nogil:
    """Count the different keys, and find the most frequent, of several the smallest.

    Begins with a table that is small, as often there are few different ones.
    """
    cdef int most = bits_for(n), bits = min(most, <int>FIRST_BITS)
    cdef int status = tally(keys, n, table, bits, census)
    while status == IS_FULL:
        bits = min(most, bits + 3)
        status = tally(keys, n, table, bits, census)
    if status == COLLIDES:
        count_sorted(keys, n, census)


# ------------------------------------------------------------------------------------------- lists

cdef struct Timed:
    int64_t time
    int64_t at
    Word value


cdef int by_time(const void* a, const void* b) noexcept nogil:
    """Order of two values for qsort: by time, then by arrival."""
    cdef const Timed* x = <const Timed*>a
    cdef const Timed* y = <const Timed*>b
    if x.time != y.time:
        return 1 if x.time > y.time else -1
    return (x.at > y.at) - (x.at < y.at)


cdef void order_by_time(
    const Acc* acc, Word* values, const Word* times, Py_ssize_t n
) noexcept nogil:
    """Bring values into the order of their times."""
    cdef Timed* timed
    cdef Py_ssize_t i
    cdef bint rising = True
    for i in range(1, n):
        rising = rising and times[i - 1].i <= times[i].i
    if rising:
        return
    timed = <Timed*>malloc(n * sizeof(Timed))
    if timed == NULL:
        acc.kept.failed = True
        return
    for i in range(n):
        timed[i].time = times[i].i
        timed[i].at = i
        timed[i].value = values[i]
    qsort(timed, n, sizeof(Timed), by_time)
    for i in range(n):
        values[i] = timed[i].value
    free(timed)


cdef void write_list(
    const Plan* plan, const Output* output, const Word* record, Py_ssize_t n, Word* value
) noexcept nogil:
    """The values of a window in order of time behind the other lists; `value`: where."""
    cdef const Acc* acc = &plan.accs[output.acc]
    cdef Word* values = gather(plan, acc, record, n)
    cdef Word* times = gather(plan, &plan.accs[output.other], record, n)
    cdef Py_ssize_t room = acc.kept.n_lists + n + 1
    if values == NULL or times == NULL:
        return
    order_by_time(acc, values, times, n)
    if room > acc.kept.cap_lists:
        room = max(room, 2 * acc.kept.cap_lists)
        if not grow(<void**>&acc.kept.lists, room * sizeof(Word)):
            acc.kept.failed = True
            return
        acc.kept.cap_lists = room
    value.i = acc.kept.n_lists
    acc.kept.lists[value.i].i = n
    memcpy(acc.kept.lists + value.i + 1, values, n * sizeof(Word))
    acc.kept.n_lists += n + 1


# -------------------------------------------------------------------------------------------- read

cdef void read_one(
    const Plan* plan, const Output* output, const Word* record, Py_ssize_t n, Word* value
) noexcept nogil:
    """One result of n > output.ddof values."""
    cdef const Acc* acc = &plan.accs[output.acc]
    cdef bint has_nan
    cdef int64_t* keys
    cdef int64_t rank
    cdef Census census
    cdef Py_ssize_t room = n
    cdef double between_ranks
    if output.op == OF_LIST:
        write_list(plan, output, record, n, value)
        return
    census.texts = acc.texts if output.op == OF_MODE and acc.texts.offsets != NULL else NULL
    if output.op == OF_NUNIQUE or output.op == OF_MODE:
        room = n + 2 * (<Py_ssize_t>1 << bits_for(n))  # the table stands behind the keys
    keys = NULL if scratch_of(acc, room) == NULL else keys_of(plan, acc, record, n, &has_nan)
    if keys == NULL:
        return
    if output.op == OF_NUNIQUE:
        count_keys(keys, n, <Tally*>(keys + n), &census)
        value.i = census.n_distinct
    elif output.op == OF_MODE:
        count_keys(keys, n, <Tally*>(keys + n), &census)
        value[0] = value_of_key(acc.numeric, census.mode)
    elif has_nan:
        value.f = NAN
    elif output.op == OF_MAD:
        value.f = median_deviation(keys, n, acc.numeric)
    else:
        between_ranks = quantile(keys, n, acc.numeric, output.by, output.how, &rank)
        if output.op == OF_RANK:
            value[0] = value_of_key(acc.numeric, rank)
        else:
            value.f = between_ranks


cdef void read_kept(
    const Plan* plan, const Output* output, const Word* records, Py_ssize_t n, Word* values
) noexcept nogil:
    """One output of n folded records."""
    cdef int nulls = plan.accs[plan.accs[output.acc].nulls].narrow
    cdef Py_ssize_t i, n_values
    for i in range(n):
        n_values = records[0].i - records[nulls].i
        if n_values > output.ddof:
            read_one(plan, output, records, n_values, &values[i])
        records += plan.narrow
