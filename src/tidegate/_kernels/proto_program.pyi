"""A message type as a flat program."""

from typing_extensions import disjoint_base

KINDS: dict[str, int]
LABELS: dict[str, int]

@disjoint_base
class Program:
    n_ops: int
    n_oneofs: int
    def __new__(
        cls,
        ops: list[tuple[int, int, int, int, int, int, bool]],
        enums: list[list[int]],
    ) -> Program: ...
