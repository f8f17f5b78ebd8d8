"""Pipelines in folders: what is in one, how it runs, and what it leaves behind."""
