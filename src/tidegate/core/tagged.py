"""Records as a document with the name of its format in front."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tidegate.core.errors import InputError

__all__ = ["TaggedRecords"]


class TaggedRecords:
    """Records that can be written as JSON, Avro or Parquet, with a tag in front.

    Parameters
    ----------
    data : dict or list of dict
        One record, or several.

    Examples
    --------
    >>> TaggedRecords([{"id": 1}, {"id": 2}]).serialize("json")
    b'JSON:[{"id":1},{"id":2}]'
    """

    def __init__(self, data: Any) -> None:
        self.data = data

    def serialize(self, fmt: str) -> bytes:
        """Write the tag, ``JSON:``, ``AVRO:`` or ``PARQUET:``, and the document.

        Parameters
        ----------
        fmt : {"json", "avro", "parquet"}
            In any case. JSON is one document, an object for one record and an array for several;
            Avro is an object container file.

        Returns
        -------
        bytes

        Raises
        ------
        InputError
            If there is no such format.
        TypeError, ValueError
            If the data cannot be written in it.
        """
        writers: dict[str, Callable[[Any], bytes]] = {
            "json": _json,
            "avro": _of_registry("avro"),
            "parquet": _of_registry("parquet"),
        }
        name = fmt.lower() if isinstance(fmt, str) else fmt
        if name not in writers:
            raise InputError(f"there is no format {fmt!r}: choose from {', '.join(writers)}")
        return name.upper().encode() + b":" + writers[name](self.data)


def _json(data: Any) -> bytes:
    """Write one document."""
    import msgspec  # not needed to import the package

    document: bytes = msgspec.json.encode(data)
    return document


def _of_registry(name: str) -> Callable[[Any], bytes]:
    """Write by a serializer of the registry, which takes lists."""

    def dumps(data: Any) -> bytes:
        from tidegate.core.serializers import serializers  # the formats are not light

        return serializers.get(name).dumps([data] if isinstance(data, Mapping) else list(data))

    return dumps
