"""Values that a record keeps, and what needs all of them: quantiles, modes, lists.

A record has its values in memory of its own, in order of arrival. The record of a window that is
read off its rows points to these. Folded records are not copied together when panes are added up:
panes that are added lie beside each other, and so a sum is a range of them.

Values are looked at as keys, see ranks.pyx.
"""

from libc.math cimport NAN, isnan
from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t
from libc.stdlib cimport free, malloc, qsort
from libc.string cimport memcpy

from tidegate._kernels.census cimport Census, Tally, bits_for, count_keys
from tidegate._kernels.grid cimport order_of_float
from tidegate._kernels.memory cimport grow
from tidegate._kernels.pool cimport large_grow
from tidegate._kernels.ranks cimport median_deviation, quantile, value_of_key
from tidegate._kernels.records cimport (
    FLOAT, OF_LIST, OF_MAD, OF_MODE, OF_NUNIQUE, OF_RANK, ROW_SPANS, UNSIGNED, Acc, Output, Plan,
    Word,
)
from tidegate._kernels.rowruns cimport (
    MORE_N, PANES_AT, PANES_N, SPAN_WORDS, entry_words, runs_add, runs_drop, runs_extend, runs_fit,
    runs_in, runs_load, runs_out, runs_sort, spans_add,
)

cdef int64_t MOST = <int64_t>1 << 40  # values of one record: a forged count must not overflow

cdef enum:
    SMALL = 8     # least room


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
        at = record + acc.wide
        if keeps_rows(acc):
            runs_drop(acc, at)
        elif acc.kept != NULL:
            free(at[VALUES_AT].p)
            acc.kept.n -= at[VALUES_N].i
            at[VALUES_AT].p = NULL
            at[VALUES_N].i = at[RANGE_N].i = 0


cdef Py_ssize_t kept_out(const Plan* plan, Word* record, Word* out) noexcept nogil:
    """Write down what a copy of a record keeps, and how much; the copy has no addresses then."""
    cdef Word* at
    cdef Py_ssize_t n = 0
    for a in range(plan.n_accs):
        at = record + plan.accs[a].wide
        if keeps_rows(&plan.accs[a]):
            n += runs_out(&plan.accs[a], at, out + n)
        elif plan.accs[a].kept != NULL:
            if at[VALUES_N].i:
                memcpy(out + n, at[VALUES_AT].p, at[VALUES_N].i * sizeof(Word))
            n += at[VALUES_N].i
            at[VALUES_AT].i = at[RANGE_AT].i = at[RANGE_N].i = 0
    return n


cdef Py_ssize_t kept_in(const Plan* plan, const Word* record) noexcept nogil:
    """How much a record that was written down keeps; -1 where that cannot be of its rows."""
    cdef const Acc* acc
    cdef Py_ssize_t n = 0
    cdef int64_t nulls
    for a in range(plan.n_accs):
        acc = &plan.accs[a]
        if keeps_rows(acc):
            if not runs_fit(record + acc.wide, min(record[0].i, MOST)):
                return -1
            n += entry_words(acc) * (runs_in(record + acc.wide) - 1)
        elif acc.kept != NULL:
            nulls = record[plan.wide + plan.accs[acc.nulls].rare].i
            if not 0 <= nulls <= record[0].i or (
                    (record + acc.wide)[VALUES_N].i != record[0].i - nulls):
                return -1
            if record[0].i - nulls > MOST:
                return -1
            n += record[0].i - nulls
    return n


cdef Py_ssize_t kept_load(const Plan* plan, Word* record, const Word* values) noexcept nogil:
    """Give a record that was written down its values; how many words they were."""
    cdef const Word* first = values
    cdef const Acc* acc
    cdef Word* at
    cdef Py_ssize_t n
    for a in range(plan.n_accs):
        acc = &plan.accs[a]
        at = record + acc.wide
        if keeps_rows(acc):
            n = entry_words(acc) * (runs_in(at) - 1)
            runs_load(acc, at, values)
            values += n
        elif acc.kept != NULL:
            n = at[VALUES_N].i
            at[VALUES_AT].p = NULL
            at[RANGE_N].i = at[VALUES_N].i = 0
            if n:
                kept_extend(acc, at, values, n)
                values += n
    return values - first


