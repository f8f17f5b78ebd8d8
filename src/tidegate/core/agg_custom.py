"""Functions of the user's as aggregations."""

from __future__ import annotations

import sys
from typing import Any

import pyarrow as pa

from tidegate.core.aggregation import Aggregation, column_of
from tidegate.core.errors import ColumnTypeError, InputError

__all__ = ["C_SIGNATURE", "custom", "type_named"]

C_SIGNATURE = "double(const double*, intptr_t)"


def custom(
    fn: Any,
    *columns: str,
    type: pa.DataType | None = None,  # noqa: A002 - as Arrow calls it
    name: str | None = None,
    signature: str | None = None,
) -> Aggregation:
    """Call a function over the values of each window.

    Parameters
    ----------
    fn : callable, C function or int
        In Python: is given a read-only NumPy array for each column and returns one value, or None
        for null. In C: ``double f(const double *values, intptr_t n)`` of one column of numbers, as
        a ``numba.cfunc``, a ctypes function with these types, or an address with `signature`.
    *columns : str
        One or more, of any type that is not nested.
    type : pyarrow.DataType, default float64
        Of the result; one that has a name, such as ``pa.int64()`` or ``pa.string()``.
    name : str, optional
        What a plan in JSON and a snapshot call the function, by default ``module:qualname``.
    signature : str, optional
        "double(const double*, intptr_t)", where `fn` is an address.

    Raises
    ------
    ColumnTypeError, InputError
        If `fn` is no function of this kind, or an option is not one.

    Notes
    -----
    The function sees the values that are there, by time, of equal times by arrival: rows in which
    a column is null (or, with ``nan="missing"``, NaN) are left out of all columns. NaN is a value.
    It is called once for each window with such rows, when its results are taken; a window without,
    or with fewer than the `min_samples` of a `Rolling`, is null. Instants and dates come as
    datetime64, durations and times of day as timedelta64, text as str, decimals as
    `decimal.Decimal`. Of a `Rolling` it is called sooner where more than `max_kept` values wait.

    What the function raises comes out as a `CustomError` with the window and the key. The rows
    that were pushed are taken then, and the windows wait: the next ``take()`` calls it again.

    Neither a plan in JSON nor a snapshot holds the function: give it again when they are read, with
    ``functions={name: fn}``. Nothing is imported by its name.

    C functions are called without the GIL, and see integers as float64.

    Examples
    --------
    >>> import numpy as np
    >>> import tidegate as tg
    >>> ticks = {"t": [0, 4, 12], "p": [3.0, 5.0, 4.0], "s": [1.0, 2.0, 3.0]}
    >>> dot = tg.agg.custom(np.dot, "p", "s")
    >>> tg.aggregate(ticks, tg.Tumbling(10), on="t", dot=dot)["dot"].tolist()
    [13.0, 12.0]
    """
    names = tuple(column_of(column, "custom") for column in columns)
    if not names or len(set(names)) < len(names):
        raise InputError(f"agg.custom: the columns are {names}: give one or more, each once")
    if name is not None and not isinstance(name, str):
        raise InputError(f"agg.custom: name is {name!r}: give a str")
    options = [("type", _type_name(type)), ("name", _name_of(fn) if name is None else name)]
    if _is_in_c(fn, signature):
        if len(names) > 1 or (type is not None and type != pa.float64()):
            raise InputError("agg.custom: a C function takes one column, and gives float64")
        options.append(("signature", C_SIGNATURE))
    elif not callable(fn):
        raise ColumnTypeError(
            f"agg.custom: give a function, not {fn!r}; an address needs signature={C_SIGNATURE!r}"
        )
    return Aggregation("custom", names, options=tuple(options), call=fn)


def type_named(name: str) -> pa.DataType:
    """Return the type of a name; a ValueError where there is none."""
    alias: Any = pa.type_for_alias
    named: pa.DataType = alias(name)
    return named


def _type_name(type: pa.DataType | None) -> str:  # noqa: A002
    """Check the type of the result, and return its name."""
    if type is None:
        return str(pa.float64())
    if isinstance(type, pa.DataType):
        try:
            if type_named(str(type)) == type:
                return str(type)
        except ValueError:
            pass
    raise ColumnTypeError(
        f"agg.custom: type is {type!r}: give an Arrow type that has a name, such as pa.int64()"
    )


def _name_of(fn: Any) -> str:
    """Return what a function is called; empty where it has no name."""
    qualname = getattr(fn, "__qualname__", getattr(fn, "__name__", ""))
    return f"{getattr(fn, '__module__', None) or 'builtins'}:{qualname}" if qualname else ""


def _is_in_c(fn: Any, signature: str | None) -> bool:
    """Whether a function is one of C, of the types that it must have."""
    if signature is not None and signature.replace(" ", "") != C_SIGNATURE.replace(" ", ""):
        raise InputError(f"agg.custom: signature is {signature!r}: there is {C_SIGNATURE!r}")
    if isinstance(fn, int) and not isinstance(fn, bool):
        if fn <= 0 or fn >= 2**64:
            raise InputError(f"agg.custom: {fn} is no address")
        return signature is not None
    in_c = getattr(fn, "ctypes", None) if hasattr(fn, "address") else fn
    ctypes = sys.modules.get("ctypes")  # whoever has a C function has imported it; it costs 20 ms
    if ctypes is None or not isinstance(in_c, ctypes.CFUNCTYPE(None).__mro__[1]):
        return False
    given = tuple(in_c.argtypes or ())
    size = ctypes.sizeof(ctypes.c_void_p)
    fits = (
        in_c.restype is ctypes.c_double
        and len(given) == 2
        and given[0] in (ctypes.POINTER(ctypes.c_double), ctypes.c_void_p)
        and given[1] in (ctypes.c_ssize_t, ctypes.c_int64)
        and ctypes.sizeof(given[1]) == size
    )
    if not fits:
        raise ColumnTypeError(
            f"agg.custom: the C function must be {C_SIGNATURE}: set its restype to c_double and "
            f"its argtypes to [POINTER(c_double), c_ssize_t]"
        )
    return True
