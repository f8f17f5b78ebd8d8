"""Records into results; called by other kernels only."""
