"""Aggregations from text, as the command line and pipeline files write them."""

from __future__ import annotations

import inspect

from tidegate.core import aggregations
from tidegate.core.aggregation import Aggregation
from tidegate.core.errors import InputError
from tidegate.core.expressions import Expression, ExpressionError, parse

__all__ = ["FUNCTIONS", "read_aggregation"]

FUNCTIONS = sorted(name for name in aggregations.__all__ if name.islower())


def read_aggregation(text: str) -> Aggregation:
    """Turn ``[name=]function(column, …, option=value)`` into an aggregation.

    Parameters
    ----------
    text : str
        Such as ``vwap(price, size)`` or ``spread=std(price, ddof=0)``. Only the functions of
        `tidegate.agg` can be named; nothing is evaluated.

    Raises
    ------
    InputError
        If it is not of this form.

    Examples
    --------
    >>> read_aggregation("spread=std(price, ddof=0)").columns
    ('price',)
    """
    try:
        expression = parse(text)
    except ExpressionError as error:
        raise InputError(f"{error}; write [NAME=]FUNCTION(COLUMN,...)") from error
    if expression.function not in FUNCTIONS:
        raise InputError(
            f"there is no function {expression.function!r}; there are {', '.join(FUNCTIONS)}"
        )
    aggregation = _call(expression)
    return aggregation if expression.name is None else aggregation.named(expression.name)


def _call(expression: Expression) -> Aggregation:
    """Call the function of `tidegate.agg`, if its parameters fit."""
    function = getattr(aggregations, expression.function)
    options = dict(expression.options)
    signature = inspect.signature(function)
    kinds = {name: _kind(p.default) for name, p in signature.parameters.items()}
    n_columns, n_more = (list(kinds.values()).count(kind) for kind in ("COLUMN", "[COLUMN]"))
    wrong = [name for name in options if kinds.get(name, "COLUMN") in ("COLUMN", "[COLUMN]")]
    if not n_columns <= len(expression.columns) <= n_columns + n_more or wrong:
        form = ", ".join(
            name if kind == "COLUMN" else f"[{name}]" if kind == "[COLUMN]" else f"{name}={kind}"
            for name, kind in kinds.items()
        )
        raise InputError(f"write {expression.function}({form})")
    result: Aggregation = function(*expression.columns, **options)
    return result


def _kind(default: object) -> str:
    """Tell what a parameter of an aggregation takes, by its default."""
    if default is inspect.Parameter.empty:
        return "COLUMN"
    if default is None:
        return "[COLUMN]"
    if isinstance(default, bool):
        return "true|false"
    return "WORD" if isinstance(default, str) else "NUMBER"
