"""The slow oracle of look-backs: the rows of each window by brute force."""

from hypothesis import strategies as st
from reference.oracle import compute, is_missing

import tidegate as tg

CLOSED = ("right", "both", "left", "neither")


def is_inside(t, at, size, closed):
    """Tell whether a time is in the look-back of another, as the interval is written."""
    left = t >= at - size if closed in ("both", "left") else t > at - size
    right = t <= at if closed in ("right", "both") else t < at
    return left and right


def rows_of(mine, row, window):
    """List the rows of the window of a row; `mine` are the rows of its key, in time order."""
    at = next(i for i, other in enumerate(mine) if other is row)
    if window.rows is not None:
        first = at - window.rows + (0 if window.closed in ("both", "left") else 1)
        last = at + (1 if window.closed in ("right", "both") else 0)
        return mine[max(first, 0) : max(last, 0)]
    inside = [
        other for other in mine if is_inside(other["t"], row["t"], window.size, window.closed)
    ]
    if window.peers:
        return inside
    before = {id(other) for other in mine[: at + 1]}
    return [other for other in inside if id(other) in before]


def expected_of(rows, want, window, nan):
    """Say what an aggregate over rows is, or None where it has too few values."""
    valid = [
        row for row in rows if not any(is_missing(row[column], nan) for column in want.columns)
    ]
    if want.kind not in ("rows", "count") and len(valid) < window.min_samples:
        return None
    return compute(rows, want, "t", nan)


WINDOWS = st.one_of(
    st.builds(
        tg.Rolling,
        st.sampled_from([1, 2, 3, 10, 60, 10**7]),
        closed=st.sampled_from(CLOSED),
        min_samples=st.integers(0, 3),
        peers=st.booleans(),
    ),
    st.builds(
        lambda rows, closed: tg.Rolling(rows=rows, closed=closed, min_samples=0),
        st.sampled_from([1, 2, 3, 10, 60]),
        st.sampled_from(CLOSED),
    ),
)
