"""Values of Avro's logical types; called by other kernels only."""
