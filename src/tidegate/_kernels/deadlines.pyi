"""Which of many things are due, where nothing is asked about the past again."""
