"""Lineage of records: which steps each one went through, in order, with times on request.

Steps are kept by the record's id in a `LineageStore`, or in the record itself. Of windows,
`tidegate.core.tracing` tells the rows.
"""

from __future__ import annotations

import functools
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping, MutableMapping
from typing import Any, TypeVar, overload

from tidegate.core.errors import ColumnTypeError, InputError
from tidegate.core.wrapping import RecordFinder, kind_of, name_of, rewrap

__all__ = ["LineageStore", "lineage_store", "mark_step", "track_lineage"]

F = TypeVar("F", bound=Callable[..., Any])
RECORDS = (dict, Mapping)  # a dict is by far the quicker one to ask for
R = TypeVar("R", bound=MutableMapping[str, Any])


class LineageStore(Mapping[Any, list[str]]):
    """The steps of each record, by its id: a mapping of lists of names.

    Parameters
    ----------
    max_records : int, default 100_000
        How many records are kept; when one more comes, the one that came first goes, and is
        counted in `n_dropped`.
    times : bool, default False
        Whether to keep the time of each step too, for `times_of`.
    clock : callable, optional
        Gives the time in seconds; by default ``time.time``.

    Attributes
    ----------
    n_dropped : int
        Records that are no longer kept.

    Notes
    -----
    Thread-safe. The lists are those that are kept: they grow as the record goes on.

    Examples
    --------
    >>> store = LineageStore(max_records=2)
    >>> for record_id in (1, 2, 2, 3):
    ...     store.add(record_id, "clean")
    >>> dict(store), store.n_dropped
    ({2: ['clean', 'clean'], 3: ['clean']}, 1)
    """

    def __init__(
        self,
        max_records: int = 100_000,
        *,
        times: bool = False,
        clock: Callable[[], float] | None = None,
    ) -> None:
        if isinstance(max_records, bool) or not isinstance(max_records, int) or max_records < 1:
            raise InputError(f"max_records is {max_records!r}: give an integer from 1 on")
        self._max_records = max_records
        self._steps: OrderedDict[Hashable, list[str]] = OrderedDict()
        self._times: dict[Hashable, list[float]] | None = {} if times else None
        self._clock = clock
        self._lock = threading.Lock()
        self.n_dropped = 0

    def add(self, record_id: Hashable, step: str) -> None:
        """Note that a record goes through a step.

        Raises
        ------
        ColumnTypeError
            If the id cannot be a key.
        """
        try:
            with self._lock:
                steps = self._steps.get(record_id)
                if steps is None:
                    steps = self._make_room(record_id)
                steps.append(step)
                if self._times is not None:
                    now = self._clock() if self._clock is not None else time.time()
                    self._times[record_id].append(now)
        except TypeError as error:
            raise ColumnTypeError(f"lineage: id {record_id!r} cannot be a key: {error}") from error

    def _make_room(self, record_id: Hashable) -> list[str]:
        """Begin the list of a new record; the oldest record goes where there are too many."""
        steps = self._steps[record_id] = []
        if self._times is not None:
            self._times[record_id] = []
        if len(self._steps) > self._max_records:
            oldest, _ = self._steps.popitem(last=False)
            self.n_dropped += 1
            if self._times is not None:
                del self._times[oldest]
        return steps

    def times_of(self, record_id: Hashable) -> list[float]:
        """Give the time of each step of a record, in seconds.

        Raises
        ------
        InputError
            If the store keeps no times.
        KeyError
            If it does not have the record.
        """
        if self._times is None:
            raise InputError("times_of: the store keeps no times; make it with times=True")
        return self._times[record_id]

    @property
    def has_times(self) -> bool:
        """Whether the store keeps the times of steps."""
        return self._times is not None

    def clear(self) -> None:
        """Forget all records, and the count of those that had gone."""
        with self._lock:
            self._steps.clear()
            if self._times is not None:
                self._times.clear()
            self.n_dropped = 0

    def __getitem__(self, record_id: Hashable) -> list[str]:
        return self._steps[record_id]

    def __iter__(self) -> Iterator[Any]:
        """Go through the ids that are there now, oldest first."""
        with self._lock:
            return iter(list(self._steps))

    def __len__(self) -> int:
        return len(self._steps)

    def __repr__(self) -> str:
        return f"LineageStore({dict(self._steps)!r})"


