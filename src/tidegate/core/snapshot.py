"""Snapshots: the whole state of an aggregator as bytes, and back.

The frame is that of `tidegate.core.frames`, around a JSON header and sections: Arrow IPC streams
and raw records. Whatever is read is checked before it is used: nothing in it is code, an address or
an index that is trusted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from tidegate._kernels.counts import Counts
from tidegate.core.bound import Bound
from tidegate.core.errors import SnapshotError, TidegateError
from tidegate.core.frames import framed, parts_of, table_bytes, table_in
from tidegate.core.keys import Keys
from tidegate.core.lookbacks.rolling import make_run
from tidegate.core.lookbacks.rollingrun import RollingRun
from tidegate.core.lookbacks.tied import Tied
from tidegate.core.lookbacks.waiting import KeptRows
from tidegate.core.plan import Plan
from tidegate.core.rowwindows import RowWindow
from tidegate.core.run import Run
from tidegate.core.state import OpenWindows, dump, load

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["read", "write"]


def write(run: Run) -> bytes:
    """Write a snapshot of a run that goes on afterwards.

    Parameters
    ----------
    run : Run
        Its results that are ready wait in `Run.ready` after that.
    """
    header: dict[str, Any] = {
        "plan": run.plan.to_json(),
        "counts": list(run.counts.as_tuple()),
        "bound": None,
    }
    sections: dict[str, bytes] = {}
    if isinstance(run, RollingRun) and run.tied is not None:
        kept = run.dump(run.tied)
        header["bound"] = {"clock": list(kept.clock), "used": run.used}
        sections = _rolling_sections(run.tied, kept, run.ready)
    if run.bound is not None:
        run.settle()
        run.bound.sweep()
        run.bound.sweep_texts(always=True)
        run.let_go()
        in_order = not isinstance(run.plan.window, RowWindow)
        windows = dump(run.bound.state, in_order=in_order)  # whatever number of threads took them
        header["bound"] = {"clock": list(windows.clock), "first": run.bound.first}
        if run.bound.filler is not None:
            header["bound"]["filled_to"] = run.bound.filler.state.done
        sections = _sections(run.bound, windows, run.ready)
    return framed(header, sections)


def _sections(bound: Bound, windows: OpenWindows, ready: list[pa.Table]) -> dict[str, bytes]:
    """Write the tables and records."""
    sections = {
        "columns": bound.late.input_schema.serialize().to_pybytes(),
        "panes": windows.panes.tobytes(),
        "codes": windows.codes.tobytes(),
        "records": windows.records.tobytes(),
        "kept": windows.kept.tobytes(),
        "late": table_bytes(bound.late.peek()),
        "ready": table_bytes(
            pa.concat_tables([bound.schema.empty_table(), *ready]).combine_chunks()
        ),
    }
    for name, values in windows.extra.items():
        sections[f"extra_{name}"] = values.tobytes()
    if bound.keys is not None:
        sections["keys"] = table_bytes(bound.keys.dump())
    if bound.sources is not None:
        sections["sources"] = table_bytes(bound.sources.dump())
    if bound.filler is not None:
        sections["filling"] = table_bytes(bound.filler.dump())
    for number, texts in enumerate(bound.texts.values()):
        sections[f"texts_{number}"] = table_bytes(texts.dump())
    return sections


def _rolling_sections(tied: Tied, kept: KeptRows, ready: list[pa.Table]) -> dict[str, bytes]:
    """Write the rows that wait and those that are kept."""
    times, codes, waiting = kept.waiting
    sections = {
        "columns": tied.late.input_schema.serialize().to_pybytes(),
        "heads": kept.heads.tobytes(),
        "sums": kept.sums.tobytes(),
        "times": kept.times.tobytes(),
        "waiting_times": times.tobytes(),
        "waiting_codes": codes.tobytes(),
        "numbered": tied.numbers.dump(),
        "late": table_bytes(tied.late.peek()),
        "ready": table_bytes(pa.concat_tables([tied.schema.empty_table(), *ready])),
    }
    for name, each in kept.extra.items():
        sections[f"extra_{name}"] = each.tobytes()
    if tied.sources is not None:
        sections["sources"] = table_bytes(tied.sources.dump())
    for number, (values, flags) in enumerate(kept.columns):
        sections[f"values_{number}"] = values.tobytes()
        sections[f"flags_{number}"] = flags.tobytes()
    for number, (values, flags) in enumerate(waiting):
        sections[f"waiting_values_{number}"] = values.tobytes()
        sections[f"waiting_flags_{number}"] = flags.tobytes()
    if tied.keys is not None:
        sections["keys"] = table_bytes(tied.keys.dump())
    for number, labels in enumerate(tied.labels.values()):
        sections[f"texts_{number}"] = table_bytes(labels.texts.dump())
    return sections


def read(data: bytes, functions: Mapping[str, object] | None = None) -> Run:
    """Read a snapshot; `functions` are those of `agg.custom` by name.

    Raises
    ------
    SnapshotError
        If it is not one, or not whole, or says what cannot be.
    """
    header, sections = parts_of(data)
    try:
        plan = Plan.from_json(header["plan"], functions=functions)
        run = make_run(plan)
        counts = header["counts"]
        if len(counts) != 4 or not all(type(n) is int and 0 <= n < 2**62 for n in counts):
            raise SnapshotError("the counts of the snapshot are not counts")
        run.counts = Counts(*counts)
        if isinstance(run, RollingRun):
            if header["bound"] is not None:
                _take_up(run, header["bound"], sections)
        elif header["bound"] is not None:
            run.bound, run.ready = _bound(run.plan, header["bound"], sections)
    except SnapshotError:
        raise
    except (TidegateError, pa.ArrowException, LookupError, TypeError, ValueError) as error:
        raise SnapshotError(f"the snapshot says what cannot be: {error}") from error
    except OSError as error:  # as Arrow calls what it can't read
        raise SnapshotError(f"the snapshot says what cannot be: {error}") from error
    return run


def _bound(
    plan: Plan, header: dict[str, Any], sections: dict[str, memoryview]
) -> tuple[Bound, list[pa.Table]]:
    """Bind the plan again and fill its state."""
    columns = pa.ipc.read_schema(pa.py_buffer(bytes(sections["columns"])))
    bound = Bound(plan, columns)
    first = header["first"]
    if first is not None:
        if isinstance(first, bool) or not isinstance(first, float if bound.is_float else int):
            raise SnapshotError(f"the first time of the snapshot is {first!r}")
        bound.lay_grid(first)
    if bound.keys is not None:
        bound.keys = Keys.load(table_in(sections["keys"]), plan.by, plan.limits.max_keys)
        bound.keys.bind(columns)
    if bound.sources is not None:
        names = bound.sources.names
        bound.sources = Keys.load(table_in(sections["sources"]), names, plan.limits.max_keys)
        bound.sources.bind(columns)
        bound.state.origins_upto(bound.sources.n_keys)
    largest, watermark, closed_to, used = header["clock"]
    clock = (largest, watermark, closed_to, used)
    if not all(type(n) is int and -(2**63) <= n < 2**63 for n in clock):
        raise SnapshotError("the clock of the snapshot is none")
    windows = OpenWindows(
        clock,
        np.frombuffer(bytes(sections["panes"]), np.int64),
        np.frombuffer(bytes(sections["codes"]), np.int32),
        np.frombuffer(bytes(sections["records"]), np.int64),
        np.frombuffer(bytes(sections["kept"]), np.int64),
        _extra(sections),
    )
    bound.cover_windows(windows)
    for number, texts in enumerate(bound.texts.values()):
        texts.load(table_in(sections[f"texts_{number}"]))
        texts.lay(bound.state)
    bad = load(bound.state, windows, bound.n_keys)
    if bad >= 0:
        raise SnapshotError(
            f"record {bad} of the snapshot is of no window, there twice or not whole"
        )
    for texts in bound.texts.values():
        texts.check(bound.state)
    if bound.filler is not None:
        bound.filler.load(table_in(sections["filling"]), header["filled_to"], bound.n_keys)
    late, ready = table_in(sections["late"]), table_in(sections["ready"])
    if late.schema != bound.late.schema or ready.schema != bound.schema:
        raise SnapshotError("the tables of the snapshot do not have the columns of its plan")
    bound.late.put_back(late)
    return bound, [ready] if ready.num_rows else []


def _take_up(run: RollingRun, header: dict[str, Any], sections: dict[str, memoryview]) -> None:
    """Tie the plan of a look-back again and fill its state."""
    columns = pa.ipc.read_schema(pa.py_buffer(bytes(sections["columns"])))
    tied = Tied(run.plan, columns)
    if tied.keys is not None:
        tied.keys = Keys.load(table_in(sections["keys"]), run.plan.by, run.plan.limits.max_keys)
        tied.keys.bind(columns)
    if tied.sources is not None:
        names = tied.sources.names
        tied.sources = Keys.load(table_in(sections["sources"]), names, run.plan.limits.max_keys)
        tied.sources.bind(columns)
        tied.waiting.state.origins_upto(tied.sources.n_keys)
    largest, watermark = header["clock"]
    used = header["used"]
    if not all(type(n) is int and -(2**63) <= n < 2**63 for n in (largest, watermark)):
        raise SnapshotError("the clock of the snapshot is none")
    if type(used) is not int or not 0 <= used < 2**62:
        raise SnapshotError("the clock of the snapshot is none")
    run.used = used
    if not tied.numbers.load(bytes(sections["numbered"])):
        raise SnapshotError("the rows of the snapshot cannot have been counted so")
    numbers = range(len(tied.program.columns))
    kept = KeptRows(
        (largest, watermark),
        _extra(sections),
        (
            _words(sections["waiting_times"]),
            np.frombuffer(bytes(sections["waiting_codes"]), np.int32),
            [_column(sections, "waiting_", number) for number in numbers],
        ),
        _words(sections["heads"]),
        np.frombuffer(bytes(sections["sums"]), np.uint8),
        _words(sections["times"]),
        [_column(sections, "", number) for number in numbers],
    )
    for number, labels in enumerate(tied.labels.values()):
        labels.texts.load(table_in(sections[f"texts_{number}"]))
    if not run.load(tied, kept):
        raise SnapshotError("the rows of the snapshot are not those of its windows")
    late, ready = table_in(sections["late"]), table_in(sections["ready"])
    if late.schema != tied.late.schema or ready.schema != tied.schema:
        raise SnapshotError("the tables of the snapshot do not have the columns of its plan")
    tied.late.put_back(late)
    run.ready = [ready] if ready.num_rows else []


def _extra(sections: dict[str, memoryview]) -> dict[str, Any]:
    """Read what the options of time have a state know."""
    return {
        name.removeprefix("extra_"): np.frombuffer(bytes(section), np.int64)
        for name, section in sections.items()
        if name.startswith("extra_")
    }


def _words(section: memoryview) -> Any:
    """Read int64."""
    return np.frombuffer(bytes(section), np.int64)


def _column(sections: dict[str, memoryview], prefix: str, number: int) -> Any:
    """Read the values and flags of a column."""
    flags = np.frombuffer(bytes(sections[f"{prefix}flags_{number}"]), np.uint8)
    return _words(sections[f"{prefix}values_{number}"]), flags
