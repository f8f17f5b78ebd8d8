"""Rows that come one at a time say at each row what batches of one row say."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import tidegate as tg
from tidegate import agg
from tidegate._kernels.row_steps import RowSteps

SCHEMA = pa.schema([("t", pa.int64()), ("k", pa.string()), ("x", pa.float64()), ("n", pa.int64())])
AGGREGATIONS = {
    "rows": agg.rows(),
    "first": agg.first("x"),
    "mean": agg.mean("x"),
    "std": agg.std("x"),
    "least": agg.min("n"),
    "total": agg.sum("n"),
}
KEYED = {"by": "k"}
CASES: dict[str, tuple[Any, dict[str, Any]]] = {
    "session": (tg.Session(6), {}),
    "session, late rows": (tg.Session(6, max_duration=40), {"lateness": 5, **KEYED}),
    "session, far rows": (tg.Session(6), {"max_jump": 50, "lateness": 3}),
    "session, end": (tg.Session(6), {"lateness": None, **KEYED}),
    "session, corrections": (tg.Session(6), {"allowed_lateness": 15, "lateness": 1, **KEYED}),
    "session, clocks of keys": (
        tg.Session(6, max_duration=40),
        {"watermark": "key", "max_jump": 50, **KEYED},
    ),
    "session, sources": (tg.Session(6), {"sources": "s", "idle": 30}),
    "session, short lives": (tg.Session(6), {"ttl": 20, **KEYED}),
    "count": (tg.Count(7), {}),
    "count, keys": (tg.Count(3), {"lateness": 4, **KEYED}),
    "count, overlap": (tg.Count(7, every=2, complete_only=False), {"lateness": 9}),
    "count, far rows": (tg.Count(5), {"max_jump": 50}),
    "count, clocks of keys": (tg.Count(3), {"watermark": "key", **KEYED}),
    "count, sources": (tg.Count(5), {"sources": "s", "idle": 30}),
    "count, short lives": (tg.Count(3), {"ttl": 20, **KEYED}),
    "count, far rows of keys": (
        tg.Count(3),
        {"watermark": "key", "max_jump": 50, "lateness": 4, **KEYED},
    ),
    "count, sources that sleep": (tg.Count(5, 2), {"sources": "s", "idle": 9, "lateness": 6}),
    "count, short lives, whole": (
        tg.Count(4, 3, complete_only=True),
        {"ttl": 9, "lateness": 6, "max_jump": 90, **KEYED},
    ),
    "threshold, clocks of keys": (tg.Threshold("n", 30), {"watermark": "key", **KEYED}),
    "threshold, sources": (
        tg.Threshold("n", 30, overshoot="split"),
        {"sources": "k", "lateness": 5, **KEYED},
    ),
    "threshold, short lives": (tg.Threshold("x", 60), {"nan": "missing", "ttl": 15, **KEYED}),
    "threshold": (tg.Threshold("n", 40), {"lateness": 3}),
    "threshold, keys": (tg.Threshold("n", 25, overshoot="carry"), KEYED),
    "threshold, split": (tg.Threshold("n", 30, overshoot="split"), {"lateness": 2}),
    "threshold, product": (tg.Threshold(("x", "n"), 300.5), {"nan": "missing", **KEYED}),
    "rolling": (tg.Rolling(20), {"lateness": 4}),
    "rolling, clocks of keys": (
        tg.Rolling(20),
        {"watermark": "key", "lateness": 3, "max_jump": 50, **KEYED},
    ),
    "rolling, sources": (tg.Rolling(rows=5), {"sources": "s", "idle": 30, "lateness": 2}),
    "rolling, sources that are keys": (tg.Rolling(30), {"sources": "k", "max_jump": 50, **KEYED}),
    "rolling, sources that are values": (tg.Rolling(9), {"sources": "n", "idle": 15}),
    "rolling, short lives": (tg.Rolling(20), {"ttl": 9, "lateness": 4, **KEYED}),
    "rolling, rows": (tg.Rolling(rows=5), KEYED),
    "far rows": (tg.Tumbling(10), {"max_jump": 50, "lateness": 2}),
    "far rows, sliding": (tg.Sliding(30, 10), {"max_jump": 50, **KEYED}),
    "far rows, edges": (tg.Edges([0, 30, 35, 90, 400]), {"max_jump": 50, "lateness": 2}),
    "corrections": (tg.Tumbling(10), {"allowed_lateness": 15, "lateness": 1}),
    "corrections, keys": (tg.Sliding(20, 10), {"allowed_lateness": 15, **KEYED}),
    "clocks of keys": (tg.Tumbling(10), {"watermark": "key", "lateness": 2, **KEYED}),
    "clocks of keys, far": (
        tg.Tumbling(10),
        {"watermark": "key", "max_jump": 50, "allowed_lateness": 9, **KEYED},
    ),
    "sources": (tg.Tumbling(10), {"sources": "s", "idle": 30}),
    "sources that are keys": (tg.Tumbling(10), {"sources": "k", "lateness": 2, **KEYED}),
    "sources that are values": (tg.Tumbling(10), {"sources": "n", "idle": 15}),
    "short lives": (tg.Tumbling(10), {"ttl": 20, **KEYED}),
    "first origin": (tg.Tumbling(10, origin="first"), {"max_jump": 50}),
}


def rows_of(seed: int, n_rows: int, *, sources: bool = False) -> list[tuple[Any, ...]]:
    """Draw rows: late ones, some far ahead, without a time, without values."""
    draw = random.Random(seed)  # noqa: S311 - draws of a test
    rows: list[tuple[Any, ...]] = []
    now = 0
    for _ in range(n_rows):
        now += draw.choice([0, 0, 1, 1, 2, 9])
        time: int | None = now - draw.choice([0, 0, 0, 1, 3, 12, 40])
        time = draw.choice([time] * 30 + [now + 200, None])
        source = [draw.choice("pq")] if sources else []
        x = draw.choice([None, -0.0, 1.5, draw.uniform(0, 20)])
        rows.append((time, draw.choice(["a", "b", None]), *source, x, draw.randrange(20)))
    return rows


def names_of(options: dict[str, Any]) -> list[str]:
    """Tell the columns in the order in which `push_row` takes them."""
    sources = ["s"] if options.get("sources") == "s" else []
    return ["t", *(["k"] if options.get("by") or options.get("sources") == "k" else []), *sources]


def make(name: str, **more: Any) -> tuple[Callable[[], tg.Aggregator], list[str]]:
    """Give what makes an aggregator of a case, and the columns of a row."""
    window, options = CASES[name]
    schema = SCHEMA
    if options.get("sources") == "s":
        schema = schema.insert(2, pa.field("s", pa.string()))
    names = [*names_of(options), "x", "n"]
    return (
        lambda: tg.Aggregator(window, on="t", schema=schema, **{**options, **more}, **AGGREGATIONS),
        names,
    )


def drawn(name: str, seed: int, n_rows: int) -> list[tuple[Any, ...]]:
    """Draw the rows of a case, with the values in the order of `push_row`."""
    _, options = CASES[name]
    rows = rows_of(seed, n_rows, sources=options.get("sources") == "s")
    if "k" not in names_of(options):
        rows = [(row[0], *row[2:]) for row in rows]
    return rows


def batch_of(live: tg.Aggregator, names: list[str], rows: list[tuple[Any, ...]]) -> pa.RecordBatch:
    """Make a batch of rows."""
    fields = {field.name: field.type for field in SCHEMA} | {"s": pa.string()}
    columns = zip(*rows, strict=True)
    arrays = {n: pa.array(list(c), fields[n]) for n, c in zip(names, columns, strict=True)}
    arrays.setdefault("k", pa.nulls(len(rows), pa.string()))
    schema = live.plan.inputs
    return pa.RecordBatch.from_pydict({name: arrays[name] for name in schema})


@pytest.mark.parametrize("name", CASES)
def test_every_row_says_what_a_batch_of_it_says(name: str) -> None:
    begin, names = make(name)
    draw = random.Random(5)  # noqa: S311 - draws of a test
    live, twin = begin(), begin()
    waits = False
    for row in drawn(name, 11, 250):
        said = live.push_row(*row)
        table = twin.push(batch_of(twin, names, [row]))
        waits = waits or table.num_rows > 0
        assert said == waits
        if not waits:
            continue
        if draw.random() < 0.7:
            taken = live.take()
            assert taken.slice(taken.num_rows - table.num_rows).equals(table)
            waits = False
        if draw.random() < 0.1:
            assert live.take_late().equals(twin.take_late())
    assert live.watermark == twin.watermark
    assert live.stats[:5] == twin.stats[:5]
    assert live.take_late().equals(twin.take_late())
    live.take()
    assert live.flush().equals(twin.flush())
    assert live.stats == twin.stats


@pytest.mark.parametrize("name", CASES)
def test_rows_and_batches_in_any_mix_give_the_same_bits(name: str) -> None:
    begin, names = make(name)
    rows = drawn(name, 23, 600)
    whole = begin()
    want = pa.concat_tables([whole.push(batch_of(whole, names, rows)), whole.flush()])
    draw = random.Random(7)  # noqa: S311 - draws of a test
    live, parts, late, at = begin(), [], [], 0
    while at < len(rows):
        some = rows[at : at + draw.choice([1, 3, 40])]
        at += len(some)
        way = draw.random()
        if way < 0.25:
            parts.append(live.push(batch_of(live, names, some)))
            continue
        for row in some:
            live.push_row(*row)
        if way < 0.5:
            parts.append(live.take())
        elif way < 0.6:
            late.append(live.take_late())
        elif way < 0.7 and name != "rolling":
            live = tg.Aggregator.restore(live.snapshot())
    parts.append(live.flush())
    assert pa.concat_tables(parts).equals(want)
    late.append(live.take_late())
    assert pa.concat_tables(late).equals(whole.take_late())
    assert live.stats == whole.stats


@pytest.mark.parametrize(
    "name",
    [
        "session",
        "count",
        "threshold, keys",
        "far rows",
        "corrections",
        "count, far rows of keys",
        "count, sources that sleep",
        "threshold, short lives",
    ],
)
def test_many_rows_leave_the_buffer_and_give_the_same_bits(name: str) -> None:
    begin, names = make(name)
    n_rows = 21_000 if name in ("session", "far rows") else 9_000
    draw = np.random.default_rng(3)
    times = np.cumsum(draw.integers(0, 3, n_rows)) - draw.integers(0, 4, n_rows)
    rows = [
        (time, *("abc"[key] for key_or_source in "ks" if key_or_source in names), x, n)
        for time, key, x, n in zip(
            times.tolist(),
            draw.choice(3, n_rows, p=[0.9, 0.09, 0.01]).tolist(),
            draw.normal(9, 1, n_rows).tolist(),
            draw.integers(0, 9, n_rows).tolist(),
            strict=True,
        )
    ]
    live, twin = begin(), begin()
    for row in rows:
        live.push_row(*row)
    twin.push(batch_of(twin, names, rows), take=False)
    assert live.take().equals(twin.take())
    assert live.take_late().equals(twin.take_late())
    assert live.flush().equals(twin.flush())
    assert live.stats == twin.stats


@pytest.mark.parametrize(
    ("name", "is_stepwise"),
    [
        ("session", True),
        ("session, clocks of keys", True),
        ("corrections", True),
        ("count", True),
        ("count, clocks of keys", True),
        ("count, sources", True),
        ("count, short lives", True),
        ("rolling", False),
    ],
)
def test_rows_go_through_a_buffer(name: str, is_stepwise: bool) -> None:
    begin, _ = make(name)
    live = begin()
    live.push_row(*drawn(name, 1, 1)[0])
    assert isinstance(live._buffer, RowSteps) == is_stepwise


def said_of(call: Callable[[], object]) -> str:
    """Tell the error that a call raises; nothing where it raises none."""
    try:
        call()
    except tg.errors.TidegateError as error:
        return f"{type(error).__name__}: {error}"
    return ""


@pytest.mark.parametrize(
    ("name", "more", "good", "bad"),
    [
        ("session", {}, (1, 1.0, 1), (2, "x", 1)),
        ("count", {"limits": tg.Limits(max_look_back=3), "lateness": 99}, (1, 1.0, 1), None),
        ("session, late rows", {"limits": tg.Limits(max_open=2)}, (1, "a", 1.0, 1), None),
        ("clocks of keys", {"limits": tg.Limits(max_keys=2)}, (1, "a", 1.0, 1), None),
        ("threshold, product", {"nan": "value"}, (1, "a", 1.0, 1), (2, "a", float("nan"), 1)),
        ("threshold, product", {}, (1, "a", 1.0, 1), (2, "a", float("inf"), 1)),
        ("threshold, split", {}, (1, 1.0, 1), (2, 1.0, 10**9)),
        ("far rows", {"late": "raise"}, (100, 1.0, 1), (9, 1.0, 1)),
    ],
)
def test_an_error_comes_at_the_row_that_causes_it(
    name: str, more: dict[str, Any], good: tuple[Any, ...], bad: tuple[Any, ...] | None
) -> None:
    begin, names = make(name, **more)
    live, twin = begin(), begin()
    keys, said = iter("bcdefgh"), ""
    live.push_row(*good)
    twin.push(batch_of(twin, names, [good]), take=False)
    for step in range(6):
        row = bad or (1, *([next(keys)] if "k" in names else []), float(step), step)
        if isinstance(row[-2], str):
            said = said_of(lambda row=row: live.push_row(*row))
            assert "push_row got 'x'" in said
            break
        one = batch_of(twin, names, [row])
        said = said_of(lambda one=one: twin.push(one, take=False))
        assert said_of(lambda row=row: live.push_row(*row)) == said
        if said:
            break
    assert said
    assert live.stats == twin.stats
    assert live.flush().equals(twin.flush())
    assert live.stats == twin.stats


@pytest.mark.parametrize("name", ["short lives", "count, short lives", "threshold, short lives"])
def test_keys_that_are_forgotten_come_back_as_new_ones(name: str) -> None:
    begin, names = make(name)
    live, twin = begin(), begin()
    parts, other = [], []
    for at in range(6_000):
        row = (at, f"k{at % 4_500}", 1.0, at)
        live.push_row(*row)
        other.append(row)
        if at % 1_500 == 7:
            parts.append(live.take())
    want = twin.push(batch_of(twin, names, other))
    assert pa.concat_tables([*parts, live.take()]).equals(want)
    assert live.flush().equals(twin.flush())
    assert live.stats == twin.stats


def test_a_sum_that_does_not_fit_is_told_at_the_row_that_closes_it() -> None:
    live = tg.Aggregator(tg.Count(2), on="t", schema=SCHEMA, total=agg.sum("n"))
    assert not live.push_row(1, 2**62)
    assert not live.push_row(2, 2**62)
    with pytest.raises(tg.errors.AggregateOverflowError):
        live.push_row(3, 1)
    assert live.stats.rows_in == 2
    with pytest.raises(tg.errors.AggregateOverflowError):
        live.push_row(4, 1)
