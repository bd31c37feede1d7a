"""Tables on the terminal."""

from rich.table import Column, Table


def table(*heads: str, title: str = "", caption: str = "") -> Table:
    """A table that folds what is too long for its column, and cuts nothing: two names or ids may
    differ at their ends alone."""
    return Table(
        *(Column(head, overflow="fold") for head in heads),
        title=title or None,
        title_justify="left",
        caption=caption or None,
    )
