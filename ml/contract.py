"""What the arms, their clients and the infrastructure agree on; standard library only.

Request ``{"inputs": [image, ...]}``, an image being height x width x 1 floats in [0, 1]; response
``{"predictions": [[p], ...]}``, where ``p`` is the probability of PNEUMONIA.
"""

from typing import Final

LABELS: Final = ("NORMAL", "PNEUMONIA")
"""The classes; a label is the index of its name here."""

KERAS_MODEL: Final = "pneumonia_poc_classifier"
"""The champion's registered name, without catalog and schema."""

PYTORCH_MODEL: Final = "pneumonia_poc_classifier_pytorch"
"""The challenger's registered name, without catalog and schema."""

FEEDBACK_MODEL: Final = "feedback_processor"
"""The registered name of the model that takes a reader's verdict, without catalog and schema."""

DECISION_THRESHOLD: Final = 0.5
"""A probability at or above it calls PNEUMONIA; written here once."""

DEFAULT_IMAGE_SIZE: Final = 64
"""Height and width in pixels of an image, unless the model's signature says otherwise."""
