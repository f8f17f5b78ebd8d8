"""Columns under construction, in memory that Arrow takes over without a copy."""

from typing import Any

from typing_extensions import disjoint_base

@disjoint_base
class Builder:
    def __new__(
        cls,
        layout: list[tuple[int, int, int, int, bool]],
        n_roots: int,
        budget: int,
        *rest: Any,
    ) -> Builder: ...
    def take(self) -> list[tuple[int, int, Any, Any, Any]]: ...
