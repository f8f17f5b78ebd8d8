"""The open panes and their records; called by other kernels only."""
