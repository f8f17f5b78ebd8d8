"""What passes between the core and a `WindowState`: statuses, and memory as arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from tidegate.core.errors import SnapshotError
from tidegate.core.eventtime import INT64_MIN

if TYPE_CHECKING:
    from typing import TypeAlias

    from typing_extensions import Buffer

    from tidegate._kernels.window_state import WindowState

    Written: TypeAlias = tuple[tuple[int, int, int, int], Buffer, Buffer, Buffer, Buffer]

__all__ = [
    "ASKS_LATER",
    "DISORDER",
    "DONE",
    "FOREIGN",
    "NEEDS_EDGES",
    "OVERFLOWED",
    "TOO_MANY_KEPT",
    "TOO_MANY_OPEN",
    "OpenWindows",
    "array_of",
    "dump",
    "load",
    "recoded",
    "written_windows",
]

# The statuses of _kernels/records.pxd.
DONE, NO_MEMORY, TOO_MANY_OPEN, MUST_CLOSE, OVERFLOWED = range(5)
FOREIGN, DISORDER, ASKS_LATER, TOO_MANY_KEPT, NEEDS_EDGES = range(5, 10)

KEY_RANKS = "key_ranks"

Word = TypeVar("Word", bound=np.generic)


class OpenWindows(NamedTuple):
    """The clock and the open records of a state, written down."""

    clock: tuple[int, int, int, int]  # largest time, watermark, closed up to, rows used
    panes: npt.NDArray[np.int64]  # (n_open,)
    codes: npt.NDArray[np.int32]  # (n_open,) of the keys
    records: npt.NDArray[np.int64]  # (n_open * record width,) words
    kept: npt.NDArray[np.int64]  # (n_kept,) words, the values that they keep
    extra: dict[str, npt.NDArray[np.int64]]  # of the options that the state was given

    def kept_of(
        self, codes: npt.NDArray[np.int64], new_codes: npt.NDArray[np.int32]
    ) -> OpenWindows:
        """Keep what is of some keys, in order of their new codes; others have no windows."""
        extra = {
            name: values[codes] if name.startswith("key_") else recoded(name, values, new_codes)
            for name, values in self.extra.items()
        }
        if KEY_RANKS in extra:
            extra[KEY_RANKS] = np.arange(len(codes), dtype=np.int64)
        return self._replace(codes=new_codes[self.codes], extra=extra)

    def recoded(self, codes: npt.NDArray[np.int32]) -> OpenWindows:
        """Give the keys other codes."""
        extra = {name: recoded(name, values, codes) for name, values in self.extra.items()}
        return self._replace(codes=codes[self.codes], extra=extra)


def recoded(
    name: str, values: npt.NDArray[np.int64], codes: npt.NDArray[np.int32]
) -> npt.NDArray[np.int64]:
    """Give the keys other codes in what a state has beside its windows."""
    if "codes" in name:
        return codes[values].astype(np.int64)
    if name.startswith("key_") and len(codes):
        known = codes[: len(values)]
        out = np.full(int(codes.max()) + 1, INT64_MIN)
        out[known] = values
        return out
    return values


def array_of(memory: Buffer, dtype: type[Word]) -> npt.NDArray[Word]:
    """View memory that a kernel has handed over; the view keeps it alive."""
    return np.frombuffer(memoryview(memory), dtype)


def dump(state: WindowState, *, in_order: bool = False) -> OpenWindows:
    """Write down what is open in a state, by key where that is asked for.

    O(n_open), and all that it keeps.
    """
    written = state.dump(True) if in_order else state.dump()
    extra = {name: array_of(values, np.int64) for name, values in state.dump_extra().items()}
    return written_windows(written, extra)


def written_windows(written: Written, extra: dict[str, npt.NDArray[np.int64]]) -> OpenWindows:
    """View what a state has written down."""
    clock, panes, codes, records, kept = written
    return OpenWindows(
        clock,
        array_of(panes, np.int64),
        array_of(codes, np.int32),
        array_of(records, np.int64),
        array_of(kept, np.int64),
        extra,
    )


def load(state: WindowState, windows: OpenWindows, n_keys: int) -> int:
    """Add open windows to a state, all or none; -1, or the first record that can't be."""
    clock, panes, codes, records, kept, extra = windows
    bad = state.load(clock, panes, codes, records, kept, n_keys)
    if bad < 0 and not state.load_extra(extra, n_keys):
        raise SnapshotError("what is told of the windows beside their records cannot be")
    return bad
