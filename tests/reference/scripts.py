"""The plain Python way of the users' old scripts: slow, and easy to read."""

from bisect import bisect_left


def in_time_order(records):
    """Sort by timestamp; equal ones stay as they came."""
    return sorted(records, key=lambda record: record["timestamp"])


def tumbling(records, size):
    """Windows from the first timestamp on, without the empty ones."""
    rows = in_time_order(records)
    windows, start, k = [], None, -1
    for row in rows:
        start = row["timestamp"] if start is None else start
        number = k
        while number < 0 or row["timestamp"] >= start + (number + 1) * size:
            number += 1
        if number != k:
            windows.append([])
            k = number
        windows[-1].append(row)
    return windows


def sliding(records, size, step):
    """Windows that start every step while the start is not past the last; empty ones too."""
    rows = in_time_order(records)
    windows, k = [], 0
    while rows and rows[0]["timestamp"] + k * step <= rows[-1]["timestamp"]:
        start = rows[0]["timestamp"] + k * step
        windows.append([row for row in rows if start <= row["timestamp"] < start + size])
        k += 1
    return windows


def readings(records, size, step):
    """Averages and the farthest reading of windows (end - size, end]."""
    rows = in_time_order(records)
    out, k = [], 0
    while rows and rows[0]["timestamp"] + size + k * step <= rows[-1]["timestamp"] + step:
        end = rows[0]["timestamp"] + size + k * step
        values = [row["value"] for row in rows if end - size < row["timestamp"] <= end]
        if values:
            average = sum(values) / len(values)
            anomaly = max(abs(value - average) for value in values)
            out.append({"end": end, "average": average, "anomaly": anomaly})
        k += 1
    return out


def bar(rows):
    """One bar of some rows."""
    prices = [row["price"] for row in rows]
    return {
        "open": prices[0],
        "high": max(prices),
        "low": min(prices),
        "close": prices[-1],
        "volume": sum(row.get("volume", 0) for row in rows),
    }


def averages(records, size, step):
    """Averages of every `size` records in a row."""
    out = []
    for start in range(0, len(records) - size + 1, step):
        prices = [row["price"] for row in records[start : start + size]]
        out.append(
            {"start_index": start, "end_index": start + size - 1, "average": sum(prices) / size}
        )
    return out


def sentiments(records, size):
    """Averages over all posts in [t - size, t]."""
    rows = in_time_order(records)
    times = [row["timestamp"] for row in rows]
    out = []
    for row in rows:
        low = bisect_left(times, row["timestamp"] - size)
        around = [x["sentiment"] for x in rows[low:] if x["timestamp"] <= row["timestamp"]]
        average = sum(around) / len(around)
        out.append({"timestamp": row["timestamp"], "avg_sentiment": average})
    return out
