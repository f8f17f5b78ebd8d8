"""Avro into record batches: blocks of a container, rows, single values."""

from typing import Any

from typing_extensions import Buffer as Readable
from typing_extensions import disjoint_base

from tidegate._kernels.builders import Builder

@disjoint_base
class Reader(Builder):
    @property
    def n_rows(self) -> int: ...
    @property
    def position(self) -> int: ...
    def __new__(
        cls,
        layout: list[tuple[int, int, int, int, bool]],
        n_roots: int,
        budget: int,
        nodes: list[tuple[Any, ...]],
        memory: Any,
        limits: tuple[int, ...],
        enough: int,
    ) -> Reader: ...
    def feed(self, content: Readable, skip: int = 0) -> None: ...
    def begin_block(self, n_rows: int) -> int: ...
    def scan(self, sync: bytes, max_rows: int, block_bytes: int) -> int: ...
    def rows(self, max_rows: int) -> int: ...
    def take_rows(self) -> tuple[int, list[tuple[int, int, Any, Any, Any]]]: ...
    def failure(self) -> tuple[int, int, int, list[tuple[int, int]]]: ...
