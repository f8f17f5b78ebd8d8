"""Run a folder's pipeline: files in, parts of results out, the state told once a second.

Results and the place in the source are saved together: a run that was stopped, or killed, goes on
where the last whole part ended, and the parts are those of a run that was never stopped.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import closing, contextmanager
from types import FrameType
from typing import Any

import pyarrow as pa

from tidegate.core.errors import ProjectError, SinkError, TidegateError
from tidegate.core.files import Format
from tidegate.core.projects.partfiles import Parts
from tidegate.core.projects.projectfile import Project
from tidegate.core.projects.resumepoint import ResumePoint, read_resume_point, write_resume_point
from tidegate.core.projects.runfolder import RunFolder
from tidegate.core.projects.statefile import RunState, write_state
from tidegate.core.sources import Source

__all__ = ["run_project"]

TELL_SECONDS = 1.0  # from one state to the next
SAVE_SECONDS = 10.0  # from one part to the next while rows keep coming
SAVE_ROWS = 1 << 18  # windows and late rows that wait for a part at most
POLL_SECONDS = 0.2
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_project(
    project: Project, *, once: bool = False, fresh: bool = False
) -> tuple[RunState, int | None]:
    """Run the pipeline of a folder in this process.

    Parameters
    ----------
    project : Project
        What to run.
    once : bool, default False
        End with the files that are there, also where the source is to be followed.
    fresh : bool, default False
        Begin anew instead of where it was stopped.

    Returns
    -------
    state : RunState
        The last one; its status is "ended" or "stopped".
    signal : int or None
        Which signal has stopped it; the state was saved after that.

    Raises
    ------
    ProjectError
        If it runs already, there is nothing to read, or its file was changed since it was stopped.
    TidegateError
        If rows cannot be read, used or written; what was saved before is kept.
    """
    run = RunFolder.of(project.folder, project.name)
    with run.held():
        running = _Running(project, run)
        try:
            with _signals(running):
                running.begin(fresh=fresh)
                running.read(follow=project.table.source.follow and not once)
        except BaseException as error:
            running.fail(error)
            raise
        return running.state, running.signal


@contextmanager
def _signals(running: _Running) -> Iterator[None]:
    """Let signals ask for the end; only the main thread can."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def note(number: int, _frame: FrameType | None) -> None:
        running.signal = number
        running.stopping.set()

    before = {number: signal.signal(number, note) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Running:
    """One run."""

    def __init__(self, project: Project, run: RunFolder) -> None:
        self._project = project
        self._run = run
        self._aggregator = project.aggregator()
        self._point = ResumePoint(fingerprint=project.fingerprint)
        format_ = Format(project.table.sink.format)
        self._windows = Parts(project.sink, format_)
        self._late = None if project.late is None else Parts(project.late, format_)
        self._ahead: deque[str] = deque()
        self._waiting: list[pa.Table] = []
        self._waiting_late: list[pa.Table] = []
        self._saved_at = self._told_at = time.monotonic()
        self._told_rows = 0
        self._is_dirty = False
        self.signal: int | None = None
        self.stopping = threading.Event()
        now = time.time()
        self.state = RunState(
            name=project.name,
            folder=str(project.folder),
            pid=os.getpid(),
            started_at=now,
            updated_at=now,
        )

    def begin(self, *, fresh: bool) -> None:
        """Go on where it was stopped, or begin anew."""
        found = None if fresh else read_resume_point(self._run.resume_file)
        if found is not None and not found[0].has_ended:
            point, aggregator = found
            if point.fingerprint != self._project.fingerprint:
                raise ProjectError(
                    f"{self._project.name}: its pipeline.toml was changed since it was stopped; "
                    "start with --fresh to begin anew"
                )
            self._point = point
            self._aggregator = aggregator or self._aggregator
            self.state.rows_out = point.rows_out
        if not self._project.table.source.follow and not any(self._project.input_files()):
            raise ProjectError(
                f"{self._project.folder / self._project.table.source.path}: there is no such "
                "file; make the data first"
            )
        for parts in (self._windows, self._late):
            if parts is not None:
                parts.forget(self._point.part)
        if not self._point.part:  # what an earlier run has saved speaks of parts that are gone
            self._run.resume_file.unlink(missing_ok=True)
        word = "goes on" if self._point.part or self._point.files else "begins"
        self._run.journal.write("INFO", f"{word}, pid {os.getpid()}")
        self._told_rows = self._aggregator.stats.rows_in
        self.tell()

    def read(self, *, follow: bool) -> None:
        """Read what is there, and what comes, until the end or a signal."""
        while not self.stopping.is_set():
            name = self._next_file()
            if name is not None:
                self._read_file(name)
                continue
            if not follow:
                self._end()
                return
            self._save()
            if time.monotonic() - self._told_at >= TELL_SECONDS:
                self.tell()
            self.stopping.wait(POLL_SECONDS)
        self._save()
        self._finish("stopped")

    def _next_file(self) -> str | None:
        """Tell the file to read now: the one that was begun, else the first that was not read."""
        if self._point.file is not None:
            if not (self._project.folder / self._point.file).is_file():
                raise ProjectError(
                    f"{self._project.folder / self._point.file}: was being read and is gone; put "
                    "it back, or start with --fresh"
                )
            return self._point.file
        if not self._ahead:  # looked for only then: a look costs as much as there are files
            there = list(self._project.input_files())
            known = set(self._point.files)
            self._point.files = sorted(known.intersection(there))  # no longer than the folder
            self._ahead.extend(name for name in there if name not in known)
        return self._ahead.popleft() if self._ahead else None

    def _read_file(self, name: str) -> None:
        """Take the rows of one file that were not taken yet."""
        self._point.file = name
        skip = self._point.rows
        source = Source([self._project.open_file(name)], self._project.columns)
        with closing(source.batches()) as batches:
            for batch in batches:
                rows = batch.rows
                if skip >= rows.num_rows:
                    skip -= rows.num_rows
                    continue
                self._take(rows.slice(skip))
                skip = 0
                if self.stopping.is_set():
                    return
        self._point.files.append(name)
        self._point.file, self._point.rows = None, 0

    def _take(self, rows: pa.RecordBatch) -> None:
        """Push some rows, and save and tell when it is time."""
        self._keep(self._aggregator.push(rows))
        if self._late is not None:
            late = self._aggregator.take_late()
            if late.num_rows:
                self._waiting_late.append(late)
        self._point.rows += rows.num_rows
        self._is_dirty = True
        now = time.monotonic()
        n_waiting = sum(table.num_rows for table in (*self._waiting, *self._waiting_late))
        if n_waiting >= SAVE_ROWS or now - self._saved_at >= SAVE_SECONDS:
            self._save()
        if now - self._told_at >= TELL_SECONDS:
            self.tell()

    def _keep(self, table: pa.Table) -> None:
        """Hold results until the next part."""
        if table.num_rows:
            self._waiting.append(table)
            self.state.last_result_at = time.time()
            self.state.rows_out += table.num_rows

    def _end(self) -> None:
        """Close every window: there is no more input."""
        self._see_watermark()  # that of the rows: the end of the input is beyond all times
        self._keep(self._aggregator.flush())
        self._point.has_ended = True
        self._is_dirty = True
        self._save()
        self._finish("ended")

    def _save(self) -> None:
        """Write the parts that wait, then where to go on behind them."""
        self._saved_at = time.monotonic()
        if not self._is_dirty:
            return
        if self._waiting:
            self._windows.write(self._point.part, self._waiting)
        if self._late is not None and self._waiting_late:
            self._late.write(self._point.part, self._waiting_late)
        if self._waiting or self._waiting_late:
            self._point.part += 1
        self._waiting, self._waiting_late = [], []
        self._point.rows_out = self.state.rows_out
        aggregator = None if self._point.has_ended else self._aggregator
        write_resume_point(self._run.resume_file, self._point, aggregator)
        self._is_dirty = False

    def _finish(self, status: Any) -> None:
        """Say how it ended."""
        self.state.status = status
        self.tell()
        said = self.state.line().removeprefix(f"{self.state.name} ")  # the entry has the name
        self._run.journal.write("INFO", said)

    def fail(self, error: BaseException) -> None:
        """Say why it could not go on."""
        known = isinstance(error, TidegateError)
        self.state.error = str(error) if known else f"{type(error).__name__}: {error}"
        self.state.status = "failed"
        try:
            self.tell()
            self._run.journal.write("ERROR", self.state.error)
        except SinkError as second:  # of a full disk, say: the first error is the one to raise
            error.add_note(str(second))

    def tell(self) -> None:
        """Write the state."""
        now = time.monotonic()
        stats = self._aggregator.stats
        state = self.state
        state.rows_in, state.used, state.late = stats.rows_in, stats.used, stats.late
        state.rejected, state.pending = stats.rejected, stats.pending
        if now > self._told_at and state.status in ("running", "ended"):
            rate = (stats.rows_in - self._told_rows) / (now - self._told_at)
            state.rows_per_second = round(rate, 1)
        self._told_at, self._told_rows = now, stats.rows_in
        if not self._point.has_ended:
            self._see_watermark()
        state.updated_at = time.time()
        write_state(self._run.state_file, state)

    def _see_watermark(self) -> None:
        """Put the watermark into the state, a time as text."""
        mark = self._aggregator.watermark
        plain = mark is None or isinstance(mark, int | float)
        self.state.watermark = mark if plain else str(mark)
