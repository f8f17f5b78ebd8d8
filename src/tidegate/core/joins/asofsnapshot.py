"""Snapshots of a join that is fed bit by bit, in the frame of all snapshots."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from tidegate.core.durations import plain_duration, read_duration
from tidegate.core.errors import SnapshotError, TidegateError
from tidegate.core.frames import framed, parts_of, table_bytes, table_in
from tidegate.core.keys import Keys

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidegate.core.columns import Numbers
    from tidegate.core.joins.asofjoint import Joint
    from tidegate.core.joins.asofrule import AsofRule
    from tidegate.core.joins.asofstreams import Stream

__all__ = ["Saved", "SavedRows", "SavedSide", "fill", "load", "options_of", "read", "write"]

COUNTS = ("rows_in", "late", "rejected")


class SavedSide(NamedTuple):
    """What is told of one side."""

    schema: pa.Schema | None
    waiting: pa.Table
    left_out: pa.Table
    largest: int | float | None
    promised: int
    counts: tuple[int, ...]


class SavedRows(NamedTuple):
    """The rows of a join whose columns are known."""

    waiting: pa.Table
    times: Numbers
    codes: Numbers | None
    stored: pa.Table


class Saved(NamedTuple):
    """What a snapshot says."""

    options: dict[str, Any]
    keys: pa.Table | None
    sides: tuple[SavedSide, SavedSide]
    rows: SavedRows | None


def options_of(
    rule: AsofRule, lateness: Any, *, is_kept: bool, max_rows: int, keys: Keys | None
) -> dict[str, Any]:
    """Write the options of a join with what JSON has."""
    return {
        "on": list(rule.on),
        "by": list(rule.by),
        "tolerance": None if rule.tolerance is None else plain_duration(rule.tolerance),
        "direction": rule.direction,
        "allow_exact_matches": rule.exact,
        "suffix": rule.suffix,
        "lateness": None if lateness is None else plain_duration(lateness),
        "late": "side" if is_kept else "drop",
        "max_rows": max_rows,
        "max_keys": None if keys is None else keys.max_keys,
    }


def write(
    options: dict[str, Any],
    keys: Keys | None,
    streams: tuple[Stream, Stream],
    joint: Joint | None,
) -> bytes:
    """Write a snapshot of a join that goes on afterwards."""
    sections: dict[str, bytes] = {}
    sides = []
    for stream in streams:
        sides.append(
            {
                "largest": stream.largest,
                "promised": stream.promised,
                **{name: getattr(stream, name) for name in COUNTS},
            }
        )
        if stream.schema is None:
            continue
        kind = pa.null() if joint is None else joint.late_type
        waiting = pa.concat_tables(stream.waiting or [stream.schema.empty_table()])
        sections[f"{stream.side}_waiting"] = table_bytes(waiting)
        sections[f"{stream.side}_out"] = table_bytes(stream.late_rows(kind))
    if keys is not None:
        sections["keys"] = table_bytes(keys.dump())
    if joint is not None:
        times, codes, stored = joint.stored
        sections["waiting"] = table_bytes(joint.waiting)
        sections["stored"] = table_bytes(stored)
        sections["times"] = times.tobytes()
        sections["codes"] = b"" if codes is None else codes.tobytes()
    return framed({"join": options, "sides": sides}, sections)


def load(data: bytes, make: Callable[[Saved], Any]) -> Any:
    """Read a snapshot and make a join of what it says.

    Raises
    ------
    SnapshotError
        If it is not one of a join, or not whole, or says what cannot be.
    """
    header, sections = parts_of(data)
    if "join" not in header:
        raise SnapshotError("the snapshot is not one of an AsofJoin: restore it as what it is")
    try:
        return make(read(header, sections))
    except SnapshotError:
        raise
    except (TidegateError, pa.ArrowException, LookupError, TypeError, ValueError) as error:
        raise SnapshotError(f"the snapshot says what cannot be: {error}") from error
    except OSError as error:  # as Arrow calls what it can't read
        raise SnapshotError(f"the snapshot says what cannot be: {error}") from error


def read(header: dict[str, Any], sections: dict[str, memoryview]) -> Saved:
    """Read what a snapshot says."""
    options = dict(header["join"])
    for name in ("tolerance", "lateness"):
        options[name] = None if options[name] is None else read_duration(options[name])
    left, right = (
        _side(one, name, sections)
        for one, name in zip(header["sides"], ("left", "right"), strict=True)
    )
    rows = None
    if "times" in sections:
        times = np.frombuffer(bytes(sections["times"]), np.int64)
        codes = np.frombuffer(bytes(sections["codes"]), np.int32)
        rows = SavedRows(
            table_in(sections["waiting"]),
            times,
            codes if "keys" in sections else None,
            table_in(sections["stored"]),
        )
    keys = table_in(sections["keys"]) if "keys" in sections else None
    return Saved(options, keys, (left, right), rows)


def _side(said: dict[str, Any], name: str, sections: dict[str, memoryview]) -> SavedSide:
    """Read what is told of one side."""
    counts = tuple(said[count] for count in COUNTS)
    promised, largest = said["promised"], said["largest"]
    if not all(type(n) is int and 0 <= n < 2**62 for n in counts) or sum(counts[1:]) > counts[0]:
        raise SnapshotError(f"the counts of the {name} side in the snapshot are not counts")
    is_time = largest is None or (type(largest) is float and not math.isnan(largest))
    is_time |= type(largest) is int and -(2**63) <= largest < 2**63
    if not is_time or type(promised) is not int or not -(2**63) <= promised < 2**63:
        raise SnapshotError(f"the clock of the {name} side in the snapshot is none")
    if f"{name}_waiting" not in sections:
        nothing = pa.table({})
        return SavedSide(None, nothing, nothing, largest, promised, counts)
    waiting = table_in(sections[f"{name}_waiting"])
    left_out = table_in(sections[f"{name}_out"])
    return SavedSide(waiting.schema, waiting, left_out, largest, promised, counts)


def fill(stream: Stream, side: SavedSide, joint: Joint | None) -> None:
    """Bring one side to where it was.

    Raises
    ------
    SnapshotError
        If what waits or was left out is not of its columns, or its times are of another kind.
    """
    stream.schema = side.schema
    stream.promised = side.promised
    stream.rows_in, stream.late, stream.rejected = side.counts
    if joint is None:
        if side.largest is not None or side.left_out.num_rows:
            raise SnapshotError("the snapshot tells of rows that nobody can have looked at")
        stream.waiting = [side.waiting] if side.waiting.num_rows else []
        return
    known = stream.late_rows(joint.late_type).schema
    is_float = side.largest is None or isinstance(side.largest, float)
    is_other = side.largest is not None and is_float != joint.types.is_float
    if side.left_out.schema != known or side.waiting.num_rows or is_other:
        raise SnapshotError("the tables of the snapshot do not have the columns of its join")
    stream.largest = side.largest
    stream.left_out = [side.left_out] if side.left_out.num_rows else []
