"""Which environment a command is about that names none; standard library only."""

from typing import Final

DEFAULT: Final = "local"
"""The workspace of this machine: whoever forgets `--environment` touches nobody else's."""
