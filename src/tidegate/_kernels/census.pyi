"""How many different values there are; called by other kernels only."""
