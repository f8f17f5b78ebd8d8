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
    return pa.record_batch({"t": at, "k": keys * 7_919, "x": random.normal(size=BATCH)})


@pytest.mark.parametrize("kind", ["ints", "strings"])
def test_memory_comes_back(kind):
    live = tg.Aggregator(
        tg.Tumbling(1_000), on="t", by="k", ttl=50_000, late="drop", total=agg.sum("x")
    )
    held = []
    for number in range(N_ROWS // BATCH):
        batch = batch_of(number)
        if kind == "strings":
            batch = batch.set_column(1, "k", batch["k"].cast(pa.string()))
        live.push(batch)
        held.append(resident_bytes())
    tenths = [max(held[at : at + 10]) >> 20 for at in range(0, len(held), 10)]
    print(f"\n{kind}: {N_ROWS:,} rows, {N_KEYS:,} keys, MiB in each tenth: {tenths}")
    assert live.stats.used == N_ROWS
    assert max(held[-10:]) < 1.1 * max(held[:20])
