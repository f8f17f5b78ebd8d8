"""The four fields in one process: none touches another, and all stand on one engine."""

import logging

import numpy as np
import pyarrow as pa
import pytest

import tidegate as tg
from tidegate import agg
from tidegate.compliance_officer.pipeline import compliance
from tidegate.domain.compliance.audit import AuditPlan, audit_ledgers
from tidegate.iot_engineer import streaming as iot
from tidegate.quant_trader import streaming as trading
from tidegate.social_media_analyst import streaming_toolkit as social


def trades(n=200):
    rng = np.random.default_rng(11)
    return [
        {"id": f"t-{i}", "timestamp": int(t), "price": round(float(p), 2), "volume": int(v)}
        for i, (t, p, v) in enumerate(
            zip(
                rng.integers(0, 600, n),
                100 + rng.normal(0, 1, n),
                rng.integers(1, 500, n),
                strict=True,
            )
        )
    ]


def test_a_serializer_of_one_field_is_in_no_other():
    known = tg.serializers.names()
    compliance.add_serializer("only here", lambda _: b"compliance")
    iot.add_serializer("only there", repr)
    try:
        assert compliance.serializers["only here"]([]) == b"compliance"
        assert iot.get_serializer("only there") is repr
        assert iot.get_serializer("only here") is trading.get_serializer("only here") is None
        assert trading.get_serializer("only there") is None
        assert "only there" not in compliance.serializers
        with pytest.raises(ValueError, match="only here"):
            social.add_serializer({"id": 1}).serialize("only here")
        assert tg.serializers.names() == known
    finally:
        del compliance.serializers["only here"]
        del iot.add_serializer("only there", repr)["only there"]


def test_lineage_of_one_field_is_in_no_other():
    compliance.lineage_store.clear()

    @compliance.track_lineage
    def audit(record):
        return record

    @tg.track_lineage
    def elsewhere(record):
        return record

    post = {"id": "p-1"}
    try:
        assert social.track_lineage(post, "clean") is post
        audit(elsewhere({"id": "t-1"}))
        assert dict(compliance.lineage_store) == {"t-1": ["audit"]}
        assert post == {"id": "p-1", "_lineage": ["clean"]}
    finally:
        compliance.lineage_store.clear()


def test_errors_skipped_in_each_field_say_so_in_its_own_words(caplog):
    def fails(_):
        raise ValueError("bad")

    before = [logging.getLogger(name).level for name in ("tidegate", None)]
    for field in (compliance, iot, trading, social):
        assert field.skip_error(fails)(1) is None
    assert [record.getMessage() for record in caplog.records] == [
        "Skipping error in fails: bad",
        "Skipping error in fails: bad",
        "Skipping error in fails: bad",
        "Skipping due to error: bad",
    ]
    assert [logging.getLogger(name).level for name in ("tidegate", None)] == before


def test_limits_of_one_field_hold_up_no_other():
    slow = trading.throttle_upstream(0.001)(len)
    assert slow([1]) == 1  # the next one would wait for a quarter of an hour
    assert iot.throttle_upstream(1)(len)([1]) == 1
    assert compliance.throttle_upstream(1)(len)([1]) == 1
    assert list(social.throttle_upstream([1, 2], 1)) == [1]


def test_trades_are_audited_with_lineage_back_to_the_trade():
    rows = trades()
    audited = tg.aggregate(
        rows, tg.Tumbling(60), on="timestamp", volume=agg.sum("volume"), lineage=True
    )
    windows = compliance.tumbling_window(rows, 60)
    bars = trading.tumbling_window(rows, 60)
    traced = [tg.trace(rows, window["row_ranges"]) for window in audited]
    assert sorted(row["id"] for rows_ in traced for row in rows_) == sorted(
        row["id"] for row in rows
    )
    for window, found in zip(audited, traced, strict=True):
        assert all(any(row is trade for trade in rows) for row in found)  # the very dicts
        assert window["volume"] == sum(row["volume"] for row in found)
        again = tg.aggregate(found, tg.Tumbling(60), on="timestamp", volume=agg.sum("volume"))
        assert again[0]["volume"] == window["volume"]
    assert [bar["volume"] for bar in bars] == [
        sum(row["volume"] for row in window) for window in windows
    ]


def test_a_ledger_of_bars_is_audited_as_the_bars_say(tmp_path):
    rows = trades()
    ledger = tmp_path / "trades.avro"
    tg.serializers.get("avro").write(ledger, pa.Table.from_pylist(rows).to_batches())
    plan = AuditPlan(window=60, amount="volume", lateness=600)
    audit = audit_ledgers([ledger], plan)
    bars = tg.aggregate(rows, tg.Tumbling(60), agg.ohlcv("price", "volume"), on="timestamp")
    assert audit.windows["amount_sum"].to_pylist() == [bar["volume"] for bar in bars]
    assert audit.late == 0


def test_sensors_and_posts_go_through_one_engine_with_two_windows():
    rng = np.random.default_rng(5)
    times = np.sort(rng.integers(0, 500, 300)).tolist()
    values, moods = rng.normal(20, 3, 300).tolist(), rng.uniform(-1, 1, 300).tolist()
    readings = [{"timestamp": t, "value": v} for t, v in zip(times, values, strict=True)]
    posts = [{"timestamp": t, "sentiment": v} for t, v in zip(times, moods, strict=True)]
    both = [
        *({"t": row["timestamp"], "kind": "reading", "x": row["value"]} for row in readings),
        *({"t": row["timestamp"], "kind": "post", "x": row["sentiment"]} for row in posts),
    ]
    both.sort(key=lambda row: row["t"])

    engines = {
        window: tg.Aggregator(window, agg.mean("x"), agg.rows(), on="t", by="kind")
        for window in (tg.Tumbling(60), tg.Sliding(100, 50))
    }
    for window, live in engines.items():
        parts = [live.push(both[start : start + 97]) for start in range(0, len(both), 97)]
        got = pa.concat_tables([*parts, live.flush()]).to_pylist()
        for kind, rows, field in (("reading", readings, "value"), ("post", posts, "sentiment")):
            alone = tg.aggregate(rows, window, agg.mean(field), agg.rows(), on="timestamp")
            mine = [row for row in got if row["kind"] == kind]
            assert [row["x_mean"] for row in mine] == [row[f"{field}_mean"] for row in alone]
            assert [row["rows"] for row in mine] == [row["rows"] for row in alone]
    # And the adapters say the same of their own windows.
    grouped = social.tumbling_window(posts, 60)
    counts = tg.aggregate(posts, tg.Tumbling(60), agg.rows(), on="timestamp")
    assert [len(grouped[k]) for k in sorted(grouped)] == [row["rows"] for row in counts]
    windows = list(iot.sliding_window(readings, 60, 60))
    assert windows[0]["end"] == readings[0]["timestamp"] + 60
