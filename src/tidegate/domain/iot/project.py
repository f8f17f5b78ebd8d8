"""A new folder for sensors: readings of three machines, statistics of five seconds each."""

from __future__ import annotations

from tidegate.domain.scaffolding import Field

__all__ = ["SENSORS"]

PIPELINE = """\
name = "$name"
on = "time"
by = ["sensor"]
lateness = "2s"

[window]
every = "5s"

[aggregations]
n = "rows()"
mean = "mean(value)"
least = "min(value)"
most = "max(value)"

[source]
path = "data/*.ndjson"  # new files are read as they come, in the order of their names
follow = true
types = { time = "timestamp[us]", sensor = "string", value = "float64" }

[sink]
path = "windows"  # Parquet files, one more whenever windows were closed
late = "late"
"""

README = """\
# $name

    python generate.py --files 6     # a minute of made-up readings
    tidegate iot start $folder
    tidegate iot health $folder
    tidegate iot stop $folder
    pytest test_pipeline.py

`pipeline.toml` says what is computed. Results are Parquet files in `windows/`; readings that came
too late are in `late/`. After a stop, or a crash, the next start goes on where the last one was.
"""

ROW = '"sensor": rng.choice("ABC"), "value": round(rng.gauss(20, 2), 3)'

SENSORS = Field(PIPELINE, ROW, README)
