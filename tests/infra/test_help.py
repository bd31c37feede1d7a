"""Help everywhere: a text for every option, one default environment, no command means help."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Iterator
from typing import Any

import pytest

from infra.declared.default_environment import DEFAULT
from infra.local.terraform.__main__ import parser as terraform
from infra.rollout.__main__ import parser as rollout

ML = (
    "arms", "compare", "evaluate", "feedback.__main__", "ingest", "plan", "predict",
    "reading_room.__main__", "register_feedback", "replay",
)  # fmt: skip


def parsers() -> Iterator[Any]:
    for parser in (terraform(), rollout()):
        yield pytest.param(parser, id=parser.prog)
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                for command in action.choices.values():
                    yield pytest.param(command, id=command.prog)
    for name in ML:
        module = importlib.import_module(f"ml.{name}")
        options = getattr(module, "options", None) or module._options
        parser = options()
        yield pytest.param(parser, id=parser.prog)


@pytest.mark.parametrize("parser", list(parsers()))
class TestEveryCommand:
    def test_says_what_it_does(self, parser: argparse.ArgumentParser) -> None:
        assert parser.description

    def test_has_a_text_for_every_option(self, parser: argparse.ArgumentParser) -> None:
        silent = [
            action.dest
            for action in parser._actions
            if not action.help and not isinstance(action, argparse._SubParsersAction)
        ]
        assert silent == []

    def test_is_about_the_same_environment_where_none_is_named(
        self, parser: argparse.ArgumentParser
    ) -> None:
        for action in parser._actions:
            if action.dest == "environment" and action.default is not None:
                assert action.default == DEFAULT
                assert DEFAULT in parser.format_help()
