"""The adapters over a million dicts, against the plain Python way of the old scripts.

pytest benchmarks/bench_adapters.py
"""

from __future__ import annotations

import math
import os
import random
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest

from tidegate.compliance_officer.pipeline import compliance
from tidegate.iot_engineer import streaming as iot
from tidegate.quant_trader import streaming as quant
from tidegate.social_media_analyst import streaming_toolkit as social

Records = list[dict[str, Any]]

N_RECORDS = int(os.environ.get("TIDEGATE_BENCH_ROWS", 1_000_000))
N_ROUNDS = 3
SIZE = 60


@pytest.fixture(scope="session")
def n_rows() -> int:
    """Give the number of records."""
    return N_RECORDS


@pytest.fixture(scope="module")
def records() -> Records:
    """Records of all four kinds at once, in time order but for a few."""
    chance = random.Random(20240808)  # noqa: S311  # numbers to sort, no secrets
    times = sorted(chance.randrange(N_RECORDS) for _ in range(N_RECORDS))  # one a second
    for at in chance.sample(range(N_RECORDS - 1), N_RECORDS // 50):
        times[at], times[at + 1] = times[at + 1], times[at]
    return [
        {
            "id": at,
            "timestamp": time,
            "price": 100 + chance.random(),
            "volume": chance.randrange(1, 100),
            "value": 20 + chance.random(),
            "sentiment": chance.uniform(-1, 1),
        }
        for at, time in enumerate(times)
    ]


# ------------------------------------------------------------------------ the plain Python way


def in_order(records: Records) -> Records:
    """Sort by timestamp."""
    return sorted(records, key=lambda record: record["timestamp"])


def plain_groups(records: Records) -> list[Records]:
    """Sort, and append to lists."""
    rows = in_order(records)
    first = rows[0]["timestamp"]
    windows: dict[int, Records] = {}
    for row in rows:
        number = (row["timestamp"] - first) // SIZE
        if number not in windows:
            windows[number] = []
        windows[number].append(row)
    return list(windows.values())


def plain_bars(records: Records) -> Records:
    """Sort, group, aggregate."""
    bars = []
    for rows in plain_groups(records):
        prices = [row["price"] for row in rows]
        bars.append(
            {
                "open": prices[0],
                "high": max(prices),
                "low": min(prices),
                "close": prices[-1],
                "volume": sum(row.get("volume", 0) for row in rows),
            }
        )
    return bars


def plain_means(records: Records) -> Records:
    """Average every 100 prices in a row, each by a sum of its own."""
    prices = [record["price"] for record in records]
    return [
        {"start_index": at, "end_index": at + 99, "average": sum(prices[at : at + 100]) / 100}
        for at in range(len(prices) - 99)
    ]


def plain_averages(records: Records) -> Records:
    """Average every 100 prices in a row, by a running sum, which keeps what rounding left."""
    prices = [record["price"] for record in records]
    total = sum(prices[:100])
    out = [{"start_index": 0, "end_index": 99, "average": total / 100}]
    for at in range(100, len(prices)):
        total += prices[at] - prices[at - 100]
        out.append({"start_index": at - 99, "end_index": at, "average": total / 100})
    return out


def plain_watermarks(posts: Records) -> list[int]:
    """Keep the largest so far."""
    largest, out = posts[0]["timestamp"], []
    for post in posts:
        largest = max(largest, post["timestamp"])
        out.append(largest - 5)
    return out


def plain_sentiment(posts: Records) -> Records:
    """Move two pointers over the sorted posts, and keep a sum."""
    rows = in_order(posts)
    out, low, high, total = [], 0, 0, 0.0
    for row in rows:
        time = row["timestamp"]
        while high < len(rows) and rows[high]["timestamp"] <= time:
            total += rows[high]["sentiment"]
            high += 1
        while rows[low]["timestamp"] < time - 300:
            total -= rows[low]["sentiment"]
            low += 1
        out.append({"timestamp": time, "avg_sentiment": total / (high - low)})
    return out


def plain_readings(readings: Records) -> Records:
    """Move two pointers, keep a sum, and the largest and the smallest in two queues."""
    rows = in_order(readings)
    size, step = 1000, 10
    first, last = rows[0]["timestamp"], rows[-1]["timestamp"]
    out, low, high, total = [], 0, 0, 0.0
    largest: deque[int] = deque()
    smallest: deque[int] = deque()
    end = first + size
    while end <= last + step:
        while high < len(rows) and rows[high]["timestamp"] <= end:
            value = rows[high]["value"]
            total += value
            while largest and rows[largest[-1]]["value"] <= value:
                largest.pop()
            largest.append(high)
            while smallest and rows[smallest[-1]]["value"] >= value:
                smallest.pop()
            smallest.append(high)
            high += 1
        while low < high and rows[low]["timestamp"] <= end - size:
            total -= rows[low]["value"]
            low += 1
        while largest and largest[0] < low:
            largest.popleft()
        while smallest and smallest[0] < low:
            smallest.popleft()
        if high > low:
            average = total / (high - low)
            anomaly = max(rows[largest[0]]["value"] - average, average - rows[smallest[0]]["value"])
            out.append({"end": end, "average": average, "anomaly": anomaly})
        end += step
    return out


def plain_marks(events: Records) -> Records:
    """Copy every event with two fields more."""
    mark = max(event["timestamp"] for event in events) - 5
    return [event | {"watermark": mark, "is_late": event["timestamp"] < mark} for event in events]


def plain_numbers(posts: Records) -> dict[int, Records]:
    """Append to the list of each number."""
    windows: dict[int, Records] = {}
    for post in posts:
        windows.setdefault(int(post["timestamp"] // SIZE), []).append(post)
    return windows


def nearly(ours: Any, theirs: Any) -> bool:
    """Tell whether two answers are the same but for the rounding of running sums."""
    if isinstance(theirs, dict):
        return list(ours) == list(theirs) and all(nearly(ours[k], theirs[k]) for k in theirs)
    if isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(nearly, ours, theirs))
    if isinstance(theirs, float):
        return math.isclose(ours, theirs, rel_tol=1e-9, abs_tol=1e-7)
    return bool(ours == theirs)


WORK: dict[str, tuple[Callable[[Records], Any], Callable[[Records], Any], float]] = {
    "quant bars by time": (lambda r: quant.tumbling_window(r, SIZE), plain_bars, 3),
    "quant average of 100, each summed": (lambda r: quant.sliding_window(r, 100), plain_means, 3),
    "quant average of 100, a running sum": (
        lambda r: quant.sliding_window(r, 100),
        plain_averages,
        3,
    ),
    "social running watermark": (
        lambda r: social.watermark_event_time(r, 5),
        plain_watermarks,
        3,
    ),
    "compliance watermark and flag": (
        lambda r: compliance.watermark_event_time(r, 5),
        plain_marks,
        2,
    ),
    "compliance windows of dicts": (
        lambda r: compliance.tumbling_window(r, SIZE),
        plain_groups,
        2,
    ),
    "iot windows of dicts": (lambda r: list(iot.tumbling_window(r, SIZE)), plain_groups, 2),
    "social numbered windows of dicts": (
        lambda r: social.tumbling_window(r, SIZE),
        plain_numbers,
        2,
    ),
    "social moving average": (social.sliding_window, plain_sentiment, 5),
    "iot sliding average, 100-fold overlap": (
        lambda r: list(iot.sliding_window(r, 1000, 10)),
        plain_readings,
        5,
    ),
}


def average_dicts(records: Records) -> Callable[[], Records]:
    """Give what makes the dicts of moving averages out of their values."""
    values = [list(row.values()) for row in plain_averages(records)]
    starts, ends, averages = zip(*values, strict=True)
    return lambda: [
        {"start_index": start, "end_index": end, "average": average}
        for start, end, average in zip(starts, ends, averages, strict=True)
    ]


def sentiment_dicts(records: Records) -> Callable[[], Records]:
    """Give what makes the dicts of moving sentiments out of their values."""
    times, averages = zip(*map(dict.values, plain_sentiment(records)), strict=True)
    return lambda: [
        {"timestamp": time, "avg_sentiment": average}
        for time, average in zip(times, averages, strict=True)
    ]


def copied_dicts(records: Records) -> Callable[[], Records]:
    """Give what copies the caller's dicts."""
    return lambda: [record.copy() for record in records]


FLOORS: dict[str, Callable[[Records], Callable[[], Records]]] = {
    "quant average of 100, a running sum": average_dicts,
    "social moving average": sentiment_dicts,
    "compliance watermark and flag": copied_dicts,
}


@pytest.mark.parametrize("work", FLOORS)
def test_floor_of_python(work: str, records: Records, race: Callable[..., None]) -> None:
    """Measure what the dicts alone cost Python, their values being there already.

    The ratio is the highest that anything could reach which makes such dicts as Python does.
    """
    _, plain, target = WORK[work]
    make = FLOORS[work](records)
    assert len(make()) == len(plain(records))
    race(
        f"{work}: the dicts alone, by Python",
        make,
        {"plain Python": lambda: plain(records)},
        target=target,
        n_rounds=N_ROUNDS,
    )


@pytest.mark.parametrize("work", WORK)
def test_adapter(work: str, records: Records, race: Callable[..., None]) -> None:
    """Compare one call with the plain way."""
    ours, plain, target = WORK[work]
    assert nearly(ours(records), plain(records))
    race(
        work,
        lambda: ours(records),
        {"plain Python": lambda: plain(records)},
        target=target,
        n_rounds=N_ROUNDS,
    )
