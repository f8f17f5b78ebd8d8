"""What stands on a command line as input or output -> files with a format."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa

from tidegate.cli.base import fail_usage
from tidegate.core.errors import SourceError
from tidegate.core.files import Format, InputFile
from tidegate.core.typenames import TYPES

__all__ = ["FORMATS", "find_inputs", "output_format", "parse_types"]

FORMATS = [str(name) for name in Format]


def find_inputs(names: Sequence[str], given: Format | None) -> list[InputFile]:
    """Find the files that the user named.

    Parameters
    ----------
    names
        Files, folders (their files, by name; not those in folders below, nor hidden ones), globs,
        or ``-`` for standard input.
    given
        The format that the user gave; None: as each name says.

    Returns
    -------
    list of InputFile
        In the order in which they are read.

    Raises
    ------
    SourceError
        Nothing is there, or something is there twice.
    """
    files: list[InputFile] = []
    for name in names:
        files += [_file(path, given) for path in _paths(name, given)]
    seen: dict[Path | None, str] = {}
    for file in files:
        place = file.path.resolve() if file.path else None
        if place in seen:
            raise SourceError(f"{file.name}: is given twice, also as {seen[place]}; name it once")
        seen[place] = file.name
    return files


def _paths(name: str, given: Format | None) -> list[Path | None]:
    """Turn one name into paths; None is standard input."""
    if name == "-":
        return [None]
    path = Path(name)
    if path.is_dir():
        return list(_folder(path, given))
    if path.exists() or not glob.has_magic(name):
        return [path]
    found = sorted(Path(match) for match in glob.glob(name, recursive=True))  # noqa: PTH207 - absolute patterns too
    files: list[Path | None] = [match for match in found if not match.is_dir()]
    if not files:
        raise SourceError(f"{name}: no file is named like this; check the pattern")
    return files


def _folder(folder: Path, given: Format | None) -> Iterable[Path]:
    """List the files of a folder that are of a known format, and of one format only."""
    try:
        files = sorted(path for path in folder.iterdir() if path.is_file())
    except OSError as error:
        raise SourceError(f"{folder}: cannot be listed: {error.strerror}") from error
    formats = {
        path: found
        for path in files
        if not path.name.startswith((".", "_")) and (found := Format.of_name(path))
    }
    kinds = sorted(set(formats.values()))
    if given is not None:
        formats = {path: found for path, found in formats.items() if found is given}
    elif len(kinds) > 1:
        raise SourceError(f"{folder}: holds {' and '.join(kinds)}; choose one with --format")
    if not formats:
        raise SourceError(f"{folder}: holds no file of a known format; name the files themselves")
    return formats


def _file(path: Path | None, given: Format | None) -> InputFile:
    """Describe one file."""
    found = given or (Format.of_name(path) if path else None)
    if found is None:
        if path is not None and not path.exists():
            raise SourceError(f"{path}: there is no such file; check the path")
        name = "standard input (-)" if path is None else str(path)
        fail_usage(f"{name}: the name does not tell the format; give --format {'|'.join(FORMATS)}")
    return InputFile(path, found)


def output_format(path: Path | None, given: Format | None, option: str) -> Format:
    """Tell the format of an output from its name, unless it was given."""
    found = given or (Format.of_name(path) if path else None)
    name = "standard output (-)" if path is None else str(path)
    if found is None:
        fail_usage(f"{name}: the name does not tell the format; give {option} {'|'.join(FORMATS)}")
    if path is not None and path.suffix.lower() in (".gz", ".zst", ".bz2"):
        fail_usage(f"{name}: packed output is not written; leave out {path.suffix}")
    return found


def parse_types(texts: Iterable[str]) -> dict[str, pa.DataType]:
    """Read ``COLUMN=TYPE`` options."""
    types: dict[str, pa.DataType] = {}
    for text in texts:
        name, _, type_ = text.rpartition("=")
        if not name or type_ not in TYPES:
            fail_usage(f"--type {text}: expected COLUMN=TYPE, TYPE one of {', '.join(TYPES)}")
        types[name] = TYPES[type_]
    return types
