"""One aggregation from files to files: what `tidegate aggregate` and `tidegate demo` both do."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tidegate import Aggregator, Limits, Stats
from tidegate.cli.base import progress
from tidegate.core.aggregations import Aggregation
from tidegate.core.durations import Duration
from tidegate.core.errors import SourceError
from tidegate.core.files import Columns, Format, InputFile
from tidegate.core.sinks import Sink
from tidegate.core.sources import Batch, Source
from tidegate.core.timekeeping import PLAIN, Timekeeping
from tidegate.core.windows import AnyWindow

__all__ = ["Job", "Output", "Summary", "peak_rss_bytes", "run_job"]


@dataclass(frozen=True, slots=True)
class Output:
    """Where to, and how; no path is standard output."""

    path: Path | None
    format: Format

    @property
    def name(self) -> str:
        """What messages call it."""
        return "standard output" if self.path is None else str(self.path)

    def open(self) -> Sink:
        """Open it for writing."""
        return Sink(self.path, self.format)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What to compute over which rows, and where the results go."""

    inputs: Sequence[InputFile]
    on: str
    columns: Columns
    window: AnyWindow
    aggregations: Sequence[Aggregation]
    lateness: Duration | None
    limits: Limits
    output: Output
    late_output: Output | None
    time: Timekeeping = PLAIN
    threads: int = 1

    def aggregator(self, source: Source) -> Aggregator:
        """Make the engine for the rows of a source."""
        return Aggregator(
            self.window,
            *self.aggregations,
            on=self.on,
            by=self.columns.keys or None,
            lateness=self.lateness,
            max_jump=self.time.max_jump,
            allowed_lateness=self.time.allowed_lateness,
            ttl=self.time.ttl,
            late="drop" if self.late_output is None else "side",
            limits=self.limits,
            schema=source.schema,
            threads=self.threads,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What was done, and how fast."""

    inputs: list[str]
    output: str
    late_output: str | None
    rows_in: int
    used: int
    late: int
    rejected: int
    pending: int
    windows: int
    seconds: float
    rows_per_second: float
    peak_rss_bytes: int

    def document(self) -> dict[str, Any]:
        """Give the fields for JSON."""
        return asdict(self)

    def lines(self) -> list[str]:
        """Say it to a human."""
        rate = f"{self.rows_per_second / 1e6:,.1f} million rows/s"
        done = f"{self.rows_in:,} rows -> {self.windows:,} windows in {self.seconds:.2f} s ({rate})"
        lines = [f"{done} -> {self.output}"]
        if self.late or self.rejected:
            kept = "in no file; --late-out FILE keeps them"
            place = self.late_output if self.late_output is not None else kept
            lines.append(f"{self.late:,} rows were late, {self.rejected:,} rejected -> {place}")
        return lines


def run_job(job: Job) -> Summary:
    """Read the inputs, aggregate, and write the outputs; whole ones, or none.

    Raises
    ------
    TidegateError
        An input, the plan or an output is wrong.
    """
    started = time.perf_counter()
    source = Source(job.inputs, job.columns)
    aggregator = job.aggregator(source)
    with ExitStack() as stack:
        output = stack.enter_context(job.output.open())
        late = stack.enter_context(job.late_output.open()) if job.late_output else None
        update = stack.enter_context(progress("aggregate", source.n_bytes))
        n_windows = n_rows = 0
        for batch in stack.enter_context(closing(source.batches())):
            n_windows += _advance(job, aggregator, batch, output)
            n_windows += output.write(aggregator.push(batch.rows))
            if late is not None:
                late.write(aggregator.take_late())
            n_rows += batch.rows.num_rows
            update(batch.n_bytes, n_rows)
        n_windows += output.write(aggregator.flush())
        _check_floors(job, aggregator.stats)
        if late is not None:
            late.write(aggregator.take_late())
            late.commit()
        output.commit()
    return _summary(job, aggregator.stats, n_windows, time.perf_counter() - started)


def _advance(job: Job, aggregator: Aggregator, batch: Batch, output: Sink) -> int:
    """Close what no row of this batch or a later one can reach, so that memory stays bounded.

    Only where nothing is late by the rows themselves; the result is the same without.
    """
    if job.lateness is not None or batch.time_floor is None:
        return 0
    return output.write(aggregator.advance(batch.time_floor))


def _check_floors(job: Job, stats: Stats) -> None:
    """Refuse a result in which rows came later than their file had promised."""
    if job.lateness is None and stats.late:
        raise SourceError(
            f"{stats.late} rows are earlier than the statistics of their Parquet file say; "
            "write the file again, or give --lateness"
        )


def _summary(job: Job, stats: Stats, n_windows: int, seconds: float) -> Summary:
    """Put the numbers together."""
    return Summary(
        inputs=[file.name for file in job.inputs],
        output=job.output.name,
        late_output=job.late_output.name if job.late_output else None,
        rows_in=stats.rows_in,
        used=stats.used,
        late=stats.late,
        rejected=stats.rejected,
        pending=stats.pending,
        windows=n_windows,
        seconds=round(seconds, 6),
        rows_per_second=round(stats.rows_in / seconds, 1),
        peak_rss_bytes=peak_rss_bytes(),
    )


def peak_rss_bytes() -> int:
    """Ask the system for the most memory that this process has had."""
    import resource

    status = Path("/proc/self/status")
    if status.exists():  # getrusage would also count the process that started this one
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(fields["VmHWM"].split()[0]) << 10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak << 10
