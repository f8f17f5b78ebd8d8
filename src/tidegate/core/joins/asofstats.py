"""What has become of the rows of a join that is fed bit by bit."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tidegate.core.joins.asofstreams import Stream

__all__ = ["JoinStats", "SideStats", "count_side"]


class SideStats(NamedTuple):
    """What has become of the rows of one side; the first is the sum of the others, always.

    Attributes
    ----------
    rows_in : int
        Rows that came.
    used : int
        Left: rows that were answered. Right: rows that could be matched.
    late : int
        Rows that came after the watermark of their side.
    rejected : int
        Right rows without a time. (A left row without one is answered: it matches nothing.)
    pending : int
        Left rows that wait for their answer; rows of either side while the columns of the other
        are not known.
    """

    rows_in: int
    used: int
    late: int
    rejected: int
    pending: int


class JoinStats(NamedTuple):
    """What has become of the rows of both sides.

    Attributes
    ----------
    left, right : SideStats

    Examples
    --------
    >>> import tidegate as tg
    >>> live = tg.AsofJoin(on="t")
    >>> live.push_right({"t": [1, 5, 3], "v": [1.0, 2.0, 3.0]}).num_rows
    0
    >>> live.push_left({"t": [4, 6]})["v"].to_pylist()
    [1.0]
    >>> live.stats.left
    SideStats(rows_in=2, used=1, late=0, rejected=0, pending=1)
    >>> live.stats.right
    SideStats(rows_in=3, used=2, late=1, rejected=0, pending=0)
    """

    left: SideStats
    right: SideStats


def count_side(stream: Stream, n_pending: int) -> SideStats:
    """Count the rows of a side, of which so many wait for their answer."""
    pending = stream.n_waiting + n_pending
    used = stream.rows_in - stream.late - stream.rejected - pending
    return SideStats(stream.rows_in, used, stream.late, stream.rejected, pending)
