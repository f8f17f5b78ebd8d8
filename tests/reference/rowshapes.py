"""The slow oracle of windows that rows make: sessions, and bars of so many rows or so much.

As in `oracle`: brute force, every session a list of rows that is looked through for every row,
every running sum a `Fraction`.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal

from hypothesis.errors import UnsatisfiedAssumption
from reference.oracle import (
    INT64_MAX,
    NO_PROMISES,
    NO_WINDOW,
    Answer,
    Row,
    Time,
    Want,
    compute,
    is_missing,
    one_key,
    promise,
    unplaceable,
    watermark,
)

import tidegate as tg


@dataclass(frozen=True)
class Gaps:
    """Sessions of rows closer than a gap."""

    gap: Time
    most: Time | None = None


@dataclass(frozen=True)
class Tally:
    """Windows of n rows, one every `every`."""

    n: int
    every: int | None = None
    complete_only: bool = False


@dataclass(frozen=True)
class Amount:
    """Bars that close when a sum reaches a limit."""

    columns: tuple[str, ...]
    limit: int | float
    overshoot: Literal["drop", "carry", "split"] = "drop"
    complete_only: bool = False


RowShape = Gaps | Tally | Amount
_PAIR = Fraction(1, 2**98)  # of the largest sum: more than what a pair of floats loses


@dataclass
class Running:
    """A sum on its way to a limit, exact.

    `tidegate.Threshold` promises a pair of floats, of some 106 bits. Where such a pair has lost
    digits and the sum is next to the limit, nothing is promised, and an example is none.
    """

    total: Fraction = Fraction()
    largest: Fraction = Fraction()
    is_held: bool = True  # by a pair of floats, all the way

    def add(self, more: Fraction, shape: Amount) -> int:
        """Add what a row brings; how many times the limit goes into the sum, which it leaves."""
        limit = Fraction(shape.limit)
        self.total += more
        self.largest = max(self.largest, abs(self.total), abs(more))
        self.is_held = self.is_held and _is_pair(self.total)
        times = self.total // limit
        self._look_closely(limit, max(times, 1))
        if times < 1:
            return 0
        self.total -= times * limit
        if shape.overshoot == "drop":
            self.total, self.largest, self.is_held = Fraction(), Fraction(), True
        return int(times)

    def _look_closely(self, limit: Fraction, times: int) -> None:
        """Leave an example out in which it is not promised on which side of a limit a sum is."""
        apart = min(abs(self.total - times * limit), abs(self.total - (times + 1) * limit))
        if not self.is_held and apart <= _PAIR * self.largest:
            raise UnsatisfiedAssumption


def _is_pair(x: Fraction) -> bool:
    """Whether two floats can hold a number."""
    return x - Fraction(float(x)) == Fraction(float(x - Fraction(float(x))))


def window_of(shape: RowShape) -> tg.Session | tg.Count | tg.Threshold:
    """Make the window class that a shape stands for."""
    if isinstance(shape, Gaps):
        return tg.Session(shape.gap, shape.most)
    if isinstance(shape, Tally):
        return tg.Count(shape.n, shape.every, shape.complete_only)
    return tg.Threshold(
        shape.columns if len(shape.columns) > 1 else shape.columns[0],
        shape.limit,
        overshoot=shape.overshoot,
        complete_only=shape.complete_only,
    )


@dataclass
class Open:
    """A session or a bar, and the ordinals of its rows."""

    code: int
    first: Time
    last: Time
    rows: list[tuple[int, Row]] = field(default_factory=list)


def answer_of_rows(
    rows: Iterable[Row],
    shape: RowShape,
    wants: Sequence[Want],
    *,
    on: str = "t",
    by: Sequence[str] = (),
    lateness: Time | None = None,
    nan: Literal["value", "missing"] = "value",
    max_jump: Time | None = None,
    promises: Mapping[int, Time] = NO_PROMISES,
) -> Answer:
    """Say what every window holds, which rows came late and which could not be placed."""
    said = Answer()
    codes: dict[tuple[Any, ...], int] = {}
    keys: list[tuple[Any, ...]] = []
    used: list[tuple[int, int, Row]] = []
    sessions: list[Open] = []
    done: list[Open] = []
    largest: Time | None = None
    for ordinal, row in enumerate(rows):
        said.rows_in += 1
        shown = tuple(row[name] for name in by)
        code = codes.setdefault(tuple(map(one_key, shown)), len(codes))
        if code == len(keys):
            keys.append(shown)
        t, mark = row[on], watermark(largest, lateness, promise(promises, ordinal))
        reason = unplaceable(t)
        if reason is None and max_jump is not None and largest is not None:
            reason = "time too far ahead" if t > largest + max_jump else None
        if reason is None and isinstance(shape, Gaps) and not has_end(t, shape.gap):
            reason = "time out of range"
        if reason is not None:
            said.rejected += 1
            said.late.append({"row": ordinal, "reason": reason, **NO_WINDOW, "input": row})
            continue
        if isinstance(shape, Gaps):
            closed = [s for s in sessions if mark is not None and s.last + shape.gap <= mark]
            done += closed
            sessions = [s for s in sessions if s not in closed]
            is_late = not join(sessions, code, t, mark, shape, (ordinal, row))
            place = {"window_start": t, "window_end": t + shape.gap}
        else:
            is_late = mark is not None and t < mark
            place = {"window_start": None, "window_end": None}
        if is_late:
            late = {"row": ordinal, "reason": "late", **place, "late_by": mark - t}
            said.late.append({**late, "input": row})
            continue
        said.used += 1
        largest = t if largest is None else max(largest, t)
        used.append((ordinal, code, row))
    said.watermark = watermark(largest, lateness, promise(promises, said.rows_in))
    if isinstance(shape, Gaps):
        found = sorted(done + sessions, key=lambda s: (s.last + shape.gap, s.code))
    else:
        used.sort(key=lambda entry: (entry[2][on], entry[0]))
        whole, rest = bars(used, shape, on, nan)
        found = whole
        if not shape.complete_only:
            found += sorted(rest, key=lambda bar: (bar.last, bar.code, bar.first))
    for one in found:
        out: Row = dict(zip(by, keys[one.code], strict=True))
        end = one.last + shape.gap if isinstance(shape, Gaps) else one.last
        out |= {"window_start": one.first, "window_end": end}
        held = [row for _, row in sorted(one.rows, key=lambda entry: entry[0])]
        out |= {want.name: compute(held, want, on, nan) for want in wants}
        said.windows.append(out)
    return said


def has_end(t: Time, gap: Time) -> bool:
    """Whether the end of the session of one row can be written down."""
    if isinstance(t, float):
        return math.isfinite(t + gap) and t + gap > t
    return t + gap <= INT64_MAX


def join(
    sessions: list[Open], code: int, t: Time, mark: Time | None, shape: Gaps, row: tuple[int, Row]
) -> bool:
    """Let a row into a session, or two as one, or one of its own; False where it is late."""

    def fits(first: Time, last: Time) -> bool:
        return shape.most is None or last + shape.gap - first <= shape.most

    near = [
        s
        for s in sessions
        if s.code == code
        and t < s.last + shape.gap
        and s.first < t + shape.gap
        and fits(min(s.first, t), max(s.last, t))
    ]
    around = [s for s in near if s.first <= t <= s.last]
    low = [s for s in near if s.last < t]
    high = [s for s in near if s.first > t]
    # Of those before and after only the nearest one is next to the row.
    mine = [s for s in sessions if s.code == code]
    if low and any(low[-1].last < s.first <= t for s in mine):
        low = [max(low, key=lambda s: s.first)]
    before = max(low, key=lambda s: s.first) if low else None
    after = min(high, key=lambda s: s.first) if high else None
    if around:
        one = around[0]
    elif before and after and fits(before.first, after.last):
        sessions.remove(after)
        before.rows += after.rows
        before.last = after.last
        one = before
    elif before or after:
        one = before or after
    elif mark is not None and t + shape.gap <= mark:
        return False
    else:
        one = Open(code, t, t)
        sessions.append(one)
    one.first, one.last = min(one.first, t), max(one.last, t)
    one.rows.append(row)
    return True


def bars(
    used: list[tuple[int, int, Row]], shape: Tally | Amount, on: str, nan: str
) -> tuple[list[Open], list[Open]]:
    """Cut rows in order of time into bars: those that are whole, as they close, and the others."""
    mine: dict[int, list[tuple[int, Row]]] = {}
    whole: list[Open] = []
    begun: dict[int, list[Open]] = {}
    sums: dict[int, Running] = {}
    for ordinal, code, row in used:
        seen = mine.setdefault(code, [])
        seen.append((ordinal, row))
        t = row[on]
        bars_of = begun.setdefault(code, [])
        if isinstance(shape, Tally):
            if (len(seen) - 1) % (shape.every or shape.n) == 0:
                bars_of.append(Open(code, t, t))
        elif not bars_of:
            bars_of.append(Open(code, t, t))
        for bar in list(bars_of):
            bar.rows.append((ordinal, row))
            bar.last = t
            if isinstance(shape, Tally) and len(bar.rows) == shape.n:
                bars_of.remove(bar)
                whole.append(bar)
        if isinstance(shape, Amount):
            times = sums.setdefault(code, Running()).add(amount(row, shape, nan), shape)
            if times:
                whole.append(bars_of.pop())
                if shape.overshoot == "split":
                    alone = Open(code, t, t, [(ordinal, row)])
                    whole += [alone] * (times - 1)
    return whole, [bar for of_key in begun.values() for bar in of_key]


def amount(row: Row, shape: Amount, nan: str) -> Fraction:
    """Give what a row brings to the sum."""
    values = [row[name] for name in shape.columns]
    if any(is_missing(value, nan) for value in values):
        return Fraction()
    if len(values) == 1:
        return Fraction(values[0])
    return Fraction(float(values[0])) * Fraction(float(values[1]))
