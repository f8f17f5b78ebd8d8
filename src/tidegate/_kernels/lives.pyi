"""How long keys are remembered; called by other kernels only."""
