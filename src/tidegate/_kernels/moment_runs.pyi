"""Sums of powers and of products of a run of rows; called by other kernels only."""
