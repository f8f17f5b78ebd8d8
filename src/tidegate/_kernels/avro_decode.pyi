"""The binary encoding of Avro into columns; called by other kernels only."""
