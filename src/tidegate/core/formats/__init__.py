"""Formats: columns to bytes and back, whole or as a stream; `tidegate.serializers` finds them."""
