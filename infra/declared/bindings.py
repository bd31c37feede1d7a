"""Keys of the provider that newer bindings have, and those that are installed may lack.

Nothing of the bindings is imported for it: what they have stands in their source.
docs/adr/0001-cdktf-though-archived.md
"""

import functools
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from pydantic_core import InitErrorDetails

from infra.declared.declaration import problem

_BINDINGS: Final = "cdktf_cdktf_provider_databricks"
_RESOURCE: Final = "model_serving"


def lacking(key: str, value: object) -> Iterator[InitErrorDetails]:
    """The problem of a key of an endpoint that the installed bindings do not know."""
    if key not in _source():
        yield problem(
            (key,),
            value,
            f"a key that the installed bindings ({_BINDINGS}) have; they lack {key}",
            "remove the key, or move to cdktn's bindings (docs/adr/0001-cdktf-though-archived.md)",
        )


@functools.cache
def _source() -> str:
    found = find_spec(_BINDINGS)
    folders = (found.submodule_search_locations or ()) if found else ()
    files = [Path(folder, _RESOURCE, "__init__.py") for folder in folders]
    return "".join(file.read_text(encoding="utf-8") for file in files if file.is_file())
