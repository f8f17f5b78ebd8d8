"""The engine, what it reads and what it writes; knows nobody who uses it."""
