"""Look-backs: one result a row, over the rows before it."""
