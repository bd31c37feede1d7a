"""Help everywhere: a text for every option, one default environment, no command means help."""

from __future__ import annotations

import argparse
import importlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Never

import pytest

from infra.declared.default_environment import DEFAULT
from infra.local.terraform.__main__ import parser as terraform

ROOT = Path(__file__).parents[2]
COMMANDS = (
    "main", "infra.local.__main__", "infra.local.demo.__main__",
    "infra.local.terraform.__main__", "infra.rollout.__main__",
    "ml.feedback.__main__", "ml.reading_room.__main__",
    *(f"ml.{it.stem}" for it in sorted((ROOT / "ml").glob("[!_]*.py"))
      if "__main__" in it.read_text()),
)  # fmt: skip
NARROW = 60


class Asked(Exception):
    """The parser of a command that was about to read its arguments."""


def parser_of(command: str, patch: pytest.MonkeyPatch) -> argparse.ArgumentParser:
    def ask(self: argparse.ArgumentParser, *_: object) -> Never:
        raise Asked(self)

    module: Any = importlib.import_module(command)
    patch.setattr(argparse.ArgumentParser, "parse_known_args", ask)
    patch.setattr(os, "environ", {**os.environ})  # the local workspace forgets others
    with pytest.raises(Asked) as asked:
        module.main(*[[]] * bool(module.main.__code__.co_argcount))
    found: argparse.ArgumentParser = asked.value.args[0]
    return found


def with_its_commands(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.values()


@pytest.fixture(params=COMMANDS)
def parsers(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> list[argparse.ArgumentParser]:
    """Of one command and of each of its own commands."""
    return [*with_its_commands(parser_of(request.param, monkeypatch))]


def test_a_command_says_what_it_does_and_what_each_option_is(
    parsers: list[argparse.ArgumentParser],
) -> None:
    for parser in parsers:
        assert parser.description, parser.prog
        assert [
            action.dest
            for action in parser._actions
            if not action.help and not isinstance(action, argparse._SubParsersAction)
        ] == [], parser.prog


def test_where_none_is_named_each_is_about_the_same_environment(
    parsers: list[argparse.ArgumentParser],
) -> None:
    for parser in parsers:
        for action in parser._actions:
            if action.dest == "environment" and action.default is not None:
                assert action.default == DEFAULT
                assert DEFAULT in parser.format_help()


def test_help_is_filled_to_a_narrow_terminal(
    parsers: list[argparse.ArgumentParser], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(NARROW))
    for parser in parsers:
        _, _, texts = parser.format_help().partition(
            "\n\n"
        )  # argparse breaks no usage of an option
        wide = [it for it in texts.splitlines() if len(it) > NARROW]
        assert [it for it in wide if re.search(r"\S \S", it)] == [], parser.prog


def test_a_default_is_told_once(parsers: list[argparse.ArgumentParser]) -> None:
    for parser in parsers:
        for action in parser._actions:
            assert len(re.findall("[Dd]efault:", action.help or "")) <= 1, (parser.prog, action)


def test_no_command_means_help(capsys: pytest.CaptureFixture[str]) -> None:
    from infra.local.terraform.__main__ import main

    assert main([]) == 2
    assert capsys.readouterr().err == terraform().format_help()
