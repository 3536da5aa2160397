"""Doors to tables on disk and in memory: readers, roles of columns, writers."""
