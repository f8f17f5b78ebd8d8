"""Columns to records: Arrow's buffers straight into Python objects.

Many dicts and lists that all stay are no garbage, but Python would look for some among them again
and again: half to three quarters of the time for a million records. It is told not to while they
are made; what is garbage of other threads waits as long.
"""

from cpython.datetime cimport PyDateTime_IMPORT, date_new, datetime_new
from cpython.dict cimport PyDict_Copy, PyDict_SetItem
from cpython.list cimport PyList_New
from cpython.object cimport PyObject
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy

PyDateTime_IMPORT

cdef extern from "Python.h":
    object PyLong_FromLongLong(long long)
    object PyFloat_FromDouble(double)
    object PyUnicode_DecodeUTF8(const char*, Py_ssize_t, const char*)
    object PyUnicode_DecodeASCII(const char*, Py_ssize_t, const char*)
    object PyBytes_FromStringAndSize(const char*, Py_ssize_t)
    void Py_INCREF(object)
    void PyList_SET_ITEM(object, Py_ssize_t, object)
    PyObject* tg_list_item "PyList_GET_ITEM"(object, Py_ssize_t)
    Py_ssize_t PyList_GET_SIZE(object)
    int PyGC_Disable()
    int PyGC_Enable()

ctypedef fused number_t:
    int32_t
    int64_t
    double

ctypedef fused offset_t:
    int32_t
    int64_t

cdef enum:
    N_SHARED = 512       # places for texts that may recur
    MAX_SHARED = 32      # bytes of one
cdef int64_t MICROS_A_DAY = 86400000000
cdef int64_t FIRST_DAY = -719162     # 0001-01-01, the first that Python has
cdef int64_t LAST_DAY = 2932896      # 9999-12-31


cdef inline bint is_null(const uint8_t[::1] valid, Py_ssize_t at) noexcept:
    """Whether the bit of a row is off."""
    return valid is not None and not (valid[at >> 3] >> (at & 7)) & 1


cdef inline void put(list objects, Py_ssize_t at, object value):
    """Set an item of a list that was just made."""
    Py_INCREF(value)
    PyList_SET_ITEM(objects, at, value)


def numbers(
    const number_t[::1] values not None,  # IN (n_rows,)
    const uint8_t[::1] valid,  # IN bits, those of the rows from `first` on; None = no nulls
    Py_ssize_t first,
):
    """Return int or float objects, None where a bit is off."""
    cdef Py_ssize_t row, n_rows = values.shape[0]
    check_bits(valid, first, n_rows)
    cdef list objects = PyList_New(n_rows)
    for row in range(n_rows):
        if is_null(valid, first + row):
            put(objects, row, None)
        elif number_t is double:
            put(objects, row, PyFloat_FromDouble(values[row]))
        else:
            put(objects, row, PyLong_FromLongLong(values[row]))
    return objects


def truths(
    const uint8_t[::1] values not None,  # IN bits, those of the rows from `first` on
    const uint8_t[::1] valid,  # IN bits; None = no nulls
    Py_ssize_t first,
    Py_ssize_t n_rows,
):
    """Return bool objects, None where a bit of `valid` is off."""
    cdef Py_ssize_t row
    check_bits(valid, first, n_rows)
    check_bits(values, first, n_rows)
    cdef list objects = PyList_New(n_rows)
    for row in range(n_rows):
        if is_null(valid, first + row):
            put(objects, row, None)
        else:
            put(objects, row, (values[(first + row) >> 3] >> ((first + row) & 7)) & 1 == 1)
    return objects


