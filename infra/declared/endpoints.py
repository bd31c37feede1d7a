"""The endpoints of an environment, by the names of their tables: what each is, what two must not
share. Pure values; knows no cdktf.

A table at the top of a file that is no section of its own declares an endpoint: with a `champion`
an A/B test, with a `model` a single model. Of the single models the one that takes the readings
serves every test: a reading names a prediction, whichever test gave it.
"""

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final, Self

from pydantic import ConfigDict, Discriminator, PrivateAttr, Tag
from pydantic import model_validator as check_model
from pydantic_core import ErrorDetails, InitErrorDetails

from infra.declared.declaration import Declaration, Table, problem, read
from infra.declared.endpoint import ABTest, Endpoint, Feedback, SingleModel
from infra.declared.naming import payload_table
from ml.contract.errors import UserError
from ml.contract.serving import FEEDBACK_MODEL

FIRST_TEST: Final = "ab_test"
"""What belongs to the test of this name is called as it was when an environment had one test: a
second one beside it renames, and so destroys, nothing."""

_FEEDBACK: Final = "feedback"
_LONGEST_NAME: Final = 31
_TAKEN: Final = ("champion", "databricks", "deployer", "warehouse")
"""What the serving stack calls its provider and what it looks up, and what a role is called."""

_ROLES: Final = frozenset({"champion", "challengers"})
_OF_A_TEST: Final = frozenset(ABTest.model_fields)
_OF_FEEDBACK: Final = frozenset(Feedback.model_fields) - frozenset(SingleModel.model_fields)


def _kind(endpoint: object) -> str | None:
    """Which of the three a table declares; None where it declares no endpoint."""
    if isinstance(endpoint, Endpoint):
        return type(endpoint).__name__
    if not isinstance(endpoint, Mapping):
        return None
    keys = frozenset(endpoint)
    if keys & _ROLES:
        return ABTest.__name__
    if keys & _OF_FEEDBACK or endpoint.get("model") == FEEDBACK_MODEL:
        return Feedback.__name__
    if "model" in keys:
        return SingleModel.__name__
    return ABTest.__name__ if keys & _OF_A_TEST else None


AnyEndpoint = Annotated[
    Annotated[ABTest, Tag(ABTest.__name__)]
    | Annotated[Feedback, Tag(Feedback.__name__)]
    | Annotated[SingleModel, Tag(SingleModel.__name__)],
    Discriminator(_kind),
]
"""An endpoint of any kind."""


def of_test(test: str, what: str) -> str:
    """What something of a test is called in a stack that has the same for every test.

    >>> of_test("ab_test", "dashboard"), of_test("second_test", "dashboard")
    ('dashboard', 'second-test-dashboard')
    """
    return what if test == FIRST_TEST else f"{test.replace('_', '-')}-{what}"


class NoSuchTest(UserError):
    """An environment that has not the A/B test that is asked for, or several to choose from."""


