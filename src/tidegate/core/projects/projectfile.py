"""The file that says what a folder's pipeline does: TOML, checked before anything runs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec
import pyarrow as pa

from tidegate.core.aggregation import Aggregation
from tidegate.core.aggregationtext import read_aggregation
from tidegate.core.calendar import UNITS
from tidegate.core.durations import in_units
from tidegate.core.engine import Aggregator
from tidegate.core.errors import InputError, ProjectError, SourceError
from tidegate.core.files import Columns, Format, InputFile
from tidegate.core.home import inside, safe_name
from tidegate.core.rowwindows import Count, Session
from tidegate.core.typenames import TYPES
from tidegate.core.windows import Calendar, Sliding, Tumbling, Window

__all__ = ["PROJECT_FILE", "Project", "read_project"]

PROJECT_FILE = "pipeline.toml"
MAX_BYTES = 1 << 20
MAX_FILES = 1_000_000
NANOSECONDS = pa.timestamp("ns")

Time = int | float | str


class SourceTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Where rows come from: files in the folder, by a pattern."""

    path: str
    format: Literal["parquet", "csv", "ndjson", "arrow", "arrows"] | None = None
    follow: bool = False
    types: dict[str, str] = {}


class WindowTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What windows are; one of `every`, `calendar`, `session` and `count`."""

    every: Time | None = None
    period: Time | None = None
    calendar: str | None = None
    tz: str = "UTC"
    session: Time | None = None
    count: int | None = None


class SinkTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Where windows and late rows go: folders within the folder."""

    path: str = "windows"
    format: Literal["parquet", "csv", "ndjson", "arrow"] = "parquet"
    late: str | None = None


class ProjectTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """All of the file."""

    name: str
    on: str
    window: WindowTable
    aggregations: dict[str, str]
    source: SourceTable
    sink: SinkTable = SinkTable()
    by: list[str] = []
    lateness: Time = 0


class Project:
    """A folder with a pipeline, checked.

    Attributes
    ----------
    folder : Path
    name : str
    columns : Columns
        What is read.
    fingerprint : str
        Changes with whatever changes results.
    """

    def __init__(self, folder: Path, table: ProjectTable) -> None:
        self.folder = folder.resolve()
        self.table = table
        self.name = safe_name(table.name, "name")
        _check_durations(table)
        self._window = _window(table.window)
        self._aggregations = _aggregations(table.aggregations)
        used = (column for item in self._aggregations for column in item.columns)
        names = tuple(dict.fromkeys((table.on, *table.by, *used)))
        self.columns = Columns(names, table.on, tuple(table.by), _types(table.source, names))
        self.sink = inside(self.folder, table.sink.path, "sink.path")
        self.late = inside(self.folder, table.sink.late, "sink.late") if table.sink.late else None
        if self.late == self.sink:
            raise InputError("sink.late is the same folder as sink.path; choose another one")
        self._check_pattern()
        self.fingerprint = hashlib.sha256(msgspec.json.encode(table)).hexdigest()
        self.aggregator()

    def _check_pattern(self) -> None:
        """Refuse a pattern that names places outside the folder; what it finds is checked again."""
        pattern = self.table.source.path
        if not pattern or "\0" in pattern or Path(pattern).is_absolute():
            raise InputError(f"source.path {pattern!r}: give a path or pattern below the folder")
        if ".." in Path(pattern).parts:
            raise InputError(f"source.path {pattern!r} is not within {self.folder}")

    def aggregator(self) -> Aggregator:
        """Begin the engine anew."""
        return Aggregator(
            self._window,
            *self._aggregations,
            on=self.table.on,
            by=list(self.table.by) or None,
            lateness=self.table.lateness,
            late="drop" if self.late is None else "side",
        )

    def input_files(self) -> Iterator[str]:
        """Tell the files that are there now, sorted by name, as paths within the folder."""
        found = sorted(self.folder.glob(self.table.source.path))
        for path in found[:MAX_FILES]:
            if path.is_file() and not path.name.startswith((".", "_")):
                yield str(path.relative_to(self.folder))

    def open_file(self, name: str) -> InputFile:
        """Describe one file of the source.

        Raises
        ------
        InputError
            If a link leads out of the folder.
        SourceError
            If it cannot be read.
        """
        place = inside(self.folder, name, "source file")
        given = self.table.source.format
        return InputFile(place, Format(given)) if given else InputFile.of(place)


def read_project(folder: Path) -> Project:
    """Read and check the pipeline of a folder; nothing in it is run.

    Parameters
    ----------
    folder : Path
        With a file ``pipeline.toml``.

    Raises
    ------
    ProjectError
        If there is no such file.
    SourceError
        If it cannot be read, is no TOML, or says what cannot be.
    """
    path = folder / PROJECT_FILE
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ProjectError(
            f"{path}: there is no such file; name the folder of a pipeline, or scaffold one"
        ) from error
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise SourceError(f"{path}: is longer than {MAX_BYTES} bytes")
    try:
        table = msgspec.toml.decode(content, type=ProjectTable)
        return Project(folder, table)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SourceError(f"{path}: {_reason(error)}; mend the file") from error
    except (ValueError, TypeError) as error:
        raise SourceError(f"{path}: {error}") from error


def _reason(error: Exception) -> str:
    """Say in one line what is wrong, and where."""
    return str(error).replace("`", "").replace("$.", "").partition("\n")[0][:300]


def _aggregations(table: dict[str, str]) -> list[Aggregation]:
    """Read what to compute."""
    if not table:
        raise InputError("aggregations: there is none; give at least one, such as n = 'rows()'")
    made = []
    for name, text in table.items():
        try:
            made.append(read_aggregation(text).named(name))
        except (ValueError, TypeError) as error:
            raise InputError(f"aggregations.{name} = {text!r}: {error}") from error
    return made


def _types(source: SourceTable, names: tuple[str, ...]) -> dict[str, Any]:
    """Read the types of text columns."""
    for name, type_ in source.types.items():
        if type_ not in TYPES:
            raise InputError(f"source.types.{name} = {type_!r}: it is one of {', '.join(TYPES)}")
        if name not in names:
            raise InputError(f"source.types.{name}: that column is not used")
    return {name: TYPES[type_] for name, type_ in source.types.items()}


def _check_durations(table: ProjectTable) -> None:
    """Refuse what is too short, whatever the unit of the times."""
    window = table.window
    lengths = {"every": window.every, "period": window.period, "session": window.session}
    least: list[tuple[str, Time | None, bool]] = [("lateness", table.lateness, True)]
    least += [(f"window.{name}", length, False) for name, length in lengths.items()]
    for name, length, may_be_none in least:
        if length is None:
            continue
        units = length if isinstance(length, float) else in_units(length, NANOSECONDS, name)
        if not (units > 0 or (may_be_none and units == 0)):
            raise InputError(f"{name} is {length!r}: give a longer one")


def _window(table: WindowTable) -> Window:
    """Make the window."""
    asked = (table.every, table.calendar, table.session, table.count)
    if sum(one is not None for one in asked) != 1:
        raise InputError("window: give one of every, calendar, session, count")
    if table.period is not None and table.every is None:
        raise InputError("window.period goes with window.every")
    if table.session is not None:
        return Session(table.session)
    if table.count is not None:
        return Count(table.count)
    if table.calendar is not None:
        unit: Any = table.calendar
        if unit not in UNITS:
            raise InputError(f"window.calendar is {unit!r}: it is one of {', '.join(UNITS)}")
        return Calendar(unit, 1, table.tz)
    every: Any = table.every
    return Tumbling(every) if table.period is None else Sliding(table.period, every)
