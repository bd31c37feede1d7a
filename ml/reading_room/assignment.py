"""Who may read a film: plain rules, without a clock, a server or a table."""

from collections.abc import Collection, Mapping

Readings = Mapping[str, str]
"""The latest verdict of each reader on one film, by reader."""


def readers_wanted(readings: Readings, readers: int) -> int:
    """How many readers the film takes: one more where the first two do not agree."""
    disagree = readers > 1 and len(readings) >= readers and len(set(readings.values())) > 1
    return readers + 1 if disagree else readers


def waits(readings: Readings, readers: int) -> bool:
    """Whether the film still waits for a reader."""
    return len(readings) < readers_wanted(readings, readers)


def open_to(reader: str, readings: Readings, reading_now: Collection[str], readers: int) -> bool:
    """Whether this reader may take the film, while those others have it before them.

    Nobody reads a film twice, and nobody reads one that enough readers have read or are reading.
    """
    if reader in readings or reader in reading_now:
        return False
    return len(readings) + len(reading_now) < readers_wanted(readings, readers)
