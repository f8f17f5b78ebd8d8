"""Two runs of one plan as one: over other keys, or over other whole windows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from tidegate._kernels.window_state import ORIGINS
from tidegate.core.bound import Bound
from tidegate.core.errors import MergeError
from tidegate.core.eventtime import INT64_MIN
from tidegate.core.picks import pick_rows
from tidegate.core.state import OpenWindows, dump, load
from tidegate.core.texts import inverse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidegate.core.columns import Numbers
    from tidegate.core.keys import Keys
    from tidegate.core.run import Run
    from tidegate.core.state import OpenWindows

__all__ = ["largest_of_sources", "merge"]


def merge(mine: Run, theirs: Run) -> None:
    """Move all that one run has into another; it is of no use after that.

    Raises
    ------
    MergeError
        If the plans or column types differ, or a window (of a key) is open in both; nothing is
        changed then but that windows may have been closed.
    """
    if theirs.plan != mine.plan:
        raise MergeError("merge: the two aggregators have different plans")
    if theirs.bound is not None:
        if mine.bound is None:
            mine.bound = Bound(mine.plan, theirs.bound.late.input_schema)
        _lay_alike(mine.bound, theirs.bound)
        _check_keys_apart(mine.bound, theirs.bound)
        _check_sides(mine, theirs.bound)
        reached = max(mine.bound.state.reached, theirs.bound.state.reached)
        if reached != INT64_MIN:
            mine.close(reached)
            theirs.close(reached)
        mine.settle()
        theirs.settle()
        _move_windows(mine.bound, theirs.bound)
        mine.bound.late.put_back(theirs.bound.late.take())
        _move_results(mine, theirs)
    mine.counts.rows_in += theirs.counts.rows_in
    mine.counts.late += theirs.counts.late
    mine.counts.rejected += theirs.counts.rejected
    mine.counts.windows += theirs.counts.windows


def _lay_alike(mine: Bound, theirs: Bound) -> None:
    """Refuse what is not on one grid of one type; a grid that no row has laid yet follows."""
    if not mine.late.schema.equals(theirs.late.schema):
        raise MergeError("merge: the columns of the two aggregators have different types")
    if mine.first is None and theirs.first is not None:
        mine.lay_grid(theirs.first)
    elif theirs.first is None and mine.first is not None:
        theirs.lay_grid(mine.first)
    elif mine.first != theirs.first:
        raise MergeError(
            f'merge: with origin="first" the windows of one aggregator begin at {mine.first}, of '
            f"the other at {theirs.first}: give both the same origin"
        )


def _check_sides(mine: Run, theirs: Bound) -> None:
    """Refuse more rows on the side than there may be."""
    if mine.bound is not None and mine.bound.late.n_rows + theirs.late.n_rows > (
        mine.plan.limits.max_late
    ):
        raise MergeError(
            f"merge: more than max_late={mine.plan.limits.max_late} rows would wait on the side: "
            f"call take_late() before"
        )


def _check_keys_apart(mine: Bound, theirs: Bound) -> None:
    """Refuse a key that is in both, where windows without rows come out: they would twice."""
    if mine.filler is None:
        return
    n_common = 1
    if mine.keys is not None and theirs.keys is not None:
        mark = mine.keys.mark()
        n_mine = mine.keys.n_keys
        table = theirs.keys.dump().combine_chunks()
        batches = table.to_batches()
        n_common = sum(int((mine.keys.encode(batch) < n_mine).sum()) for batch in batches)
        mine.keys.rollback(mark)
    if n_common:
        raise MergeError(
            "merge: windows without rows come out key by key; give each key to one aggregator only"
        )


def _move_windows(mine: Bound, theirs: Bound) -> None:
    """Take over what is open, and the keys."""
    mine.sweep(share=1.0)
    theirs.sweep(share=1.0)
    windows = _open_windows(mine, theirs)
    if mine.sources is not None and theirs.sources is not None:
        windows.extra[ORIGINS] = largest_of_sources(mine.sources, theirs.sources, windows.extra)
    mark: list[int] = []
    if mine.keys is not None and theirs.keys is not None:
        mark = mine.keys.mark()
        table = theirs.keys.dump().combine_chunks()
        if table.num_rows:
            codes = mine.keys.encode(table.to_batches()[0])
            windows = windows.recoded(codes)
            if mine.filler is not None and theirs.filler is not None:
                mine.filler.take_over(theirs.filler, codes.astype(np.int64))
    mine.cover_windows(windows)
    if load(mine.state, windows, mine.n_keys) >= 0:
        if mine.keys is not None:
            mine.keys.rollback(mark)
        raise MergeError("merge: a window of the same key is open in both aggregators")


def largest_of_sources(mine: Keys, theirs: Keys, extra: Mapping[str, Numbers]) -> Numbers:
    """Give the largest times of the sources of another run in the order of our sources."""
    codes = np.concatenate(
        [mine.encode(batch) for batch in theirs.dump().combine_chunks().to_batches()]
        or [np.empty(0, np.int32)]
    )
    out = np.full(mine.n_keys, INT64_MIN)
    largest = extra[ORIGINS]
    out[codes[: len(largest)]] = largest
    return out


def _open_windows(mine: Bound, theirs: Bound) -> OpenWindows:
    """Write down what is open in one, with the codes that its texts have in the other."""
    theirs.sweep_texts(always=True)
    codes = [(texts, texts.codes_in(mine.texts[name])) for name, texts in theirs.texts.items()]
    for texts in mine.texts.values():
        texts.lay(mine.state)
    for texts, by in codes:
        texts.replace(theirs.state, by)
    try:
        return dump(theirs.state)
    finally:
        for texts, by in codes:
            texts.replace(theirs.state, inverse(by))


def _move_results(mine: Run, theirs: Run) -> None:
    """Take over the results that are ready, by window end."""
    theirs.settle()
    if not theirs.ready:
        return
    mine.settle()
    table = pa.concat_tables([*mine.ready, *theirs.ready])
    ends = table[mine.plan.edges[-1]].to_numpy()
    if ends.dtype.kind == "M":
        ends = ends.view(np.int64)  # the smallest one is a time here, and no NaT
    mine.ready = [pick_rows(table, np.argsort(ends, kind="stable"))]
    theirs.ready = []
