"""The contexts of films: made where the films are, journalled, and written into the table once."""

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Self

from infra.declared.context import ContextPlan
from ml.contract.errors import UserError
from ml.prediction.context import NAMES, Context, age_band_of, sex_of, token_of, view_of
from ml.prediction.context_table import ContextTable
from ml.prediction.listed import Stated, declared_site
from ml.prediction.tags import tags_of

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

    from infra.declared.environment import Environment
    from ml.prediction.journal import Journal
    from ml.prediction.patient_key import PatientKeys

AT_ONCE: Final = 5_000
"""Rows. A statement with its parameters may have 16 MiB; a row has half a kilobyte at most."""

_NOTHING: Final = Stated()


class Contexts:
    """Those of one environment's predictions. Thread-safe."""

    def __init__(
        self,
        keys: "PatientKeys",
        plan: ContextPlan,
        table: ContextTable,
        *,
        site: str | None = None,
    ) -> None:
        """``site`` is that of every film whose list says no other. Raises UserError for one that
        is not declared."""
        self._keys = keys
        self._plan = plan
        self._table = table
        self._site = declared_site(site, plan, "--site") if site is not None else None
        self._stated: dict[str, Stated] = {}
        self._unknown: Counter[str] = Counter()
        self._lock, self._writing = threading.Lock(), threading.Lock()

    @classmethod
    def connect(
        cls,
        environment: "Environment",
        client: "WorkspaceClient",
        keys: "PatientKeys",
        *,
        site: str | None = None,
    ) -> Self:
        """Those of an environment, whose table must be there. Raises UserError, WorkspaceError."""
        if environment.context is None:
            raise UserError(
                f"environment {environment.name}: no table [context], which lets callers write "
                "what is known of a film. Add it to the environment's file (infra/environments/"
                f"README.md) and deploy {environment.platform_stack}."
            )
        return cls(keys, environment.context, ContextTable.of(environment, client), site=site)

    def state(self, stated: Mapping[str, Stated]) -> None:
        """What is said of films, by their names; it goes before their tags."""
        self._stated.update(stated)

    def of(self, film: str, content: bytes) -> Context:
        """The context of a film by its name and its file's content."""
        stated, tags = self._stated.get(film, _NOTHING), tags_of(content)
        tagged = Context(
            patient_key=self._keys.key(stated.patient or tags.patient),
            site=self._site or self._plan.site_of(tags.institution),
            device_maker=token_of(tags.maker),
            device_model=token_of(tags.model),
            view=view_of(tags.view),
            age_band=age_band_of(tags.age),
            sex=sex_of(tags.sex),
        )
        context = replace(tagged, **stated.known)
        with self._lock:
            self._unknown.update(name for name in NAMES if getattr(context, name) is None)
        return context

    def note(self, journal: "Journal", request_id: str, context: Context) -> None:
        """Puts a request's context into the journal; one that says nothing is none."""
        if context != Context():
            journal.describe(self._table.destination, request_id, context)

    def write(self, journal: "Journal") -> int:
        """Writes what the journal holds and the table may not; returns how many.

        Each is in the table once, however often it is tried. Raises WorkspaceError.
        """
        written = 0
        with self._writing:
            while some := journal.undelivered(self._table.destination, AT_ONCE):
                self._table.write(some)
                journal.delivered(some)
                written += len(some)
        return written

    @property
    def unknown(self) -> Mapping[str, int]:
        """Of how many films each of NAMES was not known; those that all films had are not there."""
        return {name: self._unknown[name] for name in NAMES if self._unknown[name]}
