"""Rows that wait for the watermark, and are taken in order of time."""

from typing_extensions import disjoint_base

from tidegate._kernels.row_state import RowState

LATES: str

@disjoint_base
class WaitingState(RowState): ...
