"""Keys of a look-back that are quiet for too long: their rows go, and their codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from tidegate.core.bound import FEWEST_SWEPT
from tidegate.core.keys import Keys

if TYPE_CHECKING:
    from tidegate.core.lookbacks.tied import Tied

__all__ = ["Forgetting"]

_FEWEST_ROWS = 1 << 16  # rows that are kept: fewer are not worth a look at whose they are


class Forgetting:
    """When it is time to look which keys are still alive, and what is done about the others.

    A key that was quiet for longer than its time to live begins anew with its next row, whether it
    has been forgotten or not: so it shows in no result when that is done.

    Parameters
    ----------
    tied : Tied
        Whose keys they are.
    """

    def __init__(self, tied: Tied) -> None:
        self._tied = tied
        self._is_on = tied.plan.time.ttl is not None
        self._keys_at = FEWEST_SWEPT
        self._rows_at = _FEWEST_ROWS

    @property
    def is_due(self) -> bool:
        """Whether there are so many keys, or rows that are kept, that a look is due."""
        tied = self._tied
        return self._is_on and (tied.n_keys >= self._keys_at or tied.state.n_kept >= self._rows_at)

    def sweep(self, share: float = 0.5) -> None:
        """Forget the keys whose time is over; rows that were let go must have been answered.

        Parameters
        ----------
        share : float
            What part of the keys has to be alive still for their codes to stay.

        Notes
        -----
        O(n_keys); where codes change, all that is kept is laid anew, so that its memory goes back.
        """
        tied = self._tied
        if not self._is_on or tied.keys is None:
            return
        tied.state.forget_quiet(tied.waiting.state.reached)
        self._rows_at = max(_FEWEST_ROWS, 2 * tied.state.n_kept)
        codes, n_keys = tied.busy_keys(), tied.n_keys
        self._keys_at = max(FEWEST_SWEPT, 2 * len(codes))
        if len(codes) > share * n_keys or len(codes) == n_keys:
            return
        new_codes = np.full(n_keys, -1, np.int32)
        new_codes[codes] = np.arange(len(codes), dtype=np.int32)
        written = tied.written().recoded(new_codes)
        living = pa.Table.from_arrays(tied.keys.take(codes.astype(np.int32)), tied.keys.names)
        tied.keys = Keys.load(living, tied.plan.by, tied.plan.limits.max_keys)
        tied.keys.bind(tied.checked)
        tied.begin_with(written)
