"""Lists of packed numbers, of many Protobuf messages at once."""
