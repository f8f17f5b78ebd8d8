"""Two runs of one plan with a look-back as one, over other keys."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from tidegate._kernels.window_state import ORIGINS
from tidegate.core.errors import MergeError
from tidegate.core.eventtime import INT64_MIN
from tidegate.core.lookbacks.rollingrun import one_batch
from tidegate.core.lookbacks.tied import Tied
from tidegate.core.merging import largest_of_sources
from tidegate.core.picks import pick_rows

if TYPE_CHECKING:
    import numpy.typing as npt

    from tidegate.core.columns import Numbers
    from tidegate.core.lookbacks.labels import Labels
    from tidegate.core.lookbacks.rollingrun import RollingRun
__all__ = ["merge_looks"]


def merge_looks(mine: RollingRun, theirs: RollingRun) -> None:
    """Move all that one run has into another; it is of no use after that.

    Raises
    ------
    MergeError
        If the plans or column types differ, if a key has rows in both, or if there would be too
        many rows; nothing is changed then.
    LimitError
        If there would be too many keys or texts; rows may have been answered then.
    """
    if theirs.plan != mine.plan:
        raise MergeError("merge: the two aggregators have different plans")
    if theirs.tied is not None:
        if mine.tied is None:
            mine.tied = Tied(mine.plan, theirs.tied.late.input_schema)
        for run, tied in ((mine, mine.tied), (theirs, theirs.tied)):
            run.settle()
            tied.forgetting.sweep(share=1.0)
        _check(mine.tied, theirs.tied)
        codes = _codes_of_keys(mine.tied, theirs.tied)
        _come_to_one_time(mine, theirs, mine.tied, theirs.tied)
        _move_rows(mine.tied, theirs.tied, codes)
        mine.tied.late.put_back(theirs.tied.late.take())
        _move_results(mine, theirs, mine.tied)
    mine.used += theirs.used
    mine.counts.rows_in += theirs.counts.rows_in
    mine.counts.late += theirs.counts.late
    mine.counts.rejected += theirs.counts.rejected
    mine.counts.windows += theirs.counts.windows


def _check(mine: Tied, theirs: Tied) -> None:
    """Refuse what has other columns, or too many rows."""
    limits = mine.plan.limits
    if not mine.late.schema.equals(theirs.late.schema):
        raise MergeError("merge: the columns of the two aggregators have different types")
    if mine.late.n_rows + theirs.late.n_rows > limits.max_late:
        raise MergeError(
            f"merge: more than max_late={limits.max_late} rows would wait on the side: call "
            f"take_late() before"
        )
    kept = sum(len(tied.waiting) + tied.state.n_kept for tied in (mine, theirs))
    if kept > limits.max_look_back:
        raise MergeError(
            f"merge: {kept} rows would be kept, more than max_look_back={limits.max_look_back}: "
            f"raise the limit"
        )


def _codes_of_keys(mine: Tied, theirs: Tied) -> npt.NDArray[np.int32]:
    """Give the codes that keys of one have in the other; none may have rows in both."""
    if mine.keys is None or theirs.keys is None:
        if len(mine.busy_keys()) and len(theirs.busy_keys()):
            raise MergeError(
                f"merge: rows are in both aggregators, and those of a {mine.window!r} without keys "
                f"look back on each other: give by=, and each key to one aggregator only"
            )
        return np.zeros(1, np.int32)
    mark = mine.keys.mark()
    table = theirs.keys.dump().combine_chunks()
    codes = np.concatenate(
        [np.empty(0, np.int32), *(mine.keys.encode(batch) for batch in table.to_batches())]
    )
    both = np.intersect1d(mine.busy_keys(), codes[theirs.busy_keys()])
    if len(both):
        key = tuple(column[0].as_py() for column in mine.keys.take(both[:1].astype(np.int32)))
        mine.keys.rollback(mark)
        raise MergeError(
            f"merge: key {key!r} has rows in both aggregators, and they look back on each other: "
            f"give each key to one aggregator only"
        )
    return codes


def _come_to_one_time(
    mine: RollingRun, theirs: RollingRun, my_tied: Tied, their_tied: Tied
) -> None:
    """Let both come to the later of the two watermarks, and answer what that lets."""
    clocks = my_tied.waiting.state.clock, their_tied.waiting.state.clock
    largest, mark = (max(times) for times in zip(*clocks, strict=True))
    my_tied.waiting.state.come_to(largest, mark)
    if mark > INT64_MIN:
        for run in (mine, theirs):
            run.close(mark)
            run.settle()


def _move_rows(mine: Tied, theirs: Tied, codes: npt.NDArray[np.int32]) -> None:
    """Take over the rows that wait, and those that are kept."""
    theirs.sweep()
    written = theirs.written()
    for name, labels in theirs.labels.items():
        by = labels.texts.codes_in(mine.labels[name].texts)
        fresh = mine.labels[name].of_codes(by[:-1].astype(np.int64))
        mine.follow()
        written = written.mapped(labels.texts.columns, partial(_relabelled, labels, fresh))
    written = written.recoded(codes)
    if mine.sources is not None and theirs.sources is not None:
        written.extra[ORIGINS] = largest_of_sources(mine.sources, theirs.sources, written.extra)
    if not mine.load_labelled(written):
        raise MemoryError("the rows of another look-back cannot be taken over")


def _relabelled(labels: Labels, fresh: Numbers, values: Numbers) -> Numbers:
    """Give values the labels that theirs have in another table, by code."""
    return fresh[labels.codes_of(values)]


def _move_results(mine: RollingRun, theirs: RollingRun, tied: Tied) -> None:
    """Take over the results that are ready, in order of time."""
    if not theirs.ready:
        return
    table = pa.concat_tables([*mine.ready, *theirs.ready])
    _, order, _ = tied.times_of(one_batch(table.to_batches(), table.schema))
    mine.ready = [pick_rows(table, np.argsort(order, kind="stable"))]
    theirs.ready = []
