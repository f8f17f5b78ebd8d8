"""Audit windows over ledgers: sums, counts, late filings and broken rules per window."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tidegate.core import aggregations as agg
from tidegate.core.durations import Duration
from tidegate.core.engine import Aggregator
from tidegate.core.files import Columns
from tidegate.core.rangecolumns import ROW_RANGES
from tidegate.core.run import Stats
from tidegate.core.watermark import Watermark
from tidegate.core.windows import Tumbling
from tidegate.domain.compliance.ledgers import Ledger, read_ledgers
from tidegate.domain.compliance.rules import (
    MaxAmount,
    MaxLate,
    MaxPerWindow,
    Required,
    Rule,
    RuleSet,
)

__all__ = ["Audit", "AuditPlan", "Finding", "audit_ledgers", "plain_values"]

LATE = "late filing"  # the column that marks them
WHOLE = re.compile(r"\.0+(?=Z?$)")  # of whole seconds, in a unit of less
RESULTS = ("filings", "amount_sum", "amount_min", "amount_max", "late_filings")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPlan:
    """What to audit by.

    Parameters
    ----------
    window : Duration, default 60
        Size of the windows. Of timestamps a plain number is in seconds.
    on, amount : str
        The columns of the time and of the amount.
    by : tuple of str
        Columns, windows of each of whose values are apart, such as the account.
    lateness : Duration, default 0
        A filing is late if its time lies this much before the largest time filed before it.
    lineage : bool, default False
        Whether to tell the filings of each window, as ``row_ranges`` for `tidegate.trace`; filings
        are numbered from 0 on through all ledgers. Every number is kept until the end.
    """

    window: Duration = 60
    on: str = "timestamp"
    amount: str = "amount"
    by: tuple[str, ...] = ()
    lateness: Duration = 0
    lineage: bool = False


class Finding(NamedTuple):
    """A rule that a window breaks, and by what."""

    rule: str
    rules: str
    row: int  # of the table of windows
    window: dict[str, Any]
    value: Any
    limit: Any

    def line(self) -> str:
        """Say it in one line."""
        where = ", ".join(f"{name}={value}" for name, value in self.window.items())
        return f"{self.rules}: {self.rule}: {self.value}, at most {self.limit} ({where})"


@dataclass(frozen=True, slots=True)
class Audit:
    """The outcome.

    Attributes
    ----------
    windows : pyarrow.Table
        The keys, ``window_start``, ``window_end``, ``filings``, ``amount_sum``, ``amount_min``,
        ``amount_max``, ``late_filings``, ``broken_rules``: by window end.
    findings : list of Finding
    stats : Stats
        What became of the rows; those without a time are rejected.
    late : int
        Late filings in all.
    ledgers, rules : list of str
        What was audited by what.
    """

    windows: pa.Table
    findings: list[Finding]
    stats: Stats
    late: int
    ledgers: list[str] = field(default_factory=list)
    rules: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether there is nothing to look at: no late filing, no rejected row, no broken rule."""
        return not (self.findings or self.late or self.stats.rejected)


def audit_ledgers(
    paths: Sequence[Path], plan: AuditPlan | None = None, rules: Sequence[RuleSet] = ()
) -> Audit:
    r"""Audit ledger files, in the order in which they were filed.

    Parameters
    ----------
    paths : sequence of Path
        Parquet, CSV, JSON lines, Arrow IPC or Avro.
    plan : AuditPlan, optional
        Window, columns and lateness.
    rules : sequence of RuleSet
        What every window is held to.

    Raises
    ------
    TidegateError
        If a ledger cannot be read, or lacks a column.

    Notes
    -----
    Late filings are used like all others, and counted. Memory: some batches and the windows.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     ledger = Path(folder, "ledger.csv")
    ...     _ = ledger.write_text("timestamp,amount\n0,5\n70,2\n10,1\n")
    ...     audit = audit_ledgers([ledger])
    >>> audit.windows.select(["amount_sum", "late_filings"]).to_pydict()
    {'amount_sum': [6, 2], 'late_filings': [1, 0]}
    """
    plan = AuditPlan() if plan is None else plan
    ledgers = [Ledger(Path(path)) for path in paths]
    columns = Columns(tuple(dict.fromkeys((plan.on, *plan.by, plan.amount))), plan.on, plan.by)
    fields = _fields(rules)
    engine, mark = None, None
    tables: list[pa.Table] = []
    late = 0
    for rows in read_ledgers(ledgers, columns, fields):
        if engine is None or mark is None:
            time_type = rows.schema.field(plan.on).type
            engine = _engine(plan, time_type, len(fields))
            mark = Watermark(_in_seconds(plan.lateness, time_type))
        is_late = mark.follow(rows.column(plan.on))[1]
        late += int(np.count_nonzero(is_late))
        column: Any = pa.array(is_late.astype(np.int64))
        tables.append(engine.push(rows.append_column(LATE, column)))
    if engine is None:
        engine = _engine(plan, pa.int64(), 0)
        tables.append(engine.push({name: [] for name in (plan.on, *plan.by, plan.amount, LATE)}))
    stats = engine.stats
    windows = pa.concat_tables([*tables, engine.flush()])
    findings = [
        found
        for one in rules
        for rule in one.rules
        for found in _broken(windows, rule, one, plan, fields)
    ]
    shown = _with_broken(windows, findings, plan)
    titles = [one.title for one in rules]
    return Audit(shown, findings, stats, late, [str(path) for path in paths], titles)


