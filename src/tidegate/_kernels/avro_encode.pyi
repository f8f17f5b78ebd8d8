"""Arrow columns into the binary encoding of Avro; called by other kernels only."""
