"""Memory of Arrow's pool."""
