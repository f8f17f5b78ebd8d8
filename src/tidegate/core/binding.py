"""A plan bound to the types of its columns: what bindings of all windows share."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import pyarrow as pa

from tidegate.core.columns import Numbers, validity, value_column
from tidegate.core.columntypes import column_index, plain_type, time_type
from tidegate.core.compiling import compile_program
from tidegate.core.errors import ColumnTypeError
from tidegate.core.keys import Keys
from tidegate.core.late import LateSide
from tidegate.core.parts import column_type
from tidegate.core.program import Program
from tidegate.core.rowrule import with_sum
from tidegate.core.rowwindows import summed
from tidegate.core.texts import Texts

if TYPE_CHECKING:
    from tidegate.core.plan import Plan

__all__ = ["Binding", "Values", "columns_of"]

Values: TypeAlias = "tuple[Numbers | None, Numbers | None]"  # and their flags; None: all valid


class Binding:
    """A plan, the types of its columns, its keys, and the rows that were put aside.

    Parameters
    ----------
    plan : Plan
        What to compute.
    schema : pyarrow.Schema
        The columns of the input; more than the plan reads do no harm.

    Attributes
    ----------
    known : dict of str to pyarrow.DataType
        The types of the columns that the plan reads, the time and the keys among them.
    checked : pyarrow.Schema
        The last one that was held to them.

    Raises
    ------
    ColumnNotFoundError, ColumnTypeError
        If a column is not there or of a type that its use does not allow.
    """

    def __init__(self, plan: Plan, schema: pa.Schema) -> None:
        self.plan = plan
        self.time_type = time_type(schema, plan.on)
        self.is_float = pa.types.is_floating(self.time_type)
        self._computed = {
            name for _, item in plan.results if item.function != "count" for name in item.columns
        } | set(summed(plan.window))
        self.types = {name: self._type_in(schema, name) for name in plan.values}
        self.program: Program = compile_program(
            dict(plan.results), self.types.__getitem__, self.time_type
        )
        self.program = with_sum(self.program, plan.window, self.types)
        self.keys: Keys | None = None
        if plan.by:
            self.keys = Keys(plan.by, max_keys=plan.limits.max_keys)
            self.keys.bind(schema)
        key_types = [] if self.keys is None else self.keys.types
        self.known = {**self.types, **dict(zip(plan.by, key_types, strict=True))}
        self.known[plan.on] = self.time_type
        self.sources: Keys | None = None
        if plan.time.sources is not None:
            self.sources = Keys([plan.time.sources], max_keys=plan.limits.max_keys)
            self.sources.bind(schema)
            self.known.setdefault(plan.time.sources, self.sources.types[0])
        inputs = [pa.field(name, self.known[name]) for name in plan.inputs]
        self.late = LateSide(inputs, self.time_type)
        self.checked = schema

    def _type_in(self, schema: pa.Schema, name: str) -> pa.DataType:
        """Type of an input column; any will do where only its nulls count."""
        if name in self._computed:
            return column_type(schema, name)
        return plain_type(schema.field(column_index(schema, name)).type)

    def new_texts(self) -> dict[str, Texts]:
        """Make a table of values for each column that goes by codes."""
        places: dict[str, list[int]] = {}
        for at, (name, numeric) in enumerate(self.program.columns):
            if self.program.parts[at].kind == "codes" and numeric is not None:
                places.setdefault(name, []).append(at)
        most = self.plan.limits.max_texts
        return {name: Texts(name, self.types[name], at, most) for name, at in places.items()}

    @property
    def n_keys(self) -> int:
        """How many codes of keys there are: one without keys."""
        return 1 if self.keys is None else self.keys.n_keys

    def fits(self, schema: pa.Schema) -> bool:
        """Whether the columns of a batch have the types that are known."""
        try:
            self.check(schema)
        except ColumnTypeError:
            return False
        return True

    def check(self, schema: pa.Schema) -> None:
        """Refuse a batch whose columns are of other types than those before it.

        Raises
        ------
        ColumnNotFoundError, ColumnTypeError
            Naming the column.
        """
        if schema.equals(self.checked):
            return
        _check_type(self.plan.on, time_type(schema, self.plan.on), self.time_type)
        for name, known in self.types.items():
            _check_type(name, self._type_in(schema, name), known)
        if self.keys is not None:
            self.keys.bind(schema)
        if self.sources is not None:
            self.sources.bind(schema)
        self.checked = schema


def _check_type(column: str, given: pa.DataType, known: pa.DataType) -> None:
    """Refuse a column that has changed its type."""
    if given != known:
        raise ColumnTypeError(
            f"column {column!r} is {given}; it was {known} in the first batch: cast it"
        )


def columns_of(batch: pa.RecordBatch, program: Program) -> list[Values]:
    """View the input columns of a batch; no values of those where only their nulls count."""
    return [
        (None, validity(batch.column(name))) if numeric is None else value_column(batch, name)
        for name, numeric in program.columns
    ]
