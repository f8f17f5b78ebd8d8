"""Bytes that grow; called by other kernels only."""
