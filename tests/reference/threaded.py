"""Streams on several threads against the same stream on one."""

import pyarrow as pa
import pytest
from reference.compare import assert_same_bits
from reference.strategies import ticks

import tidegate as tg
from tidegate import agg, errors

WANTS = {  # of the columns x, h and q
    "n": agg.rows(),
    "total": agg.sum("h"),
    "spread": agg.std("x"),
    "vwap": agg.vwap("x", "h"),
    "close": agg.last("x"),
    "net": agg.sum("q"),
    "middle": agg.median("x"),
}


def fed(live: tg.Aggregator, table: pa.Table, size: int = 7_000) -> pa.Table:
    """Push a table piece by piece, and give all that comes out."""
    parts = [live.push(table.slice(at, size)) for at in range(0, table.num_rows, size)]
    return pa.concat_tables([*parts, live.flush()])


def assert_alike(many: tg.Aggregator, one: tg.Aggregator) -> None:
    """Hold two streams to the same late rows, counts and watermark."""
    assert_same_bits(many.take_late(), one.take_late())
    assert many.stats == one.stats
    assert repr(many.watermark) == repr(one.watermark)  # NaN at the end of float times


def asked(then: str, many: tg.Aggregator, one: tg.Aggregator, threads: int) -> tg.Aggregator:
    """Ask two streams for the same; give the one on threads, which goes on from a snapshot."""
    if then == "take":
        assert_same_bits(many.take(), one.take())
    elif then == "stats":
        assert many.stats == one.stats
    elif then == "late":
        assert_same_bits(many.take_late(), one.take_late())
    elif then == "snapshot":
        state = many.snapshot()
        assert state == one.snapshot()
        return tg.Aggregator.restore(state, threads=threads)
    return many


def assert_failed_push_is_not_gone_on_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a push on two threads fail half way: the stream refuses more, a snapshot goes on."""
    table = ticks(2, 9_000)
    live = tg.Aggregator(tg.Tumbling(97), agg.sum("h"), on="t", by="k", threads=2)
    live.push(table.slice(0, 2_000))
    state = live.snapshot()

    def fails(_: object) -> None:
        raise MemoryError("no memory for keys")

    monkeypatch.setattr(live._run.bound.keys, "encode", fails)
    with pytest.raises(MemoryError, match="no memory for keys"):
        live.push(table.slice(2_000, 7_000))
    with pytest.raises(errors.InputError, match="restore a snapshot"):
        live.push(table.slice(2_000, 7_000))
    again = tg.Aggregator.restore(state, threads=2)
    assert again.push(table.slice(2_000, 7_000)).num_rows
