"""What a decoder found wrong, in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa

from tidegate.core.errors import SerializationError
from tidegate.core.formats.formatlimits import FormatLimits

__all__ = ["LIMIT_OF", "OUT_OF_MEMORY", "WHAT", "bounded", "decoding_error"]

# The statuses of cursor.pxd.
TOO_LONG, TOO_MANY, TOO_MANY_FREE, TOO_DEEP, TOO_LARGE = 5, 6, 7, 8, 9
OUT_OF_MEMORY = 14

WHAT = {
    1: "the bytes end before the value does",
    2: "a variable-length integer takes more than 10 bytes or 64 bits",
    3: "a number is out of the range of its type",
    4: "a length or a count is below 0",
    TOO_LONG: "a string or bytes value is too long",
    TOO_MANY: "there are too many items",
    TOO_MANY_FREE: "there are too many items that take no bytes",
    TOO_DEEP: "values are nested too deeply",
    TOO_LARGE: "the columns become too large",
    10: "a string is not UTF-8",
    11: "the number of a branch or a symbol is out of range",
    12: "a value is none of its type",
    13: "a value has no place in the reader's schema",
    15: "bytes are left behind the last value",
    16: "there is a null where the schema allows none",
    17: "a field number or a wire type is none",
}

LIMIT_OF = {
    TOO_LONG: "text_bytes",
    TOO_MANY: "items",
    TOO_MANY_FREE: "free_items",
    TOO_DEEP: "depth",
    TOO_LARGE: "batch_bytes",
}


def decoding_error(
    what: str,
    status: int,
    limits: FormatLimits,
    *,
    offset: int | None = None,
    path: str | None = None,
    row: int | None = None,
) -> Exception:
    """Make the error of a status.

    Parameters
    ----------
    what
        What was read, such as ``"Avro"`` or the name of a file.
    status
        As a kernel gave it; not 0.
    limits
        What the kernel was given; a limit that was passed is named with its value.
    offset, path, row
        Where.

    Returns
    -------
    SerializationError or MemoryError
        To be raised.

    Examples
    --------
    >>> print(decoding_error("Avro", 10, FormatLimits(), offset=7, path="$.symbol", row=2))
    Avro: row 2, $.symbol, byte 7: a string is not UTF-8
    """
    if status == OUT_OF_MEMORY:
        return MemoryError(f"{what}: no memory for the columns")
    places = [
        "" if row is None else f"row {row}",
        path or "",
        "" if offset is None else f"byte {offset}",
    ]
    where = ", ".join(place for place in places if place)
    name = LIMIT_OF.get(status)
    limit = (
        "" if name is None else f"; limit {name} is {getattr(limits, name):,}: raise it if need be"
    )
    text = f"{what}: {where}: " if where else f"{what}: "
    return SerializationError(text + WHAT[status] + limit, offset=offset, path=path, row=row)


def bounded(
    batches: Iterable[pa.RecordBatch], limits: FormatLimits, n_bytes: int, what: str
) -> Iterator[pa.RecordBatch]:
    """Pass batches on, as long as they are within what one `loads` may give in all.

    Parameters
    ----------
    batches
        As they are read: none is asked for behind the one that is too much.
    limits
        What is taken at most; see `FormatLimits.for_table`.
    n_bytes
        How many bytes they are read from.
    what
        What is read, for the error.

    Raises
    ------
    SerializationError
        Limit table_bytes is passed.
    """
    most = limits.for_table(n_bytes)
    n_rows = n_taken = 0
    for batch in batches:
        n_taken += batch.get_total_buffer_size()
        if n_taken > most:
            raise SerializationError(
                f"{what}: the columns of the rows up to {n_rows + batch.num_rows:,} take "
                f"{n_taken:,} bytes; limit table_bytes is {most:,}: raise it if need be, or read "
                "batch by batch",
                row=n_rows,
            )
        n_rows += batch.num_rows
        yield batch
