"""The registry of serializers, by name: ``tidegate.serializers``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from typing import Any, Protocol, runtime_checkable

import pyarrow as pa

from tidegate.core.errors import InputError, SerializationError, TidegateError

__all__ = ["Registry", "Serializer", "built_in", "serializers"]

GROUP = "tidegate.serializers"  # of entry points: other packages' serializers
BUILT_IN = {  # name: where it is; imported only when it is asked for
    "arrow": "tidegate.core.formats.arrowipc:ArrowIpc",
    "avro": "tidegate.core.formats.avro:Avro",
    "csv": "tidegate.core.formats.csv:Csv",
    "json": "tidegate.core.formats.jsonlines:JsonLines",
    "parquet": "tidegate.core.formats.parquet:Parquet",
    "protobuf": "tidegate.core.formats.protobuf:Protobuf",
}
PARTS = ("dumps", "loads", "write", "read")


@runtime_checkable
class Serializer(Protocol):
    """What turns rows into bytes of one format, and back."""

    media_type: str
    """The format's registered name, such as ``application/avro``."""

    def dumps(self, rows: Any, /) -> bytes:
        """Write a table, a record batch or a list of dicts as bytes."""
        ...

    def loads(self, data: bytes, /) -> pa.Table:
        """Read bytes; what is wrong with them is a `SerializationError`."""
        ...

    def write(self, path_or_file: Any, batches: Iterable[pa.RecordBatch], /) -> Any:
        """Write batches to a path or an open file, in bounded memory."""
        ...

    def read(self, path_or_file: Any, /) -> Iterator[pa.RecordBatch]:
        """Read batches from a path or an open file, in bounded memory."""
        ...


class Registry:
    r"""Serializers by name.

    Built in are json (lines), avro, protobuf, parquet, arrow (IPC) and csv. Packages add theirs by
    an entry point of the group ``tidegate.serializers``: an object, or a class that is called
    without arguments. Nothing is imported before it is asked for.

    Parameters
    ----------
    parent : Registry, optional
        Where a name is looked for that is not here.

    Examples
    --------
    >>> import tidegate as tg
    >>> tg.serializers.names()
    ['arrow', 'avro', 'csv', 'json', 'parquet', 'protobuf']
    >>> tg.serializers.get("json").dumps([{"ts": 1}])
    b'{"ts":1}\n'
    >>> mine = tg.serializers.view()
    >>> mine.register("lines", tg.serializers.get("json"))
    >>> "lines" in mine.names(), "lines" in tg.serializers.names()
    (True, False)
    """

    def __init__(self, parent: Registry | None = None) -> None:
        self._parent = parent
        self._known: dict[str, Serializer] = {}

    def register(self, name: str, serializer: Serializer, /, *, replace: bool = False) -> None:
        """Add a serializer.

        Parameters
        ----------
        name : str
            What it will be asked for by.
        serializer : Serializer
            An object with `dumps`, `loads`, `write`, `read` and `media_type`.
        replace : bool, default False
            Whether it may take the place of another one of this name.

        Raises
        ------
        InputError
            If the name is taken or empty, or the object is no serializer.
        """
        if not isinstance(name, str) or not name:
            raise InputError(f"the name of a serializer is {name!r}; expected a text")
        if not replace and name in self.names():
            raise InputError(
                f"there is a serializer {name!r} already; choose another name, or replace=True"
            )
        lacks = _lacks(serializer)
        if lacks:
            raise InputError(
                f"{type(serializer).__name__} is no serializer: it lacks {', '.join(lacks)}"
            )
        self._known[name] = serializer

    def get(self, name: str, /) -> Serializer:
        """Return a serializer.

        Raises
        ------
        InputError
            If there is none of this name.
        SerializationError
            If the package that brings it is broken.
        """
        found = self._find(name)
        if found is None:
            raise InputError(
                f"there is no serializer {name!r}; there are {', '.join(self.names())}"
            )
        return found

    def names(self) -> list[str]:
        """Return the names of all serializers, sorted; none is loaded for that."""
        if self._parent is not None:
            return sorted({*self._parent.names(), *self._known})
        return sorted({*BUILT_IN, *self._known, *(point.name for point in _entry_points())})

    def view(self) -> Registry:
        """Return a registry that has all of this one; what is registered there, is there only."""
        return Registry(self)

    def _find(self, name: str) -> Serializer | None:
        """Look for a name here, then above."""
        found = self._known.get(name)
        if found is not None:
            return found
        if self._parent is not None:
            return self._parent._find(name)
        if name in BUILT_IN:
            found = built_in(name)()
        else:
            points = [point for point in _entry_points() if point.name == name]
            if not points:
                return None
            found = _from_package(name, points)
        self._known[name] = found
        return found


def _lacks(thing: object) -> list[str]:
    """Say what an object lacks to be a serializer."""
    lacks = [name for name in PARTS if not callable(getattr(thing, name, None))]
    media_type = getattr(thing, "media_type", None)
    return lacks if isinstance(media_type, str) else [*lacks, "media_type"]


def built_in(name: str) -> Callable[..., Serializer]:
    """Return the class of a built-in serializer; without arguments it makes the usual one."""
    module, _, word = BUILT_IN[name].partition(":")
    made: Callable[..., Serializer] = getattr(import_module(module), word)
    return made


def _entry_points() -> list[Any]:
    """List what installed packages bring; the built-in names are not theirs to take."""
    from importlib.metadata import entry_points  # 10 ms, and not needed for the built-in ones

    return [point for point in entry_points(group=GROUP) if point.name not in BUILT_IN]


def _from_package(name: str, points: list[Any]) -> Serializer:
    """Load a serializer that a package brings; whatever is wrong with it is said here."""
    where = " and ".join(
        sorted(
            f"{point.dist.name if point.dist else 'a package'} ({point.value})" for point in points
        )
    )
    if len(points) > 1:
        raise SerializationError(f"serializer {name!r} is brought by {where}; remove one of them")
    try:
        found = points[0].load()
        found = found() if isinstance(found, type) else found
        lacks = _lacks(found)
    except TidegateError:
        raise
    except Exception as error:
        raise SerializationError(
            f"serializer {name!r} of {where} cannot be loaded: {type(error).__name__}: {error}"
        ) from error
    if lacks:
        raise SerializationError(f"serializer {name!r} of {where} lacks {', '.join(lacks)}")
    serializer: Serializer = found
    return serializer


serializers = Registry()
