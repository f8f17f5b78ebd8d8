"""The right rows of the left rows' keys; called by other kernels only."""
