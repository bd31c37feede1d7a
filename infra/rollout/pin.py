"""Version numbers into the environment file, from an alias or the newest READY version."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from infra.declared.endpoint import SingleModel
from infra.declared.environment import Environment
from infra.declared.served_model import ServedModel
from infra.rollout.environment_file import CHAMPION, EnvironmentFile, Place
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
    singles = {
        it.model for it in file.environment.endpoints.values() if isinstance(it, SingleModel)
    }
    of_arms = {*models} - singles
    if of_arms:
        file.about_models(*of_arms)
    environment = file.environment
    find: Callable[[Place, str], Version] = (
        (lambda _, model: registry.newest_ready(model))
        if newest
        else lambda place, model: registry.aliased(model, alias_of(place))
    )
    places = dict(_alone(environment))
    if of_arms or not models:
        places = {**dict(arms_at(environment)), **(places if models else {})}
    chosen = {place: arm for place, arm in places.items() if not models or arm.model in models}
    unknown = {*models} - {arm.model for arm in chosen.values()}
    if unknown:
        known = ", ".join(sorted({arm.model for arm in places.values()}))
        raise Refused(
            f"--model {', '.join(sorted(unknown))}: {file.path.name} serves no such model; it "
            f"serves {known}."
        )
    pinned = []
    for place, arm in chosen.items():
        version = find(place, environment.full_model_name(arm))
        require_ready(version)
        if version.number != arm.version:
            file.set_version(place, version.number)
        pinned.append(Pinned(key=file.key_of(place), version=version, before=arm.version))
    edited = file.edited()
    if of_arms or not models:
        require_one_signature(edited, registry)
    if file.difference:
        file.save()
    return tuple(pinned)


def alias_of(place: Place) -> str:
    """The alias that names the role in the registry."""
    return CHALLENGER if isinstance(place, int) else CHAMPION


def arms_at(environment: Environment) -> Iterator[tuple[Place, ServedModel]]:
    """The arms of the test that is meant, each with its place in the file."""
    yield CHAMPION, environment.ab_test.champion
    yield from enumerate(environment.ab_test.challengers)


def _alone(environment: Environment) -> Iterator[tuple[Place, ServedModel]]:
    """The models that have an endpoint each, with its name."""
    for name, endpoint in environment.endpoints.items():
        if isinstance(endpoint, SingleModel):
            yield name, endpoint


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
        registry.version(environment.full_model_name(arm), arm.version)
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
