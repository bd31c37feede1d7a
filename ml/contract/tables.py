"""The tables that `ml` writes, column by column; standard library only.

`infra` creates them from the same declaration, so that a name is written once.
"""

from dataclasses import dataclass
from typing import Final

BRONZE: Final = "bronze"
"""The schema of what arrives, as it arrives."""

GOLD: Final = "gold"
"""The schema of what serving and readers write, and what is derived from it."""

FILM_VOLUME: Final = "xray_images"
"""The managed volume of BRONZE that holds the films."""


SIMULATION: Final = "simulation"
"""The `feedback_source` of a verdict that no reader gave: its film still waits for one."""


REPLAY_MARK: Final = "replay-"
SHADOW_MARK: Final = "shadow-"
"""What a client's request id begins with where nobody waits for the answer: such a request is no
traffic, and no view counts it."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column with its Databricks SQL type."""

    name: str
    type: str
    comment: str
    nullable: bool = False


@dataclass(frozen=True, kw_only=True)
class Table:
    """A managed Delta table, without its catalog."""

    schema: str
    name: str
    comment: str
    columns: tuple[Column, ...]

    def full_name(self, catalog: str) -> str:
        """The three-level name."""
        return f"{catalog}.{self.schema}.{self.name}"


FILMS: Final = Table(
    schema=BRONZE,
    name="kaggle_xray_metadata",
    comment="One row per ingested chest X-ray; the film itself is in the volume.",
    columns=(
        Column(
            name="image_id",
            type="STRING",
            comment="The film: the first 32 hexadecimal digits of sha256.",
        ),
        Column(name="label", type="STRING", comment="NORMAL or PNEUMONIA."),
        Column(
            name="dataset_split",
            type="STRING",
            comment="train, val or test, as the film was delivered.",
        ),
        Column(
            name="patient_key",
            type="STRING",
            comment="A pseudonym: equal for films of one patient. NULL where it is not known.",
            nullable=True,
        ),
        Column(name="volume_path", type="STRING", comment="Where the film is: /Volumes/..."),
        Column(name="file_size_bytes", type="BIGINT", comment="Size of the file."),
        Column(name="width", type="INT", comment="Pixels."),
        Column(name="height", type="INT", comment="Pixels."),
        Column(name="sha256", type="STRING", comment="SHA-256 of the file, hexadecimal."),
        Column(
            name="attribution",
            type="STRING",
            comment="Whom to name, and the licence. NULL where the source does not say.",
            nullable=True,
        ),
        Column(name="ingested_at", type="TIMESTAMP", comment="When the row was written."),
        Column(
            name="ingestion_batch_id",
            type="STRING",
            comment="The run of ml.ingest that wrote the row.",
        ),
    ),
)

PREDICTION_FEEDBACK: Final = Table(
    schema=GOLD,
    name="prediction_feedback",
    comment=(
        "Readers' verdicts, one row each, never changed: the latest of a reader on a prediction "
        "counts, and one that another supersedes does not."
    ),
    columns=(
        Column(
            name="feedback_id",
            type="STRING",
            comment="Identifies the verdict; a retry has it again.",
        ),
        Column(
            name="prediction_id",
            type="STRING",
            comment="The prediction, as the view of the predictions names it: its request id.",
        ),
        Column(name="timestamp", type="TIMESTAMP", comment="When the reader decided."),
        Column(
            name="ground_truth",
            type="STRING",
            comment="The verdict: NORMAL, PNEUMONIA, or INDETERMINATE, which is no label.",
        ),
        Column(
            name="radiologist_id", type="STRING", comment="Who decided: the authenticated reader."
        ),
        Column(
            name="confidence",
            type="STRING",
            comment="How sure the reader is: LOW, MEDIUM or HIGH.",
            nullable=True,
        ),
        Column(
            name="feedback_source",
            type="STRING",
            comment="Where the verdict was given.",
            nullable=True,
        ),
        Column(name="notes", type="STRING", comment="What the reader adds.", nullable=True),
        # From here on nullable, whatever is required of a reading: a table that has been deployed
        # can not be given a column that its rows must have.
        Column(
            name="blind",
            type="BOOLEAN",
            comment="Whether the reader had seen no label and no output of a model before.",
            nullable=True,
        ),
        Column(
            name="supersedes",
            type="STRING",
            comment="The feedback_id of the same reader's verdict that this one corrects.",
            nullable=True,
        ),
        Column(
            name="sampling_probability",
            type="DOUBLE",
            comment="With which the queue drew the film for reading.",
            nullable=True,
        ),
        Column(
            name="output_shown_at",
            type="TIMESTAMP",
            comment="When the models' output was shown to the reader, after the decision.",
            nullable=True,
        ),
        Column(
            name="pending",
            type="BOOLEAN",
            comment="Whether the prediction was not in the inference table yet at the writing.",
            nullable=True,
        ),
        Column(
            name="written_at",
            type="TIMESTAMP",
            comment="When the row was written.",
            nullable=True,
        ),
    ),
)

