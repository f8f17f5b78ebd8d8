"""Revisions of results; called by other kernels only."""
