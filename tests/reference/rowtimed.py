"""The slow oracle of how time passes where windows are made by rows: one row at a time.

As in `timed`: every session a list of rows, every row that waits in one list, every clock a number
in a dictionary. It says what comes out, in order, row by row.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from reference.oracle import NO_WINDOW, Row, Time, compute, one_key, unplaceable
from reference.rowshapes import Amount, Gaps, Open, Running, Tally, amount, has_end, join
from reference.timed import TimedCase


@dataclass(frozen=True)
class RowTimedCase(TimedCase):
    """A case with rules, whose windows are made by rows."""

    @property
    def inputs(self) -> list[str]:
        """What `push_row` takes behind the keys: the source, the values, what is added up."""
        summed = self.grid.columns if isinstance(self.grid, Amount) else ()
        names = [*super().inputs, *summed]
        return [name for name in dict.fromkeys(names) if name not in self.by]

    def says(self) -> "RowTimed":
        """Ask the oracle."""
        timed = (TimedSessions if isinstance(self.grid, Gaps) else TimedBars)(self)
        for row in self.rows or self.table.to_pylist():
            timed.take(row)
        timed.end()
        return timed


class RowTimed:
    """A run of the oracle: what sessions and bars have in common, which is the clocks."""

    def __init__(self, case: RowTimedCase) -> None:
        self.case = case
        self.rules = case.rules
        self.out: list[Row] = []
        self.left: list[Row] = []
        self.n_rows = self.used = 0
        self.shown: dict[Any, tuple[Any, ...]] = {}
        self.rank: dict[Any, int] = {}
        self.n_ranks = 0
        self.largest: dict[Any, Time] = {}  # by clock: of the stream, or of a key
        self.mark: dict[Any, Time] = {}
        self.of_source: dict[Any, Time] = {}

    def take(self, row: Row) -> None:
        """Take one row."""
        number, self.n_rows = self.n_rows, self.n_rows + 1
        shown = tuple(row[name] for name in self.case.by)
        key = tuple(map(one_key, shown))
        if self.rules.ttl is None:
            self.seen(key, shown)
        clock = key if self.rules.watermark == "key" else None
        t = row[self.case.on]
        reason = unplaceable(t)
        largest, jump = self.largest.get(clock), self.rules.max_jump
        if reason is None and None not in (largest, jump) and t > largest + jump:
            reason = "time too far ahead"
        if (
            reason is None
            and isinstance(self.case.grid, Gaps)
            and not has_end(t, self.case.grid.gap)
        ):
            reason = "time out of range"
        if reason is not None:
            self.left.append({"row": number, "reason": reason, **NO_WINDOW, "input": row})
            return
        mark = self.mark.get(clock)
        place = self.place(number, row, t, key, shown, mark)
        if place is not None:
            late = {"row": number, "reason": "late", **place, "late_by": mark - t}
            self.left.append(late | {"input": row})
            return
        self.used += 1
        self.move(clock, row, t)

    def seen(self, key: Any, shown: tuple[Any, ...]) -> None:
        """Give a key a place in the order, where it has none."""
        if key not in self.rank:
            self.rank[key] = self.n_ranks
            self.shown[key] = shown
            self.n_ranks += 1

    def move(self, clock: Any, row: Row, t: Time) -> None:
        """Move the clock of a row, and let out what that lets out."""
        self.largest[clock] = max(t, self.largest.get(clock, t))
        if self.case.lateness is None:
            return
        reached = self.largest[clock]
        if self.rules.sources is not None:
            source = row[self.rules.sources]
            self.of_source[source] = max(t, self.of_source.get(source, t))
            reached = min(
                mine
                for name, mine in self.of_source.items()
                if self.rules.idle is None
                or all(o - mine <= self.rules.idle for k, o in self.of_source.items() if k != name)
            )
        before = self.mark.get(clock)
        mark = reached - self.case.lateness
        if before is None or mark > before:
            self.mark[clock] = mark
            self.pass_by(clock, mark)

    def tell(self, start: Time, end: Time, key: Any, rows: Iterable[Row], revision: int) -> None:
        """Let a window come out."""
        out: Row = dict(zip(self.case.by, self.shown[key], strict=True))
        out |= {"window_start": start, "window_end": end}
        if self.rules.allowed_lateness is not None:
            out["revision"] = revision
        for want in self.case.wants:
            out[want.name] = compute(list(rows), want, self.case.on, self.case.nan)
        self.out.append(out)

    def place(self, number, row, t, key, shown, mark) -> Row | None:
        """Take a row into a window, or tell the window of a late one."""
        raise NotImplementedError

    def pass_by(self, clock: Any, mark: Time) -> None:
        """Let out what a watermark has passed."""
        raise NotImplementedError


# ------------------------------------------------------------------------------------- sessions


@dataclass(eq=False)
class Held(Open):
    """A session, of which results may have come out."""

    revision: int = -1  # of the last one
    is_out: bool = False  # as it is now

    @property
    def held(self) -> list[Row]:
        """Give its rows in order of arrival."""
        return [row for _, row in sorted(self.rows, key=lambda entry: entry[0])]


class TimedSessions(RowTimed):
    """Sessions of every key, those that have come out too."""

    def __init__(self, case: RowTimedCase) -> None:
        super().__init__(case)
        self.sessions: dict[Any, list[Held]] = {}
        self.last: dict[Any, Time] = {}
        self.over: dict[Any, Time] = {}  # by key: the last end of a session that is held no more
        self.gap = case.grid.gap
        self.corrects = self.rules.allowed_lateness is not None
        self.held_for = self.rules.allowed_lateness or 0

    def place(self, number, row, t, key, shown, mark):
        """Let a row join sessions that are not over, or open one."""
        self.sessions.setdefault(key, [])
        self.drop_over(key, mark)
        sessions = self.sessions[key]
        before = list(sessions)
        bound = None if mark is None else mark - self.held_for
        over = self.over_of(key, mark)
        if over is not None and t < over and all(s.first > t for s in sessions):
            return {"window_start": t, "window_end": t + self.gap}
        was_dead = self.rules.ttl is not None and key in self.last and self.is_dead(key, mark)
        if not join(sessions, key, t, bound, self.case.grid, (number, row)):
            return {"window_start": t, "window_end": t + self.gap}
        if self.rules.ttl is not None:
            if over is not None:
                self.over[key] = over
            if was_dead:
                del self.rank[key], self.last[key]
            self.seen(key, shown)
            self.last[key] = max(t, self.last.get(key, t))
        (mine,) = [n for n, s in enumerate(sessions) if s.rows[-1][0] == number]
        if not isinstance(sessions[mine], Held):
            new = sessions[mine]
            sessions[mine] = Held(new.code, new.first, new.last, new.rows)
        one = sessions[mine]
        left = set(map(id, sessions))
        one.revision = max([one.revision, *(s.revision for s in before if id(s) not in left)])
        one.is_out = False
        if mark is not None and one.last + self.gap <= mark:
            self.let_out(one)
        return None

    def is_over(self, last: Time, mark: Time) -> bool:
        """Tell whether nothing can join a session any more."""
        return last + self.gap + self.held_for <= mark

    def drop_over(self, key: Any, mark: Time | None) -> None:
        """Let go of the sessions of a key that nothing can join any more."""
        if mark is None:
            return
        ends = [s.last + self.gap for s in self.sessions[key] if self.is_over(s.last, mark)]
        self.over[key] = max([self.over.get(key, -math.inf), *ends])
        self.sessions[key] = [s for s in self.sessions[key] if not self.is_over(s.last, mark)]

    def over_of(self, key: Any, mark: Time | None) -> Time | None:
        """Give the time before which a row is of a session that is over; None: there is none."""
        if mark is None or not self.corrects:
            return None
        if self.rules.ttl is not None and (key not in self.last or self.is_dead(key, mark)):
            return mark - self.held_for - self.gap
        return self.over.get(key)

    def is_dead(self, key: Any, mark: Time | None) -> bool:
        """Tell whether a key that had rows is forgotten."""
        if mark is None or self.sessions[key] or mark <= self.last[key] + self.rules.ttl:
            return False
        return not self.corrects or mark >= self.over[key] + self.gap + self.held_for

    def pass_by(self, clock, mark):
        """Let the sessions come out that the watermark has passed."""
        keys = self.sessions if clock is None else [clock]
        due = [
            s
            for key in keys
            for s in self.sessions[key]
            if not s.is_out and s.last + self.gap <= mark
        ]
        for one in sorted(due, key=lambda s: (s.last, self.rank[s.code])):
            self.let_out(one)
        for key in list(keys):
            self.drop_over(key, mark)
            if not self.sessions[key] and clock is None:
                del self.sessions[key]

    def let_out(self, one: Held) -> None:
        """Let a session come out."""
        one.revision += 1
        one.is_out = True
        self.tell(one.first, one.last + self.gap, one.code, one.held, one.revision)

    def end(self) -> None:
        """End the input."""
        left = [s for some in self.sessions.values() for s in some if not s.is_out]
        for one in sorted(left, key=lambda s: (s.last, self.rank[s.code])):
            self.let_out(one)


# ----------------------------------------------------------------------------------------- bars


@dataclass
class KeyBars:
    """The bars of a key that are not whole."""

    last: Time
    n_seen: int = 0
    total: Running = field(default_factory=Running)
    begun: list[Open] = field(default_factory=list)


class TimedBars(RowTimed):
    """Rows that wait, and the bars of every key."""

    def __init__(self, case: RowTimedCase) -> None:
        super().__init__(case)
        self.waiting: list[tuple[Time, int, Any, tuple[Any, ...], Row]] = []
        self.bars: dict[Any, KeyBars] = {}

    def place(self, number, row, t, key, shown, mark):
        """Let a row wait."""
        if mark is not None and t < mark:
            return {"window_start": None, "window_end": None}
        self.waiting.append((t, number, key, shown, row))
        return None

    def pass_by(self, clock, mark):
        """Take the rows before a watermark in order of time, and forget quiet keys."""
        ready, waiting = [], []
        for entry in self.waiting:
            is_due = entry[0] < mark and clock in (None, entry[2])
            (ready if is_due else waiting).append(entry)
        self.waiting = waiting
        self.take_all(ready)
        self.forget(mark)

    def take_all(self, ready) -> None:
        """Take rows in order of time."""
        for t, number, key, shown, row in sorted(ready, key=lambda w: w[:2]):
            self.forget(t)
            self.feed(t, number, key, shown, row)

    def forget(self, upto: Time) -> None:
        """End the bars of keys without a row for longer than their time to live."""
        if self.rules.ttl is None:
            return
        over = {k: bars for k, bars in self.bars.items() if bars.last + self.rules.ttl < upto}
        self.let_out(over)
        for key in over:
            del self.bars[key], self.rank[key]

    def feed(self, t, number, key, shown, row) -> None:
        """Take one row into the bars of its key."""
        shape, wants = self.case.grid, self.rules.ttl is not None
        if wants:
            self.seen(key, shown)
        mine = self.bars.setdefault(key, KeyBars(t))
        mine.last = t
        mine.n_seen += 1
        if isinstance(shape, Tally):
            if (mine.n_seen - 1) % (shape.every or shape.n) == 0:
                mine.begun.append(Open(key, t, t))
        elif not mine.begun:
            mine.begun.append(Open(key, t, t))
        for bar in list(mine.begun):
            bar.rows.append((number, row))
            bar.last = t
            if isinstance(shape, Tally) and len(bar.rows) == shape.n:
                mine.begun.remove(bar)
                self.let_bar_out(bar)
        if isinstance(shape, Amount):
            self.add(mine, t, row)

    def add(self, mine: KeyBars, t: Time, row: Row) -> None:
        """Add what a row brings, and close the bar that reaches the limit."""
        shape = self.case.grid
        times = mine.total.add(amount(row, shape, self.case.nan), shape)
        if not times:
            return
        bar = mine.begun.pop()
        self.let_bar_out(bar)
        if shape.overshoot == "split":
            for _ in range(times - 1):
                self.let_bar_out(Open(bar.code, t, t, bar.rows[-1:]))

    def let_bar_out(self, bar: Open) -> None:
        """Let a bar come out."""
        rows = [row for _, row in sorted(bar.rows, key=lambda entry: entry[0])]
        self.tell(bar.first, bar.last, bar.code, rows, 0)

    def let_out(self, over: dict[Any, KeyBars]) -> None:
        """Let out what is not whole, if that is wanted."""
        rest = [bar for bars in over.values() for bar in bars.begun]
        if not self.case.grid.complete_only:
            for bar in sorted(rest, key=lambda bar: (bar.last, self.rank[bar.code], bar.first)):
                self.let_bar_out(bar)

    def end(self) -> None:
        """End the input."""
        ready, self.waiting = self.waiting, []
        self.take_all(ready)
        self.let_out(self.bars)
