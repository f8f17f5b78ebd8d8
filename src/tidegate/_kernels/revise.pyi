"""Corrected windows; called by other kernels only."""
