"""What the project cites is in the project: sections of `docs/`, files, headings."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"
SUFFIXES = {".html", ".js", ".md", ".py", ".sql", ".toml", ".yml"}

CITING = [
    file
    for folder in (".ci", ".github", "docs", "examples", "infra", "ml", "tests")
    for file in sorted((ROOT / folder).rglob("*"))
    if file.suffix in SUFFIXES and file != Path(__file__).resolve()
] + [*sorted(ROOT.glob("*.md")), ROOT / "Makefile", ROOT / "pyproject.toml"]
MARKDOWN = [file for file in CITING if file.suffix == ".md"]

CITATION = re.compile(
    r"(?<![\w/.-])((?:docs|examples|infra|ml|tests)/[\w/-]+\.md|docs/adr/\d{4}\b)(#[\w-]+)?"
)
LINK = re.compile(r"\]\(([^)\s]+)\)|^\[[^\]]+\]: (\S+)$", re.MULTILINE)

WRITTEN = {"model_card.md", "report.md", "comment.md"}
"""Files that a command writes, and that the repository does not have."""


def test_every_cited_section_is_there() -> None:
    cited = [
        (file, f"{whole(name)}{anchor}")
        for file in CITING
        if REFERENCE not in file.parents  # there, the files of others are named, too
        for name, anchor in CITATION.findall(file.read_text())
    ]

    assert cited
    assert [text for file, target in cited for text in broken(file, target)] == []


def test_code_cites_a_section_and_not_a_whole_file() -> None:
    assert [
        f"{relative(file)}: {name}"
        for file in CITING
        if file.suffix == ".py"
        for name, anchor in CITATION.findall(file.read_text())
        if name.startswith("docs/reference/") and not anchor
    ] == []


def test_no_file_outside_of_the_repository_is_cited() -> None:
    """A file is cited by its name; a bare "reference: section 3" is of no file at all."""
    known = {file.name for file in MARKDOWN} | WRITTEN
    texts = {file: file.read_text() for file in CITING if REFERENCE not in file.parents}

    assert [
        f"{relative(file)}: {name}"
        for file, text in texts.items()
        for name in re.findall(r"[\w-]+\.md\b", text)
        if name not in known
    ] == []
    assert [
        f"{relative(file)}: {bare}"
        for file, text in texts.items()
        for bare in re.findall(
            r"reference:?\s+(?:sections? \d|`?[\w-]+\.json)[^\n]*", text, re.IGNORECASE
        )
    ] == []


@pytest.mark.parametrize("file", MARKDOWN, ids=lambda file: relative(file))
def test_links_lead_somewhere(file: Path) -> None:
    text = re.sub(r"`[^`\n]+`", "", without_code(file))
    links = [inline or definition for inline, definition in LINK.findall(text)]

    local = [link for link in links if not re.match(r"[a-z]+:", link)]
    assert [text for link in local for text in broken(file, link)] == []


def whole(name: str) -> Path:
    """The file of a citation, which names a decision by its number alone."""
    if name.endswith(".md"):
        return ROOT / name
    return next((ROOT / "docs" / "adr").glob(f"{Path(name).name}-*.md"), ROOT / name)


def broken(file: Path, target: str) -> Iterator[str]:
    """What a file's link, to a path or an anchor or both, does not find."""
    path, _, anchor = target.partition("#")
    linked = (file.parent / path).resolve() if path else file
    if not linked.exists():
        yield f"{relative(file)}: there is no {relative(linked)}"
    elif anchor and linked.suffix == ".md" and anchor not in anchors(linked):
        yield f"{relative(file)}: {relative(linked)} has no section #{anchor}"


@cache
def anchors(file: Path) -> frozenset[str]:
    """The anchors of a file's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ +(.+?) *$", without_code(file), re.MULTILINE)
    return frozenset(
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings
    )


def without_code(file: Path) -> str:
    return re.sub(r"^```.*?^```", "", file.read_text(), flags=re.MULTILINE | re.DOTALL)


def relative(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()