lineage_store = LineageStore()


@overload
def track_lineage(
    function: F, /, *, store: LineageStore | None = ..., id: str = ..., step: str | None = ...
) -> F: ...
@overload
def track_lineage(
    *, store: LineageStore | None = ..., id: str = ..., step: str | None = ...
) -> Callable[[F], F]: ...
def track_lineage(
    function: Any = None,
    /,
    *,
    store: LineageStore | None = None,
    id: str = "id",  # noqa: A002  # the word that records have
    step: str | None = None,
) -> Any:
    """Note each record that a function is called with: decorator.

    Parameters
    ----------
    function : callable
        Takes the record, a mapping, as its first argument (after ``self``).
    store : LineageStore, optional
        Where to note; by default ``tidegate.core.lineage.lineage_store``, the same for all.
    id : str, default "id"
        The field that says which record it is. A record without it is not tracked.
    step : str, optional
        What to call the step, by default the function's name.

    Returns
    -------
    callable
        Of the same name, docstring and signature. The step is noted before the call, so that it is
        there also where the function fails.

    Raises
    ------
    ColumnTypeError
        At a call, if the id of a record cannot be a key.

    Examples
    --------
    >>> import tidegate as tg
    >>> from tidegate.core.lineage import LineageStore
    >>> store = LineageStore()
    >>> @tg.track_lineage(store=store)
    ... def clean(record):
    ...     return record
    >>> clean({"id": 7}) and clean({"id": 7})
    {'id': 7}
    >>> store[7]
    ['clean', 'clean']
    """
    kept = lineage_store if store is None else store

    def decorator(inner: Callable[..., Any]) -> Callable[..., Any]:
        return _tracked(inner, kept, id, name_of(inner) if step is None else step)

    if function is None:
        return lambda given: rewrap(decorator, given, "track_lineage")
    return rewrap(decorator, function, "track_lineage")


def _tracked(
    function: Callable[..., Any], store: LineageStore, field: str, step: str
) -> Callable[..., Any]:
    """Wrap a function; one that is asynchronous stays so."""
    find, add, missing = RecordFinder(function), store.add, object()
    at = find.at

    def note(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        record = args[at] if len(args) > at else find(args, kwargs)
        if isinstance(record, RECORDS):
            record_id = record.get(field, missing)
            if record_id is not missing:
                add(record_id, step)

    if kind_of(function) == "coroutine":

        @functools.wraps(function)
        async def tracked_coroutine(*args: Any, **kwargs: Any) -> Any:
            note(args, kwargs)
            return await function(*args, **kwargs)

        return tracked_coroutine

    @functools.wraps(function)
    def tracked(*args: Any, **kwargs: Any) -> Any:
        note(args, kwargs)
        return function(*args, **kwargs)

    return tracked


def mark_step(record: R, step: str, *, field: str = "_lineage") -> R:
    """Note a step in the record itself.

    Parameters
    ----------
    record : dict
        Gets the field, a list, where it has none.
    step : str
        The name of the step.
    field : str, default "_lineage"
        Where the steps are.

    Returns
    -------
    dict
        The same record.

    Raises
    ------
    ColumnTypeError
        If the record is no mapping that can be changed, or has something else in the field; it is
        left as it is.

    Examples
    --------
    >>> mark_step(mark_step({"text": "hi"}, "clean"), "score")
    {'text': 'hi', '_lineage': ['clean', 'score']}
    """
    if not isinstance(record, MutableMapping):
        raise ColumnTypeError(f"mark_step: {type(record).__name__} is no record: give a dict")
    steps = record.get(field)
    if steps is None:
        steps = record[field] = []
    if not isinstance(steps, list):
        raise ColumnTypeError(f"mark_step: field {field!r} is {steps!r}: it must be a list")
    steps.append(step)
    return record
