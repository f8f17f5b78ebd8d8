"""Numbers for texts, bytes and wide decimals that are in order as these are, for look-backs.

A look-back compares, counts and ranks numbers. Where the order of a column's values matters, each
value has a label: of two values the lesser one has the lesser label. New values get labels between
those of their neighbours, so that the others can stay; where there is no room all labels are laid
anew, and the state has to follow. Where order does not matter, codes do as they are.
"""

from __future__ import annotations

import importlib
from bisect import bisect_left
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

if TYPE_CHECKING:
    from tidegate.core.columns import Numbers
    from tidegate.core.texts import Texts

__all__ = ["Labels", "Moves"]

Ints = npt.NDArray[np.int64]

_FEW = 16  # new values that are looked for one by one among those that are in order
_SPACE = 1 << 32  # how far apart labels are laid
_MOST = 1 << 62  # labels lie within so much of 0


class Moves(NamedTuple):
    """Labels that are others now."""

    old: Ints  # (n,) rising
    new: Ints  # (n,)

    def of(self, labels: Numbers) -> Numbers:
        """Give the new labels of old ones."""
        moved: Numbers = self.new[np.searchsorted(self.old, labels)]
        return moved


class Labels:
    """The values of one column, by label.

    Parameters
    ----------
    texts : Texts
        The values, by code.
    is_ordered : bool
        Whether labels are in order as the values are; else they are the codes.

    Notes
    -----
    k new values among n cost O(k log n) where they are few, else O((n + k) log(n + k)).
    """

    def __init__(self, texts: Texts, *, is_ordered: bool) -> None:
        self.texts = texts
        self._is_ordered = is_ordered
        self._label_of = np.empty(0, np.int64)  # of each code; of null 0
        self._codes = np.empty(0, np.int64)  # in order of the values
        self._labels = np.empty(0, np.int64)  # of these: rising
        self._step = 0  # from each to the next; 0: they are not all as far apart
        self._moves: Moves | None = None

    def encode(self, values: pa.Array[Any], threads: int = 1) -> tuple[Numbers, Numbers | None]:
        """Return the labels of an array, and their flags; `take_moves` must be asked after it.

        Raises
        ------
        InputError, LimitError
            As `Texts.encode`.
        """
        codes, valid = self.texts.encode(values, threads)
        return self.of_codes(codes), valid

    def of_codes(self, codes: Numbers) -> Numbers:
        """Return the labels of codes."""
        if not self._is_ordered:
            return codes
        self._place_new()
        labels: Ints = self._label_of[codes]
        return labels

    def take(self, labels: Ints, valid: Numbers | None = None) -> pa.Array[Any]:
        """Return the values of labels, null where one is not valid."""
        return self.texts.take(self.codes_of(labels), valid)

    def codes_of(self, labels: Ints) -> Ints:
        """Return the codes of labels; of what is none, any."""
        if not self._is_ordered or not len(self._labels):
            return labels
        first, last = self._labels[0], self._labels[-1]
        inside = np.clip(labels, first, last)
        at = inside - first
        if self._step:
            at //= self._step
        else:
            at = np.searchsorted(self._labels, inside)
        codes: Ints = self._codes[at]
        return codes

    def take_moves(self) -> Moves | None:
        """Tell which labels are others since the last call; None: they are what they were."""
        moves, self._moves = self._moves, None
        return moves

    def swept(self, used: Ints) -> tuple[Labels, Moves]:
        """Return labels of some of the values only, and what becomes of the old ones.

        Parameters
        ----------
        used : ndarray
            (n,) int64, rising: the labels that are in use.
        """
        swept = Labels(self.texts.only(self.codes_of(used)), is_ordered=self._is_ordered)
        new = swept.of_codes(np.arange(len(used)))
        return swept, Moves(used, new)

    # ---------------------------------------------------------------------------------- new values

    def _place_new(self) -> None:
        """Give labels to values that have none."""
        known, n_codes = len(self._label_of), self.texts.n_codes
        if n_codes == known:
            return
        new = np.arange(known, n_codes)
        new = new[new != self.texts.null_code]
        new = new[_order(self.texts.take(new))]
        places = self._places(new)
        labels = self._labels_between(places)
        codes = np.insert(self._codes, places, new)
        if labels is None:
            fresh = (np.arange(len(codes)) - len(codes) // 2) * _SPACE
            label_of = self._grown(n_codes, codes, fresh)
            if len(self._labels):
                self._moves = Moves(self._labels, label_of[self._codes])
        else:
            fresh = np.insert(self._labels, places, labels)
            label_of = self._grown(n_codes, codes, fresh)
        self._codes, self._labels, self._label_of = codes, fresh, label_of
        self._step = _step_of(fresh)

    @staticmethod
    def _grown(n_codes: int, codes: Ints, labels: Ints) -> Ints:
        """Return the label of each code."""
        label_of = np.zeros(n_codes, np.int64)
        label_of[codes] = labels
        return label_of

    def _places(self, new: Ints) -> Ints:
        """Tell how many of the known values are before each of the new ones, which are in order."""
        n_known = len(self._codes)
        if not n_known:
            return np.zeros(len(new), np.int64)
        if len(new) <= _FEW:
            value = self.texts.sort_key
            found = [bisect_left(self._codes, value(code), key=value) for code in new]
            return np.array(found, np.int64)
        order = _order(self.texts.take(np.concatenate([self._codes, new])))
        is_new = order >= n_known
        places: Ints = np.empty(len(new), np.int64)
        places[order[is_new] - n_known] = np.cumsum(~is_new)[is_new]
        return places

    def _labels_between(self, places: Ints) -> Ints | None:
        """Return labels for new values by their places among the old ones; None: there is no room.

        Those of one place share what there is between their neighbours evenly.
        """
        if not len(self._labels):
            return None
        gaps, index, counts = np.unique(places, return_inverse=True, return_counts=True)
        reach = (int(counts.max(initial=0)) + 1) * _SPACE
        low, high = int(self._labels[0]) - reach, int(self._labels[-1]) + reach
        if low < -_MOST or high > _MOST:
            return None
        edges = np.concatenate([[low], self._labels, [high]])
        steps = (edges[gaps + 1] - edges[gaps]) // (counts + 1)
        if steps.min(initial=1) < 1:
            return None
        begins = np.cumsum(counts) - counts
        nth = np.arange(len(places)) - begins[index] + 1
        labels: Ints = edges[gaps][index] + steps[index] * nth
        return labels


def _step_of(labels: Ints) -> int:
    """Return how far apart all labels are, or 0: then to look each up costs 30 times as much."""
    steps = np.diff(labels)
    if not len(steps):
        return 1
    return int(steps[0]) if (steps == steps[0]).all() else 0


def _order(values: pa.Array[Any]) -> Ints:
    """Return which places values would have to be taken from to be in order."""
    if pa.types.is_string_view(values.type):
        values = values.cast(pa.large_string())
    if pa.types.is_binary_view(values.type):
        values = values.cast(pa.large_binary())
    compute: Any = importlib.import_module("pyarrow.compute")  # it costs 30 ms; few need it
    order: Ints = compute.sort_indices(values).to_numpy().astype(np.int64)
    return order
