"""Windows of many keys that begin and end within a block of rows; called by other kernels only."""
