"""What the arms, their clients and the infrastructure agree on; standard library only.

What a test asks is its task's: `ml.contract.task`. Of images: request ``{"inputs": [image, ...]}``,
an image being height x width x 1 floats in [0, 1]; of rows: ``{"dataframe_records": [row, ...]}``.
The response is ``{"predictions": [answer, ...]}``; of pneumonia an answer is ``[p]``.
"""

from enum import StrEnum
from typing import Final, Literal, get_args

from ml.contract.arms import KERAS, PYTORCH
from ml.contract.task import PNEUMONIA, ImageInput

LABELS: Final = PNEUMONIA.labels
"""The classes of the films that this project trains on; a label is the index of its name here."""

KERAS_MODEL: Final = KERAS.model
"""The champion's registered name, without catalog and schema."""

PYTORCH_MODEL: Final = PYTORCH.model
"""The challenger's registered name, without catalog and schema."""

FEEDBACK_MODEL: Final = "feedback_processor"
"""The registered name of the model that takes a reader's verdict, without catalog and schema."""

DECISION_THRESHOLD: Final = PNEUMONIA.threshold
"""A probability at or above it calls PNEUMONIA."""

DEFAULT_IMAGE_SIZE: Final = PNEUMONIA.input.height if isinstance(PNEUMONIA.input, ImageInput) else 0
"""Height and width in pixels of an image, unless the model's signature says otherwise."""


UnknownRequest = Literal["pending", "refuse"]
"""What becomes of a verdict on a prediction that is not in the inference table."""

UNKNOWN_REQUESTS: Final[tuple[UnknownRequest, ...]] = get_args(UnknownRequest)


class FeedbackVariable(StrEnum):
    """The environment variables that tell the feedback processor where to write.

    Credentials are not among them: the Databricks SDK has variables of its own.
    """

    WAREHOUSE_ID = "FEEDBACK_WAREHOUSE_ID"
    TABLE = "FEEDBACK_TABLE"
    """The full name of the table of the verdicts."""

    PAYLOAD_TABLE = "FEEDBACK_PAYLOAD_TABLE"
    """The full name of the inference table of the predictions, or of those of several A/B tests
    with commas between; absent where there is none."""

    UNKNOWN_REQUEST = "FEEDBACK_UNKNOWN_REQUEST"
    """One of UNKNOWN_REQUESTS; absent, the first of them."""

    LABELS = "FEEDBACK_LABELS"
    """The labels that readers may give, two for each inference table, with commas between them;
    absent, those of pneumonia."""

    ANSWER_TYPE = "FEEDBACK_ANSWER_TYPE"
    """The type of one answer in SQL, one for each inference table, with commas between them;
    absent, that of pneumonia."""
