"""How an endpoint's traffic is divided: challengers take percents, the champion the remainder.

The weights of an AWS CDK Lambda alias work the same way: what the extra versions leave goes to the
main one, so that the parts cannot fail to add up.
"""

from dataclasses import dataclass

ALL_TRAFFIC = 100
"""Percent."""


@dataclass(frozen=True, kw_only=True)
class Challenge:
    """A challenger's claim on the traffic: `percent` of all requests, 0 to 100.

    0 deploys the challenger without traffic of its own; it answers at
    `/serving-endpoints/NAME/served-models/ENTITY/invocations`.
    """

    served_entity: str
    percent: int

    def __post_init__(self) -> None:
        # bool is an int to Python, and 1 % is not what `True` means.
        if type(self.percent) is not int:
            raise TypeError(
                f"The traffic of {self.served_entity!r} must be a whole number of percent, "
                f"got: {self.percent!r}"
            )
        if not 0 <= self.percent <= ALL_TRAFFIC:
            raise ValueError(
                f"The traffic of {self.served_entity!r} must be 0 to {ALL_TRAFFIC} percent, "
                f"got: {self.percent}"
            )


@dataclass(frozen=True, kw_only=True)
class Route:
    """The percentage of requests that one served entity answers."""

    served_entity: str
    percent: int


@dataclass(frozen=True, kw_only=True)
class TrafficSplit:
    """A champion and its challengers.

    >>> split = TrafficSplit(
    ...     champion="keras-3",
    ...     challengers=(
    ...         Challenge(served_entity="torch-1", percent=10),
    ...         Challenge(served_entity="torch-2", percent=5),
    ...     ),
    ... )
    >>> [(route.served_entity, route.percent) for route in split.routes]
    [('keras-3', 85), ('torch-1', 10), ('torch-2', 5)]
    """

    champion: str
    challengers: tuple[Challenge, ...] = ()

    def __post_init__(self) -> None:
        names = [self.champion, *(challenge.served_entity for challenge in self.challengers)]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(
                f"Every arm must be a served entity of its own, got: {', '.join(repeated)} twice"
            )
        claimed = sum(challenge.percent for challenge in self.challengers)
        if claimed > ALL_TRAFFIC:
            raise ValueError(
                f"The challengers' traffic must not exceed {ALL_TRAFFIC} percent together, "
                f"got: {claimed}"
            )

    @property
    def champion_percent(self) -> int:
        """What the challengers leave."""
        return ALL_TRAFFIC - sum(challenge.percent for challenge in self.challengers)

    @property
    def routes(self) -> tuple[Route, ...]:
        """One route per arm, the champion's first, then the challengers' in their order."""
        return (
            Route(served_entity=self.champion, percent=self.champion_percent),
            *(
                Route(served_entity=challenge.served_entity, percent=challenge.percent)
                for challenge in self.challengers
            ),
        )
