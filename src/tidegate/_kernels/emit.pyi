"""Closing windows; called by other kernels only."""
