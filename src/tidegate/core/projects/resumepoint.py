"""Where a stopped pipeline goes on: its place in the source, and the state of the engine."""

from __future__ import annotations

from pathlib import Path

import msgspec

from tidegate.core.engine import Aggregator
from tidegate.core.errors import SnapshotError
from tidegate.core.formats.wholefiles import written

__all__ = ["ResumePoint", "read_resume_point", "write_resume_point"]

MAGIC = b"tidegate-resume/1\n"


class ResumePoint(msgspec.Struct, kw_only=True):
    """A place between two rows.

    Attributes
    ----------
    fingerprint : str
        Of the pipeline's file.
    files : list of str
        Those that were read to their end, of those that are still there.
    file : str or None
        The one that is being read.
    rows : int
        How many of its rows were taken.
    part : int
        Number of the next part of the results.
    rows_out : int
        Windows that were written.
    has_ended : bool
        The input was at its end.
    """

    fingerprint: str
    files: list[str] = []
    file: str | None = None
    rows: int = 0
    part: int = 0
    rows_out: int = 0
    has_ended: bool = False


def write_resume_point(path: Path, point: ResumePoint, aggregator: Aggregator | None) -> None:
    """Write it down; the one before is there until this one is whole."""
    with written(path) as stream:
        stream.write(MAGIC + msgspec.json.encode(point) + b"\n")
        if aggregator is not None:
            stream.write(aggregator.snapshot())


def read_resume_point(path: Path) -> tuple[ResumePoint, Aggregator | None] | None:
    """Read it; None if there is none.

    Raises
    ------
    SnapshotError
        If the file is damaged.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    advice = "start with --fresh to begin anew"
    if not content.startswith(MAGIC):
        raise SnapshotError(f"{path}: is no saved state of this version; {advice}")
    head, _, snapshot = content[len(MAGIC) :].partition(b"\n")
    try:
        point = msgspec.json.decode(head, type=ResumePoint)
        return point, Aggregator.restore(snapshot) if snapshot else None
    except (msgspec.DecodeError, UnicodeDecodeError, SnapshotError) as error:
        raise SnapshotError(f"{path}: is damaged: {error}; {advice}") from error
