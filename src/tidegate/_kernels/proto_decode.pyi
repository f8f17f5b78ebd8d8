"""Protobuf messages into columns."""
