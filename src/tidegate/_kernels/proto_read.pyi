"""Protobuf messages into columns."""

from typing_extensions import Buffer as Readable
from typing_extensions import disjoint_base

from tidegate._kernels.builders import Builder
from tidegate._kernels.proto_program import Program

@disjoint_base
class Reader(Builder):
    status: int
    bad: int
    bad_row: int
    def __new__(
        cls,
        layout: list[tuple[int, int, int, int, bool]],
        n_roots: int,
        budget: int,
    ) -> Reader: ...
    def bind(
        self, program: Program, places: list[tuple[int, int]], limits: tuple[int, int, int, int]
    ) -> None: ...
    def read_stream(
        self, source: Readable, start: int, max_rows: int, max_bytes: int, is_last: bool
    ) -> int: ...
    def measure(
        self, source: Readable, start: int, max_rows: int, max_bytes: int
    ) -> tuple[int, int]: ...
    def read_message(self, source: Readable) -> None: ...
    def path(self) -> list[tuple[int, int]]: ...
    def end(self) -> int: ...
