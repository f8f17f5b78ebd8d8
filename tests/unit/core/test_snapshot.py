"""Snapshots: everything is in them, and nothing else is believed."""

import json
import pickle
import struct
import zlib

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.compare import assert_same_bits
from reference.strategies import cases, steps

import tidegate as tg
from tidegate import agg, errors
from tidegate._kernels.checksum import crc32c


def live():
    run = tg.Aggregator(
        tg.Sliding("10s", "5s"),
        on="t",
        by=["k", "n"],
        lateness="2s",
        bar=agg.ohlcv("p", "q"),
        width=agg.std("p", ddof=0),
        vwap=agg.vwap("p", "q"),
    )
    run.push(events(range(0, 40, 3)))
    run.push_row(41_000, "d", 2**40, 1.5, 7)
    run.push_row(3_000, "a", 0, 1.5, 7)
    return run


def events(seconds):
    seconds = list(seconds)
    return pa.table(
        {
            "t": pa.array([1000 * s for s in seconds], pa.timestamp("ms", "UTC")),
            "k": [["a", "b", None][s % 3] for s in seconds],
            "n": [s % 2 for s in seconds],
            "p": [s / 7 for s in seconds],
            "q": seconds,
        }
    )


def end(run):
    """Give everything that is left to say."""
    return run.take(), run.take_late(), run.push(events(range(45, 90, 2))), run.flush(), run.stats


def assert_same_end(mine, theirs):
    for left, right in zip(end(mine), end(theirs), strict=True):
        if isinstance(left, pa.Table):
            assert_same_bits(left, right)
        else:
            assert left == right


def test_restored_aggregator_goes_on_as_if_nothing_had_happened():
    restored = tg.Aggregator.restore(live().snapshot())
    assert restored.watermark == live().watermark
    assert restored.stats == live().stats
    assert_same_end(restored, live())


def test_snapshot_changes_nothing():
    run = live()
    run.snapshot()
    assert_same_end(run, live())


def test_snapshot_of_what_was_restored_is_the_same():
    state = live().snapshot()
    assert tg.Aggregator.restore(state).snapshot() == state


def test_snapshot_before_any_row():
    fresh = tg.Aggregator(tg.Tumbling(10), on="t", by="k", x=agg.sum("p"))
    restored = tg.Aggregator.restore(fresh.snapshot())
    assert restored.watermark is None
    restored.push(pa.table({"t": [1], "k": ["a"], "p": [2]}))
    assert restored.flush()["x"].to_pylist() == [2]


def test_there_is_nothing_to_go_on_from_after_the_end_of_input():
    run = live()
    run.flush()
    with pytest.raises(errors.InputError, match="flush"):
        run.snapshot()


@given(cases(late=True), steps(), st.integers(0, 40))
def test_stop_and_go_anywhere_changes_nothing(case, how, at):
    straight = case.stream(how)
    stopped = case.stream([("push", at), ("restore", 0), *how])
    assert_same_bits(stopped.result, straight.result)
    assert_same_bits(stopped.late, straight.late)
    assert stopped.stats == straight.stats
    assert stopped.watermark == straight.watermark


def test_snapshot_may_come_in_any_buffer():
    state = live().snapshot()
    assert isinstance(state, bytes)
    for other in (bytearray(state), memoryview(state)):
        assert tg.Aggregator.restore(other).stats == live().stats


# Hostile until checked


def test_snapshot_cut_short_at_any_byte_is_an_error():
    state = live().snapshot()
    for length in range(len(state)):
        with pytest.raises(errors.SnapshotError):
            tg.Aggregator.restore(state[:length])


def test_snapshot_with_any_bit_altered_is_an_error():
    state = bytearray(live().snapshot())
    for place in range(len(state)):
        for bit in range(8):
            state[place] ^= 1 << bit
            with pytest.raises(errors.SnapshotError):
                tg.Aggregator.restore(state)
            state[place] ^= 1 << bit
    assert tg.Aggregator.restore(state).stats == live().stats


def test_snapshot_is_framed_by_word_version_length_and_castagnoli_checksum():
    state = live().snapshot()
    body = state[24:]
    assert state[:24] == struct.pack("<8sIQI", b"tidegate", 2, len(body), crc32c(body))


@pytest.mark.parametrize("version", [0, 1, 3])
def test_snapshot_of_another_version_is_refused_and_says_what_to_do(version):
    body = live().snapshot()[24:]
    for checksum in (zlib.crc32(body), crc32c(body)):
        other = struct.pack("<8sIQI", b"tidegate", version, len(body), checksum) + body
        with pytest.raises(errors.SnapshotError, match=f"has version {version}; this .* reads 2: "):
            tg.Aggregator.restore(other)


def test_snapshot_with_something_behind_it_is_an_error():
    with pytest.raises(errors.SnapshotError):
        tg.Aggregator.restore(live().snapshot() + b"\0")


@pytest.mark.parametrize(
    "foreign",
    [b"", b"\0" * 100, b"PAR1" + b"\0" * 60, pickle.dumps({"rows": 1}), b"{}", b"\x93NUMPY"],
    ids=["empty", "zeros", "parquet", "pickle", "json", "numpy"],
)
def test_foreign_bytes_are_an_error_that_says_what_was_expected(foreign):
    with pytest.raises(errors.SnapshotError, match="snapshot"):
        tg.Aggregator.restore(foreign)


@pytest.mark.parametrize("thing", [None, "text", 7, [1, 2]])
def test_what_is_no_bytes_is_an_error(thing):
    with pytest.raises((errors.SnapshotError, errors.ColumnTypeError)):
        tg.Aggregator.restore(thing)


def test_pickle_is_not_loaded(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    with pytest.raises(errors.SnapshotError):
        tg.Aggregator.restore(pickle.dumps(Trap()))
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    "window",
    [tg.Calendar("day", tz="America/New_York"), tg.Edges(np.array([0, 10**6], "M8[s]"))],
    ids=["calendar", "edges"],
)
@pytest.mark.parametrize("pane", [-3_000_000, 3_000_000, 10**9, -(2**63), 2**63 - 1])
def test_record_of_a_window_that_cannot_be_is_an_error(window, pane):
    live = tg.Aggregator(window, agg.rows(), on="t", lateness=None)
    live.push({"t": np.array([5 * 3600], "M8[s]")})
    honest, forged = (number.to_bytes(8, "little", signed=True) for number in (0, pane))
    state = live.snapshot()
    head = json.loads(state[24 + 4 : 24 + 4 + int.from_bytes(state[24:28], "little")])
    at = 24 + 4 + int.from_bytes(state[24:28], "little") + head["sections"][0][1]
    assert state[at : at + 8] == honest
    body = state[24:at] + forged + state[at + 8 :]
    frame = struct.pack("<8sIQI", state[:8], 2, len(body), crc32c(body))
    with pytest.raises(errors.SnapshotError, match="of no window"):
        tg.Aggregator.restore(frame + body)
