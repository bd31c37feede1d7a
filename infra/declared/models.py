"""The registered models that training fills with versions and serving refers to."""

from collections.abc import Mapping
from typing import Final

from infra.declared.environment import Environment
from ml.contract.arms import ARMS
from ml.contract.serving import FEEDBACK_MODEL

MODELS: Final = {
    **{arm.model: arm.about for arm in ARMS},
    FEEDBACK_MODEL: "Takes a reader's verdict and writes it to the feedback table.",
}
"""What people read about a model, by its name without catalog and schema."""


def models_of(environment: Environment) -> Mapping[str, str]:
    """The same of every model of the environment: those above, and those that its file names."""
    own = dict.fromkeys(environment.platform.models.names, "One of this organisation's models.")
    return {**own, **MODELS}


def model_id(model: str) -> str:
    """What a model's resource is called in the platform stack. Only names that are known here are
    no other object's too."""
    return model if model in MODELS else f"model-{model}"
