"""Columns into Protobuf messages."""

from typing_extensions import disjoint_base

from tidegate._kernels.proto_program import Program

@disjoint_base
class Writer:
    status: int
    bad_row: int
    bad_op: int
    n_bytes: int
    def __new__(cls, program: Program) -> Writer: ...
    def bind(
        self, sources: list[tuple[int, int, int, int, int, int, int, int, bool, bool]]
    ) -> None: ...
    def write(self, first: int, last: int, is_delimited: bool) -> int: ...
    def take(self) -> bytes: ...
