"""Quantiles, modes and distinct values of look-backs: for kernels only."""
