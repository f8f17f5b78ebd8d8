"""A new folder for a strategy: made-up trades, bars of one second each."""

from __future__ import annotations

from tidegate.domain.scaffolding import Field

__all__ = ["STRATEGY"]

PIPELINE = """\
name = "$name"
on = "time"
by = ["symbol"]
lateness = "2s"

[window]
every = "1s"

[aggregations]
open = "first(price)"
high = "max(price)"
low = "min(price)"
close = "last(price)"
volume = "sum(size)"
vwap = "vwap(price, size)"

[source]
path = "data/*.ndjson"  # true below: go on with files that come later
follow = false
types = { time = "timestamp[us]", symbol = "string", price = "float64", size = "int64" }

[sink]
path = "windows"  # Parquet files
late = "late"
"""

README = """\
# $name

    python generate.py --files 6     # a minute of made-up trades
    tidegate trading launch $name    # where strategies/ is
    tidegate trading inspect $name
    pytest test_pipeline.py

`pipeline.toml` says what is computed. Bars are Parquet files in `windows/`; trades that came too
late are in `late/`. Stopped by Ctrl-C, the next launch goes on where this one was.
"""

ROW = (
    '"symbol": rng.choice(["OAK", "YEW"]), "price": round(100 + rng.gauss(0, 1), 2), '
    '"size": rng.randint(1, 500)'
)

STRATEGY = Field(PIPELINE, ROW, README)
