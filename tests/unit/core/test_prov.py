"""Lineage as PROV-JSON: every name that is used is there, and what it says is so."""

import json

import pyarrow as pa
import pytest

import tidegate as tg
from tidegate import agg, errors
from tidegate.core.lineage import LineageStore
from tidegate.core.prov import prov_of_records, prov_of_windows

RELATIONS = {
    "used": ("prov:activity", "prov:entity"),
    "wasGeneratedBy": ("prov:activity", "prov:entity"),
    "wasDerivedFrom": ("prov:activity", "prov:generatedEntity", "prov:usedEntity"),
}


def check(document):
    """Whether it is JSON that any reader takes, and names only what it has."""
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    prefixes = set(document["prefix"]) | {"_"}
    for kind, things in document.items():
        if kind == "prefix":
            continue
        for name, about in things.items():
            assert name.partition(":")[0] in prefixes
            for role in RELATIONS.get(kind, ()):
                assert about[role] in document["activity" if role == "prov:activity" else "entity"]


def test_steps_of_records_follow_each_other():
    store = LineageStore(times=True, clock=iter([0.0, 1.5, 2.0]).__next__)
    for record_id, step in ((7, "clean"), ("7", "clean"), (7, "score")):
        store.add(record_id, step)
    document = prov_of_records(store)
    check(document)
    assert list(document["entity"]) == [
        "tg:record/int/7/0",
        "tg:record/int/7/1",
        "tg:record/int/7/2",
        "tg:record/str/7/0",
        "tg:record/str/7/1",
    ]
    assert document["activity"]["tg:step/int/7/2"] == {
        "prov:label": "score",
        "prov:startTime": "1970-01-01T00:00:02+00:00",
    }
    derived = [
        (one["prov:usedEntity"], one["prov:generatedEntity"])
        for one in document["wasDerivedFrom"].values()
    ]
    assert derived[:2] == [
        ("tg:record/int/7/0", "tg:record/int/7/1"),
        ("tg:record/int/7/1", "tg:record/int/7/2"),
    ]


def test_ids_cannot_break_a_name():
    document = prov_of_records({"a b/ü:\n": ["s"], (1, "x"): ["s"], None: []})
    check(document)
    assert "tg:record/str/a%20b%2F%C3%BC%3A%0A/1" in document["entity"]
    assert "prov:startTime" not in str(document)


def test_windows_come_from_their_rows():
    ticks = {
        "t": pa.array([1, 12_000_000_000, 5_000_000_001], pa.timestamp("ns")),
        "x": [float("inf"), float("nan"), 1.0],
        "k": ["a", None, "a"],
    }
    window = tg.Tumbling("10s", offset="1ns")
    options = {"on": "t", "by": "k", "lineage": True, "total": agg.sum("x")}
    live = tg.Aggregator(window, lateness=None, **options)
    live.push(pa.table(ticks))
    document = prov_of_windows(live.plan, live.flush())
    check(document)
    assert document["entity"]["tg:window/0"] == {
        "tg:k": "a",
        "tg:window_start": {"$": "1970-01-01T00:00:00.000000001", "type": "xsd:dateTime"},
        "tg:window_end": {"$": "1970-01-01T00:00:10.000000001", "type": "xsd:dateTime"},
        "tg:total": {"$": "INF", "type": "xsd:double"},
    }
    derived = [
        one["prov:usedEntity"]
        for one in document["wasDerivedFrom"].values()
        if one["prov:generatedEntity"] == "tg:window/0"
    ]
    assert derived == ["tg:rows/0-3/0"]
    assert document["entity"]["tg:rows/0-3/0"] == {"tg:start": 0, "tg:stop": 3, "tg:rows": 2}
    plan = tg.Plan.from_json(document["activity"]["tg:aggregation"]["tg:plan"])
    assert plan == live.plan


def test_windows_without_keys_come_from_their_ranges():
    live = tg.Aggregator(tg.Tumbling(10), agg.rows(), on="t", lateness=10, lineage=True)
    live.push({"t": [1, 12, 5]})
    document = prov_of_windows(live.plan, live.flush())
    check(document)
    assert document["entity"]["tg:rows/0-1"] == {"tg:start": 0, "tg:stop": 1}
    used = [one["prov:entity"] for one in document["used"].values()]
    assert used == ["tg:rows/0-1", "tg:rows/2-3", "tg:rows/1-2"]


def test_results_without_ranges_are_refused():
    live = tg.Aggregator(tg.Tumbling(10), agg.rows(), on="t")
    with pytest.raises(errors.ColumnNotFoundError, match="lineage=True"):
        prov_of_windows(live.plan, live.flush())
