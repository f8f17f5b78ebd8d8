"""A view of the registry of serializers as a mapping, to which anything may be added."""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

from tidegate.core.errors import ColumnTypeError

__all__ = ["SerializerView"]


class SerializerView(MutableMapping[str, Any]):
    r"""Some of the serializers of the registry, and whatever is added; nothing goes back to it.

    Parameters
    ----------
    names : tuple of str
        Those of the registry; each is looked up when it is asked for.
    shown_as : callable, optional
        What to give of a serializer of the registry; by default the object itself.

    Examples
    --------
    >>> mine = SerializerView(("json", "avro"), shown_as=lambda made: made.dumps)
    >>> mine["xml"] = repr
    >>> mine.add("repr", repr) is mine
    True
    >>> list(mine), mine["json"]([{"id": 1}])
    (['json', 'avro', 'xml', 'repr'], b'{"id":1}\n')
    """

    def __init__(
        self, names: tuple[str, ...], *, shown_as: Callable[[Any], Any] | None = None
    ) -> None:
        self._shown_as = shown_as
        self._not_yet = dict.fromkeys(names)
        self._known: dict[str, Any] = {}

    def add(self, name: str, serializer: Any) -> SerializerView:
        """Add any object under a name, in place of what has it here, and return the view."""
        self[name] = serializer
        return self

    def __getitem__(self, name: str) -> Any:
        if name in self._not_yet:
            from tidegate.core.serializers import serializers  # the formats are not light

            made = serializers.get(name)
            self._known[name] = made if self._shown_as is None else self._shown_as(made)
            del self._not_yet[name]
        return self._known[name]

    def __setitem__(self, name: str, serializer: Any) -> None:
        if not isinstance(name, str):
            raise ColumnTypeError(f"a serializer is named by a str, not {name!r}")
        self._not_yet.pop(name, None)
        self._known[name] = serializer

    def __delitem__(self, name: str) -> None:
        if name in self._not_yet:
            del self._not_yet[name]
        else:
            del self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter([*self._not_yet, *self._known])

    def __len__(self) -> int:
        return len(self._not_yet) + len(self._known)
