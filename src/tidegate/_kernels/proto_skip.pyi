"""Unknown fields of Protobuf messages."""
