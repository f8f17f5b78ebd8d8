"""Sliding windows out of panes; called by other kernels only."""
