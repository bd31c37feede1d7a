"""Version numbers into the environment file, from an alias or the newest READY version."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from infra.declared.environment import Environment
from infra.rollout.environment_file import CHAMPION, FEEDBACK, EnvironmentFile, Place, key_of
from infra.rollout.refusal import Refused
from infra.rollout.versions import READY, Registry, Version

CHALLENGER = "challenger"


@dataclass(frozen=True, kw_only=True)
class Pinned:
    """A served model and the version that the file names now."""

    key: str
    version: Version
    before: int


def pin(
    file: EnvironmentFile, registry: Registry, *, newest: bool, models: tuple[str, ...] = ()
) -> tuple[Pinned, ...]:
    """Edits the file, and saves it when every version exists, is READY and has its signature.

    `models` narrows what is pinned. Without `newest`, a model is pinned to the version whose alias
    is its role's name. Raises Refused before anything is written.
    """
    require_known(file, models)
    environment = file.environment
    find: Callable[[Place, str], Version] = (
        (lambda _, model: registry.newest_ready(model))
        if newest
        else lambda place, model: registry.aliased(model, alias_of(place))
    )
    chosen = {
        place: model
        for place, model in served(environment)
        if (model in models if models else place != FEEDBACK)
    }
    pinned = []
    for place, model in chosen.items():
        version = find(place, environment.full_model_name(model))
        require_ready(version)
        before = version_at(environment, place)
        if version.number != before:
            file.set_version(place, version.number)
        pinned.append(Pinned(key=key_of(place), version=version, before=before))
    require_one_signature(file.edited(), registry)
    if file.difference:
        file.save()
    return tuple(pinned)


def require_known(file: EnvironmentFile, models: tuple[str, ...]) -> None:
    """Raises Refused for a model that the environment does not serve."""
    known = {model for _, model in served(file.environment)}
    if unknown := set(models) - known:
        raise Refused(
            f"--model {', '.join(sorted(unknown))}: {file.path.name} serves no such model; it "
            f"serves {', '.join(sorted(known))}."
        )


def alias_of(place: Place) -> str:
    """The alias that names the role in the registry."""
    return CHALLENGER if isinstance(place, int) else CHAMPION


def served(environment: Environment) -> Iterator[tuple[Place, str]]:
    """Every served model of an environment, with its place in the file."""
    yield CHAMPION, environment.ab_test.champion.model
    for position, arm in enumerate(environment.ab_test.challengers):
        yield position, arm.model
    if environment.feedback:
        yield FEEDBACK, environment.feedback.model


def version_at(environment: Environment, place: Place) -> int:
    """The version that the file names at a place."""
    if place == FEEDBACK and environment.feedback:
        return environment.feedback.version
    test = environment.ab_test
    return test.challengers[place].version if isinstance(place, int) else test.champion.version


def require_ready(version: Version) -> None:
    """Raises Refused for a version that cannot be served."""
    if version.status != READY:
        raise Refused(
            f"{version} is {version.status}, and only a READY version can be served. Wait until "
            "its registration ends, or pin another one (pin --newest takes the newest READY one)."
        )


def require_one_signature(environment: Environment, registry: Registry) -> None:
    """Raises Refused where the arms do not take and give the same."""
    test = environment.ab_test
    champion, *challengers = (
        registry.version(environment.full_model_name(arm.model), arm.version)
        for arm in test.served_models
    )
    expected = registry.signature(champion) if challengers else None
    for challenger in challengers:
        found = registry.signature(challenger)
        if found != expected:
            raise Refused(
                f"{challenger} takes and gives {_shown(found)}, but the champion, {champion}, "
                f"{_shown(expected)}. A request reaches either arm, so that both need the same "
                "signature: register the challenger with the champion's, or pin another version."
            )


def _shown(signature: object) -> str:
    text = str(signature)
    return text if len(text) <= 300 else f"{text[:300]}…"