def _fields(rules: Iterable[RuleSet]) -> list[str]:
    """List the fields that any rule requires, each once."""
    asked = (rule for one in rules for rule in one.rules if isinstance(rule, Required))
    return list(dict.fromkeys(name for rule in asked for name in rule.fields))


def _engine(plan: AuditPlan, time_type: pa.DataType, n_fields: int) -> Aggregator:
    """Make the engine; nothing is late for it, so that every filing is in its sum."""
    results = {
        "filings": agg.rows(),
        "amount_sum": agg.sum(plan.amount),
        "amount_min": agg.min(plan.amount),
        "amount_max": agg.max(plan.amount),
        "late_filings": agg.sum(LATE),
    }
    results |= {f"missing {i}": agg.sum(f"missing {i}") for i in range(n_fields)}
    window = Tumbling(_in_seconds(plan.window, time_type))
    named = [made.named(name) for name, made in results.items()]
    return Aggregator(
        window,
        *named,
        on=plan.on,
        by=list(plan.by) or None,
        lateness=None,
        lineage=plan.lineage,
    )


def _in_seconds(duration: Duration, time_type: pa.DataType) -> Duration:
    """Read a plain number as seconds where the times have a unit."""
    is_number = isinstance(duration, int | float) and not isinstance(duration, bool)
    if not is_number or not pa.types.is_timestamp(time_type):
        return duration
    return f"{round(float(duration) * 1e9)}ns" if duration % 1 else f"{int(duration)}s"  # type: ignore[operator,arg-type]


def _broken(
    windows: pa.Table, rule: Rule, rules: RuleSet, plan: AuditPlan, fields: list[str]
) -> Iterable[Finding]:
    """Find the windows that break a rule."""
    limit: Any
    if isinstance(rule, Required):
        values: Any = sum(
            (windows[f"missing {fields.index(name)}"].to_numpy() for name in rule.fields),
            np.zeros(windows.num_rows, np.int64),
        )
        limit, over = 0, np.flatnonzero(values)
        name = f"{rule.id}: missing {', '.join(rule.fields)}"
    else:
        columns = {MaxAmount: "amount_max", MaxPerWindow: "amount_sum", MaxLate: "late_filings"}
        values = windows[columns[type(rule)]]
        limit, name = rule.limit, rule.id
        # A NaN is no amount that could be right.
        above = pc.invert(pc.less_equal(values, pa.scalar(limit)))
        over = np.flatnonzero(above.fill_null(False).to_numpy())
    for row in over.tolist():
        found = values[row]
        value = found.as_py() if isinstance(found, pa.Scalar) else int(found)
        yield Finding(name, rules.title, row, _place(windows, row, plan), value, limit)


def _place(windows: pa.Table, row: int, plan: AuditPlan) -> dict[str, Any]:
    """Name a window; times as texts, whatever their unit."""
    names = (*plan.by, "window_start", "window_end")
    return {name: plain_values(windows[name].slice(row, 1))[0] for name in names}


def plain_values(column: Any) -> list[Any]:
    """Give the values of a column, times as texts: Python has none of nanoseconds."""
    if not pa.types.is_timestamp(column.type):
        values: list[Any] = column.to_pylist()
        return values
    return [text and WHOLE.sub("", text) for text in column.cast(pa.string()).to_pylist()]


def _with_broken(windows: pa.Table, findings: list[Finding], plan: AuditPlan) -> pa.Table:
    """Leave the help columns out, and say which rules each window breaks."""
    broken: dict[int, list[str]] = {}
    for found in findings:
        broken.setdefault(found.row, []).append(found.rule)
    said = ["; ".join(broken.get(row, [])) for row in range(windows.num_rows)]
    names = [*plan.by, "window_start", "window_end"]
    kept = windows.select([*names, *RESULTS, *([ROW_RANGES] if plan.lineage else [])])
    column: Any = pa.chunked_array([pa.array(said, pa.string())])
    return kept.append_column("broken_rules", column)
