"""Back to the last deployed file.

Git knows what the file was, the endpoint knows what it serves. The last deployed file is the
newest commit of the file that declares the arms, versions and traffic that are live; where the
file declares just that already, it is the newest commit before it that declares others. No record
of deployments is kept beside them, which could be wrong.
"""

from pathlib import Path

from infra.declared.environment import Environment
from infra.rollout import history, settings
from infra.rollout.environment_file import EnvironmentFile, replace
from infra.rollout.history import Commit
from infra.rollout.refusal import Refused
from infra.rollout.settings import Settings


def target(file: Path, environment: Environment, live: Settings | None) -> Commit:
    """The commit to go back to. `live` None is an endpoint that does not exist.

    Raises Refused where no commit is what was deployed.
    """
    if live is None:
        raise Refused(
            f"{environment.ab_test.endpoint} does not exist, so that nothing says what was "
            "deployed. Name the commit: rollback --to COMMIT."
        )
    served = settings.arms(live)
    declares_what_is_live = _arms(environment) == served
    for commit in history.commits(file):
        if environment.test not in commit.environment.tests:
            continue
        was = commit.environment.about(environment.test)
        if (_arms(was) == served) is not declares_what_is_live:
            return commit
    reason = (
        "other arms, versions or traffic than now, so that there is no way back"
        if declares_what_is_live
        else "what is live, so that somebody else deployed that (python -m infra.rollout status "
        "shows it)"
    )
    raise Refused(
        f"{file.name}: no commit of it declares {reason}. Name the commit to go to: rollback --to "
        "COMMIT."
    )


def restore(file: Path, commit: Commit, test: str | None = None) -> None:
    """Writes the file as the commit has it, byte for byte; of a test that is named, its table
    alone: what else was changed since is another one's."""
    if test is None:
        replace(file, commit.content)
        return
    edited = EnvironmentFile(file, test)
    if test not in commit.environment.tests:
        raise Refused(f"{file.name}: {commit} has no {test}. Name another commit: rollback --to.")
    edited.take_back(commit.content.decode())
    edited.save()


def _arms(environment: Environment) -> Settings:
    return settings.arms(settings.declared(environment, environment.ab_test))
