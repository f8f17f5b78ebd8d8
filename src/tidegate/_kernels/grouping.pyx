"""Lists of the caller's own records, by window, number or choice; and copies with new fields."""

from cpython.dict cimport PyDict_Copy, PyDict_SetItem
from cpython.list cimport PyList_New
from cpython.object cimport PyObject
from libc.stdint cimport int32_t, int64_t, uint8_t

cdef extern from "Python.h":
    """
    /* Dicts and their values lie anywhere: those of later rows are asked for ahead of time. */
    static inline void tg_prefetch_values(PyObject* records, Py_ssize_t row) {
        Py_ssize_t place = 0;
        PyObject *record, *key, *value;
        if (row + 16 >= PyList_GET_SIZE(records))
            return;
        __builtin_prefetch(PyList_GET_ITEM(records, row + 16));
        record = PyList_GET_ITEM(records, row + 8);
        if (PyDict_Check(record)) {
            const char* keys = (const char*)((PyDictObject*)record)->ma_keys;
            __builtin_prefetch(keys);
            __builtin_prefetch(keys + 64);
            __builtin_prefetch(keys + 128);
        }
        record = PyList_GET_ITEM(records, row + 4);
        if (PyDict_Check(record))
            while (PyDict_Next(record, &place, &key, &value))
                __builtin_prefetch(value);
    }
    """
    void tg_prefetch_values(object, Py_ssize_t)
    void Py_INCREF(object)
    Py_ssize_t PyList_GET_SIZE(object)
    int PyGC_Disable()
    int PyGC_Enable()
    PyObject* tg_tuple_item "PyTuple_GET_ITEM"(object, Py_ssize_t)
    void PyList_SET_ITEM(object, Py_ssize_t, object)
    PyObject* tg_list_item "PyList_GET_ITEM"(object, Py_ssize_t)


cdef inline void put(list objects, Py_ssize_t at, PyObject* thing):
    """Set an item of a list that was just made."""
    cdef object value = <object>thing
    Py_INCREF(value)
    PyList_SET_ITEM(objects, at, value)


def slices(
    list records not None,
    const int64_t[::1] order,            # IN (n_records,) rows in order; None: as they are
    const int64_t[::1] starts not None,  # IN (n_groups,)
    const int64_t[::1] stops not None,   # IN (n_groups,)
):
    """Return the records from start to stop of each group, in their order; O(records handed out).

    Raises
    ------
    IndexError
        If a start, a stop or a number of the order lies outside of the records.
    """
    cdef Py_ssize_t n = len(records), n_groups = starts.shape[0], group, at, begin, size
    cdef list groups, rows
    if stops.shape[0] != n_groups or (order is not None and order.shape[0] != n):
        raise IndexError("starts, stops and order do not fit the records")
    if order is not None:
        for at in range(n):
            if not 0 <= order[at] < n:
                raise IndexError("a number of the order is no record")
    groups = []
    for group in range(n_groups):
        begin = starts[group]
        size = stops[group] - begin
        if begin < 0 or size < 0 or begin + size > n:
            raise IndexError("a group lies outside of the records")
        rows = PyList_New(size)
        for at in range(size):
            put(rows, at, tg_list_item(records, begin + at if order is None else order[begin + at]))
        groups.append(rows)
    return groups


def split(
    list records not None,
    const int32_t[::1] codes not None,  # IN (n_records,) the group of each, from 0 on
    Py_ssize_t n_groups,
):
    """Return the records of each group, in the order of the input; O(n_records + n_groups).

    Raises
    ------
    IndexError
        If there are not as many codes as records, or one is no group.
    """
    cdef Py_ssize_t n = len(records), row
    cdef list groups = [[] for _ in range(n_groups)]
    if codes.shape[0] != n:
        raise IndexError("give one code for each record")
    for row in range(n):
        if not 0 <= codes[row] < n_groups:
            raise IndexError("a code is no group")
        (<list>tg_list_item(groups, codes[row])).append(<object>tg_list_item(records, row))
    return groups


def chosen(list records not None, const uint8_t[::1] wanted not None):
    """Return the records that are wanted; O(n_records).

    Raises
    ------
    IndexError
        If there are not as many flags as records.
    """
    cdef Py_ssize_t n = len(records), row
    cdef list out = []
    if wanted.shape[0] != n:
        raise IndexError("give one flag for each record")
    for row in range(n):
        if wanted[row]:
            out.append(<object>tg_list_item(records, row))
    return out


def copies(list records not None, tuple names not None, tuple columns not None):
    """Return a copy of each record with new fields.

    Parameters
    ----------
    records : list of dict
        They stay as they are.
    names : tuple of str
        The new fields; one of that name is replaced.
    columns : tuple of list
        (n_records,) values of each.

    Raises
    ------
    IndexError
        If a column has not as many values as there are records.
    TypeError
        If a record is no dict.
    """
    cdef Py_ssize_t n = len(records), row, field, n_fields = len(names)
    cdef list out = []
    cdef dict record
    cdef bint was_on
    if len(columns) != n_fields or any(len(<list?>column) != n for column in columns):
        raise IndexError("give one value a record for each field")
    was_on = PyGC_Disable()  # nothing made here is garbage; the GIL is kept
    try:
        for row in range(n):
            if row >= PyList_GET_SIZE(records):  # a key's comparison may change it
                raise IndexError("the list of records shrank while it was read")
            tg_prefetch_values(records, row)
            record = PyDict_Copy(<dict?><object>tg_list_item(records, row))
            for field in range(n_fields):
                PyDict_SetItem(
                    record, <object>tg_tuple_item(names, field),
                    <object>tg_list_item(<object>tg_tuple_item(columns, field), row))
            out.append(record)
    finally:
        if was_on:
            PyGC_Enable()
    return out
