"""The slow oracle: event-time windows by brute force, over lists of dicts and exact rationals.

Nothing here is shared with the engine: one row at a time, one Python object a value, every
window's rows kept, every number computed afresh from them with `fractions.Fraction`.
"""

import datetime as dt
import functools
import itertools
import math
import operator
import zoneinfo
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal, NamedTuple

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
EPOCH = dt.datetime(1970, 1, 1)

Row = dict[str, Any]
Time = int | float
NO_PROMISES: Mapping[int, Time] = {}


@dataclass(frozen=True)
class Grid:
    """Windows ``[origin + offset + k * every, … + size)`` for every integer k."""

    size: Time
    every: Time
    offset: Time = 0
    origin: Literal["epoch", "first"] = "epoch"


@dataclass(frozen=True)
class Boundaries:
    """Windows from each boundary to the next; a time outside all of them is in none."""

    edges: tuple[Time, ...]


@dataclass(frozen=True)
class LocalCalendar:
    """Windows of n local days, weeks, months or years; times are UTC, ``per_second`` a second."""

    unit: Literal["day", "week", "month", "quarter", "year"]
    n: int
    tz: str
    per_second: int = 1


Shape = Grid | Boundaries | LocalCalendar


@dataclass(frozen=True)
class Want:
    """One result column: ``kind`` over ``columns``."""

    name: str
    kind: str
    columns: tuple[str, ...] = ()
    ddof: int = 1
    options: tuple[tuple[str, Any], ...] = ()


class Exact(NamedTuple):
    """A real number, and what the error of a compensated sum of it is counted in."""

    value: Fraction
    scale: Fraction  # the sum of the magnitudes of the terms, over what they are divided by
    n_terms: int
    n_products: int | Fraction = 0  # over what they are divided by, where that is small
    root: bool = False  # the square root of `value` is meant


class Near(NamedTuple):
    """The nearest float to a result, and what cancelling may cost beside a relative 1e-12."""

    value: float
    lost: float  # in units of what `compare` grants for the number of terms
    n_terms: int


class AnyFloat:
    """A ratio whose divisor cancels beyond what two floats hold: nothing is promised of it."""


ANY_FLOAT = AnyFloat()
ILL_CONDITIONED = Fraction(1, 2**60)


@dataclass
class Answer:
    """What the definitions say of a stream that has ended."""

    windows: list[Row] = field(default_factory=list)
    late: list[Row] = field(default_factory=list)
    rows_in: int = 0
    used: int = 0
    rejected: int = 0
    watermark: Time | None = None


def answer(
    rows: Iterable[Row],
    grid: Shape,
    wants: Sequence[Want],
    *,
    on: str = "t",
    by: Sequence[str] = (),
    lateness: Time | None = None,
    nan: Literal["value", "missing"] = "value",
    empty: Literal["skip", "null", "zero", "carry"] = "skip",
    promises: Mapping[int, Time] = NO_PROMISES,
) -> Answer:
    """Say what every window holds, which rows came late and which could not be placed.

    ``lateness=None`` is a watermark that moves at the end of input only, but for `promises`: before
    the row of an ordinal, that no row before a time comes any more.
    """
    said = Answer()
    seen_keys: dict[tuple[Any, ...], int] = {}
    shown_keys: list[tuple[Any, ...]] = []
    held: dict[tuple[Time, Time, int], list[Row]] = {}
    base: Time | None = 0
    if isinstance(grid, Grid):
        base = grid.offset if grid.origin == "epoch" else None
    largest: Time | None = None
    for ordinal, row in enumerate(rows):
        said.rows_in += 1
        shown = tuple(row[name] for name in by)
        code = seen_keys.setdefault(tuple(map(one_key, shown)), len(seen_keys))
        if code == len(shown_keys):
            shown_keys.append(shown)
        t = row[on]
        if (reason := unplaceable(t)) is None:
            if base is None and isinstance(grid, Grid):
                base = t + grid.offset
            covering = windows_of(t, grid, base)
            reason = out_of_range(covering)
        if reason is not None:
            said.rejected += 1
            said.late.append({"row": ordinal, "reason": reason, **NO_WINDOW, "input": row})
            continue
        mark = watermark(largest, lateness, promise(promises, ordinal))
        if mark is not None and covering and all(end <= mark for _, end in covering):
            start, end = max(covering)
            place = {"window_start": start, "window_end": end, "late_by": mark - t}
            said.late.append({"row": ordinal, "reason": "late", **place, "input": row})
            continue
        said.used += 1
        largest = t if largest is None else max(largest, t)
        for start, end in covering:
            if mark is None or end > mark:
                held.setdefault((end, start, code), []).append(row)
    said.watermark = watermark(largest, lateness, promise(promises, said.rows_in))
    for end, start, code in sorted(held, key=lambda place: (place[0], place[2])):
        out: Row = dict(zip(by, shown_keys[code], strict=True))
        out |= {"window_start": start, "window_end": end}
        out |= {want.name: compute(held[end, start, code], want, on, nan) for want in wants}
        if isinstance(grid, LocalCalendar):
            for want in wants:
                out[want.name] = by_second(out[want.name], want, grid.per_second)
        said.windows.append(out)
    if empty != "skip" and held:
        said.windows = filled(said.windows, grid, wants, by, shown_keys, base, largest, empty)
    return said