def texts(
    const offset_t[::1] offsets not None,  # IN (n_rows + 1,)
    const uint8_t[::1] content not None,  # IN (n_bytes,)
    const uint8_t[::1] valid,  # IN bits; None = no nulls
    Py_ssize_t first,
    bint is_text,
):
    """Return str (or bytes) objects, None where a bit is off; short texts that recur are shared."""
    cdef Py_ssize_t row, n_rows = offsets.shape[0] - 1, start, size
    cdef const char* bytes_ = b""
    cdef Py_ssize_t[N_SHARED] rows  # where a text of this hash stood last
    cdef int slot = 0
    check_bits(valid, first, n_rows)
    if content.shape[0]:
        bytes_ = <const char*>&content[0]
    for slot in range(N_SHARED):
        rows[slot] = -1
    cdef list objects = [None] * n_rows
    for row in range(n_rows):
        if is_null(valid, first + row):
            continue
        start, size = offsets[row], offsets[row + 1] - offsets[row]
        if start < 0 or size < 0 or start > content.shape[0] - size:
            raise ValueError(f"row {row} is not within the content")
        if not is_text:
            objects[row] = PyBytes_FromStringAndSize(bytes_ + start, size)
            continue
        if size <= MAX_SHARED:
            slot = slot_of(bytes_ + start, size)
            if rows[slot] >= 0 and offsets[rows[slot] + 1] - offsets[rows[slot]] == size:
                if memcmp(bytes_ + offsets[rows[slot]], bytes_ + start, size) == 0:
                    objects[row] = objects[rows[slot]]
                    continue
            rows[slot] = row
        objects[row] = PyUnicode_DecodeUTF8(bytes_ + start, size, NULL)
    return objects


cdef inline int slot_of(const char* text, Py_ssize_t size) noexcept:
    """Where a short text is looked for: by its last 8 bytes and its size."""
    cdef uint64_t word = 0
    memcpy(&word, text + max(size - 8, 0), min(size, 8))
    return <int>(((word ^ <uint64_t>size) * <uint64_t>0x9E3779B97F4A7C15) >> 55)


