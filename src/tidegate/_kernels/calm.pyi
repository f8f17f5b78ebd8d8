"""Windows of calm rows; called by other kernels only."""
