"""The rows of some keys out of a block, close together."""
