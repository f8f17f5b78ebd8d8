"""Look-back windows: rows in time order in, one result a row out."""

from typing import Any

import numpy as np
import numpy.typing as npt
from typing_extensions import Buffer as Readable
from typing_extensions import disjoint_base

ANCHOR_ROWS: int

@disjoint_base
class RollingState:
    def __new__(
        cls,
        accs: list[tuple[int, int, int, int, int, int]],
        outputs: list[tuple[int, int, int, int, int, int, float]],
        columns: list[tuple[int, bool]],
        keyed: bool,
        look: tuple[int, int, float, bool, bool, bool, bool],
        min_samples: int,
        max_kept: int,
    ) -> RollingState: ...
    def push(
        self,
        times: Any,
        codes: Any,
        n_keys: int,
        columns: list[tuple[Any, Any]],
        is_all: bool,
    ) -> int: ...
    def ask_for_keys(self, low: int, high: int) -> None: ...
    def begin(self, n_rows: int) -> None: ...
    def ask_from(self, first: int, right: int, base: int, whole: RollingState) -> None: ...
    def forget_keys(self, ttl: int, ttl_f: float) -> None: ...
    def forget_quiet(self, watermark: int) -> None: ...
    def put(
        self, values: list[npt.NDArray[np.int64]], flags: list[npt.NDArray[np.uint8]]
    ) -> list[bool]: ...
    @property
    def n_kept(self) -> int: ...
    def dump(
        self,
    ) -> tuple[bytearray, bytearray, bytearray, list[tuple[bytearray, bytearray]]]: ...
    def load(
        self,
        heads: npt.NDArray[np.int64],
        sums: npt.NDArray[np.uint8],
        times: npt.NDArray[np.int64],
        columns: list[tuple[Any, Any]],
        n_keys: int,
    ) -> bool: ...
    def take(self) -> list[tuple[Readable, Readable | None]]: ...
    def gather(self, shares: list[tuple[RollingState, int]]) -> None: ...
    def take_lists(self, output: int) -> Readable: ...
    def overflow(self) -> tuple[int, int]: ...

def may_begin(number: int, n_rows: int) -> bool: ...
