"""Which newer versions may be proposed: those that their model cards show to be no worse.

The card is the file `model_card.json` that training puts beside a version's model. Whoever reviews
the proposal decides; a version that was not proposed can still be pinned by its number.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from infra.declared.environment import Environment
from infra.rollout.environment_file import EnvironmentFile
from infra.rollout.pin import arms_at, pin
from infra.rollout.refusal import Refused
from infra.rollout.versions import Registry, Version

HIGHER_IS_BETTER: Final = ("auc", "sensitivity", "specificity", "accuracy")
"""The figures that none may be lower in: how far the model tells the classes apart."""
SHOWN_TOO: Final = ("brier", "calibration_error")
"""For the reviewer; a smaller one is better."""

_MEANING: Final = ("output", "threshold", "task")
"""What of a card says which answers the figures are about."""

Figures = dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Weighed:
    """A served model with the newest version of its model, and why that one is not proposed."""

    key: str
    pinned: Version
    newest: Version
    hindrance: str | None
    before: Figures
    after: Figures
    card: str
    """Of the newest version, in Markdown; empty where it has none."""
    same_films: bool
    """Whether both cards name the same data."""

    @property
    def model(self) -> str:
        """Without catalog and schema."""
        return self.newest.model.rpartition(".")[2]


def propose(
    file: EnvironmentFile, registry: Registry, *, models: tuple[str, ...] = ()
) -> tuple[Weighed, ...]:
    """Pins what may be proposed, and says of every arm what was weighed; `models` narrows it.

    Raises Refused before anything is written.
    """
    if models:
        file.about_models(*models)
    found = weighed(file, registry, models)
    better = tuple(it.model for it in found if it.hindrance is None)
    if better:
        pin(file, registry, newest=True, models=better)
    return found


def weighed(
    file: EnvironmentFile, registry: Registry, models: tuple[str, ...] = ()
) -> tuple[Weighed, ...]:
    """Each arm, weighed against the newest READY version of its model; `models` narrows it.

    Raises Refused where a pinned version is gone or a model has no READY one.
    """
    environment = file.environment
    places = dict(arms_at(environment))
    unknown = {*models} - {arm.model for arm in places.values()}
    if unknown:
        raise Refused(
            f"--model {', '.join(sorted(unknown))}: {environment.test} of {file.path.name} has no "
            f"such arm; it has {', '.join(sorted({it.model for it in places.values()}))}."
        )
    found = []
    for place, arm in places.items():
        if models and arm.model not in models:
            continue
        name = environment.full_model_name(arm)
        pinned = registry.version(name, arm.version)
        newest = registry.newest_ready(name)
        several = sum(environment.full_model_name(it) == name for it in places.values()) > 1
        found.append(_weigh(file.key_of(place), pinned, newest, registry, several=several))
    return tuple(found)


def _weigh(
    key: str, pinned: Version, newest: Version, registry: Registry, *, several: bool
) -> Weighed:
    cards = [registry.card(version) for version in (pinned, newest)]
    before, after = (_figures(card) for card in cards)
    return Weighed(
        key=key,
        pinned=pinned,
        newest=newest,
        hindrance=next(_hindrances(pinned, newest, cards, registry, several=several), None),
        before=before,
        after=after,
        card=registry.card_text(newest),
        same_films=len({_films(card) for card in cards}) == 1,
    )


def _hindrances(
    pinned: Version,
    newest: Version,
    cards: list[Any],
    registry: Registry,
    *,
    several: bool,
) -> Iterator[str]:
    """Why the newest version is not proposed; the first one is what is said."""
    before, after = map(_figures, cards)
    if newest.number <= pinned.number:
        yield "there is no newer READY version"
        return
    if several:
        yield "the model serves in several places, and which of them a version is for nobody says"
    for version, figures in ((pinned, before), (newest, after)):
        missing = [figure for figure in HIGHER_IS_BETTER if figure not in figures]
        if missing:
            yield (
                f"{version} has no model_card.json with the validation figures "
                f"{', '.join(missing)}, so that nothing says that version {newest.number} is no "
                "worse; pin it by hand if you know it"
            )
            return
    for key in _MEANING:
        meant = [card[key] for card in cards if key in card]
        if any(it != meant[0] for it in meant):
            yield (
                f"{newest} is of another task than version {pinned.number}: the {key} of their "
                "model cards differ"
            )
    try:
        if registry.signature(newest) != registry.signature(pinned):
            yield f"{newest} has another signature than version {pinned.number}"
    except Refused as problem:
        yield str(problem)
    worse = [
        f"{figure} {after[figure]:.4f} < {before[figure]:.4f}"
        for figure in HIGHER_IS_BETTER
        if after[figure] < before[figure]
    ]
    if worse:
        yield f"{newest} is worse on its validation films: {', '.join(worse)}"


def report(environment: Environment, proposed: tuple[Weighed, ...]) -> str:
    """What a reviewer must see, in Markdown: figures before and after, and each model card."""
    lines = [
        f"Newer versions for `{environment.name}`: their validation figures are no worse and "
        "their signatures are the same. Merging this deploys them, after the approval of "
        "`apply.yml`; nothing is deployed before.",
        "",
        "A version that enters starts a new comparison: what was counted for the one before "
        "says nothing about it. Figures on validation films do not rank models that are close.",
    ]
    for it in proposed:
        lines += [
            "",
            f"## {it.newest.model}: {it.pinned.number} → {it.newest.number}",
            "",
            f"`{it.key}`"
            + ("" if it.same_films else ". **The two were judged on different films.**"),
            "",
            f"| on validation films | version {it.pinned.number} | version {it.newest.number} |",
            "|---|---:|---:|",
            *(
                f"| {name.replace('_', ' ')} | {_shown(it.before, name)} | "
                f"{_shown(it.after, name)} |"
                for name in (*HIGHER_IS_BETTER, *SHOWN_TOO)
            ),
            "",
            *_folded(it),
        ]
    return "\n".join(lines) + "\n"


def _folded(it: Weighed) -> list[str]:
    if not it.card:
        return []
    summary = f"<details><summary>Model card of version {it.newest.number}</summary>"
    return [summary, "", it.card.strip(), "", "</details>"]


def _shown(figures: Figures, name: str) -> str:
    return f"{figures[name]:.4f}" if name in figures else "unknown"


def _figures(card: Any) -> Figures:
    """The figures of a card's validation, each a number or an estimate with its interval."""
    validation = card.get("validation") if isinstance(card, dict) else None
    if not isinstance(validation, dict):
        return {}
    found = {}
    for name in (*HIGHER_IS_BETTER, *SHOWN_TOO):
        value = validation.get(name)
        value = value.get("value") if isinstance(value, dict) else value
        # Each is a share or a mean of shares; true is an int in Python.
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1:
            found[name] = float(value)
    return found


def _films(card: Any) -> object:
    data = card.get("data") if isinstance(card, dict) else None
    return data.get("sha256") if isinstance(data, dict) else None
