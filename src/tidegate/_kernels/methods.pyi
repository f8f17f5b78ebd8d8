"""Methods in C for classes in Python."""

from typing_extensions import disjoint_base

@disjoint_base
class Method:
    def __set_name__(self, owner: type, name: str) -> None: ...
