"""One stream of rows, fed to the engine in every way that must not matter."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import pyarrow as pa
from reference.oracle import (
    NO_PROMISES,
    Answer,
    Boundaries,
    LocalCalendar,
    Row,
    Shape,
    Time,
    Want,
    answer,
)
from reference.rowshapes import Amount, RowShape, answer_of_rows, window_of

import tidegate as tg
from tidegate.core.windows import AnyWindow, Empty

StepKind = Literal["push", "rows", "restore"]
Step = tuple[StepKind, int]


class Said(NamedTuple):
    """Everything that a run said; the watermark as it was before the end of input."""

    result: pa.Table
    late: pa.Table
    stats: tg.Stats
    watermark: Any


@dataclass(frozen=True)
class Case:
    """Rows, and what is wanted of them."""

    table: pa.Table
    grid: Shape | RowShape | tg.Rolling
    wants: tuple[Want, ...]
    on: str = "t"
    by: tuple[str, ...] = ()
    lateness: Time | None = None
    nan: Literal["value", "missing"] = "value"
    rows: list[Row] = field(default_factory=list, repr=False)
    empty: Empty = "skip"

    @property
    def inputs(self) -> list[str]:
        """The value columns that `push_row` takes, in the order of the plan."""
        summed = self.grid.columns if isinstance(self.grid, Amount) else ()
        columns = [column for want in self.wants for column in want.columns]
        return list(dict.fromkeys([*columns, *summed]))

    def aggregations(self) -> dict[str, tg.agg.Aggregation]:
        return {want.name: aggregation(want) for want in self.wants}

    def aggregator(self, **options: Any) -> tg.Aggregator:
        """Make the aggregator of this case, its schema known from the start."""
        settings: dict[str, Any] = {
            "on": self.on,
            "by": list(self.by) or None,
            "lateness": self.lateness,
            "nan": self.nan,
            "schema": self.table.schema,
        }
        settings |= self.options()
        return tg.Aggregator(
            window(self.grid, self.empty), **(settings | options), **self.aggregations()
        )

    def options(self) -> dict[str, Any]:
        """Give what else the engine is asked for."""
        return {}

    def one_shot(self, *, threads: int | None = None) -> Said:
        """Run `aggregate` over the whole table."""
        side = tg.Side()
        result = tg.aggregate(
            self.table,
            window(self.grid, self.empty),
            on=self.on,
            by=list(self.by) or None,
            lateness=self.lateness,
            nan=self.nan,
            threads=threads,
            side=side,
            **self.options(),
            **self.aggregations(),
        )
        return Said(result, side.late, side.stats, None)

    def oracle(self, promises: Mapping[int, Time] = NO_PROMISES) -> Answer:
        if isinstance(self.grid, RowShape):
            return answer_of_rows(
                self.rows or self.table.to_pylist(),
                self.grid,
                self.wants,
                on=self.on,
                by=self.by,
                lateness=self.lateness,
                nan=self.nan,
                promises=promises,
            )
        return answer(
            self.rows or self.table.to_pylist(),
            self.grid,
            self.wants,
            on=self.on,
            by=self.by,
            lateness=self.lateness,
            nan=self.nan,
            empty=self.empty,
            promises=promises,
        )

    def stream(self, steps: Iterable[Step] = (), **options: Any) -> Said:
        """Feed the table bit by bit: steps first, then the rest in one batch."""
        columns = [self.on, *self.by, *self.inputs]
        return fed(self.aggregator(**options), self.table, steps, columns)


def fed(
    live: tg.Aggregator,
    table: pa.Table,
    steps: Iterable[Step],
    columns: Sequence[str],
    functions: Mapping[str, object] | None = None,
) -> Said:
    """Feed a table bit by bit: steps first, then the rest in one batch.

    `columns` are those that `push_row` takes, `functions` those that a snapshot does not hold.
    """
    results, lates = [], []
    done = 0
    for kind, n_rows in [*steps, ("push", table.num_rows)]:
        rows = table.slice(done, n_rows)
        done += rows.num_rows
        if kind == "restore":
            live = tg.Aggregator.restore(live.snapshot(), functions=functions)
        elif kind == "push":
            results.append(push(live, rows))
        else:
            push_rows(live, rows, columns)
            results.append(live.take())
        if n_rows % 2:  # now and then, so that what waits on the side is cut too
            lates.append(live.take_late())
    watermark = live.watermark
    results.append(live.flush())
    lates.append(live.take_late())
    return Said(pa.concat_tables(results), pa.concat_tables(lates), live.stats, watermark)


def push(live: tg.Aggregator, rows: pa.Table) -> pa.Table:
    """Push the batches of a table, chunk by chunk."""
    closed = [live.push(batch) for batch in rows.to_batches()]
    return pa.concat_tables(closed) if closed else live.take()


def push_rows(live: tg.Aggregator, rows: pa.Table, columns: Sequence[str]) -> None:
    """Push the rows of a table as Python values, one event at a time."""
    for event in events(rows, columns):
        live.push_row(*event)


def events(rows: pa.Table, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """Give the rows of a table as tuples; timestamps as integers of their unit."""
    values = []
    for name in columns:
        column = rows[name]
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.int64())
        values.append(column.to_pylist())
    return zip(*values, strict=True)


def window(grid: Shape | RowShape | tg.Rolling, empty: Empty = "skip") -> AnyWindow:
    """Make the window class that a shape stands for."""
    if isinstance(grid, tg.Rolling):
        return grid
    if isinstance(grid, RowShape):
        return window_of(grid)
    if isinstance(grid, Boundaries):
        return tg.Edges(list(grid.edges), empty=empty)
    if isinstance(grid, LocalCalendar):
        return tg.Calendar(grid.unit, grid.n, grid.tz, empty=empty)
    place: dict[str, Any] = {"origin": grid.origin, "offset": grid.offset, "empty": empty}
    if grid.size == grid.every:
        return tg.Tumbling(grid.size, **place)
    return tg.Sliding(grid.size, grid.every, **place)


def aggregation(want: Want) -> tg.agg.Aggregation:
    """Make the aggregation that a wanted column stands for."""
    make: Callable[..., tg.agg.Aggregation] = getattr(tg.agg, want.kind)
    options: dict[str, Any] = dict(want.options)
    if want.kind in {"var", "std", "sem", "zscore", "cov"}:
        options["ddof"] = want.ddof
    return make(*want.columns, **options)
