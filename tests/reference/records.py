"""Records as users have them, for the property tests of the adapters."""

from hypothesis import strategies as st

WHOLE = st.integers(-50, 50)
EIGHTHS = WHOLE.map(lambda k: k / 8)  # sums and grids of them are exact
MIXED = st.one_of(WHOLE, EIGHTHS)
FAR = st.one_of(WHOLE, st.integers(1_000, 1_020))  # leaves a gap
TIMES = st.sampled_from([WHOLE, EIGHTHS, MIXED, FAR])
SIZES = st.one_of(st.integers(1, 30), st.integers(1, 80).map(lambda k: k / 8))


@st.composite
def records(draw, *fields, max_size=25):
    """Lists of dicts with ``timestamp`` and more fields, of numbers, in any order."""
    times = draw(TIMES)
    made = st.fixed_dictionaries({"timestamp": times} | dict.fromkeys(fields, MIXED))
    return draw(st.lists(made, max_size=max_size))


def same_objects(ours, theirs):
    """Tell whether two lists of lists hold the very same dicts."""
    return [[id(row) for row in rows] for rows in ours] == [
        [id(row) for row in rows] for rows in theirs
    ]
