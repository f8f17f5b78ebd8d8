"""One run of a plan with a look-back: rows wait for the watermark, and are answered in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from tidegate._kernels.inorder import rises
from tidegate.core.allkeys import encode_all
from tidegate.core.batch import read_input
from tidegate.core.columns import Numbers
from tidegate.core.errors import AggregateOverflowError, LimitError
from tidegate.core.eventtime import INT64_MAX, INT64_MIN
from tidegate.core.failures import DisorderError
from tidegate.core.lookbacks.gathering import Gathered, can_gather
from tidegate.core.lookbacks.lookback import Unmade
from tidegate.core.lookbacks.shares import answer_in_shares, answer_more
from tidegate.core.lookbacks.tied import Tied
from tidegate.core.lookbacks.waiting import LATE, Arrivals, KeptRows
from tidegate.core.rowrule import late_bar_error
from tidegate.core.run import Run, Stats

if TYPE_CHECKING:
    from tidegate.core.late import LeftRow
    from tidegate.core.plan import Plan

__all__ = ["RollingRun", "one_batch"]


class RollingRun(Run):
    """One run of a plan with a look-back: batches in, tables out.

    Parameters
    ----------
    plan : Plan
        Its window is a `Rolling`.

    Attributes
    ----------
    tied : Tied or None
        None before the types of the columns are known.
    used : int
        Rows that have been answered.
    """

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self.tied: Tied | None = None
        self.used = 0
        self.unmade: list[Unmade] = []  # results behind those that are ready
        self._gathered: Gathered | None = None  # rows that came one by one

    # ------------------------------------------------------------------------------------ rows in

    def give_schema(self, schema: pa.Schema) -> None:
        """Fix the types before the first batch."""
        self.tied = Tied(self.plan, schema)
        self._is_given = True

    def tie(self, schema: pa.Schema) -> Tied:
        """Fix the types with the first batch that has rows, and hold later ones to them."""
        can_change = not self.counts.rows_in and not self._is_given
        if self.tied is None or (can_change and not self.tied.fits(schema)):
            self.tied = Tied(self.plan, schema)
        else:
            self.tied.check(schema)
        return self.tied

    def push_input(self, data: object) -> None:
        """Take whatever the user has, all of it or nothing."""
        if isinstance(data, pa.RecordBatch):
            self.push(data)
            return
        rows = read_input(data, self.plan.inputs)
        self.push(one_batch(rows.batches(INT64_MAX), rows.schema))

    def push_all(self, batches: Iterable[pa.RecordBatch]) -> None:
        """Take several record batches as one: all of them or nothing."""
        given = list(batches)
        if given:
            self.push(one_batch(given, given[0].schema))

    def push(
        self,
        batch: pa.RecordBatch,
        later: Callable[[], int] | None = None,  # noqa: ARG002 - of the class
    ) -> None:
        """Take one record batch, all of it or nothing."""
        self._release(self._take_in(batch))

    def _take_in(self, batch: pa.RecordBatch) -> Tied:
        """Let the rows of a batch wait, all of them or none."""
        tied = self.tie(batch.schema)
        if tied.labels:  # the labels of rows that were let go may move
            self._release(tied)
        if tied.forgetting.is_due:
            self._forget(tied)
        times, order, flags = tied.times_of(batch)
        flags = tied.waiting.flags_of(order, flags)
        sources = tied.codes_of_sources(batch)
        if self.plan.late == "raise":
            self._check_late(tied, (times, order, flags), sources)
        self._check_room(tied, batch.num_rows)
        codes, columns = self._key_codes(tied, batch), tied.columns_of(batch)
        numbers = tied.numbers.of(self.counts.rows_in, len(order), codes, tied.n_keys)
        rows = Arrivals(order, codes, [*columns, *numbers])
        try:
            tied.waiting.push(rows, flags, tied.n_keys, sources)
        except MemoryError as error:
            self.broken = error
            raise
        if tied.waiting.state.n_left:
            self._put_aside(tied, batch, times)
        self.counts.rows_in += batch.num_rows
        return tied

    def _forget(self, tied: Tied, share: float = 0.5) -> None:
        """Forget the keys whose time is over."""
        self._release(tied)
        tied.forgetting.sweep(share)

    def _key_codes(self, tied: Tied, batch: pa.RecordBatch) -> Numbers | None:
        """Give the codes of the keys of a batch."""
        if tied.keys is None:
            return None
        try:
            return tied.keys.encode(batch)
        except LimitError:
            if self.plan.time.ttl is None:
                raise
        self._forget(tied, share=1.0)  # some may be forgotten
        return tied.keys.encode(batch)

    def push_row(self, row: Sequence[object], batch_of: Callable[..., pa.RecordBatch]) -> bool:
        """Take one event; tell whether results wait: they are computed when they are asked for.

        Where rows were gathered, `gather` comes first: they are taken before this one.
        """
        self.take_gathered()
        tied = self._take_in(batch_of(self, row))
        if can_gather(tied):
            self._gathered = Gathered(tied)
        return self._is_due

    @property
    def _is_due(self) -> bool:
        """Whether results wait, computed or not."""
        has_ready = self.tied is not None and self.tied.waiting.state.n_ready > 0
        return has_ready or bool(self.ready or self.unmade)

    def gather(self, row: Sequence[object]) -> bool | None:
        """Take one event that is as those before it, as `push_row`; None where it is not taken."""
        gathered = self._gathered
        if gathered is None or not gathered.take(row):
            return None
        return gathered.is_due or self._is_due

    def take_gathered(self) -> None:
        """Let the rows that were gathered wait with the others."""
        gathered, self._gathered = self._gathered, None
        batch = None if gathered is None else gathered.batch()
        if batch is not None:
            self._take_in(batch)

    def roll(self, batch: pa.RecordBatch, threads: int = 1) -> None:
        """Take all rows that there are, at once, where nothing can be late."""
        tied = self.tie(batch.schema)
        times, order, flags = tied.times_of(batch)
        codes = None if tied.keys is None else encode_all(tied.keys, batch, threads)
        rows = Arrivals(order, codes, [*tied.columns_of(batch, threads), *tied.numbers.implied])
        reasons = tied.waiting.reasons(times, order, flags)
        if reasons is not None:
            rows = tied.numbered(rows).taken(reasons == 0)
            rejected = np.flatnonzero(reasons).tolist()
            self._count_left(
                tied, batch, times, [(row, int(reasons[row]), 0, 0, 0) for row in rejected], 0
            )
        self.counts.rows_in += batch.num_rows
        self.used += len(rows.order)
        self._put(self._roll(tied, rows, threads))

    def _roll(self, tied: Tied, rows: Arrivals, threads: int) -> Unmade:
        """Answer all rows that there are; most come in order, which kernels see as they go."""
        if rows.codes is not None:  # but of each key only
            rows = _in_time_order(tied, rows, threads)
        try:
            return answer_in_shares(tied, rows, threads) or tied.answer(rows, is_all=True)
        except (DisorderError, AggregateOverflowError):  # of windows that may not be there
            ordered = _in_time_order(tied, rows, threads)
            if ordered is rows:
                raise
        return answer_in_shares(tied, ordered, threads) or tied.answer(ordered, is_all=True)

    def _check_late(
        self,
        tied: Tied,
        stamps: tuple[Numbers, Numbers, Numbers | None],
        sources: Numbers | None,
    ) -> None:
        """Raise for the first late row, before anything is taken."""
        times, order, flags = stamps
        known: Any = {} if sources is None else {"sources": sources}
        found = tied.waiting.state.rehearse(order, flags, **known)
        if found is not None:
            time = times[found[0]].item()
            raise late_bar_error(found, self.counts.rows_in, self.plan.on, time)

    def _check_room(self, tied: Tied, n_rows: int) -> None:
        """Refuse a batch that would make more rows be kept than the limit allows."""
        kept, limit = len(tied.waiting) + tied.state.n_kept, self.plan.limits.max_look_back
        if kept + n_rows > limit and self.plan.time.ttl is not None:
            self._forget(tied)
            kept = len(tied.waiting) + tied.state.n_kept
        if kept + n_rows > limit:
            raise LimitError(
                f"{kept} rows are kept, and {n_rows} more would be more than "
                f"max_look_back={limit}: choose a shorter look-back, less lateness or smaller "
                f"batches, or raise the limit; nothing of the batch was taken"
            )

    def _put_aside(self, tied: Tied, batch: pa.RecordBatch, times: Numbers) -> None:
        """Count the rows of a batch that have no place, and put them on the side."""
        given, late, _ = tied.waiting.take_left()
        left = [
            (row, reason, self._start(tied, end) if reason == LATE else start, end, mark)
            for row, reason, start, end, mark in given
        ]
        self._count_left(tied, batch, times, left, late)

    def _count_left(
        self, tied: Tied, batch: pa.RecordBatch, times: Numbers, left: list[LeftRow], n_late: int
    ) -> None:
        """Count rows, and put them on the side."""
        self.counts.late += n_late
        self.counts.rejected += len(left) - n_late
        if self.plan.late != "drop":
            tied.late.add(batch, times, left, self.counts.rows_in, has_window=not tied.look.rows)

    def _start(self, tied: Tied, end: int | float) -> int | float:
        """Where the window of a late row begins."""
        if tied.is_float:
            return end - tied.look.size_f
        return max(int(end) - tied.look.size, INT64_MIN)

    # -------------------------------------------------------------------------------- results out

    def _release(self, tied: Tied) -> None:
        """Answer the rows that the watermark has passed."""
        for rows in tied.waiting.take():
            try:
                answer = answer_more(tied, rows, self.threads) or tied.answer(rows)
            except (AggregateOverflowError, LimitError, MemoryError) as error:
                self.broken = error
                raise
            self.used += len(rows.order)
            self._put(answer)

    def _put(self, answer: Unmade) -> None:
        """Have results wait, and functions of the user's be called when they are taken.

        They are called sooner where more values would wait for them than may be kept.
        """
        if not answer.is_due:
            self.ready.append(answer.table())
            return
        self.unmade.append(answer)
        if sum(some.n_values for some in self.unmade) > self.plan.limits.max_kept:
            self._make()

    def close(self, watermark: int) -> None:
        """Answer the rows before a time in the kernels' order; all for the largest there is."""
        if self.tied is not None:
            self.tied.waiting.close(watermark)
            self._release(self.tied)

    def settle(self) -> None:
        """Compute the results that are due, and call the functions of the user's."""
        if self.tied is not None and self.broken is None:
            self._release(self.tied)
        self._make()

    def _make(self) -> None:
        """Call the functions of the user's that results wait for."""
        while self.unmade:
            self.ready.append(self.unmade[0].table())
            del self.unmade[0]

    def take(self) -> pa.Table:
        """Hand over the results that are ready."""
        if self.tied is None:
            return super().take()
        self.settle()
        table = pa.concat_tables([self.empty, *self.ready])
        if len(self.ready) == 1:
            table = self.ready[0]
        self.ready = []
        self.counts.windows += table.num_rows
        return table

    @property
    def empty(self) -> pa.Table:
        """No results, of the types as far as they are known."""
        return super().empty if self.tied is None else self.tied.schema.empty_table()

    def take_late(self) -> pa.Table:
        """Hand over the rows on the side."""
        return super().take_late() if self.tied is None else self.tied.late.take()

    # ------------------------------------------------------------------------------------ looking

    @property
    def time_type(self) -> pa.DataType | None:
        """The type of the times; None before it is known."""
        return None if self.tied is None else self.tied.time_type

    @property
    def input_schema(self) -> pa.Schema | None:
        """The columns of the input; None before they are known."""
        return None if self.tied is None else self.tied.late.input_schema

    @property
    def watermark(self) -> Any:
        """The watermark as `Aggregator.watermark` gives it."""
        if self.tied is None or self.tied.waiting.state.watermark is None:
            return None
        mark, type_ = self.tied.waiting.state.watermark, self.tied.time_type
        return np.datetime64(int(mark), type_.unit) if pa.types.is_timestamp(type_) else mark

    @property
    def stats(self) -> Stats:
        """What has become of the rows so far."""
        if self.tied is not None and self.broken is None:
            self._release(self.tied)
        ready = sum(table.num_rows for table in self.ready)
        ready += sum(results.num_rows for results in self.unmade)
        return Stats(
            rows_in=self.counts.rows_in,
            used=self.used,
            late=self.counts.late,
            rejected=self.counts.rejected,
            pending=0 if self.tied is None else len(self.tied.waiting),
            windows=self.counts.windows + ready,
        )

    # ------------------------------------------------------------------------------- state in, out

    def dump(self, tied: Tied) -> KeptRows:
        """Write the state down."""
        self.settle()
        tied.forgetting.sweep()
        return tied.dump()

    def load(self, tied: Tied, kept: KeptRows) -> bool:
        """Go on from what was written down; False where it cannot be."""
        self.tied = tied
        return tied.load(kept)


def _in_time_order(tied: Tied, rows: Arrivals, threads: int) -> Arrivals:
    """Sort all rows by time; where they came in another order, they get their numbers before."""
    return rows if rises(rows.order) else tied.numbered(rows).in_time_order(threads)


def one_batch(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> pa.RecordBatch:
    """Put record batches together."""
    given = list(batches)
    if len(given) == 1:
        return given[0]
    table = pa.Table.from_batches(given, schema=schema).unify_dictionaries().combine_chunks()
    whole = table.to_batches()
    return whole[0] if whole else pa.RecordBatch.from_pylist([], schema=schema)
