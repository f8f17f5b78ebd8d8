"""Every way to feed a stream, in any order, under every kind of window, against the oracle.

A machine pushes batches and single events, promises times, takes results, stops and goes on from
snapshots, and merges the streams of two sets of keys; at the end the oracle, which has seen rows
and promises only, says what must have come out.
"""

import dataclasses
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from reference.compare import assert_answers, assert_same_bits
from reference.lookbacks import WINDOWS
from reference.looktimed import LookCase
from reference.oracle import Boundaries, Grid, LocalCalendar, Want
from reference.rowshapes import Amount, Gaps, Tally
from reference.strategies import KEYS, PRICES, VALUES, grids, mostly, wants
from reference.streams import Case, Said, aggregation, push_rows, window
from reference.timed import Rules, assert_timed

import tidegate as tg
from tidegate.core import partitioning

SCHEMA = pa.schema({"t": pa.int64(), "k": pa.string(), "p": pa.float64(), "q": pa.int64()})
SECOND = ["a", "b"]  # the keys of the second stream, where there are two
MOVES = mostly(st.integers(0, 3), st.integers(-9, 12), st.sampled_from([-60, 60, 997]), st.none())
ROWS = st.tuples(MOVES, KEYS["k"], PRICES["gaps"], VALUES["q"])
PLANS = wants(columns=("p", "q"))
SHAPES: dict[str, st.SearchStrategy[Any]] = {
    "tumbling": st.builds(lambda n, k: Grid(n, n, k), st.integers(1, 12), st.integers(-9, 9)),
    "sliding": grids(),
    "calendar": st.sampled_from(
        [LocalCalendar("day", 1, "America/New_York"), LocalCalendar("month", 1, "UTC")]
    ),
    "edges": st.sets(st.integers(-9, 60), min_size=2, max_size=9).map(
        lambda edges: Boundaries(tuple(sorted(edges)))
    ),
    "sessions": st.builds(Gaps, st.integers(1, 12), st.one_of(st.none(), st.integers(12, 30))),
    "counts": st.builds(
        Tally, st.integers(1, 9), st.one_of(st.none(), st.integers(1, 9)), st.booleans()
    ),
    "thresholds": st.builds(
        Amount,
        st.sampled_from([("q",), ("p",), ("p", "q")]),
        st.sampled_from([1, 2.5, 100, 2**30]),
        st.sampled_from(["drop", "carry"]),
        st.booleans(),
    ),
}


def with_plain_times(table: pa.Table) -> pa.Table:
    """Give a table with its times as integers of their unit."""
    for place, field in enumerate(table.schema):
        if pa.types.is_temporal(field.type):
            table = table.set_column(place, field.name, table[field.name].cast(pa.int64()))
    return table


