"""Batches on their shortest way into a `WindowState`, and its results out."""

from collections.abc import Callable
from typing import Any, TypeVar

import pyarrow as pa
from typing_extensions import disjoint_base

from tidegate._kernels.arrays import Arrays
from tidegate._kernels.counts import Counts
from tidegate._kernels.row_buffer import RowTaker
from tidegate._kernels.window_state import WindowState

_Method = TypeVar("_Method", bound=Callable[..., pa.Table])

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
        arrays: Arrays | None,
    ) -> Intake: ...
    def take(self, batch: object, run: Any) -> bool: ...

@disjoint_base
class HasIntake:
    intake: Intake | None

@disjoint_base
class BatchTaker(RowTaker):
    _run: Any

def by_intake(method: _Method) -> _Method: ...
