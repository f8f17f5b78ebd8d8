"""Open sessions and bars: their records, and where those of a key stand in time."""