class WithEndpoints(Declaration):
    """What declares endpoints, and may be about one of its A/B tests: what a command does to one
    test, it does to a declaration that is `about` it. Where there is one test, every one is."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, AnyEndpoint]
    """A table of the file that is no section of its own is an endpoint of that name."""

    _meant: str | None = PrivateAttr(default=None)

    @property
    def _file(self) -> str:
        return f"{read(self, 'name')}.toml"

    @property
    def endpoints(self) -> Mapping[str, ABTest | SingleModel]:
        """Every endpoint by the name of its table: tests, single models, feedback."""
        kinds = (ABTest, SingleModel, Feedback)
        declared = sorted(
            self.__pydantic_extra__.items(), key=lambda named: kinds.index(type(named[1]))
        )
        return MappingProxyType(dict(declared))

    @property
    def tests(self) -> Mapping[str, ABTest]:
        """The A/B tests by the names of their tables, in the order of the file."""
        return {name: it for name, it in self.endpoints.items() if isinstance(it, ABTest)}

    @property
    def feedback(self) -> Feedback | None:
        """The endpoint that takes the readings of every test."""
        return next((it for it in self.endpoints.values() if isinstance(it, Feedback)), None)

    @property
    def test(self) -> str:
        """The name of the A/B test that is meant.

        Raises NoSuchTest where there is none, or several and none is named.
        """
        names = list(self.tests)
        if self._meant is not None:
            return self._meant
        if len(names) != 1:
            raise NoSuchTest(
                f"{self._file} declares several A/B tests: name one of them, "
                f"--test {' or --test '.join(names)}."
                if names
                else f"{self._file} declares no A/B test: add a table with a champion."
            )
        return names[0]

    @property
    def named_test(self) -> str | None:
        """The name by which a test was chosen; None where nobody has."""
        return self._meant

    @property
    def ab_test(self) -> ABTest:
        """The A/B test that is meant. Raises NoSuchTest."""
        return self.tests[self.test]

    def about(self, test: str | None) -> Self:
        """The same environment, about one of its tests; None leaves it as it is.

        Raises NoSuchTest for a name that no test has.
        """
        if test is None:
            return self
        if test not in self.tests:
            raise NoSuchTest(
                f"--test {test}: {self._file} declares no such A/B test; it declares "
                f"{', '.join(self.tests) or 'none'}."
            )
        copy = self.model_copy()
        copy._meant = test
        return copy

    def about_each(self) -> Iterator[Self]:
        """The environment about each of its tests."""
        for name in self.tests:
            yield self.about(name)

    @property
    def chosen(self) -> Mapping[str, ABTest | SingleModel]:
        """Every endpoint by the name of its table; that of a test alone, where one was named."""
        return {self._meant: self.ab_test} if self._meant else self.endpoints

    def about_models(self, *models: str) -> Self:
        """About the one test that serves all these models, where no other does."""
        serving = [
            name
            for name, test in self.tests.items()
            if {*models} <= {arm.model for arm in test.served_models}
        ]
        return self.about(serving[0]) if self._meant is None and len(serving) == 1 else self

    @check_model(mode="before")
    @classmethod
    def _with_feedback_by_its_name(cls, table: Any) -> Any:
        """That a table is named `feedback` is enough to take readings, whatever its model is."""
        named = read(table, _FEEDBACK) if isinstance(table, Mapping) else None
        if not isinstance(named, Mapping) or frozenset(named) & _ROLES:
            return table
        return {**table, _FEEDBACK: {"authentication": "oauth", **named}}

    @classmethod
    def disagreements(cls, table: Table) -> Iterator[InitErrorDetails]:
        """What is wrong with the endpoints together."""
        yield from super().disagreements(table)
        sections = frozenset(cls.model_fields)
        if isinstance(table, Mapping):
            endpoints = {str(key): it for key, it in table.items() if key not in sections}
        else:
            endpoints = table.__pydantic_extra__ or {}
        yield from _disagreements(read(table, "catalog"), endpoints)

    @classmethod
    def _known_keys(cls, unknown: str) -> tuple[str, str]:
        known, way_out = super()._known_keys(unknown)
        return f"{known}, or an endpoint's table, which has a champion or a model", way_out

    @classmethod
    def _in_our_words(cls, details: ErrorDetails) -> InitErrorDetails:
        location = details["loc"]
        if location and location[0] not in cls.model_fields:
            if details["type"] == "union_tag_not_found":
                details = {**details, "type": "extra_forbidden"}
            else:
                # pydantic puts the kind of an endpoint behind its name.
                details = {**details, "loc": (location[0], *location[2:])}
        return super()._in_our_words(details)


def _disagreements(catalog: object, endpoints: Mapping[str, object]) -> Iterator[InitErrorDetails]:
    """Of what may still be raw, or no endpoints."""
    declared = {name: it for name, it in endpoints.items() if _kind(it)}
    if all(_kind(it) == Feedback.__name__ for it in declared.values()):
        yield problem(
            (FIRST_TEST,),
            None,
            "a required key: an environment has at least one endpoint beside that of the feedback",
            "write it, for example: [ab_test]",
        )
    for name in declared:
        yield from _misnamed(name)
    yield from _second_feedback(declared)
    yield from _refusal_without_a_table(declared)
    seen: dict[str, str] = {}
    for name, it in declared.items():
        endpoint = read(it, "endpoint")
        if isinstance(endpoint, str) and endpoint in seen:
            yield problem(
                (name, "endpoint"),
                endpoint,
                f"an endpoint's name is unique in its workspace, and {seen[endpoint]} has this one",
                "rename one of the two",
            )
        seen.setdefault(str(endpoint), name)
    yield from _tables_of_two(catalog, declared)


def payload_tables(
    catalog: object, endpoints: Mapping[str, object]
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every table that an endpoint writes, with the table of the file that says so."""
    for name, endpoint in endpoints.items():
        for kind in ("inference_table", "auto_capture"):
            table = read(endpoint, kind)
            schema = read(table, "schema_name") or read(table, "schema")
            parts = (read(table, "catalog") or catalog, schema, read(table, "prefix"))
            if all(isinstance(part, str) for part in parts):
                yield (name, kind), payload_table(*map(str, parts))


def _misnamed(name: str) -> Iterator[InitErrorDetails]:
    if not re.fullmatch(rf"[a-z][a-z0-9_]{{0,{_LONGEST_NAME - 1}}}", name):
        yield problem(
            (name,),
            None,
            f"an endpoint's table: up to {_LONGEST_NAME} lower-case letters, digits and '_', a "
            "letter first",
            "rename the table, for example: [second_test]",
        )
    elif name in _TAKEN:
        yield problem(
            (name,),
            None,
            f"an endpoint's table is not named {', '.join(_TAKEN)}, which stand for something else",
            f"rename the table, for example: [{name}_test]",
        )


def _second_feedback(endpoints: Mapping[str, object]) -> Iterator[InitErrorDetails]:
    first, *others = [*(n for n, it in endpoints.items() if _kind(it) == Feedback.__name__), ""]
    for name in others[:-1] if first else ():
        yield problem(
            (name,),
            None,
            f"one endpoint takes the readings of every test, and {first} does",
            "remove one of the two",
        )


def _refusal_without_a_table(endpoints: Mapping[str, object]) -> Iterator[InitErrorDetails]:
    silent = [
        name
        for name, it in endpoints.items()
        if _kind(it) == ABTest.__name__ and read(it, "inference_table") is None
    ]
    for name, it in endpoints.items():
        unknown = read(it, "unknown_request")
        for test in silent if unknown == "refuse" else ():
            yield problem(
                (name, "unknown_request"),
                unknown,
                f"which request ids are known, the inference table of {test} says, and there is "
                "none",
                f'write an [{test}.inference_table], or unknown_request = "pending"',
            )


def _tables_of_two(catalog: object, endpoints: Mapping[str, object]) -> Iterator[InitErrorDetails]:
    """Views are named by the prefixes too, so that tables of their own give views of their own."""
    seen: dict[str, str] = {}
    for location, payloads in payload_tables(catalog, endpoints):
        if payloads in seen:
            yield problem(
                (*location, "prefix"),
                payloads,
                f"an inference table belongs to one endpoint, and {seen[payloads]} writes it",
                "choose another prefix",
            )
        seen.setdefault(payloads, ".".join(location))
