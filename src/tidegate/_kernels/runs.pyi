"""Runs of rows into records; called by other kernels only."""
