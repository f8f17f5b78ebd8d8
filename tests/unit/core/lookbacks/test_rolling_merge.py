"""Two aggregators of look-backs over other keys merge into what one would have said."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.compare import assert_same_bits
from reference.lookbacks import WINDOWS

import tidegate as tg
from tidegate import agg, errors
from tidegate.core import texts
from tidegate.core.lookbacks import labels

MADE = {
    **{name: getattr(agg, name)("x") for name in ("sum", "std", "median", "argmin", "skew")},
    **{f"w_{name}": getattr(agg, name)("w") for name in ("min", "mode", "last", "nunique")},
    "longest": agg.custom(lambda words: max(map(len, words)), "w", type=pa.int64(), name="longest"),
}


def in_order(table):
    """Bring results of one time into the order of their keys."""
    return table.sort_by([("t", "ascending"), ("k", "ascending")])


@st.composite
def keyed_tables(draw):
    """Draw rows of two keys."""
    row = st.tuples(
        st.integers(0, 40),
        st.sampled_from("uv"),
        st.none() | st.integers(-9, 9).map(lambda x: x / 7),
        st.sampled_from([None, "a", "bb", "", "ab"]),
    )
    t, k, x, w = zip(*draw(st.lists(row, min_size=1, max_size=30)), strict=True)
    columns = {"t": pa.array(t), "k": pa.array(k), "x": pa.array(x, pa.float64())}
    return pa.table({**columns, "w": pa.array(w, pa.string())})


@settings(max_examples=60)
@given(keyed_tables(), WINDOWS, st.sampled_from([1, 1 << 32]), st.sampled_from([0, 100]))
def test_two_merge_into_one(table, window, space, lateness):
    # Here no row is late where it would not be in the other.
    table = table if lateness else table.sort_by("t")
    options = {"on": "t", "by": "k", "lateness": lateness, "schema": table.schema, **MADE}
    one, other, whole = (tg.Aggregator(window, **options) for _ in range(3))
    halves = [table.filter(pa.compute.equal(table["k"], key)) for key in "uv"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(labels, "_SPACE", space)
        patch.setattr(texts, "_SPARE", 0)
        parts = [one.push(halves[0]), other.push(halves[1])]
        wholes = [whole.push(table)]
        one.merge(other)
        more = pa.table(
            {**table.to_pydict(), "t": pa.array([t + 50 for t in table["t"].to_pylist()])}
        )
        more = more.cast(table.schema).sort_by("t")
        for live, outs in ((one, parts), (whole, wholes)):
            outs += [live.push(more), live.flush()]
    assert_same_bits(in_order(pa.concat_tables(parts)), in_order(pa.concat_tables(wholes)))
    assert one.stats == whole.stats
    with pytest.raises(errors.InputError, match="ended"):
        other.push(table)


def test_results_that_wait_come_in_order_of_time():
    lives = [tg.Aggregator(tg.Rolling(10), agg.sum("x"), on="t", by="k") for _ in "ab"]
    for live, times, key in zip(lives, ([1, 4, 9], [2, 3, 30]), "ab", strict=True):
        live.push({"t": times, "k": [key] * 3, "x": [1, 2, 4]}, take=False)
    lives[0].merge(lives[1])
    assert lives[0].watermark == 30
    out = lives[0].take()
    assert out["t"].to_pylist() == [1, 2, 3, 4, 9]
    assert out["x_sum"].to_pylist() == [1, 1, 3, 3, 7]
    assert lives[0].stats == tg.Stats(6, 5, 0, 0, 1, 5)


def test_late_rows_of_both_are_there():
    lives = [tg.Aggregator(tg.Rolling(10), agg.rows(), on="t", by="k") for _ in "ab"]
    for live, key in zip(lives, "ab", strict=True):
        live.push({"t": [10, 7], "k": [key] * 2})
    lives[0].merge(lives[1])
    assert lives[0].take_late()["k"].to_pylist() == ["a", "b"]


def test_one_without_rows_takes_over_what_there_is():
    one, other = (tg.Aggregator(tg.Rolling(10), agg.rows(), on="t") for _ in "ab")
    other.push({"t": [1, 2, 3]})
    one.merge(other)
    assert one.push({"t": [4]})["rows"].to_pylist() == [3]


def test_a_key_in_both_is_refused_and_nothing_changes():
    lives = [tg.Aggregator(tg.Rolling(10), agg.rows(), on="t", by="k") for _ in "ab"]
    lives[0].push({"t": [1, 1], "k": ["a", "b"]})
    lives[1].push({"t": [1, 1], "k": ["c", "b"]})
    with pytest.raises(errors.MergeError, match=r"key \('b',\) has rows in both"):
        lives[0].merge(lives[1])
    assert [live.flush()["k"].to_pylist() for live in lives] == [["a", "b"], ["c", "b"]]


def test_rows_without_keys_are_refused():
    lives = [tg.Aggregator(tg.Rolling(10), agg.rows(), on="t") for _ in "ab"]
    for live in lives:
        live.push({"t": [1]})
    with pytest.raises(errors.MergeError, match=r"without keys .*give by="):
        lives[0].merge(lives[1])


@pytest.mark.parametrize(
    ("limits", "match"),
    [({"max_look_back": 5}, "max_look_back=5"), ({"max_late": 1}, "max_late=1")],
)
def test_limits_hold(limits, match):
    lives = [
        tg.Aggregator(
            tg.Rolling(10), agg.rows(), on="t", by="k", lateness=2, limits=tg.Limits(**limits)
        )
        for _ in "ab"
    ]
    for live, key in zip(lives, "ab", strict=True):
        live.push({"t": [10, 9, 8], "k": [key] * 3})
        live.push({"t": [1], "k": [key]})
    with pytest.raises(errors.MergeError, match=match):
        lives[0].merge(lives[1])


def test_long_merges_are_one_answer(rng):
    n = 25_000
    x = rng.normal(size=n) * 10.0 ** rng.integers(-3, 4, n)
    columns = {"t": np.cumsum(rng.integers(0, 3, n)), "k": rng.integers(0, 6, n), "x": x}
    table = pa.table({**columns, "w": pa.array([f"w{n}" for n in rng.integers(0, 900, n)])})
    options = {"on": "t", "by": "k", "lateness": None, **MADE}
    one, other, whole = (tg.Aggregator(tg.Rolling(rows=50), **options) for _ in range(3))
    for at in range(0, n, 5000):
        rows = table.slice(at, 5000)
        is_low = pa.compute.less(rows["k"], 3)
        one.push(rows.filter(is_low))
        other.push(rows.filter(pa.compute.invert(is_low)))
        whole.push(rows)
        for live in (one, other, whole):
            live.advance(int(rows["t"][-1].as_py()) - 10)
    one.merge(other)
    assert_same_bits(in_order(one.flush()), in_order(whole.flush()))
