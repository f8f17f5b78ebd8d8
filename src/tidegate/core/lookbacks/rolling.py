"""Look-back windows: the runs of plans that have one, and all rows at once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tidegate.core.eventtime import INT64_MAX
from tidegate.core.lookbacks.rollingrun import RollingRun, one_batch
from tidegate.core.rollingwindow import Rolling
from tidegate.core.run import Run

if TYPE_CHECKING:
    import pyarrow as pa

    from tidegate.core.plan import Plan

__all__ = ["make_run", "roll_all"]


def make_run(plan: Plan) -> Run:
    """Make the run of a plan, of the class that its window needs."""
    if isinstance(plan.window, Rolling):
        return RollingRun(plan)
    return Run(plan)


def roll_all(plan: Plan, rows: Any, threads: int = 1) -> tuple[Run, pa.Table]:
    """Run a plan over all rows at once.

    Parameters
    ----------
    plan : Plan
        Its window is a `Rolling`.
    rows : Input
        The rows.
    threads : int, default 1
        At most how many to use; where there is a lateness, one.

    Notes
    -----
    Where nothing can be late, nothing waits: columns are read where they stand.
    """
    run = RollingRun(plan)
    batch = one_batch(rows.batches(INT64_MAX), rows.schema)
    if plan.lateness is None:
        run.roll(batch, threads)
    else:
        run.plan = replace(plan, limits=replace(plan.limits, max_look_back=2**31 - 1))
        run.push(batch)
        run.close(INT64_MAX)
    return run, run.take()
