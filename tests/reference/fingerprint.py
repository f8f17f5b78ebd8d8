"""One number for all the results of many plans, to compare builds, machines and processes.

python -m reference.fingerprint
"""

import hashlib

from reference.compare import raw_bits
from reference.oracle import Grid
from reference.rowshapes import Amount, Gaps, Tally
from reference.strategies import HARSH_WANTS, ticks
from reference.streams import Case

import tidegate as tg

LOOKED = tuple(want for want in HARSH_WANTS if want.kind != "collect")
GRIDS = (Grid(10, 10), Grid(1000, 1000, 7), Grid(60, 10), Grid(7, 3), Grid(5, 8))
N_LOOKED = 9_000  # rows: the kernels work in blocks of 8,192
LOOK_BACKS = (
    tg.Rolling(60),
    tg.Rolling(150, closed="both", peers=True),
    tg.Rolling(rows=100),
    tg.Rolling(rows=7, closed="neither", min_samples=3),
    tg.Rolling(rows=500),
)
MADE_BY_ROWS = (Gaps(3, 40), Tally(70), Tally(9, 4), Amount(("s", "q"), 1e5, "carry"))


def fingerprint() -> str:
    """Hash the raw bits of the results over long streams, keyed and not, sorted and not."""
    digest = hashlib.sha256()
    for disorder in (0, 20):
        table = ticks(11, 20_000, disorder=disorder)
        for grid in (*GRIDS, *MADE_BY_ROWS):
            for by in ((), ("k",)):
                run = Case(table, grid, HARSH_WANTS, by=by, lateness=10).one_shot()
                for part in (run.result, run.late):
                    digest.update(repr(raw_bits(part)).encode())
        table = table.slice(0, N_LOOKED)
        for window in LOOK_BACKS:
            for by in ((), ("k",)) if disorder else ((),):
                run = Case(table, window, LOOKED, by=by, lateness=10).one_shot()
                digest.update(repr(raw_bits(run.result)).encode())
    return digest.hexdigest()


def main() -> None:
    """Print the fingerprint."""
    print(fingerprint())


if __name__ == "__main__":
    main()
