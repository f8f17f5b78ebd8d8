"""The key codes of all rows of a one-shot call, on one thread or several.

Codes go by first appearance, so a row's code depends on the rows before it; but of few keys nearly
all have come after some rows, and from there on codes are only looked up. Each thread looks them
up in tables of its own, which know those first keys; keys that are new to it get their codes
afterwards, share by share, so that all have the codes that one thread gives.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from tidegate.core.errors import TidegateError
from tidegate.core.keys import Keys
from tidegate.core.threads import on_threads, parts_of

if TYPE_CHECKING:
    import pyarrow as pa

    from tidegate.core.codes import Codes

__all__ = ["encode_all", "widened_codes"]

_FIRST = 1 << 16  # rows that tell whether keys are few, and whether they are all known
_MOST_FIRST = 8  # a part of the rows: that many at most are waited for until all keys are known
# Rows at a time: the range of the values, which is looked up where there is no room for one, is
# that of so many; and threads meet seldom, as one that waits for the other may be woken late.
_PART = 1 << 20
_RARE = 4  # rows to a key from which on a second table for them costs less than it saves


class _Share(NamedTuple):
    """Consecutive rows, and the table that a thread has for them."""

    keys: Keys
    begin: int
    end: int


def encode_all(keys: Keys, batch: pa.RecordBatch, threads: int) -> Codes:
    """Return the code of the key of each row, the same for any number of threads.

    Parameters
    ----------
    keys : Keys
        What is known so far; new keys get the next codes.
    batch : pyarrow.RecordBatch
        All rows.
    threads : int
        At most how many threads to use.

    Returns
    -------
    ndarray
        (n_rows,) int32.

    Raises
    ------
    ColumnNotFoundError, ColumnTypeError, InputError, LimitError
        As `Keys.encode`; nothing of the batch is kept then.

    Notes
    -----
    O(n_rows) per column, one pass. Every thread has a table of the keys.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from tidegate.core.allkeys import encode_all
    >>> from tidegate.core.keys import Keys
    >>> keys = Keys(["symbol"], max_keys=100)
    >>> encode_all(keys, pa.record_batch({"symbol": ["B", "A", None, "B"]}), threads=2)
    array([0, 1, 2, 0], dtype=int32)
    """
    if batch.num_rows <= _FIRST:
        return keys.encode(batch)
    keys.bind(batch.schema)
    batch = batch.select(keys.names)
    mark = keys.mark()
    kept, keys.kept = keys.kept, None
    try:
        codes = _encoded(keys, batch, threads)
    except TidegateError:
        keys.rollback(mark)
        codes = keys.encode(batch)  # which says the row, counted from the first
    finally:
        keys.kept = kept
    if kept is not None:
        kept.append(codes)
    return codes


def widened_codes(
    codes: Codes, null: int, threads: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8] | None]:
    """Return codes as int64, and flags of those that are not that of null, if there is one."""
    wide = np.empty(len(codes), np.int64)
    flags = None if null < 0 else np.empty(len(codes), np.uint8)

    def widen(part: slice) -> None:
        """Widen some."""
        wide[part] = codes[part]
        if flags is not None:
            np.not_equal(codes[part], null, out=flags[part].view(np.bool_))

    on_threads(widen, parts_of(len(codes), threads, _FIRST))
    return wide, flags


def _encoded(keys: Keys, batch: pa.RecordBatch, threads: int) -> Codes:
    """Encode the first rows, and then the others in shares where the keys are few."""
    codes = np.empty(batch.num_rows, np.int32)
    begin = _begin(keys, batch, codes)
    if keys.n_keys * _RARE > begin:
        codes[begin:] = keys.encode(batch.slice(begin))
        return codes
    n_first = keys.n_keys
    shares = _shares(keys, begin, batch.num_rows, threads)
    on_threads(lambda share: _encode(share.keys, batch, codes, share.begin, share.end), shares)
    for share in shares[1:]:
        if share.keys.n_keys > n_first:
            _rename(keys, share, codes, n_first)
    return codes


def _begin(keys: Keys, batch: pa.RecordBatch, codes: Codes) -> int:
    """Encode rows until some bring no new key, but not too many; return how many."""
    begin, n_known = 0, -1
    while n_known < keys.n_keys and begin <= batch.num_rows // _MOST_FIRST:
        n_known = keys.n_keys
        end = min(begin + _FIRST, batch.num_rows)
        _encode(keys, batch, codes, begin, end)
        begin = end
        if keys.n_keys * _RARE > begin:
            break
    return begin


def _encode(keys: Keys, batch: pa.RecordBatch, codes: Codes, begin: int, end: int) -> None:
    """Put the codes of some rows where they belong."""
    for at in range(begin, end, _PART):
        n_rows = min(_PART, end - at)
        codes[at : at + n_rows] = keys.encode(batch.slice(at, n_rows))


def _shares(keys: Keys, begin: int, n_rows: int, threads: int) -> list[_Share]:
    """Cut the rows after the first ones into shares; the first share has the keys themselves."""
    rest = n_rows - begin
    n = max(1, min(threads, -(-rest // _FIRST)))
    ends = [begin + rest * (k + 1) // n for k in range(n)]
    known = keys.dump()
    tables = [keys, *(Keys.load(known, keys.names, keys.max_keys) for _ in ends[1:])]
    return [_Share(*cut) for cut in zip(tables, [begin, *ends], ends, strict=False)]


def _rename(keys: Keys, share: _Share, codes: Codes, n_first: int) -> None:
    """Replace the codes that a share has given to new keys by those that they have for all."""
    new = share.keys.dump().slice(n_first).combine_chunks().to_batches()[0]
    names = keys.encode(new)
    if np.array_equal(names, np.arange(n_first, n_first + len(names))):
        return
    part = codes[share.begin : share.end]
    rows = np.flatnonzero(part >= n_first)
    part[rows] = names[part[rows] - n_first]
