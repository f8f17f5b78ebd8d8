"""Several sources of one stream; called by other kernels only."""
