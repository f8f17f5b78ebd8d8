"""Results that wait to be taken; called by other kernels only."""
