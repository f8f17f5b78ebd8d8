"""The ranges of rows of look-backs, laid one behind the other; and the numbers of the rows."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

_Ints = npt.NDArray[np.int64]

def lay_ranges(
    first: _Ints, upto: _Ints, n_rows: _Ints | None, lists: _Ints
) -> tuple[int, pa.Buffer, pa.Buffer, pa.Buffer, pa.Buffer | None] | None: ...
def offsets_of_one(n: int) -> pa.Buffer: ...
def number_rows(first: int, n: int) -> pa.Buffer: ...
def number_each(codes: npt.NDArray[np.int32], n_each: _Ints) -> pa.Buffer: ...
