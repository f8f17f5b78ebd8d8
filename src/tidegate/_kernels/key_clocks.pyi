"""A watermark for each key; called by other kernels only."""
