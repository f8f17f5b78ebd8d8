"""A new folder for posts: made-up ones, mean sentiment of a minute, every ten seconds."""

from __future__ import annotations

from tidegate.domain.scaffolding import Field

__all__ = ["POSTS"]

PIPELINE = """\
name = "$name"
on = "time"
by = ["topic"]
lateness = "2s"

[window]
every = "10s"
period = "1m"

[aggregations]
posts = "rows()"
avg_sentiment = "mean(sentiment)"

[source]
path = "data/*.ndjson"  # new files are read as they come, in the order of their names
follow = true
types = { time = "timestamp[us]", topic = "string", sentiment = "float64" }

[sink]
path = "windows"  # Parquet files, one more whenever windows were closed
late = "late"
"""

README = """\
# $name

    python generate.py --files 6     # a minute of made-up posts
    tidegate social start $folder
    tidegate social monitor $folder
    tidegate social logs $folder
    tidegate social stop $folder
    pytest test_pipeline.py

`pipeline.toml` says what is computed. Results are Parquet files in `windows/`; posts that came too
late are in `late/`. After a stop, or a crash, the next start goes on where the last one was.
"""

ROW = '"topic": rng.choice(["tea", "rain"]), "sentiment": round(rng.uniform(-1, 1), 3)'

POSTS = Field(PIPELINE, ROW, README)
