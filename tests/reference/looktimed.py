"""The slow oracle of how time passes for look-backs: one row at a time, as in `rowtimed`.

Every row that waits is in one list; the rows of a key, in order of time, are a list that begins
anew where the key was quiet for longer than its time to live.
"""

from dataclasses import dataclass

from reference.lookbacks import expected_of, rows_of
from reference.oracle import one_key
from reference.rowtimed import RowTimed, RowTimedCase


@dataclass(frozen=True)
class LookCase(RowTimedCase):
    """A case with rules, whose window is a look-back."""

    def says(self) -> "TimedLooks":
        """Ask the oracle."""
        return self.says_with({})

    def says_with(self, promises) -> "TimedLooks":
        """Ask the oracle, where times were promised before some of the rows."""
        timed = TimedLooks(self)
        rows = self.rows or self.table.to_pylist()
        for ordinal, row in enumerate(rows):
            timed.promise(promises.get(ordinal))
            timed.take(row)
        timed.promise(promises.get(len(rows)))
        timed.watermark = timed.least()
        timed.end()
        return timed


class TimedLooks(RowTimed):
    """Rows that wait, and what each key looks back on."""

    def __init__(self, case: LookCase) -> None:
        super().__init__(case)
        self.waiting: list[tuple] = []
        self.before: dict = {}
        self.floor = None  # what was promised for all keys
        self.watermark = None

    def take(self, row):
        """Take one row, whose clock knows of all promises."""
        if self.floor is not None and self.rules.watermark == "key":
            clock = tuple(one_key(row[name]) for name in self.case.by)
            self.mark[clock] = max(self.floor, self.mark.get(clock, self.floor))
        super().take(row)

    def promise(self, time) -> None:
        """Move all watermarks up to a time, and answer what that lets."""
        if time is None:
            return
        self.floor = time if self.floor is None else max(self.floor, time)
        clocks = list(self.mark) if self.rules.watermark == "key" else [None]
        for clock in clocks:
            self.mark[clock] = max(self.floor, self.mark.get(clock, self.floor))
        ready = [w for w in self.waiting if w[0] < self.floor]
        self.waiting = [w for w in self.waiting if w[0] >= self.floor]
        self.answer(ready)

    def least(self):
        """Give the watermark, the least one of the keys that have rows where each has one."""
        if self.rules.watermark == "key" and self.largest:
            return min(self.mark[clock] for clock in self.largest)
        return self.floor if self.rules.watermark == "key" else self.mark.get(None)

    def place(self, number, row, t, key, shown, mark):
        """Let a row wait."""
        if mark is not None and t < mark:
            size = self.case.grid.size
            edges = (None, None) if size is None else (t - size, t)
            return dict(zip(("window_start", "window_end"), edges, strict=True))
        self.waiting.append((t, number, key, shown, row))
        return None

    def pass_by(self, clock, mark):
        """Answer the rows before a watermark, in order of time."""
        ready = [w for w in self.waiting if w[0] < mark and clock in (None, w[2])]
        if ready:
            gone = {number for _, number, *_ in ready}
            self.waiting = [w for w in self.waiting if w[1] not in gone]
            self.answer(ready)

    def answer(self, ready) -> None:
        """Answer rows; all of them are there before the first one is answered."""
        placed = []
        for t, _, key, shown, row in sorted(ready, key=lambda w: w[:2]):
            mine = self.before.setdefault(key, [])
            if mine and self.rules.ttl is not None and t > mine[-1]["t"] + self.rules.ttl:
                mine = self.before[key] = []
            mine.append(row)
            placed.append((shown, row, mine, len(mine) - 1))
        for shown, row, mine, at in placed:
            out = dict(zip(self.case.by, shown, strict=True)) | {"t": row["t"]}
            inside = rows_of(self.near(mine, at), row, self.case.grid)
            for want in self.case.wants:
                out[want.name] = expected_of(inside, want, self.case.grid, self.case.nan)
            self.out.append(out)

    def near(self, mine, at):
        """Leave out the rows of a key that are too far away to be looked at."""
        window, first, last = self.case.grid, at, at + 1
        if window.rows is not None:
            return mine[max(0, at - window.rows - 1) : last]
        while first and mine[first - 1]["t"] >= mine[at]["t"] - window.size:
            first -= 1
        while last < len(mine) and mine[last]["t"] == mine[at]["t"]:
            last += 1
        return mine[first:last]

    def end(self) -> None:
        """End the input."""
        ready, self.waiting = self.waiting, []
        self.answer(ready)
