"""Covariances, slopes and shapes of look-backs: for kernels only."""
