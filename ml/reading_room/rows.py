"""The rows that readers see of a test whose models take named columns, in the place of pictures.

What was sent is all that there is of a case: serving has logged it.
"""

import json
from collections.abc import Sequence
from typing import Any

from ml.contract.task import TableInput
from ml.reading_room.films import Logged, NoPicture
from ml.reading_room.sampler import Drawn


class Rows(Logged):
    """The rows behind the predictions of one A/B test. Thread-safe."""

    field = "dataframe_records"
    media_type = "application/json"

    def __init__(self, *asked: Any, columns: TableInput) -> None:
        super().__init__(*asked)
        self._columns = tuple(columns.columns)

    def picture(self, predictions: Sequence[Drawn]) -> bytes:
        """JSON `{"columns": [[name, value], ...]}`. Raises NoPicture, and WorkspaceError."""
        ids = [drawn.prediction_id for drawn in predictions]
        for prediction_id in ids:
            for sent in self.sent(prediction_id):
                row = json.loads(sent)
                if isinstance(row, dict):
                    shown = [(name, row.get(name)) for name in self._columns]
                    return json.dumps({"columns": shown}).encode()
        raise NoPicture(f"the request of {', '.join(ids)} is not there, or holds no row")
