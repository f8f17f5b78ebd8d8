"""The slow oracle of how time passes: one row at a time, all windows in one dictionary.

It says what comes out, in order, row by row; the numbers are those of `oracle.compute`.
"""

import collections
import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import pyarrow as pa
from reference.compare import assert_same_bits, disagreement
from reference.oracle import (
    NO_WINDOW,
    Boundaries,
    Grid,
    LocalCalendar,
    Row,
    Shape,
    Time,
    Want,
    compute,
    one_key,
    out_of_range,
    unplaceable,
    windows_of,
)
from reference.streams import Case, Said, Step

HARSH = (  # values in which every order of adding shows
    Want("h", "sum", ("h",)),
    Want("s", "std", ("s",)),
    Want("v", "vwap", ("p", "s")),
    Want("m", "median", ("s",)),
    Want("all", "collect", ("p",)),
)


@dataclass(frozen=True)
class Rules:
    """How time passes, as the options of the engine say it."""

    max_jump: Time | None = None
    allowed_lateness: Time | None = None
    watermark: str = "stream"
    sources: str | None = None
    idle: Time | None = None
    ttl: Time | None = None

    def options(self) -> dict[str, Any]:
        """Give the keywords that differ from the defaults."""
        plain = Rules()
        given = dataclasses.asdict(self)
        return {name: value for name, value in given.items() if value != getattr(plain, name)}


@dataclass(frozen=True)
class TimedCase(Case):
    """A case with rules."""

    rules: Rules = Rules()

    @property
    def inputs(self) -> list[str]:
        """What `push_row` takes behind the keys: the source, then the values."""
        columns = [column for want in self.wants for column in want.columns]
        if self.rules.sources not in (None, *columns):  # it is among the values else
            columns = [self.rules.sources, *columns]
        return [name for name in dict.fromkeys(columns) if name not in self.by]

    @classmethod
    def ruled(cls, case: Case, rules: Rules, **changes: Any) -> Self:
        """Give a case rules."""
        fields = {name: getattr(case, name) for name in Case.__dataclass_fields__}
        return cls(**(fields | changes), rules=rules)

    def options(self) -> dict[str, Any]:
        """Give the rules as options of the engine."""
        return self.rules.options()

    def says(self) -> "Timed":
        """Ask the oracle."""
        timed = Timed(self)
        for row in self.rows or self.table.to_pylist():
            timed.take(row)
        timed.end()
        return timed


@dataclass
class Held:
    """What is known of one window of one key."""

    rows: list[Row] = field(default_factory=list)
    revision: int = -1  # of the last result; none came out yet


class Timed:
    """A run of the oracle."""

    def __init__(self, case: TimedCase) -> None:
        self.case = case
        self.rules = case.rules
        self.out: list[Row] = []
        self.left: list[Row] = []
        self.n_rows = self.used = 0
        self.held: dict[tuple[Time, Time, Any], Held] = {}
        self.places: dict[Any, set[tuple[Time, Time, Any]]] = collections.defaultdict(set)
        self.n_held: collections.Counter[Any] = collections.Counter()
        self.shown: dict[Any, tuple[Any, ...]] = {}
        self.rank: dict[Any, int] = {}
        self.last: dict[Any, Time] = {}
        self.n_ranks = 0
        self.largest: dict[Any, Time] = {}  # by clock: of the stream, or of a key
        self.mark: dict[Any, Time] = {}
        self.of_source: dict[Any, Time] = {}
        self.base: Time | None = 0
        if isinstance(case.grid, Grid):
            self.base = case.grid.offset if case.grid.origin == "epoch" else None

    def take(self, row: Row) -> None:
        """Take one row."""
        number, self.n_rows = self.n_rows, self.n_rows + 1
        shown = tuple(row[name] for name in self.case.by)
        key = tuple(map(one_key, shown))
        clock = key if self.rules.watermark == "key" else None
        t = row[self.case.on]
        if self.rules.ttl is None:
            self.seen(key, shown)
        covering, reason = self.place(t, clock)
        mark = self.mark.get(clock)
        if reason is None and covering and self.all_past(covering, mark):
            start, end = max(covering)
            place = {"window_start": start, "window_end": end, "late_by": mark - t}
            self.left.append({"row": number, "reason": "late", **place, "input": row})
            return
        if reason is not None:
            self.left.append({"row": number, "reason": reason, **NO_WINDOW, "input": row})
            return
        self.used += 1
        self.rank_of(key, shown, t, mark)
        for start, end in sorted(covering, key=lambda place: place[1]):
            if self.all_past([(start, end)], mark):
                continue
            self.n_held[key] += (end, start, key) not in self.held
            held = self.held.setdefault((end, start, key), Held())
            self.places[clock].add((end, start, key))
            held.rows.append(row)
            if mark is not None and end <= mark:
                self.tell(start, end, key)
        self.move(clock, row, t)

    def place(self, t: Time | None, clock: Any) -> tuple[list[tuple[Time, Time]], str | None]:
        """Find the windows of a row, and why it has none."""
        reason = unplaceable(t)
        if reason is not None or t is None:
            return [], reason
        largest, jump = self.largest.get(clock), self.rules.max_jump
        if jump is not None and largest is not None and t > largest + jump:
            return [], "time too far ahead"
        if self.base is None and isinstance(self.case.grid, Grid):
            self.base = t + self.case.grid.offset
        covering = windows_of(t, self.case.grid, self.base)
        return covering, out_of_range(covering)

    def all_past(self, covering: Sequence[tuple[Time, Time]], mark: Time | None) -> bool:
        """Tell whether windows have ended for good."""
        allowed = self.rules.allowed_lateness or 0
        return mark is not None and all(end + allowed <= mark for _, end in covering)

    def rank_of(self, key: Any, shown: tuple[Any, ...], t: Time, mark: Time | None) -> None:
        """Give a key its place in the order: at its first row, and after it was forgotten."""
        is_quiet = self.rules.ttl is not None and key in self.last and not self.n_held[key]
        if is_quiet and mark is not None and mark > self.last[key] + self.rules.ttl:
            del self.rank[key], self.last[key]
        self.seen(key, shown)
        self.last[key] = max(t, self.last.get(key, t))

    def seen(self, key: Any, shown: tuple[Any, ...]) -> None:
        """Give a key a place in the order, where it has none."""
        if key not in self.rank:
            self.rank[key] = self.n_ranks
            self.shown[key] = shown
            self.n_ranks += 1

    def move(self, clock: Any, row: Row, t: Time) -> None:
        """Move the clock of a row, and close what that closes."""
        self.largest[clock] = max(t, self.largest.get(clock, t))
        lateness = self.case.lateness
        if lateness is None:
            return
        reached = self.largest[clock]
        if self.rules.sources is not None:
            source = row[self.rules.sources]
            self.of_source[source] = max(t, self.of_source.get(source, t))
            awake = [
                mine
                for name, mine in self.of_source.items()
                if self.rules.idle is None
                or all(o - mine <= self.rules.idle for k, o in self.of_source.items() if k != name)
            ]
            reached = min(awake)
        before = self.mark.get(clock)
        mark = reached - lateness if before is None else max(reached - lateness, before)
        self.mark[clock] = mark
        if mark != before:
            due = [place for place in self.places[clock] if place[0] <= mark]
            self.close(clock, due, mark)

    def close(self, clock: Any, places: list[tuple[Time, Time, Any]], mark: Time | None) -> None:
        """Close the windows that end up to a time; None is the end of input."""
        for end, start, key in sorted(places, key=lambda place: (place[0], self.rank[place[2]])):
            if self.held[end, start, key].revision < 0 and (mark is None or end <= mark):
                self.tell(start, end, key)
            if mark is None or self.all_past([(start, end)], mark):
                del self.held[end, start, key]
                self.n_held[key] -= 1
                self.places[clock].discard((end, start, key))

    def tell(self, start: Time, end: Time, key: Any) -> None:
        """Let a window come out."""
        held = self.held[end, start, key]
        held.revision += 1
        out: Row = dict(zip(self.case.by, self.shown[key], strict=True))
        out |= {"window_start": start, "window_end": end}
        if self.rules.allowed_lateness is not None:
            out["revision"] = held.revision
        for want in self.case.wants:
            out[want.name] = compute(list(held.rows), want, self.case.on, self.case.nan)
        self.out.append(out)

    def end(self) -> None:
        """End the input."""
        places = sorted(self.held, key=lambda place: (place[0], self.rank[place[2]]))
        for place in places:
            clock = place[2] if self.rules.watermark == "key" else None
            self.close(clock, [place], None)


