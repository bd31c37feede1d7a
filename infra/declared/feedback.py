"""What the feedback endpoint's container is told: where to write, and how to sign in.

Pure values; knows no cdktf. Credentials are references into the environment's secret scope, which
people fill: docs/reference/serving.md#signing-in-from-a-container.
"""

from collections.abc import Mapping
from typing import Final

from infra.declared.analysis import analyses
from infra.declared.environment import Environment
from ml.contract.serving import FeedbackVariable
from ml.contract.tables import PREDICTION_FEEDBACK
from ml.contract.task import PNEUMONIA

SECRETS: Final[Mapping[str, Mapping[str, str]]] = {
    "oauth": {
        "DATABRICKS_CLIENT_ID": "feedback-client-id",
        "DATABRICKS_CLIENT_SECRET": "feedback-client-secret",
    },
    "token": {"DATABRICKS_TOKEN": "feedback-token"},
    "passthrough": {},
}
"""By the way of authentication: the keys of the secrets behind the SDK's variables."""


def feedback_variables(
    environment: Environment, *, host: str, warehouse_id: str
) -> Mapping[str, str]:
    """Environment variables of the served entity; those of the environment's file win.

    Raises ValueError where the environment has no feedback endpoint.
    """
    feedback = environment.feedback
    if feedback is None:
        raise ValueError(f"environment {environment.name} has no [feedback]")
    secrets = SECRETS[feedback.authentication]
    variables: dict[str, str] = {
        FeedbackVariable.WAREHOUSE_ID: warehouse_id,
        FeedbackVariable.TABLE: PREDICTION_FEEDBACK.full_name(environment.catalog),
        FeedbackVariable.UNKNOWN_REQUEST: feedback.unknown_request,
    }
    tests = list(analyses(environment).values())
    if tests:
        variables[FeedbackVariable.PAYLOAD_TABLE] = ",".join(it.payload for it in tests)
    if any(it.task.labels != PNEUMONIA.labels for it in tests):
        variables[FeedbackVariable.LABELS] = ",".join(
            label for it in tests for label in it.task.labels
        )
    if any(it.task.answer_type != PNEUMONIA.answer_type for it in tests):
        variables[FeedbackVariable.ANSWER_TYPE] = ",".join(it.task.answer_type for it in tests)
    if secrets:
        # What is passed through comes with its own host.
        variables["DATABRICKS_HOST"] = host
    for name, key in secrets.items():
        variables[name] = f"{{{{secrets/{environment.secret_scope_name}/{key}}}}}"
    return {**variables, **feedback.environment_vars}
