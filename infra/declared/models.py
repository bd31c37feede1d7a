"""The registered models that training fills with versions and serving refers to."""

from typing import Final

from ml.contract.serving import FEEDBACK_MODEL, KERAS_MODEL, PYTORCH_MODEL

MODELS: Final = {
    KERAS_MODEL: "Pneumonia in a chest X-ray: the champion's architecture, in Keras.",
    PYTORCH_MODEL: "Pneumonia in a chest X-ray: the challenger's architecture, in PyTorch.",
    FEEDBACK_MODEL: "Takes a reader's verdict and writes it to the feedback table.",
}
"""What people read about a model, by its name without catalog and schema."""
