"""The rows of look-backs: for kernels only."""
