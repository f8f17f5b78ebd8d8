"""Rows of many keys into records, eight keys at a time."""
