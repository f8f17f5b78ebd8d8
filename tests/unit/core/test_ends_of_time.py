"""Windows next to the lowest and the largest time: right, or their rows rejected; never a loop."""

import math
from collections import Counter

import numpy as np
import pytest

import tidegate as tg

N_ROWS = 200
LIMITS = np.iinfo(np.int64)
FIRST = {"lowest": int(LIMITS.min), "largest": int(LIMITS.max) + 1 - N_ROWS}


def windows_of(time: int, size: int, every: int, offset: int) -> list[int]:
    """List the starts of the windows of a row, in Python's integers."""
    start = (time - offset) // every * every + offset
    starts = []
    while start + size > time:
        starts.append(start)
        start -= every
    return starts


def can_be_written(starts: list[int], size: int) -> bool:
    """Tell whether all windows of a row have a start and an end."""
    return all(start >= LIMITS.min and start + size <= LIMITS.max for start in starts)


def has_no_number(time: int, size: int, every: int, offset: int) -> bool:
    """Tell whether what a window is made of has no number, which `tidegate.Sliding` tells of."""
    if math.gcd(size, every) > 1:
        return False
    first = min(windows_of(time, size, every, offset), default=time)
    return min(time, first) - offset % every < LIMITS.min


@pytest.mark.parametrize("end", FIRST)
@pytest.mark.parametrize(
    ("size", "every"), [(3, 10), (10, 10), (30, 10), (7, 10), (4, 2), (1, 1), (25, 10)]
)
@pytest.mark.parametrize("by", [None, "k"])
@pytest.mark.parametrize("lateness", [None, 0, 20])
def test_windows_at_an_end_of_time_are_right(end, size, every, by, lateness):
    times = [FIRST[end] + row for row in range(N_ROWS)]
    data = {"t": np.array(times), "k": ["a"] * N_ROWS}
    for offset in range(0, every, 1 if by is None else 3):
        window = tg.Sliding(size, every, offset=offset)
        live = tg.Aggregator(window, tg.agg.rows(), on="t", by=by, lateness=lateness)
        windows = [*live.push(data).to_pylist(), *live.flush().to_pylist()]
        right: Counter[int] = Counter()
        rejected = []
        for time in times:
            starts = windows_of(time, size, every, offset)
            if has_no_number(time, size, every, offset) or not can_be_written(starts, size):
                rejected.append(time)
            else:
                right.update(starts)
        got = {row["window_start"]: row["rows"] for row in windows}
        assert len(got) == len(windows)
        assert all(row["window_end"] == row["window_start"] + size for row in windows)
        assert got == right
        assert live.stats.used + live.stats.rejected == N_ROWS
        late = live.take_late()
        assert late["t"].to_pylist() == rejected
        assert set(late["reason"].to_pylist()) <= {"time out of range"}


OTHERS = {
    "keys by their own clocks": (tg.Sliding(30, 10, offset=3), {"by": "k", "watermark": "key"}),
    "corrections": (tg.Sliding(3, 10, offset=3), {"allowed_lateness": 2**62}),
    "windows without rows": (tg.Sliding(30, 10, offset=3, empty="zero"), {}),
    "keys that go": (tg.Sliding(3, 10), {"by": "k", "ttl": 2**62}),
    "rows too far ahead": (tg.Sliding(30, 10), {"max_jump": 2**62}),
    "windows of half of all time": (tg.Sliding(2**62, 2**62 - 1, offset=7), {}),
    "look-backs": (tg.Rolling(2**62), {"by": "k"}),
    "sessions": (tg.Session(5), {"allowed_lateness": 9}),
}


@pytest.mark.parametrize("end", FIRST)
@pytest.mark.parametrize(("window", "options"), OTHERS.values(), ids=OTHERS)
def test_no_row_is_lost_at_an_end_of_time(end, window, options):
    times = np.array([FIRST[end] + row for row in range(N_ROWS)])
    live = tg.Aggregator(window, tg.agg.rows(), on="t", lateness=2, **options)
    n = live.push({"t": times, "k": ["a", "b"] * (N_ROWS // 2)}).num_rows
    n += live.flush().num_rows
    assert live.stats.windows == n
    assert live.stats.used + live.stats.rejected == N_ROWS
    assert live.take_late().num_rows == live.stats.rejected
