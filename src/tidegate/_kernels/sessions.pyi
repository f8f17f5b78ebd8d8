"""Sessions: windows of rows that come closely after one another, in whatever order they come."""

from typing import final

from typing_extensions import disjoint_base

from tidegate._kernels.buffer import Buffer
from tidegate._kernels.row_state import RowState

OVER: str
SESSIONS: str

@final
@disjoint_base
class SessionState(RowState):
    def lay_gap(self, gap: int, most: int, gap_f: float, most_f: float) -> None: ...
    def dump_part(
        self, number: int, n: int
    ) -> tuple[tuple[int, int, int, int], Buffer, Buffer, Buffer, Buffer]: ...
