"""What a run counts beside its state."""

from typing_extensions import disjoint_base

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
