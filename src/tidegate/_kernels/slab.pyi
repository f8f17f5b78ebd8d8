"""Columns of results that fill bit by bit, and are handed out in slices."""

from typing_extensions import disjoint_base

from tidegate._kernels.buffer import Buffer

@disjoint_base
class Slab:
    @property
    def most(self) -> int: ...
    def __new__(cls, n_outputs: int, capacity: int, most: int) -> Slab: ...
    def columns(self) -> tuple[Buffer, Buffer, list[tuple[Buffer, Buffer]]]: ...
