"""Lineage as W3C PROV-JSON: of records and the steps they went through, of windows and their rows.

References
----------
The PROV-JSON Serialization, W3C Member Submission, 24 April 2013.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import quote

import pyarrow as pa

from tidegate.core.errors import ColumnNotFoundError
from tidegate.core.lineage import LineageStore
from tidegate.core.pyobjects import to_list
from tidegate.core.rangecolumns import ROW_RANGES

if TYPE_CHECKING:
    from tidegate.core.plan import Plan

__all__ = ["prov_of_records", "prov_of_windows"]

Document: TypeAlias = dict[str, dict[str, Any]]

_PREFIXES = {"tg": "urn:tidegate:"}
_KINDS = ("entity", "activity", "used", "wasGeneratedBy", "wasDerivedFrom")


def prov_of_records(store: LineageStore | Mapping[Any, list[str]]) -> Document:
    """Tell the steps of records as a PROV document.

    Parameters
    ----------
    store : LineageStore or mapping
        Of lists of steps, by the id of the record.

    Returns
    -------
    dict
        To be written by `json.dumps`. Each record is an entity anew after every step, each step an
        activity that used the one before and generated the one after; with its time where the store
        has times.

    Examples
    --------
    >>> document = prov_of_records({7: ["clean"]})
    >>> list(document["entity"]), document["activity"]
    (['tg:record/int/7/0', 'tg:record/int/7/1'], {'tg:step/int/7/1': {'prov:label': 'clean'}})
    >>> document["wasDerivedFrom"]["_:d1"]["prov:usedEntity"]
    'tg:record/int/7/0'
    """
    document = _new_document()
    for record_id, steps in store.items():
        name = f"{type(record_id).__name__}/{quote(str(record_id), safe='')}"
        times: list[float] = []
        if isinstance(store, LineageStore) and store.has_times:
            times = store.times_of(record_id)
        before = f"tg:record/{name}/0"
        document["entity"][before] = {"prov:label": str(record_id)}
        for number, step in enumerate(list(steps), 1):
            after, activity = f"tg:record/{name}/{number}", f"tg:step/{name}/{number}"
            document["entity"][after] = {"prov:label": str(record_id)}
            about = {"prov:label": step}
            if number <= len(times):
                about["prov:startTime"] = _iso(times[number - 1])
            document["activity"][activity] = about
            _link(document, activity, before, after)
            before = after
    return document


def prov_of_windows(plan: Plan, result: pa.Table) -> Document:
    """Tell the rows of windows as a PROV document.

    Parameters
    ----------
    plan : Plan
        What was computed; `Aggregator.plan`.
    result : pyarrow.Table
        Results with ``row_ranges``, from ``lineage=True``.

    Returns
    -------
    dict
        To be written by `json.dumps`. Each range of rows is an entity with ``tg:start`` and
        ``tg:stop``, each window an entity with its edges, keys and results, derived from its
        ranges; the one activity is the aggregation, with its plan as JSON. Where the rows of other
        keys lie between, a window has a range of its own: ``tg:rows`` of these rows are of its key
        and within its edges.

    Raises
    ------
    ColumnNotFoundError
        If the results have no ranges.

    Examples
    --------
    >>> import tidegate as tg
    >>> live = tg.Aggregator(tg.Tumbling(10), tg.agg.sum("x"), on="t", lineage=True)
    >>> nothing = live.push({"t": [1, 4], "x": [1.0, 2.0]})
    >>> document = prov_of_windows(live.plan, live.flush())
    >>> document["entity"]["tg:rows/0-2"]
    {'tg:start': 0, 'tg:stop': 2}
    >>> document["entity"]["tg:window/0"]
    {'tg:window_start': 0, 'tg:window_end': 10, 'tg:x_sum': 3.0}
    """
    if ROW_RANGES not in result.column_names:
        raise ColumnNotFoundError(
            f"prov_of_windows: the results have no column {ROW_RANGES!r}: give lineage=True"
        )
    document = _new_document()
    activity = "tg:aggregation"
    about = {"prov:label": "tidegate.aggregate", "tg:plan": plan.to_json()}
    document["activity"][activity] = about
    times = {field.name for field in result.schema if pa.types.is_timestamp(field.type)}
    told: list[list[dict[str, Any]]] = to_list(result[ROW_RANGES].combine_chunks())
    shown = _with_plain_times(result.drop_columns([ROW_RANGES]), times)
    for number, (row, ranges) in enumerate(zip(shown.to_pylist(), told, strict=True)):
        window = f"tg:window/{number}"
        document["entity"][window] = {
            f"tg:{quote(name, safe='')}": _time(value) if name in times else _value(value)
            for name, value in row.items()
            if value is not None
        }
        document["wasGeneratedBy"][f"_:g{number}"] = {
            "prov:entity": window,
            "prov:activity": activity,
        }
        for one in ranges:
            rows = f"tg:rows/{one['start']}-{one['stop']}"
            about = {"tg:start": one["start"], "tg:stop": one["stop"]}
            if "rows" in one:
                rows, about["tg:rows"] = f"{rows}/{number}", one["rows"]
            document["entity"][rows] = about
            document["used"][f"_:u{rows[8:]}"] = {"prov:activity": activity, "prov:entity": rows}
            document["wasDerivedFrom"][f"_:d{number}-{rows[8:]}"] = {
                "prov:generatedEntity": window,
                "prov:usedEntity": rows,
                "prov:activity": activity,
            }
    return document


def _new_document() -> Document:
    """Begin a document."""
    return {"prefix": dict(_PREFIXES)} | {kind: {} for kind in _KINDS}


def _link(document: Document, activity: str, before: str, after: str) -> None:
    """Say that an activity made one entity of another."""
    number = len(document["used"]) + 1
    document["used"][f"_:u{number}"] = {"prov:activity": activity, "prov:entity": before}
    document["wasGeneratedBy"][f"_:g{number}"] = {"prov:entity": after, "prov:activity": activity}
    document["wasDerivedFrom"][f"_:d{number}"] = {
        "prov:generatedEntity": after,
        "prov:usedEntity": before,
        "prov:activity": activity,
    }


def _iso(seconds: float) -> str:
    """Write a time in seconds since the epoch."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat()


def _value(value: Any) -> Any:
    """Write a value as JSON has it; others typed by XML Schema, or as text."""
    if isinstance(value, float) and not math.isfinite(value):
        name = "NaN" if math.isnan(value) else ("INF" if value > 0 else "-INF")
        return {"$": name, "type": "xsd:double"}
    if isinstance(value, bool | int | float | str):
        return value
    return str(value)


def _time(text: str) -> dict[str, str]:
    """Write a time that Arrow has written."""
    return {"$": text.replace(" ", "T"), "type": "xsd:dateTime"}


def _with_plain_times(table: pa.Table, names: set[str]) -> pa.Table:
    """Have Arrow write the times, since Python has no nanoseconds."""
    for name in names:
        text = table[name].cast(pa.string())
        table = table.set_column(table.column_names.index(name), name, text)
    return table