PREDICTION_CONTEXT: Final = Table(
    schema=GOLD,
    name="prediction_context",
    comment=(
        "What is known of a prediction's film without naming anybody: one row per prediction, "
        "never changed. Neither names nor ids nor dates of a patient, and no free text."
    ),
    columns=(
        Column(
            name="prediction_id",
            type="STRING",
            comment="The prediction, as the view of the predictions names it: its request id.",
        ),
        Column(
            name="patient_key",
            type="STRING",
            comment=(
                "A pseudonym: HMAC-SHA-256 of the patient's id, hexadecimal, equal for films of "
                "one patient. NULL where the patient is not known."
            ),
            nullable=True,
        ),
        Column(
            name="site",
            type="STRING",
            comment="The code of the site, as the environment declares it.",
            nullable=True,
        ),
        Column(
            name="device_maker",
            type="STRING",
            comment="Who made the X-ray device: letters and digits, at most 32.",
            nullable=True,
        ),
        Column(
            name="device_model",
            type="STRING",
            comment="The model of the device: letters and digits, at most 32.",
            nullable=True,
        ),
        Column(
            name="view",
            type="STRING",
            comment="AP, PA, LATERAL, OBLIQUE or DECUBITUS.",
            nullable=True,
        ),
        Column(
            name="age_band",
            type="STRING",
            comment="Years of age: 0-1, 2-5, 6-11, 12-17, 18-39, 40-64, 65-79 or 80+.",
            nullable=True,
        ),
        Column(name="sex", type="STRING", comment="F, M or O.", nullable=True),
        Column(name="recorded_at", type="TIMESTAMP", comment="When the client wrote it down."),
    ),
)

REFERENCE_DISTRIBUTIONS: Final = Table(
    schema=GOLD,
    name="reference_distributions",
    comment=(
        "What a model version saw in validation: of each measure the share of films in each bin. "
        "Copied from the registered version; never changed."
    ),
    columns=(
        Column(name="model_name", type="STRING", comment="The registered model's full name."),
        Column(name="model_version", type="INT", comment="Its version."),
        Column(
            name="measure",
            type="STRING",
            comment="probability, or a measure of the inputs.",
        ),
        Column(name="bin", type="INT", comment="The bin's place, from 0."),
        Column(
            name="lower_bound",
            type="DOUBLE",
            comment="The smallest value in the bin. NULL: whatever is below the upper bound.",
            nullable=True,
        ),
        Column(
            name="upper_bound",
            type="DOUBLE",
            comment="The first value behind the bin. NULL: whatever is from the lower bound.",
            nullable=True,
        ),
        Column(name="share", type="DOUBLE", comment="Of the validation's films, 0 to 1."),
    ),
)

INPUT_MEASURES: Final = Table(
    schema=GOLD,
    name="input_measures",
    comment="A few figures of each input that was asked about, never the input itself.",
    columns=(
        Column(name="databricks_request_id", type="STRING", comment="The request."),
        Column(name="image_index", type="INT", comment="The input's place in it, from 0."),
        Column(name="request_time", type="TIMESTAMP", comment="When it was asked."),
        Column(name="measure", type="STRING", comment="What was measured."),
        Column(name="value", type="DOUBLE", comment="The figure."),
    ),
)

VERDICTS: Final = Table(
    schema=GOLD,
    name="verdicts",
    comment="What ml.compare has found, one row each time that it was recorded; never changed.",
    columns=(
        Column(name="endpoint_name", type="STRING", comment="The endpoint of the test."),
        Column(name="experiment", type="STRING", comment="The experiment's name."),
        Column(name="experiment_hash", type="STRING", comment="Of what it declares."),
        Column(name="champion", type="STRING", comment="The champion's served entity."),
        Column(name="challenger", type="STRING", comment="The challenger's served entity."),
        Column(name="as_of", type="TIMESTAMP", comment="Until when rows were counted."),
        Column(
            name="verdict", type="STRING", comment="PROMOTE, KEEP, ROLLBACK or INCONCLUSIVE ..."
        ),
        Column(name="labels", type="BIGINT", comment="Films with a truth, of both arms."),
        Column(name="recorded_at", type="TIMESTAMP", comment="When the row was written."),
    ),
)

SHADOW_ANSWERS: Final = Table(
    schema=GOLD,
    name="shadow_answers",
    comment=(
        "What a challenger says of requests that its champion has answered: one row per "
        "prediction and challenger, never changed; a refused request goes when it is asked again."
    ),
    columns=(
        Column(
            name="prediction_id",
            type="STRING",
            comment="The champion's prediction, as the view of the predictions names it.",
        ),
        Column(name="databricks_request_id", type="STRING", comment="The champion's request."),
        Column(name="image_index", type="INT", comment="The input's place in it, from 0."),
        Column(name="request_time", type="TIMESTAMP", comment="When the champion was asked."),
        Column(name="champion", type="STRING", comment="The champion's served entity."),
        Column(name="challenger", type="STRING", comment="The challenger's served entity."),
        Column(name="champion_probability", type="DOUBLE", comment="What the champion said."),
        Column(
            name="challenger_probability",
            type="DOUBLE",
            comment="What the challenger says; NULL where it refused.",
            nullable=True,
        ),
        Column(name="asked_at", type="TIMESTAMP", comment="When the challenger was asked."),
        Column(
            name="refused",
            type="STRING",
            comment="Why the challenger gave no probability; NULL where it gave one.",
            nullable=True,
        ),
    ),
)
