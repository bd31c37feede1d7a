"""Quartz's cron expressions, as far as alerts and jobs need them: lists, ranges and steps.

Source: https://www.quartz-scheduler.org/api/2.3.0/org/quartz/CronExpression.html
"""

from __future__ import annotations

import datetime
import functools
import zoneinfo
from dataclasses import dataclass
from typing import Final

_MONTHS: Final = {
    name: number
    for number, name in enumerate(
        ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"), 1
    )
}
_DAYS: Final = {
    name: number for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), 1)
}
_FIELDS: Final[tuple[tuple[str, int, int, dict[str, int]], ...]] = (
    ("seconds", 0, 59, {}),
    ("minutes", 0, 59, {}),
    ("hours", 0, 23, {}),
    ("days of the month", 1, 31, {}),
    ("months", 1, 12, _MONTHS),
    ("days of the week", 1, 7, _DAYS),
    ("years", 1970, 2199, {}),
)


@dataclass(frozen=True)
class Schedule:
    """When an expression fires."""

    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    """1 is Sunday."""
    years: frozenset[int]

    @classmethod
    @functools.lru_cache(maxsize=256)  # the watchman asks every second
    def parse(cls, expression: str) -> Schedule:
        """Raises ValueError in words for whoever wrote the expression; L, W and # are not known."""
        fields = expression.split()
        if len(fields) not in (6, 7):
            raise ValueError(f"{expression!r} has {len(fields)} fields, not 6 or 7")
        if (fields[3] == "?") == (fields[5] == "?"):
            raise ValueError(f"{expression!r}: one of both fields of days is '?', and not both")
        return cls(
            *(
                _values(field, *described)
                for field, described in zip([*fields, "*"], _FIELDS, strict=False)
            )
        )

    def fires_at(self, moment: datetime.datetime) -> bool:
        """Whether it fires in this second."""
        return (
            moment.second in self.seconds
            and moment.minute in self.minutes
            and moment.hour in self.hours
            and moment.day in self.days
            and moment.month in self.months
            and moment.isoweekday() % 7 + 1 in self.weekdays
            and moment.year in self.years
        )

    def fires_between(self, after: datetime.datetime, until: datetime.datetime) -> bool:
        """Whether it fires behind one moment, up to another at most an hour later."""
        first = after.replace(microsecond=0) + datetime.timedelta(seconds=1)
        seconds = int((until - first).total_seconds()) + 1
        return any(
            self.fires_at(first + datetime.timedelta(seconds=it))
            for it in range(min(seconds, 3600))
        )


def fires(
    expression: str, zone_name: str, after: datetime.datetime, until: datetime.datetime
) -> bool:
    """Whether an expression fires between two moments, by the clocks of its time zone."""
    here = zone(zone_name)
    return Schedule.parse(expression).fires_between(after.astimezone(here), until.astimezone(here))


def zone(name: str) -> zoneinfo.ZoneInfo:
    """A time zone by its name. Raises ValueError for one that there is not."""
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, OSError) as error:
        raise ValueError(f"{name!r} is no time zone") from error


def _values(
    field: str, name: str, lowest: int, highest: int, words: dict[str, int]
) -> frozenset[int]:
    def number(text: str) -> int:
        value = words.get(text.upper(), int(text) if text.isdecimal() else None)
        if value is None or not lowest <= value <= highest:
            raise ValueError(f"{field!r} is not known for {name}: {lowest} to {highest}")
        return value

    found: set[int] = set()
    for part in field.split(","):
        span, slash, step = part.partition("/")
        first, dash, last = span.partition("-")
        if span in ("*", "?"):
            begin, end = lowest, highest
        else:
            begin = number(first)
            end = number(last) if dash else highest if slash else begin
        if slash and not (step.isdecimal() and int(step) > 0):
            raise ValueError(f"{field!r}: a step is a positive number")
        if begin > end:
            raise ValueError(f"{field!r}: a range ascends")
        found.update(range(begin, end + 1, int(step) if slash else 1))
    return frozenset(found)