cdef void kept_join(const Plan* plan, Word* record, Word* other) noexcept nogil:
    """Let a record keep what another one keeps too, which then keeps nothing: the fewer move."""
    cdef Word[SPAN_WORDS] mine
    cdef Word* at
    cdef Word* theirs
    cdef const Acc* acc
    cdef int64_t k
    for a in range(plan.n_accs):
        acc = &plan.accs[a]
        if acc.kept == NULL:
            continue
        at = record + acc.wide
        theirs = other + acc.wide
        k = MORE_N if keeps_rows(acc) else VALUES_N
        if theirs[k].i > at[k].i:
            memcpy(mine, at, kept_words(acc) * sizeof(Word))
            memcpy(at, theirs, kept_words(acc) * sizeof(Word))
            memcpy(theirs, mine, kept_words(acc) * sizeof(Word))
        if keeps_rows(acc):
            runs_extend(acc, at, theirs)
        elif theirs[VALUES_N].i:
            kept_extend(acc, at, <const Word*>theirs[VALUES_AT].p, theirs[VALUES_N].i)
    kept_drop(plan, other)


cdef void kept_fold(const Plan* plan, Word* out) noexcept nogil:
    """Make a folded record a range of one."""
    for a in range(plan.n_accs):
        if plan.accs[a].kept != NULL:
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


cdef inline Word* list_room(const Acc* acc, Py_ssize_t n) noexcept nogil:
    """Room for n values of a list, behind the other lists; NULL where there is no memory."""
    cdef Py_ssize_t room = acc.kept.n_lists + n + 1
    if room > acc.kept.cap_lists:
        room = max(room, 2 * acc.kept.cap_lists)
        if not large_grow(<void**>&acc.kept.lists, room * sizeof(Word)):
            acc.kept.failed = True
            return NULL
        acc.kept.cap_lists = room
    return acc.kept.lists + acc.kept.n_lists + 1


cdef inline void end_list(const Acc* acc, Py_ssize_t n, Word* value) noexcept nogil:
    """Take the n values that are there for a list; `value`: where it stands."""
    value.i = acc.kept.n_lists
    acc.kept.lists[value.i].i = n
    acc.kept.n_lists += n + 1


cdef void write_list(
    const Plan* plan, const Output* output, const Word* record, Py_ssize_t n, Word* value
) noexcept nogil:
    """The values of a window in order of time behind the other lists; `value`: where."""
    cdef const Acc* acc = &plan.accs[output.acc]
    cdef Word* values = gather(plan, acc, record, n)
    cdef Word* times = gather(plan, &plan.accs[output.other], record, n)
    cdef Word* out
    if values == NULL or times == NULL:
        return
    order_by_time(acc, values, times, n)
    out = list_room(acc, n)
    if out != NULL:
        memcpy(out, values, n * sizeof(Word))
        end_list(acc, n, value)


cdef void copy_list(const Acc* acc, const Word* given, Word* value) noexcept nogil:
    """Copy a list of another state, its length before it, behind the other lists; `value`: where.
    """
    cdef Word* out = list_room(acc, given[0].i)
    if out != NULL:
        memcpy(out, given + 1, given[0].i * sizeof(Word))
        end_list(acc, given[0].i, value)


cdef Py_ssize_t list_runs(const Plan* plan, const Acc* acc, const Word* at) noexcept nogil:
    """Write the entries of rows of one window down behind the lists; how many, -1: no memory."""
    cdef bint is_one = at[MORE_N].i == 0, rises = True
    cdef const Word* pane = at if is_one else <const Word*>at[PANES_AT].p
    cdef Py_ssize_t _pane, n_runs = 0
    cdef Word* out = NULL
    if acc.kind == ROW_SPANS:
        out = list_room(acc, entry_words(acc) * runs_in(at))
        if out == NULL:
            return -1
        spans_add(at, out)
        return runs_in(at)
    for _pane in range(1 if is_one else at[PANES_N].i):
        out = list_room(acc, 2 * (n_runs + runs_in(pane)))
        if out == NULL:
            return -1
        n_runs = runs_add(pane, out, n_runs, &rises)
        pane += plan.narrow
    return n_runs if rises else runs_sort(out, n_runs)


cdef void read_runs(
    const Plan* plan, const Output* output, const Word* records, Py_ssize_t n, Word* values
) noexcept nogil:
    """The entries of rows of n folded records: each a list of their words."""
    cdef const Acc* acc = &plan.accs[output.acc]
    cdef Py_ssize_t i, n_runs
    for i in range(n):
        n_runs = list_runs(plan, acc, records + i * plan.narrow + acc.narrow)
        if n_runs < 0:
            return
        end_list(acc, entry_words(acc) * n_runs, &values[i])


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
