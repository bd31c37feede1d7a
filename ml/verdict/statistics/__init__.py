"""Estimates and intervals that hold at every look; know no tables and no files."""
