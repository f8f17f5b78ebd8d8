"""NDJSON files: one JSON object a line; types as found in the first 4 MiB hold from there on.

Parsed by msgspec, not by pyarrow: the latter is a little faster, but deep nesting overflows its
stack and kills the process, and it reads integers beyond int64 as floats.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import pyarrow as pa

from tidegate.core.errors import ColumnNotFoundError, SourceError
from tidegate.core.files import WIDEN, Columns, InputFile, line_blocks, whole_lines

__all__ = ["NdjsonReader"]

MARK = b"\xef\xbb\xbf"  # the UTF-8 byte order mark


class NdjsonReader:
    """A file of one JSON object a line; all of it is one part."""

    def __init__(self, file: InputFile, columns: Columns) -> None:
        self.file = file
        self.least_times: list[int | float | None] = [None]
        head = whole_lines(file).removeprefix(MARK)
        anything = dict.fromkeys(columns.names, Any)
        objects = _Decoder(file, anything, default=msgspec.UNSET).decode(head, 0)
        self.schema = pa.schema(
            [
                (name, self._type(name, index, objects, columns, head))
                for index, name in enumerate(columns.names)
            ]
        )

    def _type(
        self, name: str, index: int, objects: list[Any], columns: Columns, head: bytes
    ) -> pa.DataType:
        """Guess the type of a field from its values in the first lines."""
        if name in columns.types:
            return columns.types[name]
        values = [getattr(row, f"f{index}") for row in objects]
        if objects and all(value is msgspec.UNSET for value in values):
            raise ColumnNotFoundError(
                f"{self.file.name}: no line of the first {len(objects)} has a field {name!r}; "
                f"the first line has: {_field_names(head)}"
            )
        kinds = {
            type(value) for value in values if value is not None and value is not msgspec.UNSET
        }
        if kinds == {str} and name == columns.time:
            return _time_type([value for value in values if isinstance(value, str)])
        type_ = _json_type(kinds, values)
        if type_ is None:
            found = " and ".join(sorted(JSON_KINDS.get(kind, kind.__name__) for kind in kinds))
            hint = WIDEN.format(name=name)
            raise SourceError(f"{self.file.name}: field {name!r} holds {found}; {hint}")
        return type_

    def batches(self, schema: pa.Schema) -> Iterator[tuple[int, pa.RecordBatch, float]]:
        """Yield the rows block by block."""
        types = dict(zip(schema.names, schema.types, strict=True))
        decoder = _Decoder(self.file, {name: _json_hint(type_) for name, type_ in types.items()})
        n_lines = 0
        for block in line_blocks(self.file.open()):
            lines = block if n_lines else block.removeprefix(MARK)
            objects = decoder.decode(lines, n_lines)
            columns = []
            for index, (name, type_) in enumerate(types.items()):
                values = [getattr(row, f"f{index}") for row in objects]
                try:
                    columns.append(_to_array(values, type_))
                except (pa.ArrowInvalid, OverflowError) as error:
                    raise self._misfit(values, name, type_, lines, n_lines) from error
            n_lines += block.count(b"\n")
            yield 0, pa.record_batch(columns, names=schema.names), self.file.share_read()

    def _misfit(
        self, values: list[Any], name: str, type_: pa.DataType, block: bytes, n_lines: int
    ) -> SourceError:
        """Say which value of a column does not fit its type; `n_lines` stand before the block."""
        filled = [at for at, line in enumerate(block.splitlines(), n_lines + 1) if line.strip()]
        where = "", None
        for value, line in zip(values, filled, strict=False):
            try:
                _to_array([value], type_)
            except (pa.ArrowInvalid, OverflowError):
                where = f", line {line}", value
                break
        return SourceError(
            f"{self.file.name}{where[0]}, field {name!r}: {str(where[1])[:80]!r} is not {type_}; "
            f"{WIDEN.format(name=name)}"
        )


JSON_KINDS = {
    int: "integers",
    float: "numbers",
    str: "strings",
    bool: "booleans",
    list: "arrays",
    dict: "objects",
}


def _json_type(kinds: set[type], values: Iterable[Any]) -> pa.DataType | None:
    """Find the type that holds values of these kinds; None: there is none."""
    if not kinds:
        return pa.null()
    if kinds == {int}:
        largest = max(value for value in values if isinstance(value, int))
        return pa.uint64() if largest > 2**63 - 1 else pa.int64()
    if kinds <= {int, float}:
        return pa.float64()
    if kinds == {bool}:
        return pa.bool_()
    return pa.string() if kinds == {str} else None


def _json_hint(type_: pa.DataType) -> Any:
    """Say what msgspec may accept for a column of this type."""
    if pa.types.is_null(type_):
        return None
    if pa.types.is_boolean(type_):
        return bool | None
    if pa.types.is_integer(type_):
        return int | None
    if pa.types.is_floating(type_):
        return float | None
    if pa.types.is_timestamp(type_) or pa.types.is_date(type_):
        return int | str | None
    return str | None


def _time_type(texts: list[str]) -> pa.DataType:
    """Tell local from zoned ISO times; text that is neither stays text."""
    for type_ in (pa.timestamp("ns"), pa.timestamp("ns", "UTC"), pa.timestamp("s")):
        try:
            pa.array(texts, pa.string()).cast(type_)
        except pa.ArrowInvalid:
            continue
        return type_
    return pa.string()


def _to_array(values: list[Any], type_: pa.DataType) -> pa.Array[Any]:
    """Make an Arrow array; times may be ISO texts or numbers in the unit of the type."""
    if not (pa.types.is_timestamp(type_) or pa.types.is_date(type_)):
        return pa.array(values, type_)
    array: pa.Array[Any] = pa.array(values)
    if pa.types.is_date32(type_) and pa.types.is_integer(array.type):
        array = array.cast(pa.int32())
    return array.cast(type_)


class _Decoder:
    """Lines of JSON as objects whose attributes ``f0``, ``f1`` … are the wanted fields."""

    def __init__(self, file: InputFile, hints: dict[str, Any], *, default: Any = None) -> None:
        self._file = file
        fields = [(f"f{index}", hint, default) for index, hint in enumerate(hints.values())]
        names = {f"f{index}": name for index, name in enumerate(hints)}
        self._decoder = msgspec.json.Decoder(
            msgspec.defstruct("Row", fields, rename=names, gc=False)
        )

    def decode(self, block: bytes, n_lines: int) -> list[Any]:
        """Decode whole lines; `n_lines` stand before them."""
        try:
            return self._decoder.decode_lines(block)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise self._explained(block, n_lines, error) from error

    def _explained(self, block: bytes, n_lines: int, error: Exception) -> SourceError:
        """Find the line that is wrong, one by one: this happens once, and costs one block."""
        number = 0
        for number, line in enumerate(block.splitlines(), n_lines + 1):  # noqa: B007
            try:
                self._decoder.decode_lines(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
                error = wrong
                break
        reason = str(error).replace("`", "").replace("$[0].", "").replace("$[0]", "the line")
        return SourceError(f"{self._file.name}, line {number}: {reason[:300]}; mend the line")


def _field_names(head: bytes) -> str:
    """List the fields of the first object, for a message."""
    try:
        first = next(iter(msgspec.json.Decoder().decode_lines(head.lstrip().partition(b"\n")[0])))
    except (msgspec.DecodeError, StopIteration):
        return "no field"
    return ", ".join(map(str, list(first)[:20])) or "no field"
