"""Columns that fill by row number."""
