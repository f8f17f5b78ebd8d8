"""Sessions: windows of rows that come closely after one another, in whatever order they come."""

from typing import final

from typing_extensions import disjoint_base

from tidegate._kernels.row_state import RowState

OVER: str
SESSIONS: str

@final
@disjoint_base
class SessionState(RowState):
    def lay_gap(self, gap: int, most: int, gap_f: float, most_f: float) -> None: ...
