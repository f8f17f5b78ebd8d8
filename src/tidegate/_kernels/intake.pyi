"""Record batches on their shortest way into a `WindowState`, and its results out."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa
from typing_extensions import disjoint_base

from tidegate._kernels.window_state import WindowState

@disjoint_base
class Counts:
    rows_in: int
    late: int
    rejected: int
    windows: int
    def __new__(
        cls, rows_in: int = 0, late: int = 0, rejected: int = 0, windows: int = 0
    ) -> Counts: ...
    def as_tuple(self) -> tuple[int, int, int, int]: ...

@disjoint_base
class Intake:
    @property
    def schema(self) -> pa.Schema: ...
    def __new__(
        cls,
        state: WindowState,
        counts: Counts,
        ready: list[pa.Table],
        tables: Any,
        schema: pa.Schema,
        places: tuple[int, ...],
        kind: type[pa.RecordBatch],
        export: Callable[[pa.RecordBatch, int], None],
        max_rows: int,
        keys: Any,
    ) -> Intake: ...
    def push(self, batch: object, run: Any, hands_over: bool) -> pa.Table | None: ...
    def take(self, batch: object, run: Any) -> bool: ...
