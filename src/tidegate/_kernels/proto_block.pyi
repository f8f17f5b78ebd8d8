"""Protobuf messages into columns, some dozens of messages at a time."""