class Feeding(RuleBasedStateMachine):
    """Rows in every way that must not matter, and what came out; subclasses say what is right."""

    schema = SCHEMA
    unit = 1  # of what rows and promises move by

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.promises: dict[int, int] = {}
        self.rows: list[dict[str, Any]] = []  # of the stream that all ends in
        self.more: list[dict[str, Any]] = []  # of the second one, as long as there is one
        self.results: list[pa.Table] = []
        self.lates: list[pa.Table] = []
        self.live: tg.Aggregator
        self.second: tg.Aggregator | None = None

    def begin(self, shape: Any, case: Case, *, is_split: bool) -> None:
        """Make the aggregator, or two of them."""
        self.case = case
        self.window = shape
        self.live = self.make()
        if is_split:
            self.second = self.make()

    def make(self) -> tg.Aggregator:
        """Make an aggregator."""
        return tg.Aggregator(
            self.window,
            on="t",
            by=list(self.case.by) or None,
            lateness=self.case.lateness,
            nan=self.case.nan,
            schema=self.schema,
            **self.case.options(),
            **{want.name: aggregation(want) for want in self.case.wants},
        )

    def placed(self, drawn: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
        """Put rows where the stream has come to."""
        made = []
        for move, *values in drawn:
            if move is not None:
                self.now += move * self.unit
            is_there = move is not None or self.second is not None
            t = self.now if is_there else None
            made.append(dict(zip(self.schema.names, (t, *values), strict=True)))
        return made

    def feed(self, live: tg.Aggregator, rows: list[dict[str, Any]], how: str) -> None:
        """Push rows."""
        table = pa.Table.from_pylist(rows, schema=self.schema)
        if how == "rows":
            push_rows(live, table, ["t", *self.case.by, *self.case.inputs])
        else:
            self.results.append(live.push(table, take=how == "batch"))

    @rule(drawn=st.lists(ROWS, max_size=12), how=st.sampled_from(["batch", "kept", "rows"]))
    def push(self, drawn: list[tuple[Any, ...]], how: str) -> None:
        rows = self.placed(drawn)
        if self.second is not None:
            mine = [row for row in rows if row["k"] in SECOND]
            self.feed(self.second, mine, how)
            self.more += mine
            rows = [row for row in rows if row["k"] not in SECOND]
        self.feed(self.live, rows, how)
        self.rows += rows

    @precondition(lambda self: self.second is None)
    @rule(ahead=st.integers(-5, 15))
    def advance(self, ahead: int) -> None:
        at = len(self.rows)
        promised = self.now + ahead * self.unit
        self.promises[at] = max(promised, self.promises.get(at, promised))
        self.results.append(self.live.advance(promised))

    @rule()
    def take(self) -> None:
        self.results.append(self.live.take())
        self.lates.append(self.live.take_late())

    @rule()
    def stop_and_go_on(self) -> None:
        self.live = tg.Aggregator.restore(self.live.snapshot())
        if self.second is not None:
            self.second = tg.Aggregator.restore(self.second.snapshot())

    @precondition(lambda self: self.second is not None)
    @rule()
    def merge(self) -> None:
        assert self.second is not None
        self.live.merge(self.second)
        self.rows += self.more
        self.more, self.second = [], None

    def teardown(self) -> None:
        if not hasattr(self, "live"):
            return
        if self.second is not None:
            self.merge()
        mark = self.live.watermark
        self.results.append(self.live.flush())
        self.lates.append(self.live.take_late())
        self.check(pa.concat_tables(self.results), pa.concat_tables(self.lates), mark)

    def check(self, result: pa.Table, late: pa.Table, mark: Any) -> None:
        """Hold what came out to what is right."""
        raise NotImplementedError

    def plain(self, mark: Any) -> int | None:
        """Give a watermark as an integer."""
        return None if mark is None else int(np.int64(mark))

    def check_side(self, late: pa.Table, said: list[dict[str, Any]], used: int) -> None:
        """Hold the rows that were left out to those that must be."""
        sides = ("row", "reason", "window_start", "window_end", "late_by")
        got = [{name: row[name] for name in sides} for row in late.to_pylist()]
        assert got == [{name: row[name] for name in sides} for row in said]
        stats, n_late = self.live.stats, sum(row["reason"] == "late" for row in said)
        assert (stats.rows_in, stats.used, stats.pending) == (len(self.rows), used, 0)
        assert (stats.late, stats.rejected) == (n_late, len(said) - n_late)


class Windows(Feeding):
    """Windows of a grid, and those that rows make."""

    kind: str

    @initialize(data=st.data())
    def start(self, data: st.DataObject) -> None:
        if self.kind == "calendar":
            self.schema, self.unit = SCHEMA.set(0, pa.field("t", pa.timestamp("s"))), 20_000
        shape, plan = data.draw(SHAPES[self.kind]), data.draw(PLANS)
        by, is_split = data.draw(st.sampled_from([((), False), (("k",), False), (("k",), True)]))
        if is_split and isinstance(shape, Grid):
            shape = dataclasses.replace(shape, origin="epoch")
        lateness = None if is_split else data.draw(st.sampled_from([None, 0, 1, 5, 20]))
        lateness = lateness and lateness * self.unit
        nan = data.draw(st.sampled_from(["value", "missing"]))
        case = Case(self.schema.empty_table(), shape, plan, by=by, lateness=lateness, nan=nan)
        self.begin(window(shape), case, is_split=is_split)

    def check(self, result: pa.Table, late: pa.Table, mark: Any) -> None:
        table = pa.Table.from_pylist(self.rows, schema=self.schema)
        case = dataclasses.replace(self.case, table=table, rows=self.rows)
        said = case.oracle(self.promises)
        assert_answers(with_plain_times(result), said, case.wants, by=case.by)
        self.check_side(with_plain_times(late), said.late, said.used)
        assert self.plain(mark) == said.watermark
        if not self.promises:
            for threads in (1, 3):
                once = case.one_shot(threads=threads)
                assert_same_bits(once.result, result)
                assert_same_bits(once.late, late)


JUMPS = st.sampled_from([None, None, 30, 100])
RULES = {
    "plain": st.builds(Rules, max_jump=JUMPS),
    "sources": st.builds(
        Rules,
        max_jump=JUMPS,
        sources=st.sampled_from(["q", "k"]),
        idle=st.one_of(st.none(), st.integers(0, 60)),
    ),
    "keys": st.builds(Rules, max_jump=JUMPS, watermark=st.just("key")),
    "quiet": st.builds(Rules, max_jump=JUMPS, ttl=st.integers(0, 30)),
}


class LookBacks(Feeding):
    """One result a row, over what it looks back on, however time passes."""

    @initialize(window=WINDOWS, plan=PLANS, data=st.data())
    def start(self, window: tg.Rolling, plan: tuple[Want, ...], data: st.DataObject) -> None:
        kind = data.draw(st.sampled_from(["plain", "plain", "sources", "keys", "quiet"]))
        needs_keys = kind in ("keys", "quiet")
        by = ("k",) if needs_keys else data.draw(st.sampled_from([(), ("k",)]))
        is_split = kind == "plain" and bool(by) and data.draw(st.booleans())
        lateness = None if is_split else data.draw(st.integers(0, 20))
        if kind == "plain" and data.draw(st.booleans()):
            lateness = None
        rules = Rules() if is_split else data.draw(RULES[kind])
        nan = data.draw(st.sampled_from(["value", "missing"]))
        plain = Case(self.schema.empty_table(), window, plan, by=by, lateness=lateness, nan=nan)
        self.begin(window, LookCase.ruled(plain, rules), is_split=is_split)

    def check(self, result: pa.Table, late: pa.Table, mark: Any) -> None:
        table = pa.Table.from_pylist(self.rows, schema=self.schema)
        case = dataclasses.replace(self.case, table=table, rows=self.rows)
        timed = case.says_with(self.promises)
        assert_timed(Said(result, late, self.live.stats, mark), timed)
        assert self.live.stats.pending == 0
        assert mark == timed.watermark
        if not self.promises:
            once = case.one_shot(threads=3)
            assert_same_bits(once.result, result)
            assert_same_bits(once.late, late)


@pytest.mark.parametrize("kind", [*SHAPES, "look-backs"])
def test_however_a_stream_is_fed_it_says_what_the_oracle_says(kind, monkeypatch):
    monkeypatch.setattr(partitioning, "MANY_KEYS", 2)
    monkeypatch.setattr(partitioning, "SOME_KEYS", 1)
    machine = LookBacks
    if kind != "look-backs":
        machine = type(kind, (Windows,), {"kind": kind})
    steps = settings(settings(), stateful_step_count=10)
    run_state_machine_as_test(machine, settings=steps)
