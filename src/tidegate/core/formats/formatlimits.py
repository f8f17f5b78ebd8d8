"""What a decoder takes at most: every byte that it reads is hostile."""

from __future__ import annotations

from dataclasses import dataclass, fields

from tidegate.core.errors import InputError

__all__ = ["FormatLimits"]

TABLE_BYTES, EXPANSION = 1 << 30, 64  # of one `loads`: at most, for each byte that is read
MOST_DEPTH = 200  # a level costs up to three frames of Python, which ends at 1,000


@dataclass(frozen=True, kw_only=True)
class FormatLimits:
    """Limits of what is read from bytes; passing one is an error that names it.

    Parameters
    ----------
    depth
        Levels of nested types or values; 200 at most.
    items
        Items of one array or map, and rows of one block.
    free_items
        Items and rows without bytes (of type null, say) in one batch, and in all that one `loads`
        gives: a few bytes can ask for any number of them.
    text_bytes
        Bytes of one string, or of one value of bytes.
    block_bytes
        Bytes of one block of a file, after decompression; of one message of a stream.
    batch_bytes
        Bytes of the columns of one record batch.
    table_bytes
        Bytes of all columns that one `loads` gives. None: 1 GiB, or 64 times the bytes that are
        read, where that is more.
    schema_bytes
        Bytes of the text of a schema.
    names
        Named types and fields in a schema.

    Raises
    ------
    InputError
        A limit is no positive integer, or the depth is above 200.

    Examples
    --------
    >>> FormatLimits(depth=8).depth
    8
    """

    depth: int = 64
    items: int = 1 << 24
    free_items: int = 1 << 20
    text_bytes: int = 1 << 24
    block_bytes: int = 1 << 24
    batch_bytes: int = 1 << 30
    table_bytes: int | None = None
    schema_bytes: int = 1 << 20
    names: int = 10_000

    def __post_init__(self) -> None:
        """Check the limits."""
        for field in fields(self):
            value = getattr(self, field.name)
            if value is None and field.name == "table_bytes":
                continue
            if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 1 << 62:
                raise InputError(
                    f"limit {field.name}: {value!r} is no positive integer below 2**62"
                )
        if self.depth > MOST_DEPTH:
            raise InputError(f"limit depth: {self.depth} is above {MOST_DEPTH}")

    def for_kernel(self) -> tuple[int, int, int, int, int]:
        """Give the limits that kernels know, in the order of `Limits` in cursor.pxd."""
        return self.depth, self.items, self.free_items, self.text_bytes, self.batch_bytes

    def for_table(self, n_bytes: int) -> int:
        """Give how many bytes all columns may take that come of so many bytes.

        Examples
        --------
        >>> FormatLimits().for_table(1 << 30) == 64 << 30
        True
        """
        if self.table_bytes is not None:
            return self.table_bytes
        return max(TABLE_BYTES, EXPANSION * n_bytes)
