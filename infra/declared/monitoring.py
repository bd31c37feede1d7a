"""What an environment file says about watching a test: windows, limits, whom to tell. Pure values.

What is watched is in `views/watch/*.sql`; docs/monitoring.md says what each is for.
"""

from collections.abc import Iterator
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import InitErrorDetails

from infra.declared.declaration import Declaration, Table, broken_rule, problem, read
from infra.declared.gateway import Address
from infra.declared.local_workspace import is_on_this_machine
from infra.declared.rules import number, whole_number

_DAY_MINUTES: Final = 24 * 60

Share = Annotated[
    float,
    number(0, 1, "a share between 0 and 1", "write a share, for example: 0.05 for 5 %"),
]
Index = Annotated[
    float,
    number(
        0,
        100,
        "a positive number: a population stability index of 0.1 is little, 0.25 is much",
        "write, for example: 0.25",
    ),
]
Milliseconds = Annotated[
    int,
    whole_number(1, None, "a positive whole number of milliseconds", "write it without quotes"),
]
Films = Annotated[
    int,
    whole_number(0, None, "a whole number of films, 0 or more", "write it without quotes"),
]
Count = Annotated[
    int, whole_number(1, None, "a positive whole number", "write it without quotes: 100")
]
Minutes = Annotated[
    int,
    whole_number(
        1, _DAY_MINUTES, "whole minutes, from 1 to a day's 1440", "write it without quotes: 60"
    ),
]
Hours = Annotated[
    int,
    whole_number(1, 24 * 90, "whole hours, from 1 to those of 90 days", "write it without quotes"),
]


def _off(limit: object) -> object:
    return None if limit is False else limit


Off = BeforeValidator(_off)
"""A limit that is `false` is none: TOML has no other word for it."""


class Limits(Declaration):
    """Beyond which somebody is told; each holds for every arm, and `false` switches one off."""

    error_rate: Annotated[Share | None, Off] = 0.05
    """Of the requests of the window that may fail."""
    latency_p95_ms: Annotated[Milliseconds | None, Off] = 2000
    """That 95 % of the answers of the window take at most, by the model's own time."""
    share_deviation: Annotated[Share | None, Off] = 0.1
    """Between the share of the traffic that an arm gets and the declared one."""
    unlogged: Annotated[Share | None, Off] = 0.02
    """Of the answered requests that may have no row in the inference table."""
    drift: Annotated[Index | None, Off] = 0.25
    """Of the probability's population stability index against the version's validation."""
    input_drift: Annotated[Index | None, Off] = 0.25
    """The same of each measure of the inputs."""
    positive_share: Annotated[Share | None, Off] = None
    """Of the answers that may be positive."""
    waiting: Annotated[Films | None, Off] = 200
    """Films that are due for a reader and have none."""
    rollback: bool = True
    """Whether a recorded verdict ROLLBACK is told."""


class Guard(Declaration):
    """When a challenger steps back by itself, or by a change that is proposed: limits that hold
    however often one looks."""

    error_rate: Share = 0.02
    """Of the requests that may fail for a while."""
    latency_p95_ms: Milliseconds = 2000
    """5 % of the answers may take longer."""


def _webhook(url: str) -> str:
    if not (url.startswith("https://") or is_on_this_machine(url)):
        raise broken_rule(
            "https, except for an address of this machine: an alert says what is wrong here",
            f"write {url.replace('http://', 'https://', 1)}",
        )
    return url


class Destination(Declaration):
    """Whom an alert tells: exactly one of the keys."""

    user: Address | None = None
    """A user's e-mail address in the workspace."""
    id: str | None = Field(default=None, min_length=1)
    """A notification destination that the workspace's administrators have made."""
    webhook: Annotated[str, AfterValidator(_webhook)] | None = None
    """An address that a notification destination is made for. Not for addresses that are secret:
    those belong to the administrators, and are named here by `id`."""

    @classmethod
    def disagreements(cls, table: Table) -> Iterator[InitErrorDetails]:
        """One destination is one address."""
        yield from super().disagreements(table)
        named = [key for key in ("user", "id", "webhook") if read(table, key) is not None]
        if len(named) != 1:
            yield problem(
                (),
                None,
                "a destination is exactly one of user, id, webhook",
                'write, for example, { user = "oncall@clinic.example" }',
            )


class Monitoring(Declaration):
    """That a test is watched, how far back, how often, and by which limits."""

    window_minutes: Minutes = 60
    """What one look sees."""
    drift_hours: Hours = 168
    """What one look at a drift sees: a clinic needs days for the films that an index takes."""
    every_minutes: Annotated[
        int,
        whole_number(
            1, 60, "whole minutes from 1 to 60: how often the limits are looked at", "write 5"
        ),
    ] = 5
    muted_minutes: Annotated[
        int,
        whole_number(
            0, _DAY_MINUTES, "whole minutes, from 0 to a day's 1440", "write it without quotes: 10"
        ),
    ] = 10
    """After a change of the endpoint; until then nothing is looked at but what came before."""
    minimum_requests: Count = 100
    """Of an arm in the window, below which no rate is judged."""
    minimum_films: Count = 500
    """Behind a stability index: with fewer, chance alone moves it."""
    due_hours: Hours = 72
    """After which an answer should have been read."""
    late_minutes: Minutes = 60
    """How late a row of the inference table may be before it counts as missing."""
    limits: Limits = Limits()
    guard: Guard = Guard()
    notify: tuple[Destination, ...] = Field(
        default=(), strict=False, examples=['notify = [{ user = "oncall@clinic.example" }]']
    )
    run_as: str | None = Field(default=None, min_length=1)
    """A service principal's application id; without one, alerts look with their owner's rights."""
    paused: bool = False
    """Keeps the alerts and looks at nothing."""
