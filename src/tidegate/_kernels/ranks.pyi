"""Order of values: selecting and sorting them, quantiles; called by other kernels only."""
