"""Records to columns: one pass over a list of dicts, straight into Arrow's buffers.

A column takes its type from its first value, or has it given. What it cannot take exactly it
refuses with a status: the caller reads such a column by other means, or says what is wrong.
"""

cimport cython
from cpython.datetime cimport PyDateTime_IMPORT, PyDateTime_TimeZone_UTC
from cpython.object cimport PyObject
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

from tidegate._kernels.buffer cimport Buffer, buffer_of
from tidegate._kernels.memory cimport grow

PyDateTime_IMPORT

cdef extern from "Python.h":
    """
    /* No reference is taken: the value stays where it stands in the dict or list. */
    #define tg_dict_size(dict) PyDict_GET_SIZE(dict)
    #define tg_list_item(list, i) PyList_GET_ITEM((PyObject*)(list), i)
    #define tg_tuple_item(tuple, i) PyTuple_GET_ITEM((PyObject*)(tuple), i)
    """
    Py_ssize_t PY_SSIZE_T_MAX
    PyObject* Py_None
    PyObject* Py_True
    bint PyBool_Check(PyObject*)
    bint PyLong_Check(PyObject*)
    bint PyFloat_Check(PyObject*)
    bint PyUnicode_Check(PyObject*)
    bint PyUnicode_CheckExact(PyObject*)
    int PyUnicode_Compare(PyObject*, PyObject*)
    bint PyBytes_Check(PyObject*)
    bint PyList_Check(PyObject*)
    bint PyTuple_Check(PyObject*)
    bint PyDict_Check(PyObject*)
    long long PyLong_AsLongLongAndOverflow(PyObject*, int*) except? -1
    double PyFloat_AS_DOUBLE(PyObject*)
    const char* PyUnicode_AsUTF8AndSize(PyObject*, Py_ssize_t*)
    char* PyBytes_AS_STRING(PyObject*)
    Py_ssize_t PyBytes_GET_SIZE(PyObject*)
    Py_ssize_t PyList_GET_SIZE(PyObject*)
    Py_ssize_t PyTuple_GET_SIZE(PyObject*)
    int PyDict_Next(PyObject*, Py_ssize_t*, PyObject**, PyObject**)
    PyObject* PyDict_GetItemWithError(PyObject*, PyObject*) except? NULL
    void PyErr_Clear()
    Py_ssize_t tg_dict_size(PyObject*)
    PyObject* tg_list_item(PyObject*, Py_ssize_t)
    PyObject* tg_tuple_item(PyObject*, Py_ssize_t)

cdef extern from "datetime.h":
    bint PyDateTime_CheckExact(PyObject*)
    bint PyDate_CheckExact(PyObject*)
    bint PyDelta_CheckExact(PyObject*)
    int PyDateTime_GET_YEAR(PyObject*)
    int PyDateTime_GET_MONTH(PyObject*)
    int PyDateTime_GET_DAY(PyObject*)
    int PyDateTime_DATE_GET_HOUR(PyObject*)
    int PyDateTime_DATE_GET_MINUTE(PyObject*)
    int PyDateTime_DATE_GET_SECOND(PyObject*)
    int PyDateTime_DATE_GET_MICROSECOND(PyObject*)
    PyObject* PyDateTime_DATE_GET_TZINFO(PyObject*)
    int PyDateTime_DELTA_GET_DAYS(PyObject*)
    int PyDateTime_DELTA_GET_SECONDS(PyObject*)
    int PyDateTime_DELTA_GET_MICROSECONDS(PyObject*)

cdef enum Kind:
    NOTHING, BOOL, INT, FLOAT, TEXT, BYTES, TIME, UTC_TIME, DATE, DURATION, LIST, STRUCT

cdef enum Status:
    DONE, MISFIT, NO_MEMORY, TOO_DEEP, NO_DICT, BAD_KEY, TOO_WIDE

KINDS = (
    "nothing", "bool", "int", "float", "text", "bytes", "time", "utc_time", "date", "duration",
    "list", "struct",
)
STATUSES = ("done", "misfit", "no memory", "too deep", "no dict", "bad key", "too wide")

cdef int MAX_DEPTH = 64
cdef int MAX_AT_ONCE = 1000          # columns that get room for all rows at once
cdef int64_t MAX_EXACT = 1 << 53     # integers up to here are floats exactly
cdef Py_ssize_t MAX_OFFSET = 0x7FFFFFFF


