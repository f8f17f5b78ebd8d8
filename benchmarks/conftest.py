"""What the benchmarks share: the number of rows, a stream of ticks, and the race with a peer."""

from __future__ import annotations

import os

os.environ["POLARS_MAX_THREADS"] = "2"  # read when polars is imported first

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

FULL = 10_000_000
N_ROWS = int(os.environ.get("TIDEGATE_BENCH_ROWS", FULL))
FIRST_NS = 1_700_000_000_000_000_000
MEAN_GAP_NS = 1_000_000
SECOND_NS = 1_000_000_000

LINES = pytest.StashKey[list[str]]()


class Race:
    """Time ours and its peers in turn, and keep the best of each.

    Parameters
    ----------
    benchmark : BenchmarkFixture
        Gets our rounds, and the ratio as extra information.
    lines : list of str
        Gets the line to print.
    n_rows : int
        Rows that one run takes.
    """

    def __init__(self, benchmark: BenchmarkFixture, lines: list[str], n_rows: int) -> None:
        self._benchmark = benchmark
        self._lines = lines
        self._n_rows = n_rows

    def __call__(
        self,
        work: str,
        ours: Callable[[], object],
        peers: Mapping[str, Callable[[], object]],
        *,
        target: float,
        n_rounds: int,
    ) -> None:
        """Run every peer, then ours, again and again; note the ratio to the fastest peer.

        A target that is missed is noted, no failure: another's work on the machine is no bug.
        """
        mine: list[float] = []
        theirs: dict[str, list[float]] = {name: [] for name in peers}

        def run_peers() -> None:
            for name, run in peers.items():
                theirs[name].append(seconds(run))

        self._benchmark.pedantic(
            lambda: mine.append(seconds(ours)), setup=run_peers, rounds=n_rounds
        )
        peer = min(peers, key=lambda name: min(theirs[name]))
        self._note(work, peer, min(mine), min(theirs[peer]), target)

    def _note(self, work: str, peer: str, ours_s: float, peer_s: float, target: float) -> None:
        """Put a result where it is stored, and where it is printed."""
        ratio = peer_s / ours_s
        ours_rate, peer_rate = (self._n_rows / s / 1e6 for s in (ours_s, peer_s))
        self._benchmark.extra_info |= {
            "work": work,
            "peer": peer,
            "rows": self._n_rows,
            "ratio": ratio,
            "target": target,
            "is_met": ratio >= target,
            "ours_m_rows_per_s": ours_rate,
            "peer_m_rows_per_s": peer_rate,
        }
        verdict = "met" if ratio >= target else "missed"
        self._lines.append(
            f"{work} | {peer} | {ratio:.2f} | {ours_rate:.4g} M rows/s | {peer_rate:.4g} M rows/s"
            f" | target {target:g}: {verdict} | {self._n_rows:,} rows"
        )


def seconds(run: Callable[[], object]) -> float:
    """Time one run; what it returns is freed after the clock was read."""
    start = time.perf_counter()
    result = run()
    stop = time.perf_counter()
    del result
    return stop - start


def same(ours: pa.Table, peer: pa.Table, rtol: Mapping[str, float]) -> None:
    """Assert that the columns of a peer are ours: to the bit, but for those with a tolerance."""
    assert ours.num_rows == peer.num_rows > 0
    for name in peer.column_names:
        expected = peer[name].to_numpy()
        found = ours[name].cast(peer[name].type).to_numpy()
        if name in rtol:
            np.testing.assert_allclose(found, expected, rtol=rtol[name], err_msg=name)
        else:
            np.testing.assert_array_equal(found, expected, err_msg=name)


@pytest.fixture(scope="session")
def assert_same() -> Callable[[pa.Table, pa.Table, Mapping[str, float]], None]:
    """Give the comparison of two answers."""
    return same


@pytest.fixture(scope="session")
def n_rows() -> int:
    """Give the number of rows."""
    return N_ROWS


@pytest.fixture(scope="session")
def ticks(n_rows: int) -> pa.Table:
    """Make a sorted stream of one tick a millisecond on average, at random: time, price, size.

    No two ticks have one time, and none lies on a whole second, where csp closes windows on the
    other side.
    """
    rng = np.random.default_rng(7)
    times = FIRST_NS + np.cumsum(rng.integers(2, 2 * MEAN_GAP_NS, n_rows))
    times += times % SECOND_NS == 0
    price = np.round(1000 + np.cumsum(rng.normal(0, 0.01, n_rows)), 2)
    return pa.table(
        {
            "time": pa.array(times).cast(pa.timestamp("ns")),
            "price": price,
            "size": rng.integers(1, 1000, n_rows),
        }
    )


@pytest.fixture
def race(benchmark: BenchmarkFixture, request: pytest.FixtureRequest, n_rows: int) -> Race:
    """Give the race of one benchmark."""
    return Race(benchmark, request.config.stash.setdefault(LINES, []), n_rows)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print a line for each race, whether or not output is captured."""
    lines = config.stash.get(LINES, [])
    if lines:
        terminalreporter.section("work | peer | ratio | ours | peer | target | rows")
        for line in lines:
            terminalreporter.write_line(line)
