"""Files of any format for `convert` and `schema`: its format, its schema, and a stream of it."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
import pyarrow as pa

from tidegate.cli.base import fail_usage
from tidegate.core.errors import SerializationError, SourceError
from tidegate.core.serializers import Serializer, built_in, serializers

__all__ = [
    "Described",
    "File",
    "describe",
    "find_file",
    "format_option",
    "read_batches",
    "schema_options",
]

Command = TypeVar("Command", bound=Callable[..., Any])

SUFFIXES = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".arrows": "arrow",
    ".ipc": "arrow",
    ".feather": "arrow",
    ".avro": "avro",
    ".csv": "csv",
    ".ndjson": "json",
    ".jsonl": "json",
    ".binpb": "protobuf",
    ".pb": "protobuf",
}
PACKED = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2"}
TEXT = ("csv", "json")
AVRO_SCHEMAS = (".avsc", ".json")
MESSAGES = (".desc", ".protoset", ".binpb", ".pb")
MAX_SCHEMA = 64 << 20  # bytes of a descriptor set


@dataclass(frozen=True, slots=True)
class File:
    """A file, or standard input or output (no path), and its format."""

    path: Path | None
    format: str
    packed: str | None = None

    @property
    def name(self) -> str:
        """What messages call it."""
        return "-" if self.path is None else str(self.path)

    @contextmanager
    def opened(self) -> Iterator[Any]:
        """Give what a serializer reads from: the path, or a stream."""
        if self.path is not None and self.packed is None:
            yield self.path
        elif self.path is not None:
            try:
                raw = pa.OSFile(str(self.path), mode="r")
            except OSError as error:
                reason = str(error).partition(". Detail")[0]
                raise SourceError(f"{self.name}: cannot be read: {reason}") from error
            codec: Any = self.packed
            with raw, pa.CompressedInputStream(raw, codec) as stream:
                yield stream
        elif self.format in ("parquet", "arrow"):
            with tempfile.TemporaryFile() as spool:  # their end is read first
                shutil.copyfileobj(sys.stdin.buffer, spool, 1 << 20)
                spool.seek(0)
                yield spool
        else:
            yield sys.stdin.buffer


@dataclass(frozen=True, slots=True)
class Described:
    """What the file of ``--schema`` says."""

    name: str = ""
    avro: bytes | None = None
    """The text of an Avro schema."""
    message: bytes | None = None
    """A set of Protobuf descriptors."""
    message_name: str | None = None
    arrow: pa.Schema | None = None
    """The columns, whichever way they were said."""

    def reader(self, format_: str) -> Serializer:
        """Make what reads a format by this schema."""
        if format_ == "avro" and self.avro is not None:
            return built_in("avro")(schema=self.avro)
        if format_ == "protobuf":
            if self.message is None and self.arrow is None:
                fail_usage("Protobuf doesn't say what its messages are: give --schema")
            return self._protobuf(format_)
        if format_ == "json" and self.arrow is not None:
            return built_in("json")(schema=self.arrow)
        if format_ == "csv" and self.arrow is not None:
            return built_in("csv")(schema=self.arrow)
        return serializers.get(format_)

    def writer(self, format_: str, codec: str | None) -> Serializer:
        """Make what writes a format by this schema."""
        if codec is not None and format_ not in ("avro", "parquet"):
            fail_usage(f"--codec is for avro and parquet, not for {format_}")
        if format_ == "avro":
            return built_in("avro")(schema=self.avro, codec=codec or "null")
        if format_ == "parquet":
            return built_in("parquet")(compression=codec or "zstd")
        if format_ == "protobuf":
            return self._protobuf(format_)
        return serializers.get(format_)

    def _protobuf(self, format_: str) -> Serializer:
        """Make the serializer of a message."""
        if self.message is None and self.arrow is None:
            return serializers.get(format_)
        message = self.arrow if self.message is None else self.message
        return built_in("protobuf")(message, name=self.message_name)


def find_file(name: str, given: str | None, option: str) -> File:
    """Tell the format of a file by its name, unless it was given."""
    path = None if name == "-" else Path(name)
    packed = None if path is None else PACKED.get(path.suffix.lower())
    plain = path if path is None or packed is None else path.with_suffix("")
    found = given or (None if plain is None else SUFFIXES.get(plain.suffix.lower()))
    if found is None:
        fail_usage(
            f"{name}: the name does not tell the format; give {option} "
            f"{'|'.join(serializers.names())}"
        )
    if packed is not None and (option == "--to" or found not in TEXT):
        fail_usage(f"{name}: only csv and json are read packed, none is written so")
    return File(path, found, packed)


def format_option(name: str, whose: str) -> Callable[[Command], Command]:
    """Make the option that gives a format."""
    return click.option(
        name,
        f"{name.lstrip('-')}_",
        metavar="FORMAT",
        callback=_check_format,
        help=f"Format of {whose}, where the name does not tell it: json (lines), avro, protobuf, "
        "parquet, arrow, csv, or what a package brings.",
    )


def _check_format(_ctx: click.Context, _parameter: click.Parameter, value: str | None) -> Any:
    """Refuse a format that there is not."""
    if value is not None and value not in serializers.names():
        raise click.BadParameter(f"{value!r} is none of {', '.join(serializers.names())}")
    return value


def schema_options(command: Command) -> Command:
    """Add the options that give a schema."""
    command = click.option(
        "--message",
        metavar="NAME",
        help="Full name of the Protobuf message, where a descriptor set has several.",
    )(command)
    return click.option(
        "--schema",
        "schema_file",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="What the records are: an Avro schema (.avsc), a Protobuf descriptor set (.desc, made "
        "by protoc --include_imports --descriptor_set_out), or any Parquet, Arrow or Avro file "
        "with the columns. Protobuf input needs it; JSON and CSV input have their types by it.",
    )(command)


def describe(path: Path | None, message: str | None) -> Described:
    """Read the file of ``--schema``."""
    if path is None:
        if message is not None:
            fail_usage("--message names a message of --schema FILE; give that too")
        return Described()
    suffix = path.suffix.lower()
    if suffix in AVRO_SCHEMAS:
        from tidegate.core.formats.avroarrow import arrow_schema_of
        from tidegate.core.formats.avroschema import parse_schema
        from tidegate.core.formats.formatlimits import FormatLimits

        text = _content(path)
        columns = arrow_schema_of(parse_schema(text, FormatLimits())[0])
        return Described(str(path), avro=text, arrow=columns, message_name=message)
    if suffix in MESSAGES:
        content = _content(path)
        format_: Any = built_in("protobuf")(content, name=message)
        columns = format_.schema
        return Described(str(path), message=content, message_name=message, arrow=columns)
    format_ = SUFFIXES.get(suffix, "")
    if format_ not in ("parquet", "arrow", "avro"):
        known = ", ".join([*AVRO_SCHEMAS, *MESSAGES])
        fail_usage(f"--schema {path}: expected {known}, or a Parquet, Arrow or Avro file")
    first = next(iter(serializers.get(format_).read(path)))
    columns = first.schema.remove_metadata()
    return Described(str(path), arrow=columns, message_name=message)


def _content(path: Path) -> bytes:
    """Read a small file."""
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_SCHEMA + 1)
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}") from error
    if len(content) > MAX_SCHEMA:
        raise SerializationError(f"{path}: a schema of more than {MAX_SCHEMA:,} bytes")
    return content


def read_batches(
    file: File, source: Any, serializer: Any, columns: Sequence[str] | None
) -> Generator[pa.RecordBatch, None, None]:
    """Read batches; an error says which file it is."""
    try:
        if columns is None:
            yield from serializer.read(source)
        else:
            yield from serializer.read(source, columns=columns)
    except SerializationError as error:
        if str(error).startswith(file.name):
            raise
        raise SerializationError(f"{file.name}: {error}") from error
