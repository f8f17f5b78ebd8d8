"""What sessions and bars have in common: slots that rows go to, and the reading of those."""

from typing_extensions import disjoint_base

from tidegate._kernels.window_state import WindowState

@disjoint_base
class RowState(WindowState):
    @property
    def n_waiting(self) -> int: ...
