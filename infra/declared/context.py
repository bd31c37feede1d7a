"""What an environment file says about the context of predictions: the sites. Pure values.

A context says, without naming anybody, whose film it was and where it was taken: patients become
the unit of a verdict, sites its subgroups. What else it holds is in `ml.contract.tables`.
"""

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Annotated, Final

from pydantic import AfterValidator, Field
from pydantic_core import InitErrorDetails

from infra.declared.declaration import Declaration, Table, problem, read

_CODE: Final = re.compile(r"[a-z][a-z0-9-]{0,15}")


def folded(institution: str) -> str:
    """An institution's name as names are compared: without case and runs of spaces."""
    return " ".join(institution.split()).casefold()


def _frozen(sites: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
    return MappingProxyType(dict(sites))


class ContextPlan(Declaration):
    """That a context may be written, and by which codes it knows the sites."""

    sites: Annotated[
        Mapping[str, Annotated[tuple[str, ...], Field(strict=False)]], AfterValidator(_frozen)
    ] = Field(default_factory=lambda: MappingProxyType({}))
    """Each code with the names that its DICOM files have in InstitutionName; a name that is not
    here is written nowhere."""

    def site_of(self, institution: str) -> str | None:
        """The code of an institution's name; None for one that is not declared."""
        wanted = folded(institution)
        return next(
            (code for code, names in self.sites.items() if wanted and wanted in map(folded, names)),
            None,
        )

    @classmethod
    def disagreements(cls, table: Table) -> Iterator[InitErrorDetails]:
        """A site has a code, and an institution is one site's."""
        sites = read(table, "sites")
        seen: dict[str, str] = {}
        for code, names in sites.items() if isinstance(sites, Mapping) else ():
            if not _CODE.fullmatch(code):
                yield problem(
                    ("sites", code),
                    names,
                    "the code of a site: up to 16 lower-case letters, digits and '-', a letter "
                    "first",
                    'write, for example, north = ["..."], with the institution\'s name in the list',
                )
            for index, name in enumerate(names if isinstance(names, list | tuple) else ()):
                if not isinstance(name, str):
                    continue
                if seen.setdefault(folded(name), code) != code:
                    yield problem(
                        ("sites", code, index),
                        name,
                        f"an institution is one site, and this one is {seen[folded(name)]} already",
                        "remove it from one of the two",
                    )