cdef int kind_of(PyObject* value):
    """The kind of a column whose first value this is; NOTHING: none that is built here."""
    if PyBool_Check(value):
        return BOOL
    if PyLong_Check(value):
        return INT
    if PyFloat_Check(value):
        return FLOAT
    if PyUnicode_Check(value):
        return TEXT
    if PyBytes_Check(value):
        return BYTES
    if PyList_Check(value) or PyTuple_Check(value):
        return LIST
    if PyDict_Check(value):
        return STRUCT
    if PyDateTime_CheckExact(value):
        return TIME if PyDateTime_DATE_GET_TZINFO(value) == Py_None else UTC_TIME
    if PyDate_CheckExact(value):
        return DATE
    return DURATION if PyDelta_CheckExact(value) else NOTHING


cdef inline Py_ssize_t width_of(int kind) noexcept:
    """Bytes a row in the first buffer of a kind; STRUCT and NOTHING have none."""
    if kind == BOOL:
        return 1
    if kind == TEXT or kind == BYTES or kind == LIST or kind == DATE:
        return 4
    return 0 if kind == STRUCT or kind == NOTHING else 8


cdef inline int32_t days_of(PyObject* value) noexcept:
    """Days from 1970-01-01 to a date or datetime (Howard Hinnant's days_from_civil)."""
    cdef int year = PyDateTime_GET_YEAR(value), month = PyDateTime_GET_MONTH(value), era, day
    if month <= 2:
        year -= 1
    era = year // 400
    year -= era * 400
    day = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + PyDateTime_GET_DAY(value) - 1
    return era * 146097 + year * 365 + year // 4 - year // 100 + day - 719468


cdef inline int64_t micros_of(PyObject* value) noexcept:
    """Microseconds from 1970 to a datetime, as its own clock shows them."""
    cdef int64_t seconds = (
        <int64_t>days_of(value) * 86400
        + PyDateTime_DATE_GET_HOUR(value) * 3600
        + PyDateTime_DATE_GET_MINUTE(value) * 60
        + PyDateTime_DATE_GET_SECOND(value)
    )
    return seconds * 1000000 + PyDateTime_DATE_GET_MICROSECOND(value)


