"""Every command that a text of the project names is one that there is, with the options named."""

import importlib
import importlib.util
import re
import sys
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXTS = [
    *sorted(ROOT.glob("*.md")),
    ROOT / "Makefile",
    ROOT / "pyproject.toml",
    *sorted((ROOT / "docs").rglob("*.md")),
    *(
        file
        for folder in (".github", "examples", "infra", "ml")
        for file in sorted((ROOT / folder).rglob("*"))
        if file.suffix in {".html", ".js", ".md", ".py", ".sql", ".toml", ".yml"}
    ),
]
CALL = re.compile(r"python -m ((?:infra|ml)(?:\.[a-z_]+)+)(?![\w{*])([^`\n|>#;\"]*)")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
BEHIND_A_WORD = {"infra.local.terraform", "infra.rollout", "ml.train"}
"""Commands whose options are those of their first word."""


def _named() -> dict[tuple[str, ...], dict[str, set[str]]]:
    """By the command, the options that texts give it, and which texts."""
    named: dict[tuple[str, ...], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for file in TEXTS:
        for module, rest in CALL.findall(file.read_text().replace("\\\n", " ")):
            words = rest.split()
            first = words[0].rstrip(".,:)'") if words else ""
            if module in BEHIND_A_WORD:
                if not re.fullmatch(r"[a-z][\w./-]*", first):
                    continue  # of no command in particular
                command: tuple[str, ...] = (module, first)
            else:
                command = (module,)
            named[command][""].add(file.relative_to(ROOT).as_posix())
            for option in OPTION.findall(rest):
                named[command][option].add(file.relative_to(ROOT).as_posix())
    return named


@pytest.mark.parametrize(
    ("command", "options"), [pytest.param(*it, id=" ".join(it[0])) for it in _named().items()]
)
def test_a_command_has_the_options_that_texts_name(
    command: tuple[str, ...],
    options: dict[str, set[str]],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name, *words = command
    if words and words[0].endswith(".py"):  # an arm in a file has the options of any arm
        assert (ROOT / words[0]).is_file()
        words = ["ml.train_torch"]
    if importlib.util.find_spec(f"{name}.__main__" if _is_a_folder(name) else name) is None:
        pytest.fail(f"{name}, of {', '.join(sorted(options['']))}, is no command")
    module = importlib.import_module(f"{name}.__main__" if _is_a_folder(name) else name)
    if not hasattr(module, "main"):  # one that commands start, and that takes no options
        assert '__name__ == "__main__"' in Path(str(module.__file__)).read_text()
        assert options.keys() == {""}
        return
    monkeypatch.setattr(sys, "argv", [name, *words, "--help"])
    with pytest.raises(SystemExit) as ended:
        sys.exit(module.main())
    told = capsys.readouterr()

    assert ended.value.code == 0, told.err
    known = {"", *OPTION.findall(told.out)}
    assert {option: files for option, files in options.items() if option not in known} == {}


def _is_a_folder(name: str) -> bool:
    return ROOT.joinpath(*name.split(".")).is_dir()


def test_every_target_that_a_text_names_is_one_of_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        (target, file.name)
        for file in TEXTS
        for run in re.findall(r"(?:`|\$ )make ((?:[a-z-]+ ?)+)", file.read_text())
        for target in run.split()
    }

    assert {"test", "demo"} <= {target for target, _ in named}
    assert [it for it in sorted(named) if it[0] not in targets] == []
