"""What single results the aggregations that a user gives have, and what they are called."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tidegate.core.aggregation import Aggregation
from tidegate.core.errors import ColumnTypeError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["PARTS", "expand"]

PARTS = {
    "ohlc": ("open", "high", "low", "close"),
    "ohlcv": ("open", "high", "low", "close", "volume"),
}
BAR = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}


def expand(
    by_position: Iterable[Aggregation], by_keyword: Mapping[str, Aggregation]
) -> dict[str, Aggregation]:
    """Name every single result, in order.

    Parameters
    ----------
    by_position : iterable of Aggregation
        Named after their columns, or by `Aggregation.named`.
    by_keyword : mapping of str to Aggregation
        Named by their keywords.

    Returns
    -------
    dict of str to Aggregation
        Only aggregations of one result; ``ohlc`` has become four.

    Raises
    ------
    InputError
        If two results have one name.
    ColumnTypeError
        If something is not an aggregation.
    """
    out: dict[str, Aggregation] = {}
    given = [(item, getattr(item, "alias", None)) for item in by_position]
    given += [(item, name) for name, item in by_keyword.items()]
    for item, name in given:
        if not isinstance(item, Aggregation):
            raise ColumnTypeError(
                f'an aggregation is made by tg.agg, such as tg.agg.mean("price"); got {item!r} '
                f"({type(item).__name__})"
            )
        for result, single in _singles(item, name):
            if result in out:
                raise InputError(f"two results are named {result!r}: name them by keyword")
            out[result] = single
    return out


def _singles(item: Aggregation, name: str | None) -> list[tuple[str, Aggregation]]:
    """Take one aggregation apart into single results with names."""
    if item.function in PARTS:
        price, *size = item.columns
        prefix = "" if name is None else f"{name}_"
        return [
            (prefix + part, Aggregation(BAR[part], (size[0] if part == "volume" else price,)))
            for part in PARTS[item.function]
        ]
    if name is None:
        name = item.function if item.function in ("rows", "vwap") else _default(item)
    return [(name, replace(item, alias=None))]


def _default(item: Aggregation) -> str:
    """Name a result after its columns."""
    return "_".join([*item.columns, item.function])