def assert_timed(said: Said, timed: Timed) -> None:
    """Hold a run to what the oracle said: results in order, rows on the side, counts."""
    case = timed.case
    wants = {want.name: want for want in case.wants}
    assert said.result.num_rows == len(timed.out)
    for mine, theirs in zip(said.result.to_pylist(), timed.out, strict=True):
        assert list(mine) == list(theirs)
        for name, value in theirs.items():
            if name not in wants:
                assert repr(mine[name]) == repr(value), (name, mine, theirs)
                continue
            problem = disagreement(mine[name], value, wants[name].kind)
            assert problem is None, f"{name} of {mine}: {problem}"
    columns = ["row", "reason", "window_start", "window_end", "late_by"]
    expected = [{name: left[name] for name in columns} for left in timed.left]
    assert said.late.select(columns).to_pylist() == expected
    late = sum(left["reason"] == "late" for left in timed.left)
    stats = said.stats
    assert (stats.rows_in, stats.used, stats.late) == (timed.n_rows, timed.used, late)
    assert stats.rejected == len(timed.left) - late
    assert stats.windows == len(timed.out)


def assert_one_answer(case: TimedCase, *ways: Sequence[Step]) -> None:
    """Hold every way to feed a case to the oracle and to the bits of one batch."""
    whole = case.stream()
    assert_timed(whole, case.says())
    _assert_same_bits(case, whole, ways)
    if case.table.num_rows > 1000 and "h" in case.table.column_names:
        harsh = dataclasses.replace(case, wants=HARSH)
        _assert_same_bits(harsh, harsh.stream(), ways)


def _assert_same_bits(case: TimedCase, whole: Said, ways: Iterable[Sequence[Step]]) -> None:
    """Hold every way to feed a case to what one batch has said."""
    for way in ways:
        said = case.stream(way)
        assert_same_bits(said.result, whole.result)
        assert_same_bits(said.late, whole.late)
        assert said.stats == whole.stats
        assert repr(said.watermark) == repr(whole.watermark)


def assert_row_by_row(case: TimedCase, n: int) -> None:
    """Hold single rows, and snapshots between every n rows, to the oracle."""
    n_rows = case.table.num_rows
    assert_one_answer(case, [("rows", n_rows)], [("push", n), ("restore", 0)] * (n_rows // 2))


def shapes_of(table: pa.Table) -> list[Shape]:
    """List the shapes of window that the tests of rules go through."""
    times = [t for t in table["t"].to_pylist() if t is not None] or [0]
    low = min(times)
    return [
        Grid(10, 10),
        Grid(10, 5),
        Grid(7, 3),
        Grid(4, 9),
        Boundaries((low - 3, low + 4, low + 30, low + 31, low + 90)),
        LocalCalendar("day", 1, "UTC"),
    ]