def by_second(value: Any, want: Want, per_second: int) -> Any:
    """Bring a slope over times to what it is over seconds; anything else stays."""
    if want.kind != "slope" or len(want.columns) > 1 or not isinstance(value, Near):
        return value
    return value._replace(value=value.value * per_second, lost=value.lost * per_second)


def filled(
    windows: list[Row],
    grid: Shape,
    wants: Sequence[Want],
    by: Sequence[str],
    keys: list[tuple[Any, ...]],
    base: Time,
    largest: Time,
    empty: str,
) -> list[Row]:
    """Put the windows without rows between the others, key by key, up to the largest time."""
    first = min(row["window_start"] for row in windows)
    begun = itertools.takewhile(lambda place: place[0] <= largest, all_windows(grid, base, first))
    places = list(begun)
    out: list[tuple[Time, int, Row]] = []
    for code, key in enumerate(keys):
        same = tuple(map(one_key, key))
        there = {
            row["window_start"]: row
            for row in windows
            if tuple(one_key(row[name]) for name in by) == same
        }
        before: Row | None = None
        for start, end in places:
            if start in there:
                before = there[start]
                out.append((end, code, before))
            elif before is not None:
                row = dict(zip(by, key, strict=True)) | {"window_start": start, "window_end": end}
                for want in wants:
                    if want.kind in {"rows", "count", "nunique", "sum"} or empty == "zero":
                        row[want.name] = ZERO
                    else:
                        row[want.name] = before[want.name] if empty == "carry" else None
                out.append((end, code, row))
    return [row for _, _, row in sorted(out, key=lambda place: place[:2])]


ZERO = 0


