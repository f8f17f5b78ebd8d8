"""Threads that hand items on, each with a function that it calls; and the end of them all."""

from __future__ import annotations

import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from tidegate.core.callers import Caller
    from tidegate.core.workers import WorkerKind

__all__ = ["Channel", "Crew", "feed", "gather", "work"]

GRACE_S = 1.0


class Channel:
    """A bounded queue that either end can close."""

    def __init__(self, max_items: int) -> None:
        self._items: deque[Any] = deque()
        self._max_items = max_items
        self._is_ended = False
        self._is_closed = False
        self._changed = threading.Condition()

    def put(self, item: object) -> bool:
        """Put an item when there is room; False when nobody takes any more."""
        with self._changed:
            while len(self._items) >= self._max_items and not self._is_closed:
                self._changed.wait()
            if self._is_closed:
                return False
            self._items.append(item)
            self._changed.notify_all()
            return True

    def get(self) -> list[Any]:
        """Take an item, in a list; an empty one after the last."""
        with self._changed:
            while not self._items and not self._is_ended and not self._is_closed:
                self._changed.wait()
            if self._is_closed or not self._items:
                return []
            item = self._items.popleft()
            self._changed.notify_all()
            return [item]

    def end(self) -> None:
        """Say that nothing comes after what is in it."""
        with self._changed:
            self._is_ended = True
            self._changed.notify_all()

    def close(self) -> None:
        """Say that nobody takes any more."""
        with self._changed:
            self._is_closed = True
            self._items.clear()
            self._changed.notify_all()


def feed(crew: Crew, items: Iterable[Any], inlets: list[Channel]) -> None:
    """Deal items out to channels in turn."""
    at = 0
    try:
        for item in items:
            if not inlets[at % len(inlets)].put(item):
                break
            at += 1
    except BaseException as error:
        crew.note(at, len(crew.names) - 1, error)
    finally:
        for inlet in inlets:
            inlet.end()


def work(crew: Crew, number: int, places: tuple[int, int], inlet: Channel, outlet: Channel) -> None:
    """Take items, call the function, hand the results on; `places` is that of the first, a step."""
    call = crew.callers[number]
    at, step = places
    try:
        while item := inlet.get():
            if not outlet.put(call(item.pop())):
                break
            at += step
    except BaseException as error:
        crew.note(at, number, error)
    finally:
        inlet.close()
        outlet.end()


def gather(channels: list[Channel], outlets: list[Channel]) -> Iterator[Any]:
    """Give what comes out of channels in turn, up to the first that has ended; then close all."""
    try:
        for outlet in cycle(outlets):
            item = outlet.get()
            if not item:
                break
            yield item.pop()
    finally:
        for channel in channels:
            channel.close()


class Crew:
    """Threads, each with a caller of a function; their failures; and the end of them all."""

    def __init__(
        self, names: list[str], functions: Sequence[Callable[[Any], Any]], workers: WorkerKind
    ) -> None:
        from tidegate.core.callers import make_callers  # multiprocessing is slow to import

        self.names = names
        self.callers: list[Caller] = make_callers(functions, workers)
        self._threads: list[threading.Thread] = []
        self._failures: list[tuple[int, int, BaseException]] = []

    def start(self, function: Callable[..., None], *args: object) -> None:
        """Call a function with the crew on a thread of its own."""
        thread = threading.Thread(target=function, args=(self, *args), daemon=True)
        self._threads.append(thread)
        thread.start()

    def join(self) -> None:
        """Wait for all threads."""
        for thread in self._threads:
            thread.join()

    def note(self, at: int, number: int, error: BaseException) -> None:
        """Keep what a function has raised about the item at a place."""
        self._failures.append((at, number, error))

    def raise_first(self) -> None:
        """Raise what was raised about the first item, by the first function, if anything was."""
        if self._failures:
            self._failures.sort(key=lambda failure: failure[:2])
            _raise([(self.names[number], error) for _, number, error in self._failures])

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """End processes and threads; at once where something has been raised."""
        if kind is not None:
            for caller in self.callers:
                caller.kill()
            for thread in self._threads:
                thread.join(GRACE_S)
        for caller in self.callers:
            caller.close()


def _raise(failures: list[tuple[str, BaseException]]) -> NoReturn:
    """Raise the first failure; the names and the others stand in its notes."""
    (name, first), *others = failures
    first.add_note(f"in stage {name!r}")
    for other_name, other in others:
        other.add_note(f"in stage {other_name!r}")
    if others:
        group = BaseExceptionGroup("other stages failed too", [error for _, error in others])
        first.add_note("".join(traceback.format_exception(group)).rstrip())
    raise first
