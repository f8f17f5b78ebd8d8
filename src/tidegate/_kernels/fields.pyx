"""Fields of numbers of dicts: one pass over the records, whatever the number of fields.

Most of the time goes into waiting for memory: dicts, their entries and the numbers in them lie
where they were made. Each is asked for some records ahead.
"""

from cpython.object cimport PyObject
from libc.stdint cimport int64_t

cdef extern from "Python.h":
    """
    /* No reference is taken: the value stays where it stands in the dict or list. */
    #define tg_list_item(list, i) PyList_GET_ITEM((PyObject*)(list), i)
    #ifdef __GNUC__
        #define tg_ask_for(thing) __builtin_prefetch(thing)
        #define tg_keys(record) ((const unsigned char*)((PyDictObject*)(record))->ma_keys)
        static inline void tg_ask_for_entry(PyObject* record, Py_ssize_t from_keys) {
            if (!PyDict_Check(record))
                return;
            __builtin_prefetch(tg_keys(record));
            __builtin_prefetch(tg_keys(record) + from_keys);
        }
        /* Where CPython has an entry, for a hint: after a head and a table of 2**n bytes. */
        static inline Py_ssize_t tg_from_keys(PyObject* record, Py_ssize_t at) {
            return 32 + (1 << (tg_keys(record)[9] & 15)) + 16 * at;
        }
    #else
        #define tg_ask_for(thing) ((void)(thing))
        #define tg_ask_for_entry(record, from_keys) ((void)(record))
        #define tg_from_keys(record, at) 0
    #endif
    """
    bint PyBool_Check(PyObject*)
    bint PyLong_Check(PyObject*)
    bint PyFloat_Check(PyObject*)
    bint PyUnicode_CheckExact(PyObject*)
    int PyUnicode_Compare(PyObject*, PyObject*)
    bint PyDict_Check(PyObject*)
    long long PyLong_AsLongLongAndOverflow(PyObject*, int*) except? -1
    double PyFloat_AS_DOUBLE(PyObject*)
    Py_ssize_t PyList_GET_SIZE(PyObject*)
    int PyDict_Next(PyObject*, Py_ssize_t*, PyObject**, PyObject**)
    PyObject* PyDict_GetItemWithError(PyObject*, PyObject*) except? NULL
    PyObject* tg_list_item(PyObject*, Py_ssize_t)
    void tg_ask_for(PyObject*)
    void tg_ask_for_entry(PyObject*, Py_ssize_t)
    Py_ssize_t tg_from_keys(PyObject*, Py_ssize_t)

cdef enum:
    BLOCK = 16           # records that are looked into before their numbers are read
    MAX_FIELDS = 16
    MAX_MISSED = 64      # records with a field elsewhere, after which it is looked up in all others
cdef int64_t MAX_EXACT = 1 << 53     # integers up to here are floats exactly

cdef struct Field:
    PyObject* name       # NULL: the records are the values themselves
    PyObject* key        # the key object of the field in the record that was looked into last
    Py_ssize_t at        # where among the entries of that record it was
    Py_ssize_t from_keys  # bytes from the keys of that record to its entry there, about
    int n_missed         # how many others had it elsewhere
    int64_t* words       # OUT (n_records,) integers, or the bits of floats
    Py_ssize_t n_read
    bint floats
    bint has_stopped     # at a record that is no dict, or has no number there that fits


def read_fields(
    list records not None,
    list names not None,  # IN (n_fields,) str; None: the records are the values themselves
    int64_t[:, ::1] words not None,  # OUT (n_fields, n_records) integers, or the bits of floats
    bint floats,  # all become floats; else those of a field do once there is one
):
    """Read fields of numbers.

    Returns
    -------
    list of tuple of (int, bool)
        For each field how many records are read, and whether they are floats. The next one is no
        dict, lacks the field, or has no number there, or an integer that does not fit.
    """
    cdef Field[MAX_FIELDS] fields
    cdef Field* field
    cdef Py_ssize_t n_records = len(records), n_fields = len(names), end = 0
    cdef int i
    cdef list keys = []  # those that were found: no other object is at their address meanwhile
    if not 0 < n_fields <= MAX_FIELDS:
        raise ValueError(f"{n_fields} fields are not within 1 and {MAX_FIELDS}")
    if words.shape[0] != n_fields or words.shape[1] != n_records:
        raise ValueError("words and records differ in length")
    for i in range(n_fields):
        if names[i] is not None and type(names[i]) is not str:
            raise TypeError("the name of a field is a str")
        fields[i] = Field(NULL, NULL, 0, 0, 0, NULL, 0, floats, False)
        fields[i].name = NULL if names[i] is None else tg_list_item(<PyObject*>names, i)
        fields[i].words = &words[i, 0] if n_records else NULL
    while end < n_records:
        end = min(end + BLOCK, n_records)
        ask_for_more(records, fields, n_fields, end)
        for i in range(n_fields):
            field = &fields[i]
            while field.n_read < end and not field.has_stopped:
                if read_some(records, field, end) and field.n_read < end:
                    read_one(records, field, keys)
    return [(fields[i].n_read, bool(fields[i].floats)) for i in range(n_fields)]


