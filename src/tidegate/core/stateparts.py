"""What streams have in common that are taken by several states, each of some of the keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from tidegate.core.errors import SnapshotError
from tidegate.core.state import DONE, load
from tidegate.core.threads import on_threads

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidegate._kernels.window_state import WindowState
    from tidegate.core.state import OpenWindows

__all__ = ["StateParts", "move_windows"]

State = TypeVar("State", bound="WindowState")


class StateParts(Generic[State]):
    """States that have some of the keys each.

    Attributes
    ----------
    states : list of WindowState
    failed : WindowState or None
        The one that has stopped, where one has.
    """

    def __init__(self) -> None:
        self.states: list[State] = []
        self.failed: State | None = None

    def on_each(self, do: Callable[[int], int], meanwhile: Callable[[], None] | None = None) -> int:
        """Do something with each state on a thread; the status of the first that stopped."""
        n = len(self.states)

        def run(number: int) -> int:
            """Do it with one, or what is to be done meanwhile."""
            if number < n or meanwhile is None:
                return do(number)
            meanwhile()
            return DONE

        statuses = on_threads(run, range(n + (meanwhile is not None)))
        for status, state in zip(statuses, self.states, strict=False):
            if status != DONE:
                self.failed = state
                return status
        return DONE

    def stop_of(self, stops: list[int]) -> int:
        """Give the row at which the state that has stopped did, 0 where none has."""
        return 0 if self.failed is None else stops[self.states.index(self.failed)]

    @property
    def n_open(self) -> int:
        """How many windows are open."""
        return sum(state.n_open for state in self.states)

    @property
    def n_kept(self) -> int:
        """How many values they keep."""
        return sum(state.n_kept for state in self.states)

    @property
    def n_waiting(self) -> int:
        """How many rows wait for the watermark."""
        return 0


def move_windows(state: WindowState, windows: OpenWindows, n_keys: int) -> None:
    """Add what another state has written down to one, with rows that are counted there already.

    Raises
    ------
    SnapshotError
        If they do not go together; no window is lost in silence.
    """
    bad = load(state, windows._replace(clock=(*windows.clock[:3], 0)), n_keys)
    if bad >= 0:
        raise SnapshotError(f"window {bad} of a part of the keys cannot be moved: report this")
