"""Texts that Terraform or cdktf would read as something else, unless they are escaped."""

from __future__ import annotations

from typing import Final

from hypothesis import strategies as st

HOSTILE: Final = (
    '${file("/etc/hostname")}',
    "${HOME}/logs",
    "$${HOME}",
    "$$${HOME}",
    "$$$${HOME}",
    "%{ if true }yes%{ endif }",
    "%%{ if true }",
    "%%%{x}",
    "$%{x}",
    "%${x}",
    "$%%{x}",
    "%$${x}",
    "$%$%{x}",
    "100 %",
    "5 $",
    "$",
    "${",
    "%{",
    "a}",
    "${}",
    '"${"$"}"',
    "\\${x}",
    "${~ x ~}",
    "${TfToken[TOKEN.0]}",
    "$${TfToken[TOKEN.0]}",
    "x ${TfToken[TOKEN.0]} ${x} y",
    "${TfToken[no such token]}",
    "#{TfToken[TOKEN.0]}",
    "&{TfToken[TOKEN.0]}",
    "-8.2e298",
    "--8.2e298e298",
    "-8.11296384146068e+298",
    "11e7-e12",
    "String Map Token Value",
    "Any Map Token Value",
    "__proto__",
    "${data.terraform_remote_state.other.outputs.token}",
    "${databricks_sql_endpoint.warehouse.id}",
    "\ufeffmarked",
    "two\nlines",
    "é ${ü}",
)
"""One of each kind that was found."""

_PIECES = (*'$%{}~\n a"\\é', "\ufeff", "-8.2e298", "TfToken[")


def texts() -> st.SearchStrategy[str]:
    """Such texts, and others of the pieces that they are made of."""
    pieces = st.lists(st.sampled_from((*_PIECES, *HOSTILE)), min_size=1, max_size=5)
    # In a variable, `{{` begins a reference to a secret, which no rule lets be a part of a text.
    return st.sampled_from(HOSTILE) | pieces.map("".join).filter(
        lambda text: text.strip() != "" and "{{" not in text
    )