cdef void ask_for_more(list records, Field* fields, Py_ssize_t n_fields, Py_ssize_t row) noexcept:
    """Ask for the dicts of the block after the next, and for the fields of the next one."""
    cdef Py_ssize_t n_records = PyList_GET_SIZE(<PyObject*>records), i
    cdef int field
    for i in range(row + BLOCK, min(row + 2 * BLOCK, n_records)):
        tg_ask_for(tg_list_item(<PyObject*>records, i))
    for i in range(row, min(row + BLOCK, n_records)):
        for field in range(n_fields):
            tg_ask_for_entry(tg_list_item(<PyObject*>records, i), fields[field].from_keys)


cdef bint read_some(list records, Field* field, Py_ssize_t end) except -1:
    """Read the field of records that have it where the last one had it; False: it has stopped."""
    cdef PyObject* values[BLOCK]
    cdef PyObject* value
    cdef Py_ssize_t row = field.n_read, i
    cdef int n = 0
    end = min(end, PyList_GET_SIZE(<PyObject*>records), row + BLOCK)
    for i in range(row, end):
        value = tg_list_item(<PyObject*>records, i)
        if field.name != NULL:
            value = value_at(value, field)
            if value == NULL:
                break
        tg_ask_for(value)
        values[n] = value
        n += 1
    for i in range(n):
        if not put(field, values[i]):
            return False
    return True


cdef inline PyObject* value_at(PyObject* record, const Field* field) noexcept:
    """The value of a field where the record before had it; NULL: it is not there."""
    cdef Py_ssize_t at = field.at
    cdef PyObject* key = NULL
    cdef PyObject* value = NULL
    if field.key == NULL or not PyDict_Check(record):
        return NULL
    if not PyDict_Next(record, &at, &key, &value) or key != field.key:
        return NULL
    return value


cdef int read_one(list records, Field* field, list keys) except -1:
    """Read the field of a record wherever it is, and note where."""
    cdef PyObject* record
    cdef PyObject* value
    if field.n_read >= PyList_GET_SIZE(<PyObject*>records):
        raise ValueError("the list of records became shorter while it was read")
    record = tg_list_item(<PyObject*>records, field.n_read)
    if field.name == NULL:
        put(field, record)
        return 0
    if not PyDict_Check(record):
        field.has_stopped = True
        return 0
    _held = <object>record  # kept: the comparison of its keys may change the list
    value = PyDict_GetItemWithError(record, field.name)
    if value == NULL:
        field.has_stopped = True
        return 0
    _value = <object>value  # kept as well: so may what takes note of where it is
    if field.n_missed < MAX_MISSED and find_place(record, field):
        keys.append(<object>field.key)
    put(field, value)
    return 0


cdef bint find_place(PyObject* record, Field* field) noexcept:
    """Note where a record has a field, and the key object that it is under there."""
    cdef Py_ssize_t at = 0, next_ = 0
    cdef PyObject* key = NULL
    cdef PyObject* value = NULL
    field.n_missed += 1
    field.key = NULL
    while PyDict_Next(record, &next_, &key, &value):
        if key == field.name or (
            PyUnicode_CheckExact(key) and PyUnicode_Compare(key, field.name) == 0
        ):
            field.key, field.at = key, at
            field.from_keys = tg_from_keys(record, at)
            return True
        at = next_
    return False


cdef bint put(Field* field, PyObject* value) except -1:
    """Note the number of the next record; False: it is none, and the field has stopped."""
    cdef double* reals = <double*>field.words
    cdef Py_ssize_t row = field.n_read
    cdef int64_t number
    cdef int overflow = 0
    if PyFloat_Check(value):
        if not field.floats and not make_floats(field):
            return False
        reals[row] = PyFloat_AS_DOUBLE(value)
    elif PyLong_Check(value) and not PyBool_Check(value):
        number = PyLong_AsLongLongAndOverflow(value, &overflow)
        if overflow or (field.floats and not -MAX_EXACT <= number <= MAX_EXACT):
            field.has_stopped = True
            return False
        if field.floats:
            reals[row] = <double>number
        else:
            field.words[row] = number
    else:
        field.has_stopped = True
        return False
    field.n_read = row + 1
    return True


cdef bint make_floats(Field* field) noexcept:
    """Make floats of the integers so far; False: one of them is no float exactly."""
    cdef double* reals = <double*>field.words
    cdef Py_ssize_t row
    field.floats = True
    for row in range(field.n_read):
        if not -MAX_EXACT <= field.words[row] <= MAX_EXACT:
            field.n_read, field.has_stopped = row, True
            return False
    for row in range(field.n_read):
        reals[row] = <double>field.words[row]
    return True
