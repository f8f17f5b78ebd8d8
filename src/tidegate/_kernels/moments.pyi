"""Sums of powers and of products around a shift; called by other kernels only."""
