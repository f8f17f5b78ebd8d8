"""From times to panes; called by other kernels only."""
