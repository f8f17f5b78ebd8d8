"""Keys that live for a short time: memory has to come back when they are forgotten.

Ten million rows of a million keys, a hundred thousand alive at a time; what the process holds is
measured after each tenth of the stream, beside what it held after the first.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import tidegate as tg
from tidegate import agg

N_ROWS, N_KEYS = 10_000_000, 1_000_000
BATCH = 100_000
PER_KEY = N_ROWS // N_KEYS


def resident_bytes() -> int:
    """Ask the system how much memory this process holds."""
    status = Path("/proc/self/status").read_text()
    fields = dict(line.split(":", 1) for line in status.splitlines())
    return int(fields["VmRSS"].split()[0]) << 10


def batch_of(number: int) -> pa.RecordBatch:
    """Make rows of the keys that are alive: each has its rows within a hundred batches' time."""
    at = np.arange(number * BATCH, (number + 1) * BATCH)
    random = np.random.default_rng(number)
    keys = at // PER_KEY + random.integers(0, N_KEYS // 100, BATCH)
    return pa.record_batch({"t": at, "k": keys * 7_919, "x": random.random(BATCH)})


WINDOWS = {
    "tumbling": tg.Tumbling(1_000),
    "session": tg.Session(1_000),
    "count": tg.Count(3),
    "threshold": tg.Threshold("x", 3.0),
    "look-back by time": tg.Rolling(1_000),
    "look-back by rows": tg.Rolling(rows=5),
}


@pytest.mark.parametrize(
    ("window", "kind"), [*((window, "ints") for window in WINDOWS), ("tumbling", "strings")]
)
def test_memory_comes_back(window, kind):
    plan = {"on": "t", "by": "k", "ttl": 50_000, "late": "drop", "total": agg.sum("x")}
    live = tg.Aggregator(WINDOWS[window], **plan)
    held = []
    for number in range(N_ROWS // BATCH):
        batch = batch_of(number)
        if kind == "strings":
            batch = batch.set_column(1, "k", batch["k"].cast(pa.string()))
        live.push(batch)
        held.append(resident_bytes())
    live.flush()
    tenths = [max(held[at : at + 10]) >> 20 for at in range(0, len(held), 10)]
    print(f"\n{window}, {kind}: {N_ROWS:,} rows, {N_KEYS:,} keys, MiB in each tenth: {tenths}")
    assert live.stats.used == N_ROWS
    assert max(held[-10:]) < 1.1 * max(held[:20])