@cython.final
cdef class Column:
    """The values of one field as they come; a STRUCT holds the columns of its fields.

    Parameters
    ----------
    kind : int
        NOTHING: that of the first value.
    fixed : bool
        The kind and the fields stay as they are; fields of other names are left out.
    expected : int
        Rows to make room for at once.
    depth : int
        How many lists and structs it is in.
    """

    cdef readonly int kind
    cdef readonly bint fixed
    cdef readonly bint failed      # some value was none for this column: it has to be read anew
    cdef bint is_root
    cdef public Py_ssize_t most_cells  # rows times fields of a STRUCT: few bytes can ask for many
    cdef Py_ssize_t most_rows
    cdef int depth
    cdef Py_ssize_t expected
    cdef readonly Py_ssize_t n
    cdef readonly Py_ssize_t n_null
    cdef Py_ssize_t capacity
    cdef uint8_t* valid            # (n,), 1 = valid; NULL: all are
    cdef void* values              # (n,) of the kind's width; offsets (n + 1,) of TEXT, BYTES, LIST
    cdef uint8_t* content          # (n_content,) of TEXT and BYTES
    cdef Py_ssize_t n_content
    cdef Py_ssize_t room
    cdef readonly Column child     # of a LIST
    cdef readonly list names       # of a STRUCT
    cdef readonly list fields      # of a STRUCT
    cdef PyObject** keys           # the names once more, for comparing addresses

    def __cinit__(self, int kind, bint fixed, Py_ssize_t expected, int depth):
        self.fixed = fixed
        self.expected = expected
        self.depth = depth
        self.is_root = depth == 0
        self.most_cells = self.most_rows = PY_SSIZE_T_MAX
        if kind != NOTHING and self.begin(kind) != DONE:
            raise MemoryError

    def __dealloc__(self):
        free(self.valid)
        free(self.values)
        free(self.content)
        free(self.keys)

    def fail(self):
        """Let the column take no value: it is one of those that are read by other means."""
        self.failed = True

    def add(self, str name not None, Column column not None):
        """Give a STRUCT a field, or a LIST (with any name) its items."""
        if self.kind == LIST:
            self.child = column
        elif self.kind != STRUCT or self.add_field(name, column) != DONE:
            raise MemoryError

    cdef int add_field(self, str name, Column column) except -1:
        """Put a field behind the others; those rows that are there already lack it."""
        if not grow(<void**>&self.keys, (len(self.names) + 1) * sizeof(PyObject*)):
            return NO_MEMORY
        self.keys[len(self.names)] = <PyObject*>name
        self.names.append(name)
        self.fields.append(column)
        self.most_rows = self.most_cells // len(self.names)
        return DONE

    cdef Column inner(self, Py_ssize_t expected):
        """Make a column that is in this one."""
        cdef Column made = Column.__new__(Column, NOTHING, False, expected, self.depth + 1)
        made.most_cells = self.most_cells
        return made

    cdef int begin(self, int kind) except -1:
        """Settle the kind and make room; all rows before were null."""
        cdef Py_ssize_t capacity = max(self.expected, self.n + 1, 16)
        cdef Py_ssize_t width = width_of(kind)
        if width:
            self.values = calloc(capacity + 1, width)
            if self.values == NULL:
                return NO_MEMORY
        if self.n and self.valid == NULL:
            self.valid = <uint8_t*>malloc(capacity)
            if self.valid == NULL:
                return NO_MEMORY
            memset(self.valid, 0, self.n)
        if kind == LIST:
            self.child = self.inner(0)
        elif kind == STRUCT:
            self.names = []
            self.fields = []
        self.capacity = capacity
        self.kind = kind
        return DONE

    cdef int more(self) except -1:
        """Make room for another row."""
        cdef Py_ssize_t capacity = 2 * self.capacity, width = width_of(self.kind)
        if width and not grow(&self.values, (capacity + 1) * width):
            return NO_MEMORY
        if self.valid != NULL and not grow(<void**>&self.valid, capacity):
            return NO_MEMORY
        self.capacity = capacity
        return DONE

    cdef int put_null(self) except -1:
        """Append a null."""
        cdef int status
        cdef Py_ssize_t width
        if self.kind == NOTHING:
            self.n = self.n + 1
            self.n_null = self.n_null + 1
            return DONE
        if self.n == self.capacity and self.more() != DONE:
            return NO_MEMORY
        if self.valid == NULL:
            self.valid = <uint8_t*>malloc(self.capacity)
            if self.valid == NULL:
                return NO_MEMORY
            memset(self.valid, 1, self.n)
        if self.kind == STRUCT:
            if self.n >= self.most_rows:
                return TOO_WIDE
            for column in self.fields:
                status = (<Column>column).put_null()
                if status != DONE:
                    return status
        elif self.kind == TEXT or self.kind == BYTES or self.kind == LIST:
            (<int32_t*>self.values)[self.n + 1] = (<int32_t*>self.values)[self.n]
        else:
            width = width_of(self.kind)
            memset(<uint8_t*>self.values + self.n * width, 0, width)
        self.valid[self.n] = 0
        self.n = self.n + 1
        self.n_null = self.n_null + 1
        return DONE

    cdef int put(self, PyObject* value) except -1:
        """Append a value; NULL and None are null."""
        cdef int status
        if value == NULL or value == Py_None:
            return self.put_null()
        if self.kind == NOTHING:
            status = kind_of(value)
            if status == NOTHING:
                return MISFIT
            if self.begin(status) != DONE:
                return NO_MEMORY
        if self.n == self.capacity and self.more() != DONE:
            return NO_MEMORY
        if self.kind == FLOAT:
            status = self.put_float(value)
        elif self.kind == INT:
            status = self.put_int(value)
        elif self.kind == TEXT or self.kind == BYTES:
            status = self.put_bytes(value)
        elif self.kind == LIST:
            held = <object>value  # a comparison of odd keys may run Python, and drop it elsewhere
            status = self.put_list(<PyObject*>held)
        elif self.kind == STRUCT:
            held = <object>value
            status = self.put_record(<PyObject*>held) if PyDict_Check(value) else MISFIT
        else:
            status = self.put_other(value)
        if status != DONE:
            return status
        if self.valid != NULL:
            self.valid[self.n] = 1
        self.n = self.n + 1
        return DONE

    cdef inline int put_int(self, PyObject* value) except -1:
        """Append an integer; floats may follow integers, which become floats if that is exact."""
        cdef int overflow = 0
        cdef int64_t number
        if PyLong_Check(value) and not PyBool_Check(value):
            number = PyLong_AsLongLongAndOverflow(value, &overflow)
            if overflow:
                return MISFIT
            (<int64_t*>self.values)[self.n] = number
            return DONE
        if self.fixed or not PyFloat_Check(value) or not self.become_floats():
            return MISFIT
        (<double*>self.values)[self.n] = PyFloat_AS_DOUBLE(value)
        return DONE

    cdef bint become_floats(self) noexcept:
        """Turn integers into floats where they stand; False (and no change) if some cannot be."""
        cdef int64_t* numbers = <int64_t*>self.values
        cdef double* floats = <double*>self.values
        cdef Py_ssize_t i
        for i in range(self.n):
            if not -MAX_EXACT <= numbers[i] <= MAX_EXACT:
                return False
        for i in range(self.n):
            floats[i] = <double>numbers[i]
        self.kind = FLOAT
        return True

    cdef inline int put_float(self, PyObject* value) except -1:
        """Append a float, or an integer that is one exactly."""
        cdef int overflow = 0
        cdef int64_t number
        if PyFloat_Check(value):
            (<double*>self.values)[self.n] = PyFloat_AS_DOUBLE(value)
            return DONE
        if not PyLong_Check(value) or PyBool_Check(value):
            return MISFIT
        number = PyLong_AsLongLongAndOverflow(value, &overflow)
        if overflow or not -MAX_EXACT <= number <= MAX_EXACT:
            return MISFIT
        (<double*>self.values)[self.n] = <double>number
        return DONE

    cdef inline int put_bytes(self, PyObject* value) except -1:
        """Append text as UTF-8, or bytes."""
        cdef const char* start
        cdef Py_ssize_t size = 0, room
        if self.kind == TEXT:
            if not PyUnicode_Check(value):
                return MISFIT
            start = PyUnicode_AsUTF8AndSize(value, &size)
            if start == NULL:  # a lone surrogate
                PyErr_Clear()
                return MISFIT
        elif PyBytes_Check(value):
            start = PyBytes_AS_STRING(value)
            size = PyBytes_GET_SIZE(value)
        else:
            return MISFIT
        if size > MAX_OFFSET - self.n_content:
            return MISFIT
        if size > self.room - self.n_content:
            room = max(2 * self.room, self.n_content + size, 8 * self.capacity)
            if not grow(<void**>&self.content, room):
                return NO_MEMORY
            self.room = room
        if size:  # there may be no memory yet
            memcpy(self.content + self.n_content, start, size)
        self.n_content = self.n_content + size
        (<int32_t*>self.values)[self.n + 1] = <int32_t>self.n_content
        return DONE

    cdef int put_other(self, PyObject* value) except -1:
        """Append a truth value, a time or a length of time."""
        cdef int64_t* words = <int64_t*>self.values
        cdef PyObject* zone
        if self.kind == BOOL:
            if not PyBool_Check(value):
                return MISFIT
            (<uint8_t*>self.values)[self.n] = value == Py_True
        elif self.kind == DATE:
            if not PyDate_CheckExact(value):
                return MISFIT
            (<int32_t*>self.values)[self.n] = days_of(value)
        elif self.kind == DURATION:
            if not PyDelta_CheckExact(value):
                return MISFIT
            words[self.n] = (
                (<int64_t>PyDateTime_DELTA_GET_DAYS(value) * 86400
                 + PyDateTime_DELTA_GET_SECONDS(value)) * 1000000
                + PyDateTime_DELTA_GET_MICROSECONDS(value)
            )
        else:
            if not PyDateTime_CheckExact(value):
                return MISFIT
            zone = PyDateTime_DATE_GET_TZINFO(value)
            if zone != (Py_None if self.kind == TIME else <PyObject*>PyDateTime_TimeZone_UTC):
                return MISFIT
            words[self.n] = micros_of(value)
        return DONE

    cdef int put_list(self, PyObject* value) except -1:
        """Append the items of a list or tuple."""
        cdef Column child = self.child
        cdef Py_ssize_t i = 0
        cdef int status
        cdef bint is_list = PyList_Check(value)
        if not is_list and not PyTuple_Check(value):
            return MISFIT
        if self.depth >= MAX_DEPTH:
            return TOO_DEEP
        # Nothing in here runs Python but the comparison of keys, which may change a list: its
        # size is asked for again each time.
        while i < (PyList_GET_SIZE(value) if is_list else PyTuple_GET_SIZE(value)):
            status = child.put(tg_list_item(value, i) if is_list else tg_tuple_item(value, i))
            if status != DONE:
                return status
            i += 1
        if child.n > MAX_OFFSET:
            return MISFIT
        (<int32_t*>self.values)[self.n + 1] = <int32_t>child.n
        return DONE

    cdef int put_field(self, Py_ssize_t i, PyObject* value) except -1:
        """Append to a field; a field of a record that fails, fails alone."""
        cdef Column column = <Column>self.fields[i]
        cdef int status
        if column.failed:
            return DONE
        status = column.put(value)
        if status == MISFIT and self.is_root:
            column.failed = True
            return DONE
        return status

    cdef int put_record(self, PyObject* record) except -1:
        """Append the values of a dict, those of other records' fields as nulls.

        Dicts made by the same code hold the same key objects in the same order: as long as that
        is so, no key is looked up.
        """
        cdef Py_ssize_t place = 0, i = 0, n_fields = len(self.names)
        cdef PyObject* key
        cdef PyObject* value
        cdef int status
        if self.depth >= MAX_DEPTH:
            return TOO_DEEP
        if self.n >= self.most_rows:
            return TOO_WIDE
        while i < n_fields and PyDict_Next(record, &place, &key, &value):
            if key != self.keys[i]:
                break
            status = self.put_field(i, value)
            if status != DONE:
                return status
            i += 1
        if i == n_fields and tg_dict_size(record) == n_fields:
            return DONE
        return self.put_by_name(<object>record, i)

    cdef int put_by_name(self, object record, Py_ssize_t first) except -1:
        """Append the fields from `first` on by looking them up, then those that are new."""
        cdef Py_ssize_t i, n_found = first
        cdef PyObject* value
        cdef int status
        for i in range(first, len(self.names)):
            value = PyDict_GetItemWithError(<PyObject*>record, self.keys[i])
            n_found += value != NULL
            status = self.put_field(i, value)
            if status != DONE:
                return status
        if self.fixed or n_found == tg_dict_size(<PyObject*>record):
            return DONE
        known = set(self.names)
        for key in [key for key in record if key not in known]:
            if not isinstance(key, str):
                return BAD_KEY
            name = str.__str__(key)  # of a StrEnum, say
            column = self.inner(self.expected if len(self.names) < MAX_AT_ONCE else 0)
            (<Column>column).n = self.n
            (<Column>column).n_null = self.n
            status = self.add_field(name, column)
            if status == DONE:
                item = record[key]
                status = self.put_field(len(self.names) - 1, <PyObject*>item)
            if status != DONE:
                return status
        return DONE

    def read(self, list records not None, Py_ssize_t start):
        """Append the records from `start` on.

        Returns
        -------
        tuple of int
            How many of the list are read, and the status: DONE, or why the next one cannot be.
        """
        cdef Py_ssize_t row = start
        cdef PyObject* record
        cdef int status
        if self.kind != STRUCT or start < 0:
            raise ValueError("records go into a STRUCT, from a place on that is not negative")
        while row < len(records):
            record = tg_list_item(<PyObject*>records, row)
            status = self.put(record) if PyDict_Check(record) else NO_DICT
            if status == NO_MEMORY:
                raise MemoryError
            if status != DONE:
                return row, status
            row += 1
        return row, DONE

    def read_values(self, list values not None):
        """Append the values of a list; tell whether all were taken."""
        cdef Py_ssize_t row = 0
        cdef int status
        while row < len(values):
            status = self.put(tg_list_item(<PyObject*>values, row))
            if status == NO_MEMORY:
                raise MemoryError
            if status != DONE:
                return False
            row += 1
        return True

    def take(self):
        """Give the buffers away: flags of the valid rows (None: all are), values, content."""
        cdef Py_ssize_t size = self.n * width_of(self.kind)
        valid = None
        if self.kind == TEXT or self.kind == BYTES or self.kind == LIST:
            size += 4
        if self.n_null and self.kind != NOTHING:
            valid = packed(self.valid, self.n)
        if self.kind == BOOL:
            values = packed(<const uint8_t*>self.values, self.n)
        else:
            values = buffer_of(self.values, size if self.values != NULL else 0)
            self.values = NULL
        if self.content == NULL:  # Arrow takes no address of nothing
            self.content = <uint8_t*>malloc(8)
            if self.content == NULL:
                raise MemoryError
        content = buffer_of(self.content, self.n_content)
        self.content = NULL
        self.capacity = 0
        return valid, values, content


cdef Buffer packed(const uint8_t* flags, Py_ssize_t n):
    """One bit a flag, the first the lowest."""
    cdef uint8_t* bits = <uint8_t*>calloc((n + 7) // 8 + 1, 1)
    cdef Py_ssize_t i
    if bits == NULL:
        raise MemoryError
    for i in range(n):
        bits[i >> 3] |= flags[i] << (i & 7)
    return buffer_of(bits, (n + 7) // 8)
