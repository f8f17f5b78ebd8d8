"""Sums of powers and of products: folded, added up, read; called by other kernels only."""
