"""How the accumulators of a plan lie in a record."""
