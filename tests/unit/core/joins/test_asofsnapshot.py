"""Snapshots of `AsofJoin`: cut anywhere, the same answers; what is no snapshot, a named error."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.compare import assert_same_bits
from unit.core.joins.test_asoflive import assert_same_values, rows_of, streams

import tidegate as tg
from tidegate import errors
from tidegate.core.frames import framed, parts_of


def alike(one, other):
    """Hold a join to another that saw the same rows."""
    assert one.stats == other.stats
    assert repr(one.watermark) == repr(other.watermark)
    for side in ("left", "right"):
        mine, theirs = one.take_late(side), other.take_late(side)
        plain = [n for n in theirs.column_names if n not in ("word", "list", "view")]
        assert mine.schema == theirs.schema
        assert_same_bits(mine.select(plain), theirs.select(plain))


@settings(max_examples=settings().max_examples // 2)
@given(streams(), st.data())
def test_cut_anywhere_the_same_comes_out(drawn, data):
    left, right, by, lateness, options, pushes = drawn
    known = data.draw(st.sampled_from([(), ("left",), ("right",), ("left", "right")]))
    schemas = {f"{side}_schema": {"left": left, "right": right}[side].schema for side in known}
    one = tg.AsofJoin(on="t", by=by, lateness=lateness, **options, **schemas)
    cut = tg.AsofJoin(on="t", by=by, lateness=lateness, **options, **schemas)
    at = [0, 0]
    both = [(left, "push_left"), (right, "push_right")]
    ends = [(True, left.num_rows), (False, right.num_rows)]
    for is_left, size in [*pushes, *ends]:
        table, push = both[not is_left]
        rows = rows_of(table, range(at[not is_left], min(at[not is_left] + size, table.num_rows)))
        at[not is_left] += rows.num_rows
        if data.draw(st.booleans()):
            state = cut.snapshot()
            cut = tg.AsofJoin.restore(state)
            assert tg.AsofJoin.restore(state).stats == cut.stats == one.stats
        assert_same_values(plain(getattr(cut, push)(rows)), plain(getattr(one, push)(rows)))
    cut = tg.AsofJoin.restore(cut.snapshot())
    assert_same_values(plain(cut.flush()), plain(one.flush()))
    alike(cut, one)


def plain(table):
    """Add the columns that `assert_same_values` looks at where there are none yet."""
    for name in ("word", "list", "view"):
        if name not in table.column_names:
            table = table.append_column(name, pa.nulls(table.num_rows))
    return table


@pytest.mark.parametrize("direction", ["backward", "forward", "nearest"])
@pytest.mark.parametrize("by", [None, "k"])
def test_long_streams_cut_often(direction, by):
    rng = np.random.default_rng(7)
    tables = []
    for n in (20_000, 30_000):
        times = np.cumsum(rng.integers(0, 4, n)) - rng.integers(0, 30, n)
        tables.append(pa.table({"t": times, "k": rng.integers(0, 40, n), "v": np.arange(n)}))
    left, right = tables
    right = right if by else right.drop_columns(["k"])
    options = {"on": "t", "by": by, "direction": direction, "lateness": 10}
    one, cut = tg.AsofJoin(**options), tg.AsofJoin(**options)
    for at in range(0, 30_000, 1_500):
        for push, table in (("push_right", right), ("push_left", left)):
            batch = table.slice(at, 1_500)
            assert_same_bits(getattr(cut, push)(batch), getattr(one, push)(batch))
            cut = tg.AsofJoin.restore(cut.snapshot())
        cut.advance(at)
        one.advance(at)
    assert_same_bits(cut.flush(), one.flush())
    alike(cut, one)


def kept(n=40, by="k"):
    """Make a join that has something of everything."""
    live = tg.AsofJoin(on="t", by=by, lateness=3, tolerance=20)
    right = {"t": [*range(n), 0, None], "k": ["a", "b"] * (n // 2) + ["a", "b"], "v": range(n + 2)}
    live.push_right(pa.table({**right, "s": [f"s{i}" for i in range(n + 2)]}))
    live.push_left(pa.table({"t": [5, 39, 41, 1], "k": ["a", None, "b", "a"]}))
    return live


def test_state_stays_as_small_as_it_was():
    live = kept()
    before = live.stats
    states = [live.snapshot()]
    for _ in range(3):
        states.append(tg.AsofJoin.restore(states[-1]).snapshot())
    assert live.stats == before
    assert len({len(state) for state in states[1:]}) == 1


def test_every_truncation_is_a_named_error():
    state = kept(4).snapshot()
    for size in range(len(state)):
        with pytest.raises(errors.SnapshotError):
            tg.AsofJoin.restore(state[:size])


def test_every_flipped_byte_is_a_named_error():
    state = bytearray(kept(4).snapshot())
    for at in range(len(state)):
        state[at] ^= 0x41
        with pytest.raises(errors.SnapshotError):
            tg.AsofJoin.restore(bytes(state))
        state[at] ^= 0x41


def test_forged_sections_never_get_further_than_a_named_error():
    header, sections = parts_of(kept().snapshot())
    chance = np.random.default_rng(5)
    n_refused = 0
    for _ in range(600):
        forged = {name: bytearray(section) for name, section in sections.items()}
        name = str(chance.choice([name for name, section in forged.items() if section]))
        for _ in range(chance.integers(1, 4)):
            forged[name][chance.integers(len(forged[name]))] = chance.integers(256)
        if chance.random() < 0.2:
            del forged[name][-chance.integers(1, 10) :]
        whole = {name: bytes(section) for name, section in forged.items()}
        try:
            live = tg.AsofJoin.restore(framed(header, whole))
            live.push_right(pa.table({"t": [50], "k": ["a"], "v": [1], "s": ["x"]}))
            live.flush()
        except errors.TidegateError:
            n_refused += 1
    assert n_refused > 100


WRONG_HEADERS = [
    lambda header: header.pop("join"),
    lambda header: header.update(join=[]),
    lambda header: header["join"].update(direction="up"),
    lambda header: header["join"].update(by=[]),
    lambda header: header["join"].update(on=["t"]),
    lambda header: header["join"].update(lateness="soon"),
    lambda header: header["join"].update(tolerance=-1),
    lambda header: header["join"].update(max_keys=1),
    lambda header: header["join"].update(max_rows=True),
    lambda header: header["join"].update(more=1),
    lambda header: header.update(sides=header["sides"][:1]),
    lambda header: header["sides"][0].update(rows_in=-1),
    lambda header: header["sides"][0].update(late=99),
    lambda header: header["sides"][0].update(rejected=True),
    lambda header: header["sides"][1].update(largest=2**63),
    lambda header: header["sides"][1].update(largest=1.5),
    lambda header: header["sides"][1].update(largest=float("nan")),
    lambda header: header["sides"][1].update(promised="now"),
]
WRONG_SECTIONS = [
    lambda sections: sections.pop("keys"),
    lambda sections: sections.pop("times"),
    lambda sections: sections.pop("waiting"),
    lambda sections: sections.pop("left_waiting"),
    lambda sections: sections.update(times=sections["times"][:-8]),
    lambda sections: sections.update(times=sections["times"][:-3]),
    lambda sections: sections.update(times=sections["times"][::-1]),
    lambda sections: sections.update(codes=sections["codes"][:-4]),
    lambda sections: sections.update(codes=b"\xff" * len(sections["codes"])),
    lambda sections: sections.update(codes=b"\x07\0\0\0" * (len(sections["codes"]) // 4)),
    lambda sections: sections.update(stored=sections["waiting"]),
    lambda sections: sections.update(right_out=sections["left_out"]),
    lambda sections: sections.update(right_waiting=sections["left_waiting"]),
]


def parts():
    """Take a snapshot apart, to be forged."""
    header, sections = parts_of(kept().snapshot())
    sections = {name: bytes(section) for name, section in sections.items()}
    assert tg.AsofJoin.restore(framed(header, sections)).stats == kept().stats
    return header, sections


@pytest.mark.parametrize("wrong", WRONG_HEADERS)
def test_header_that_cannot_be_is_a_named_error(wrong):
    header, sections = parts()
    wrong(header)
    with pytest.raises(errors.SnapshotError):
        tg.AsofJoin.restore(framed(header, sections))


@pytest.mark.parametrize("wrong", WRONG_SECTIONS)
def test_section_that_cannot_be_is_a_named_error(wrong):
    header, sections = parts()
    wrong(sections)
    with pytest.raises(errors.SnapshotError):
        tg.AsofJoin.restore(framed(header, sections))


def test_other_snapshots_are_told_apart():
    live = tg.Aggregator(tg.Tumbling(1), tg.agg.rows(), on="t")
    with pytest.raises(errors.SnapshotError, match="not one of an AsofJoin"):
        tg.AsofJoin.restore(live.snapshot())
    with pytest.raises(errors.SnapshotError):
        tg.Aggregator.restore(kept().snapshot())
    for nothing in (b"", b"tidegate", None, "text"):
        with pytest.raises(errors.SnapshotError):
            tg.AsofJoin.restore(nothing)


def test_options_go_along():
    live = tg.AsofJoin(
        on=("a", "b"),
        by=["k"],
        tolerance="2s",
        direction="nearest",
        allow_exact_matches=False,
        suffix="_x",
        lateness="1s",
        late="drop",
        limits=tg.Limits(max_keys=7),
        max_rows=9,
    )
    again = tg.AsofJoin.restore(tg.AsofJoin.restore(live.snapshot()).snapshot())
    assert again._rule == live._rule
    assert (again._lateness, again._is_kept, again._max_rows) == ("1s", False, 9)
    assert again._keys.max_keys == 7


def test_nothing_can_be_written_after_the_end():
    live = kept()
    live.flush()
    with pytest.raises(errors.InputError, match="ended"):
        live.snapshot()
