"""What only one field knows, as plain functions of arrays."""
