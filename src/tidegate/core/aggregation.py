"""The description of an aggregation, and the checks of what it is made of."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

from tidegate.core.errors import ColumnTypeError, InputError

__all__ = ["OF_NUMBERS", "Aggregation", "Option", "column_of", "ddof_of"]

Option: TypeAlias = "bool | float | str"

# Of the numbers of rows, see `numbering`.
OF_NUMBERS = ("row_runs", "row_spans", "row_first", "row_last")


@dataclass(frozen=True)
class Aggregation:
    """One aggregation over one or two columns; made by the functions of `tidegate.agg`.

    Parameters
    ----------
    function : str
        Its name, such as ``"mean"``.
    columns : tuple of str
        The input columns.
    ddof : int
        Delta degrees of freedom, where the function has them.
    alias : str or None
        Name of the result; None: ``<column>_<function>``.
    options : tuple of (str, bool, int, float or str)
        What else the function was given.
    call : callable, int or None
        The function of the user's that `agg.custom` calls.
    """

    function: str
    columns: tuple[str, ...] = ()
    ddof: int = 0
    alias: str | None = None
    options: tuple[tuple[str, Option], ...] = ()
    call: object = None

    def named(self, alias: str) -> Aggregation:
        """Return the same aggregation with a name for its result.

        For names that cannot be keywords, because an option has them.

        Examples
        --------
        >>> import tidegate as tg
        >>> tg.agg.rows().named("by").alias
        'by'
        """
        return replace(self, alias=alias)


def column_of(name: object, function: str) -> str:
    """Check the name of a column."""
    if not isinstance(name, str):
        raise ColumnTypeError(
            f"agg.{function}: a column is named by a str, not {name!r} ({type(name).__name__})"
        )
    return name


def ddof_of(ddof: object, function: str) -> int:
    """Check the delta degrees of freedom."""
    if isinstance(ddof, bool) or not isinstance(ddof, int) or not 0 <= ddof < 2**31:
        raise InputError(f"agg.{function}: ddof is {ddof!r}: give an integer from 0 on")
    return ddof