def times(
    const int64_t[::1] values not None,  # IN (n_rows,) microseconds
    const uint8_t[::1] valid,  # IN bits; None = no nulls
    Py_ssize_t first,
    object zone,  # of the datetimes; None: they have none
):
    """Return datetime objects, None where a bit is off; None at all if one is out of range."""
    cdef Py_ssize_t row, n_rows = values.shape[0]
    cdef int64_t days, micros, seconds
    cdef int year = 0, month = 0, day = 0
    check_bits(valid, first, n_rows)
    cdef list objects = [None] * n_rows
    for row in range(n_rows):
        if is_null(valid, first + row):
            continue
        days = values[row] // MICROS_A_DAY
        micros = values[row] % MICROS_A_DAY
        if micros < 0:
            days, micros = days - 1, micros + MICROS_A_DAY
        if not FIRST_DAY <= days <= LAST_DAY:
            return None
        civil(days, &year, &month, &day)
        seconds = micros // 1000000
        objects[row] = datetime_new(
            year, month, day, <int>(seconds // 3600), <int>(seconds // 60 % 60),
            <int>(seconds % 60), <int>(micros % 1000000), zone)
    return objects


cdef inline char* put_digits(char* at, int64_t number, int n_digits) noexcept:
    """Write a number with leading zeros; return where it ends."""
    cdef int i
    for i in range(n_digits - 1, -1, -1):
        at[i] = <char>(48 + number % 10)
        number //= 10
    return at + n_digits


def iso_times(
    const int64_t[::1] values not None,  # IN (n_rows,)
    const uint8_t[::1] valid,  # IN bits; None = no nulls
    Py_ssize_t first,
    int n_digits,  # of the fraction of a second that one unit is: 0, 3, 6 or 9
    bint is_zoned,
):
    """Return str such as 2024-02-29T01:02:03.004Z (without a zone no Z), None where a bit is off.

    None at all if a year is not within 1 and 9999.
    """
    cdef Py_ssize_t row, n_rows = values.shape[0]
    cdef int64_t per_second = 1, days, seconds, fraction
    cdef int year = 0, month = 0, day = 0, _i
    cdef char[40] text
    cdef char* at
    if n_digits not in (0, 3, 6, 9):
        raise ValueError("n_digits is 0, 3, 6 or 9")
    check_bits(valid, first, n_rows)
    for _i in range(n_digits):
        per_second *= 10
    cdef list objects = [None] * n_rows
    for row in range(n_rows):
        if is_null(valid, first + row):
            continue
        seconds, fraction = values[row] // per_second, values[row] % per_second
        if fraction < 0:
            seconds, fraction = seconds - 1, fraction + per_second
        days, seconds = seconds // 86400, seconds % 86400
        if seconds < 0:
            days, seconds = days - 1, seconds + 86400
        if not FIRST_DAY <= days <= LAST_DAY:
            return None
        civil(days, &year, &month, &day)
        at = put_digits(text, year, 4)
        at[0] = 45
        at = put_digits(at + 1, month, 2)
        at[0] = 45
        at = put_digits(at + 1, day, 2)
        at[0] = 84
        at = put_digits(at + 1, seconds // 3600, 2)
        at[0] = 58
        at = put_digits(at + 1, seconds // 60 % 60, 2)
        at[0] = 58
        at = put_digits(at + 1, seconds % 60, 2)
        if n_digits:
            at[0] = 46
            at = put_digits(at + 1, fraction, n_digits)
        if is_zoned:
            at[0] = 90
            at += 1
        objects[row] = PyUnicode_DecodeASCII(text, at - text, NULL)
    return objects


def dates(
    const int32_t[::1] values not None,  # IN (n_rows,) days
    const uint8_t[::1] valid,  # IN bits; None = no nulls
    Py_ssize_t first,
):
    """Return date objects, None where a bit is off; None at all if one is out of range."""
    cdef Py_ssize_t row, n_rows = values.shape[0]
    cdef int year = 0, month = 0, day = 0
    check_bits(valid, first, n_rows)
    cdef list objects = [None] * n_rows
    for row in range(n_rows):
        if is_null(valid, first + row):
            continue
        if not FIRST_DAY <= values[row] <= LAST_DAY:
            return None
        civil(values[row], &year, &month, &day)
        objects[row] = date_new(year, month, day)
    return objects


cdef inline void civil(int64_t days, int* year, int* month, int* day) noexcept:
    """The date of a day, counted from 1970-01-01 (Howard Hinnant's civil_from_days)."""
    cdef int64_t shifted = days + 719468  # from 0000-03-01: not negative here
    cdef int64_t era = shifted // 146097
    cdef int64_t of_era = shifted - era * 146097
    cdef int64_t years = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
    cdef int64_t of_year = of_era - (365 * years + years // 4 - years // 100)
    cdef int64_t part = (5 * of_year + 2) // 153
    day[0] = <int>(of_year - (153 * part + 2) // 5 + 1)
    month[0] = <int>(part + 3 if part < 10 else part - 9)
    year[0] = <int>(years + era * 400 + (month[0] <= 2))


def lists(
    list items not None,  # IN (n_items,)
    const offset_t[::1] offsets not None,  # IN (n_rows + 1,), into items
    const uint8_t[::1] valid,  # IN bits; None = no nulls
    Py_ssize_t first,
):
    """Return lists of the items, None where a bit is off."""
    cdef Py_ssize_t row, n_rows = offsets.shape[0] - 1
    cdef bint was_on
    check_bits(valid, first, n_rows)
    cdef list objects = [None] * n_rows
    was_on = PyGC_Disable()
    try:
        for row in range(n_rows):
            if is_null(valid, first + row):
                continue
            if not 0 <= offsets[row] <= offsets[row + 1] <= len(items):
                raise ValueError(f"row {row} is not within the items")
            objects[row] = items[offsets[row]:offsets[row + 1]]
    finally:
        if was_on:
            PyGC_Enable()
    return objects


def chosen(
    list values not None,  # IN (n_values,)
    const int32_t[::1] indices not None,  # IN (n_rows,)
    const uint8_t[::1] valid,  # IN bits; None = no nulls
    Py_ssize_t first,
):
    """Return the values at the indices, None where a bit is off."""
    cdef Py_ssize_t row, n_rows = indices.shape[0]
    check_bits(valid, first, n_rows)
    cdef list objects = [None] * n_rows
    for row in range(n_rows):
        if is_null(valid, first + row):
            continue
        if not 0 <= indices[row] < len(values):
            raise ValueError(f"the index of row {row} is not within the dictionary")
        objects[row] = values[indices[row]]
    return objects


cdef int check_bits(const uint8_t[::1] bits, Py_ssize_t first, Py_ssize_t n_rows) except -1:
    """Refuse bits that are fewer than the rows."""
    if n_rows < 0 or first < 0:
        raise ValueError("a number of rows is negative")
    if bits is not None and bits.shape[0] < (first + n_rows + 7) // 8:
        raise ValueError("there are fewer bits than rows")
    return 0


cdef struct Source:
    PyObject* objects          # (n_rows,) a list; NULL: words, which become objects
    const double* reals        # (n_rows,), or NULL
    const int64_t* integers    # (n_rows,), or NULL


cdef Source source_of(object column, Py_ssize_t n_rows) except *:
    """Where the values of a column come from; whoever calls keeps the column."""
    cdef const double[::1] reals
    cdef const int64_t[::1] integers
    cdef Source source
    source.objects, source.reals, source.integers = NULL, NULL, NULL
    if len(column) != n_rows:
        raise ValueError("a column has not n_rows values")
    if type(column) is list:
        source.objects = <PyObject*>column
    elif n_rows and column.dtype.char == "d":
        reals = column
        source.reals = &reals[0]
    elif n_rows:
        integers = column
        source.integers = &integers[0]
    return source


cdef inline int set_field(dict record, PyObject* name, Source source, Py_ssize_t row) except -1:
    """Set a field of a record to the value of its row."""
    cdef object value
    if source.objects != NULL:
        value = <object>tg_list_item(<object>source.objects, row)
    elif source.reals != NULL:
        value = PyFloat_FromDouble(source.reals[row])
    else:
        value = PyLong_FromLongLong(source.integers[row])
    return PyDict_SetItem(record, <object>name, value)


def records(
    list names not None,
    list columns not None,  # IN for each name (n_rows,) objects in a list, or float64, or int64
    Py_ssize_t n_rows,
    const uint8_t[::1] valid,  # IN bits; None = no nulls
    Py_ssize_t first,
    dict blank not None,  # a dict of the names, of which each record is a copy first
):
    """Return dicts of the names and the values of each row, None where a bit is off."""
    cdef Py_ssize_t row, i, n_columns = len(names)
    cdef list objects
    cdef dict record
    cdef bint was_on
    cdef Source* sources
    check_bits(valid, first, n_rows)
    if len(columns) != n_columns:
        raise ValueError("names and columns differ in number")
    if list(blank) != names:
        raise ValueError("the blank record has other names")
    sources = <Source*>malloc(max(n_columns, 1) * sizeof(Source))
    if sources == NULL:
        raise MemoryError
    was_on = PyGC_Disable()
    try:
        for i in range(n_columns):
            sources[i] = source_of(columns[i], n_rows)
        objects = PyList_New(n_rows)
        for row in range(n_rows):
            if is_null(valid, first + row):
                put(objects, row, None)
                continue
            record = PyDict_Copy(blank)
            for i in range(n_columns):
                set_field(record, tg_list_item(names, i), sources[i], row)
            put(objects, row, record)
        return objects
    finally:
        free(sources)
        if was_on:
            PyGC_Enable()


def unwatched(function, argument):
    """Return ``function(argument)``, no garbage being looked for while it runs.

    For functions that make many objects that all stay; garbage of other threads waits as long.
    """
    cdef bint was_on = PyGC_Disable()
    try:
        return function(argument)
    finally:
        if was_on:
            PyGC_Enable()