def all_windows(grid: Shape, base: Time, first: Time) -> Iterator[tuple[Time, Time]]:
    """List the windows from one on, without end."""
    if isinstance(grid, Boundaries):
        pairs = itertools.pairwise(grid.edges)
        yield from (pair for pair in pairs if pair[0] >= first)
        return
    if isinstance(grid, LocalCalendar):
        second = int(first) // grid.per_second
        k = number_of_day(EPOCH.date() + dt.timedelta(days=second // 86_400), grid) - 2
        for number in itertools.count(k):
            start, end = (local_start(n, grid) * grid.per_second for n in (number, number + 1))
            if first <= start < end:
                yield start, end
        return
    k = math.floor((Fraction(first) - Fraction(base)) / Fraction(grid.every))
    for number in itertools.count(k):
        yield bounds(number, grid, base)


NO_WINDOW: Row = {"window_start": None, "window_end": None, "late_by": None}


def one_key(value: Any) -> Any:
    """Make equal what is one key: NaN and NaN, -0.0 and 0.0."""
    if isinstance(value, float):
        return "nan" if math.isnan(value) else (value + 0.0)
    return value


def unplaceable(t: Time | None) -> str | None:
    """Say why a time has no place on any grid."""
    if t is None:
        return "null time"
    if isinstance(t, float) and math.isnan(t):
        return "nan time"
    if isinstance(t, float) and math.isinf(t):
        return "time out of range"
    return None


def out_of_range(covering: list[tuple[Time, Time]]) -> str | None:
    """Say whether a window cannot be written down as two int64."""
    for start, end in covering:
        if isinstance(start, int) and not INT64_MIN <= start < end <= INT64_MAX:
            return "time out of range"
    return None


def windows_of(t: Time, grid: Shape, base: Time) -> list[tuple[Time, Time]]:
    """List the windows that cover a time, by trying every one that could."""
    if isinstance(grid, Boundaries):
        pairs = zip(grid.edges[:-1], grid.edges[1:], strict=True)
        return [(start, end) for start, end in pairs if start <= t < end]
    if isinstance(grid, LocalCalendar):
        return [local_window(int(t), grid)]
    nearest = math.floor((Fraction(t) - Fraction(base)) / Fraction(grid.every))
    reach = math.ceil(Fraction(grid.size) / Fraction(grid.every)) + 2
    covering = []
    for k in range(nearest - reach, nearest + 3):
        start, end = bounds(k, grid, base)
        if start <= t < end:
            covering.append((start, end))
    return covering


def local_window(t: int, calendar: LocalCalendar) -> tuple[Time, Time]:
    """Give the local window of a time, by trying the starts of those near it."""
    per, second = calendar.per_second, t // calendar.per_second
    nearest = number_of_day(EPOCH.date() + dt.timedelta(days=second // 86_400), calendar)
    starts = [local_start(k, calendar) * per for k in range(nearest - 2, nearest + 4)]
    return next((a, b) for a, b in itertools.pairwise(starts) if a <= t < b)


def number_of_day(day: dt.date, calendar: LocalCalendar) -> int:
    """Count the windows from that of 1970-01-01, a Thursday, to the one that a local day is in."""
    days = (day - EPOCH.date()).days
    counted = {
        "day": days,
        "week": (days - 4) // 7,
        "month": (day.year - 1970) * 12 + day.month - 1,
        "quarter": (day.year - 1970) * 4 + (day.month - 1) // 3,
        "year": day.year - 1970,
    }
    return counted[calendar.unit] // calendar.n


def local_start(k: int, calendar: LocalCalendar) -> int:
    """Give the first minute in which a clock shows the midnight of window k, or more."""
    return first_minute(midnight_of(k * calendar.n, calendar), calendar.tz)


def midnight_of(count: int, calendar: LocalCalendar) -> dt.datetime:
    """Give the local time at which a unit begins, counted from that of 1970-01-01."""
    if calendar.unit in ("day", "week"):
        days = count if calendar.unit == "day" else 4 + 7 * count
        return EPOCH + dt.timedelta(days=days)
    months = count * {"month": 1, "quarter": 3, "year": 12}[calendar.unit]
    return dt.datetime(1970 + months // 12, months % 12 + 1, 1)


@functools.cache
def first_minute(midnight: dt.datetime, tz: str) -> int:
    """Look at the clock of a zone in every minute around a local time."""
    zone = zoneinfo.ZoneInfo(tz)
    at = midnight - dt.timedelta(hours=16)
    while True:
        shown = at.replace(tzinfo=dt.UTC).astimezone(zone).replace(tzinfo=None)
        if shown >= midnight:
            return (at - EPOCH) // dt.timedelta(seconds=1)
        at += dt.timedelta(minutes=1)


def bounds(k: int, grid: Grid, base: Time) -> tuple[Time, Time]:
    """Give the k-th window; tumbling float windows share their edges, as Python computes them."""
    start = base + k * grid.every
    if grid.size == grid.every:
        return start, base + (k + 1) * grid.every
    return start, start + grid.size


def watermark(
    largest: Time | None, lateness: Time | None, promised: Time | None = None
) -> Time | None:
    """Give the watermark after a row whose time is the largest so far, and a promise."""
    if largest is None or lateness is None:
        return promised
    mark = largest - lateness
    mark = max(mark, INT64_MIN) if isinstance(mark, int) else mark
    return mark if promised is None else max(mark, promised)


def promise(promises: Mapping[int, Time], ordinal: int) -> Time | None:
    """Give what was promised before a row."""
    return max((t for before, t in promises.items() if before <= ordinal), default=None)


# What is computed over the rows of one window


def compute(rows: list[Row], want: Want, on: str, nan: str) -> Any:
    """Compute one aggregate over the rows of one window, in their order of arrival."""
    if want.kind == "rows":
        return len(rows)
    valid = [
        row for row in rows if not any(is_missing(row[column], nan) for column in want.columns)
    ]
    if want.kind in {"vwap", "wmean"}:
        price, size = want.columns
        return vwap([(row[price], row[size]) for row in valid])
    if want.kind in {"cov", "corr", "slope"}:
        first, second = want.columns if len(want.columns) > 1 else (want.columns[0], on)
        pairs = [(row[first], row[second]) for row in valid]
        return of_pairs(pairs, want.kind, want.ddof if want.kind == "cov" else 1)
    (column,) = want.columns
    values = [row[column] for row in valid]
    if want.kind == "count":
        return len(values)
    if want.kind == "sum":
        return total(values)
    if want.kind == "nunique":
        return len(set(map(one_key, values)))
    if not values:
        return None
    if want.kind in {"first", "last"}:
        return at_the_end(valid, column, on, want.kind)
    if want.kind in {"argmin", "argmax"}:
        return time_of_extreme(valid, column, on, want.kind)
    if want.kind == "collect":
        return [row[column] for row in sorted(valid, key=lambda row: row[on])]
    if want.kind in {"quantile", "median"}:
        options = dict(want.options) or {"q": 0.5, "interpolation": "linear"}
        return quantile(values, **options)
    if want.kind == "zscore":
        return zscore(values, at_the_end(valid, column, on, "last"), want.ddof)
    if want.kind == "sem":
        return standard_error(values, want.ddof)
    if want.kind in {"skew", "kurt"}:
        return shape(values, want.kind, bias=dict(want.options)["bias"])
    if want.kind in {"var", "std"}:
        return spread(values, want.ddof, root=want.kind == "std")
    return SIMPLE[want.kind](values)


def is_missing(value: Any, nan: str) -> bool:
    """Tell a null, or a NaN where NaN means missing."""
    return value is None or (nan == "missing" and isinstance(value, float) and math.isnan(value))


def at_the_end(rows: list[Row], column: str, on: str, kind: str) -> Any:
    """Give the value of the earliest or latest row; equal times: by arrival."""
    best = rows[0]
    for row in rows[1:]:
        if row[on] < best[on] if kind == "first" else row[on] >= best[on]:
            best = row
    return best[column]


def time_of_extreme(rows: list[Row], column: str, on: str, kind: str) -> Any:
    """Give the earliest time at which the value is the least or the greatest, or NaN."""
    values = [row[column] for row in rows]
    extreme = lowest(values) if kind == "argmin" else highest(values)
    sought = has_nan([extreme])
    return min(
        row[on] for row in rows if (has_nan([row[column]]) if sought else row[column] == extreme)
    )


def has_nan(values: Iterable[Any]) -> bool:
    return any(isinstance(value, float) and math.isnan(value) for value in values)


def lowest(values: list[Any]) -> Any:
    return math.nan if has_nan(values) else min(values)


def highest(values: list[Any]) -> Any:
    return math.nan if has_nan(values) else max(values)


def reach(values: list[Any]) -> Any:
    """Give the greatest value less the least."""
    return math.nan if has_nan(values) else max(values) - min(values)


def special_sum(values: Iterable[Any]) -> float | None:
    """Give a sum that is not finite because a term is not, else None."""
    odd = [value for value in values if isinstance(value, float) and not math.isfinite(value)]
    return sum(odd) if odd else None


def total(values: list[Any]) -> Any:
    if all(isinstance(value, int) for value in values):
        return sum(values)
    if (odd := special_sum(values)) is not None:
        return odd
    return Exact(sum(map(Fraction, values), Fraction()), magnitude(values), len(values))


def mean(values: list[Any]) -> Any:
    if (odd := special_sum(values)) is not None:
        return odd
    n_values = len(values)
    whole = sum(map(Fraction, values), Fraction())
    return Exact(whole / n_values, magnitude(values) / n_values, n_values)


def magnitude(values: Iterable[Any]) -> Fraction:
    return sum((abs(Fraction(value)) for value in values), Fraction())


def spread(values: list[Any], ddof: int, *, root: bool) -> Any:
    """Give the variance about the exact mean, or its square root."""
    if len(values) <= ddof:
        return None
    if special_sum(values) is not None:
        return math.nan
    exact = [Fraction(value) for value in values]
    middle = sum(exact, Fraction()) / len(exact)
    squares = sum(((value - middle) ** 2 for value in exact), Fraction())
    farthest = len(exact) * (max(exact) - min(exact)) ** 2  # squares about any one of the values
    over = len(exact) - ddof
    return Exact(squares / over, farthest / over, len(exact), len(exact), root)


def quantile(values: list[Any], q: float, interpolation: str) -> Any:
    """Give the value of rank q * (n - 1), or what lies between two."""
    if has_nan(values):
        return math.nan
    ranked = sorted(values)
    rank = q * (len(values) - 1)
    part = Fraction(rank) % 1
    low, high = ranked[math.floor(rank)], ranked[math.ceil(rank)]
    match interpolation:
        case "lower":
            return low
        case "higher":
            return high
        case "nearest":
            return ranked[round(rank)]
        case "midpoint":
            part = Fraction(1, 2) if part else part
    if low == high or not part:
        return float(low)
    if not finite(low, high):
        return low + high
    between = Fraction(low) + part * (Fraction(high) - Fraction(low))
    return Exact(between, abs(Fraction(low)) + abs(Fraction(high)), 1)


def median_deviation(values: list[Any]) -> Any:
    """Give the median of the distances from the median."""
    if has_nan(values):
        return math.nan
    ranked = sorted(values)
    low, high = ranked[(len(values) - 1) // 2], ranked[len(values) // 2]
    if not finite(low, high):
        return math.nan
    middle = (Fraction(low) + Fraction(high)) / 2
    far = sorted(abs(Fraction(x) - middle) if finite(x) else INFINITE for x in values)
    low, high = far[(len(values) - 1) // 2], far[len(values) // 2]
    if low is INFINITE or high is INFINITE:
        return math.inf
    return Exact((low + high) / 2, low + high, 3)


INFINITE = Fraction(10) ** 400


def most_frequent(values: list[Any]) -> Any:
    """Give the value that is there most often, of several the smallest; NaN is the largest."""
    counts: dict[Any, int] = {}
    for value in values:
        counts[one_key(value)] = counts.get(one_key(value), 0) + 1
    most = max(counts.values())
    best = [value for value, count in counts.items() if count == most]
    numbers = [value for value in best if value != "nan"]
    return min(numbers) if numbers else math.nan


def standard_error(values: list[Any], ddof: int) -> Any:
    """Give the standard deviation over the root of the number of values."""
    width = spread(values, ddof, root=True)
    if not isinstance(width, Exact):
        return width
    n_values = len(values)
    return width._replace(value=width.value / n_values, scale=width.scale / n_values)


def central(first: list[Fraction], second: list[Fraction]) -> Fraction:
    """Give the sum of the products of the distances from the means."""
    n_values = len(first)
    return sum(map(operator.mul, first, second), Fraction()) - sum(first) * sum(second) / n_values


def width_of(values: list[Fraction]) -> Fraction:
    return max(values) - min(values)


def signed_root(value: Fraction, sign: Fraction) -> float:
    return -nearest_root(value) if sign < 0 else nearest_root(value)


def of_pairs(pairs: list[tuple[Any, Any]], kind: str, ddof: int) -> Any:
    """Give covariance, correlation, or slope of the first over the second."""
    n_pairs = len(pairs)
    if n_pairs <= ddof:
        return None
    if not all(finite(*pair) for pair in pairs):
        return math.nan
    y, x = ([Fraction(pair[side]) for pair in pairs] for side in (0, 1))
    xy, xx, yy = central(x, y), central(x, x), central(y, y)
    farthest = n_pairs * width_of(x) * width_of(y)
    if kind == "cov":
        over = n_pairs - ddof
        return Exact(xy / over, farthest / over, n_pairs, n_pairs)
    if xx == 0 or (kind == "corr" and yy == 0):
        return math.nan
    slack_x = n_pairs * width_of(x) ** 2 / xx
    if kind == "slope":
        return near(nearest_float(xy / xx), farthest / xx + abs(xy / xx) * slack_x, n_pairs)
    slack_y = n_pairs * width_of(y) ** 2 / yy
    return near(signed_root(xy * xy / (xx * yy), xy), slack_x + slack_y, n_pairs)


def near(value: float, lost: Fraction, n_terms: int) -> Near:
    return Near(value, nearest_float(lost), n_terms)


def zscore(values: list[Any], last: Any, ddof: int) -> Any:
    """Give the distance of a value from the mean, in standard deviations."""
    n_values = len(values)
    if n_values <= ddof:
        return None
    if not finite(*values):
        return math.nan
    exact = [Fraction(value) for value in values]
    squares = central(exact, exact)
    if squares == 0:
        return math.nan
    far = Fraction(last) - sum(exact) / n_values
    value = signed_root(far * far / (squares / (n_values - ddof)), far)
    lost = n_values * width_of(exact) ** 2 / squares
    return near(value, lost * (1 + abs(Fraction(value))), n_values)


def shape(values: list[Any], kind: str, *, bias: bool) -> Any:
    """Give skewness or excess kurtosis by their definitions."""
    n = len(values)
    if not bias and n < (3 if kind == "skew" else 4):
        return None
    if not finite(*values):
        return math.nan
    exact = [Fraction(value) for value in values]
    middle = sum(exact) / n
    m2, m3, m4 = (sum((x - middle) ** power for x in exact) / n for power in (2, 3, 4))
    if m2 == 0:
        return math.nan
    lost = n * (width_of(exact) ** 2 / m2) ** 2 * 16
    if kind == "skew":
        factor = Fraction(1) if bias else Fraction(n * (n - 1), (n - 2) ** 2)
        return near(signed_root(m3 * m3 / m2**3 * factor, m3), lost * 2, n)
    excess = m4 / m2**2 - 3
    if not bias:
        excess = Fraction(n - 1, (n - 2) * (n - 3)) * ((n + 1) * excess + 6)
    return near(nearest_float(excess), lost * 4, n)


def vwap(pairs: list[tuple[Any, Any]]) -> Any:
    """Give the sum of price times size, over the sum of size; NaN where that is 0."""
    if not pairs:
        return None
    sizes = [size for _, size in pairs]
    products = [price * size for price, size in pairs if not finite(price, size)]
    if (odd := special_sum(products)) is not None:
        return vwap_of_infinities(odd, sizes)
    over = sum((Fraction(price) * Fraction(size) for price, size in pairs), Fraction())
    under = sum(map(Fraction, sizes), Fraction())
    is_exact = sums_exactly(sizes)
    if abs(under) < ILL_CONDITIONED * magnitude(sizes) and not is_exact:
        return ANY_FLOAT
    if under == 0:
        return math.nan
    weight = sum((abs(Fraction(price) * Fraction(size)) for price, size in pairs), Fraction())
    slack = weight / abs(under)
    if not is_exact:
        slack += abs(over / under) * magnitude(sizes) / abs(under)
    return Exact(over / under, slack, len(pairs), len(pairs) / min(abs(under), Fraction(1)))


def sums_exactly(values: list[Any]) -> bool:
    """Tell whether no partial sum is rounded: those of integers, and of few whole floats."""
    if all(isinstance(value, int) for value in values):
        return True
    return magnitude(values) <= 2**53 and all(value == int(value) for value in values)


def finite(*values: Any) -> bool:
    return all(not isinstance(value, float) or math.isfinite(value) for value in values)


def vwap_of_infinities(over: float, sizes: list[Any]) -> float:
    """Divide as IEEE 754 does where the numerator is NaN or infinite."""
    if math.isnan(over) or special_sum(sizes) is not None:
        return math.nan
    under = sum(map(Fraction, sizes), Fraction())
    return math.nan if under == 0 else -over if under < 0 else over


SIMPLE: dict[str, Callable[[list[Any]], Any]] = {
    "min": lowest,
    "max": highest,
    "range": reach,
    "mad": median_deviation,
    "mode": most_frequent,
    "mean": mean,
}


# From exact numbers to the nearest float


def nearest(exact: Exact) -> float:
    """Round an exact result once."""
    return nearest_root(exact.value) if exact.root else nearest_float(exact.value)


def nearest_float(value: Fraction) -> float:
    """Round a rational to the nearest float; beyond the largest it is an infinity."""
    try:
        return value.numerator / value.denominator
    except OverflowError:
        return signed_infinity(value)


def signed_infinity(value: Fraction) -> float:
    return math.inf if value > 0 else -math.inf


def nearest_root(value: Fraction) -> float:
    """Round the square root of a rational to the nearest float, by integer square root.

    The root is taken to 128 bits or more; a last bit that says 'and something more' stands for
    the rest, so that the one rounding that follows cannot fall on a false tie.
    """
    if value == 0:
        return 0.0
    shift = max(0, 256 - value.numerator.bit_length() + value.denominator.bit_length())
    shift += shift % 2
    scaled, rest = divmod(value.numerator << shift, value.denominator)
    root = math.isqrt(scaled)
    more = rest != 0 or root * root != scaled
    return nearest_float(Fraction(2 * root + more, 2 << (shift // 2)))


def numeric(value: Any) -> Any:
    """Give the nearest float of an exact result; anything else as it is."""
    if isinstance(value, Near):
        return value.value
    return nearest(value) if isinstance(value, Exact) else value
