"""An environment file that a command edits: the values change, comments and order stay.

Reference: https://tomlkit.readthedocs.io. What is not edited is byte for byte what it was.
"""

import copy
import difflib
import os
import tempfile
from pathlib import Path
from typing import Any, Final

import tomlkit
from tomlkit.items import Item, Table

from infra.declared.environment import Environment, InvalidEnvironment, file_of, load
from infra.declared.problem import Problem
from infra.rollout.refusal import Refused

_MARK: Final = "\ufeff"
"""The byte-order mark of Windows's tools, which TOML does not know."""

CHAMPION: Final = "champion"

Place = str | int
"""A served model: the champion, the position of a challenger, or the name of the table of an
endpoint that serves one model."""


class EnvironmentFile:
    """One environment file and the edits to it; nothing is written before `save`. What is edited of
    an A/B test is edited of the one that its `environment` is about.

    Raises InvalidEnvironment for a file that is wrong already, NoSuchTest for a test it has not.
    """

    def __init__(self, name_or_path: str | Path, test: str | None = None) -> None:
        self.path = file_of(name_or_path)
        self.environment = load(self.path, test)
        self._on_disk = self.path.read_bytes()
        self._before = self._on_disk.decode()
        self._document: Any = tomlkit.parse(self._before.removeprefix(_MARK))

    @property
    def text(self) -> str:
        """The file's text with the edits."""
        mark = _MARK if self._before.startswith(_MARK) else ""
        return mark + tomlkit.dumps(self._document)

    @property
    def difference(self) -> str:
        """The edits as a unified diff; empty where there are none."""
        return unified_difference(self.path, self._before, self.text)

    def about_models(self, *models: str) -> None:
        """Turns to the one test that serves all these models."""
        self.environment = self.environment.about_models(*models)

    def key_of(self, place: Place) -> str:
        """The table that holds a served model, as messages name it."""
        if isinstance(place, int):
            return f"{self.environment.test}.challengers[{place}]"
        return f"{self.environment.test}.{CHAMPION}" if place == CHAMPION else place

    def take_back(self, before: str) -> None:
        """Declares the test as an earlier text of the file does."""
        test = self.environment.test
        self._document[test] = tomlkit.parse(before.removeprefix(_MARK))[test]

    def set_version(self, place: Place, version: int) -> None:
        """Pins a served model."""
        _set(self._table(place), "version", version)

    def set_traffic(self, challenger: int, percent: int) -> None:
        """Gives a challenger its share."""
        _set(self._table(challenger), "traffic", percent)

    def swap_roles(self, challenger: int) -> None:
        """Makes a challenger the champion, and the old champion a challenger at 0 percent.

        A value takes its comment along: what is said about a model stays beside that model.
        """
        champion, rival = self._table(CHAMPION), self._table(challenger)
        old, new = _items(champion), _items(rival)
        _replace(champion, new)
        _replace(rival, old)
        _set(rival, "traffic", 0)

    def edited(self) -> Environment:
        """The environment that the edited text declares. Raises InvalidEnvironment, and Refused
        where somebody else has changed the file meanwhile."""
        if self.path.read_bytes() != self._on_disk:
            raise Refused(
                f"{self.path}: somebody else has changed it since it was read, so that nothing was "
                "written. Run the command again."
            )
        beside = self.path.resolve().parent
        with tempfile.TemporaryDirectory() as folder:
            trial = Path(folder, self.path.name)
            trial.write_bytes(self.text.encode())
            try:
                return load(trial, self.environment.named_test, folder=beside)
            except InvalidEnvironment as invalid:
                raise InvalidEnvironment(
                    [
                        Problem(
                            file=self.path,
                            key=found.key,
                            value=found.value,
                            rule=f"after the edit: {found.rule}",
                            way_out=found.way_out,
                        )
                        for found in invalid.problems
                    ]
                ) from None

    def save(self) -> None:
        """Checks the edited text as a whole, then replaces the file in one step."""
        self.edited()
        self._on_disk = self.text.encode()
        replace(self.path, self._on_disk)

    def _table(self, place: Place) -> Any:
        if isinstance(place, str) and place != CHAMPION:
            return self._document[place]
        test = self._document[self.environment.test]
        return test["challengers"][place] if isinstance(place, int) else test[CHAMPION]


def unified_difference(file: Path, before: str, after: str) -> str:
    """Two texts of a file as a unified diff; empty where they are the same."""
    absolute, here = file.resolve(), Path.cwd()
    name = absolute.relative_to(here) if absolute.is_relative_to(here) else file.name
    return "".join(
        difflib.unified_diff(
            before.splitlines(keepends=True),
            after.splitlines(keepends=True),
            f"a/{name}",
            f"b/{name}",
        )
    )


def replace(file: Path, content: bytes) -> None:
    """Writes a file in one step: a reader sees the old content or the new one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f".{file.name}.{os.getpid()}.new")
    beside.write_bytes(content)
    if file.exists():
        beside.chmod(file.stat().st_mode)
    beside.replace(file)


def _set(table: Any, key: str, number: int) -> None:
    """Writes a number; the comment behind it stays in its column."""
    longer = len(str(number)) - len(str(table[key]))
    table[key] = number
    trivia = table.item(key).trivia
    if trivia.comment:
        trivia.comment_ws = " " * max(1, len(trivia.comment_ws) - longer)


def _items(table: Any) -> dict[str, Item]:
    """What describes the served model, whatever its role."""
    return {key: copy.deepcopy(table.item(key)) for key in table if key != "traffic"}


def _replace(table: Any, items: dict[str, Item]) -> None:
    for key in [key for key in table if key != "traffic" and key not in items]:
        table.remove(key)
    for key, item in items.items():
        comment = (item.trivia.comment_ws, item.trivia.comment)
        if isinstance(item, Table):
            # A table was parsed with the whole name that it had at its old place.
            item.display_name = None
        table[key] = item
        # tomlkit lets a value without a comment inherit the one that stood there.
        written = table.item(key).trivia
        written.comment_ws, written.comment = comment
