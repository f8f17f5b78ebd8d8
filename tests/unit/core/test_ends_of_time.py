"""Windows next to the lowest and the largest time: right, or their rows rejected; never a loop."""

import numpy as np
import pytest

import tidegate as tg

N_ROWS = 200
SAFE = 100  # rows from the end of time that no window reaches over
LIMITS = np.iinfo(np.int64)
FIRST = {"lowest": int(LIMITS.min), "largest": int(LIMITS.max) + 1 - N_ROWS}


def expected(times: list[int], size: int, every: int, offset: int) -> dict[int, int]:
    """Count the rows of every window, in Python's integers."""
    counts: dict[int, int] = {}
    for time in times:
        start = (time - offset) // every * every + offset
        while start + size > time:
            counts[start] = counts.get(start, 0) + 1
            start -= every
    return counts


@pytest.mark.parametrize("end", FIRST)
@pytest.mark.parametrize(
    ("size", "every"), [(3, 10), (10, 10), (30, 10), (7, 10), (4, 2), (1, 1), (25, 10)]
)
@pytest.mark.parametrize("by", [None, "k"])
@pytest.mark.parametrize("lateness", [None, 0, 20])
def test_windows_at_an_end_of_time_are_right(end, size, every, by, lateness):
    times = [FIRST[end] + row for row in range(N_ROWS)]
    data = {"t": np.array(times), "k": ["a"] * N_ROWS}
    for offset in range(every):
        window = tg.Sliding(size, every, offset=offset)
        live = tg.Aggregator(window, tg.agg.rows(), on="t", by=by, lateness=lateness)
        windows = [*live.push(data).to_pylist(), *live.flush().to_pylist()]
        right = expected(times, size, every, offset)
        got = {row["window_start"]: row["rows"] for row in windows}
        assert len(got) == len(windows)
        assert all(row["window_end"] == row["window_start"] + size for row in windows)
        whole = [start for start in right if start >= times[0] and start + size <= times[-1]]
        if end == "lowest":
            safe = [start for start in whole if start >= times[SAFE]]
        else:
            safe = [start for start in whole if start + size <= times[-SAFE]]
        assert {start: got[start] for start in safe} == {start: right[start] for start in safe}
        assert all(count <= right[start] for start, count in got.items())
        assert live.stats.used + live.stats.rejected == N_ROWS
        assert live.take_late().num_rows == live.stats.rejected <= SAFE


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
