"""Values that a record keeps; called by other kernels only."""
