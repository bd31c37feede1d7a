"""Rules of single values that several tables share, each with its way out."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from infra.declared.declaration import broken_rule, nearest


def one_of(*allowed: str) -> BeforeValidator:
    """A text out of a closed list; the way out names the one that was probably meant."""

    def check(value: object) -> object:
        if value not in allowed:
            meant = nearest(value, list(allowed)) if isinstance(value, str) else None
            raise broken_rule(f"one of {', '.join(allowed)}", f"write {meant or allowed[0]!r}")
        return value

    return BeforeValidator(check)


def whole_number(lowest: int, highest: int | None, rule: str, way_out: str) -> BeforeValidator:
    """A TOML integer in a range. `true`, `1.0` and `"1"` are none."""

    def check(value: object) -> object:
        if type(value) is not int or value < lowest or (highest is not None and value > highest):
            raise broken_rule(rule, way_out)
        return value

    return BeforeValidator(check)


def number(lowest: float, highest: float, rule: str, way_out: str) -> BeforeValidator:
    """A number between two others, neither of which is allowed itself."""

    def check(value: object) -> object:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise broken_rule(rule, "write the number alone, without quotes, for example: 0.05")
        if not lowest < value < highest:
            raise broken_rule(rule, way_out)
        return float(value)

    return BeforeValidator(check)


def _in_utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise broken_rule(
            "a moment with its offset from UTC, because requests are logged in UTC",
            f"write {moment.isoformat()}Z if it is in UTC",
        )
    return moment.astimezone(UTC)


Moment = Annotated[datetime, AfterValidator(_in_utc)]
