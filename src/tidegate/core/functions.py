"""The functions of `agg.custom`, of which a plan in JSON has the names alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidegate.core.agg_custom import custom, type_named
from tidegate.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tidegate.core.aggregation import Aggregation

__all__ = ["custom_of", "functions_of"]


def functions_of(results: Iterable[tuple[str, Aggregation]]) -> dict[str, object]:
    """Return the functions of `agg.custom` by name."""
    known: dict[str, object] = {}
    for result, item in results:
        if item.function == "custom":
            name = str(dict(item.options)["name"])
            if not name:
                raise InputError(f"{result!r} calls a function without a name: give agg.custom one")
            if known.setdefault(name, item.call) != item.call:
                raise InputError(
                    f"{result!r} calls another function with the name {name!r}: give agg.custom a "
                    f"name= for each"
                )
    return known


def custom_of(
    columns: list[str], options: dict[str, Any], functions: Mapping[str, object]
) -> Aggregation:
    """Make an aggregation of what a plan in JSON says of it.

    Raises
    ------
    InputError
        If its function is not given, or there is no such type.
    """
    name = options["name"]
    if name not in functions:
        raise InputError(
            f"the plan calls the function {name!r}: give functions={{{name!r}: ...}}; it is not "
            f"imported by its name"
        )
    try:
        type_ = type_named(options["type"])
    except ValueError as error:
        raise InputError(f"there is no type {options['type']!r}") from error
    return custom(functions[name], *columns, **{**options, "type": type_})
