"""The pipeline of compliance officers."""
