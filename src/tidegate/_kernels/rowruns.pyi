"""The runs of input rows in a record; called by other kernels only."""
