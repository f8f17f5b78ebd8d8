"""Columns into Protobuf messages."""
