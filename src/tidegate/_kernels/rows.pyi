"""Rows into records one by one; called by other kernels only."""
