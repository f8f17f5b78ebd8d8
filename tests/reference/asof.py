"""The oracle of joins in time: every right row is looked at for every left one."""

import math
from collections.abc import Sequence
from typing import Any

Row = dict[str, Any]


def has_no_time(time: Any) -> bool:
    """Tell whether a row has no time."""
    return time is None or (isinstance(time, float) and math.isnan(time))


def key_of(row: Row, by: Sequence[str]) -> tuple[str, ...]:
    """Write a key down so that NaN equals NaN, and None is a key."""
    return tuple(repr(0.0 if row[name] == 0 else row[name]) for name in by)


def apart(one: Any, other: Any) -> Any:
    """How far two times are from each other; floats are rounded as floats are."""
    return 0 if one == other else abs(one - other)


def match_of(
    left: Row,
    right: Sequence[Row],
    *,
    on: str = "t",
    by: Sequence[str] = (),
    tolerance: Any = None,
    direction: str = "backward",
    exact: bool = True,
) -> int | None:
    """Give the number of the right row that a left row matches."""
    time = left[on]
    if has_no_time(time):
        return None
    before: list[tuple[Any, int]] = []  # (how far, the later to arrive the smaller)
    after: list[tuple[Any, int]] = []
    for number, row in enumerate(right):
        there = row[on]
        if has_no_time(there) or key_of(row, by) != key_of(left, by):
            continue
        if there == time and not exact:
            continue
        if there <= time:
            before.append((there, number))
        if there >= time:
            after.append((there, number))
    back = max(before)[1] if before else None
    forth = min(after)[1] if after else None
    if direction == "backward":
        chosen = back
    elif direction == "forward":
        chosen = forth
    elif back is None or forth is None:
        chosen = forth if back is None else back
    else:
        near = apart(right[back][on], time) <= apart(right[forth][on], time)
        chosen = back if near else forth
    if chosen is None:
        return None
    far = tolerance is not None and apart(right[chosen][on], time) > tolerance
    return None if far else chosen


def joined(left: Sequence[Row], right: Sequence[Row], **options: Any) -> list[int | None]:
    """Give the number of the right row for every left row."""
    return [match_of(row, right, **options) for row in left]
