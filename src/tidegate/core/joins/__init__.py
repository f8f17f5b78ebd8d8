"""Joins in time, in one shot and of two streams."""
