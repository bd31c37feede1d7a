"""Whether the data of a JPEG reach its end: libjpeg fills in what is missing, and does not say so.

Pillow refuses data that simply stop. Where a tool has put the end's marker behind a part of them,
libjpeg takes zeros for the rest (`jdhuff.c` in https://github.com/libjpeg-turbo/libjpeg-turbo).
"""

from collections.abc import Callable
from typing import Final

from PIL import Image

_END: Final = b"\xff\xd9"
_BEHIND: Final = bytes(7 * it % 251 + 1 for it in range(64))
"""Data without meaning, and without a marker."""
_BLOCK: Final = 8
"""Edge of what JPEG codes together, pixels."""


def is_progressive(film: Image.Image) -> bool:
    """Whether it comes in several scans: a fraction of the size shows not all of them."""
    return bool(film.info.get("progressive"))


def is_whole(
    content: bytes, film: Image.Image, reduced: float, decode: Callable[[bytes], Image.Image]
) -> bool:
    """False where a decoder lacks data before the end. Raises what ``decode`` raises.

    ``film`` is what ``decode`` has made of the content, at ``reduced`` times its size.
    """
    end = content.rfind(_END)
    if end < 0 or not (is_progressive(film) or _ends_flat(film, reduced)):
        return True
    # Nothing reads what lies behind the data of a whole picture.
    again = decode(content[:end] + _BEHIND + content[end:])
    return film.tobytes() == again.tobytes()


def _ends_flat(film: Image.Image, reduced: float) -> bool:
    """Whether the last blocks are of one grey, as those are that a decoder fills in."""
    block = max(1, round(_BLOCK * reduced))
    left, top = max(0, film.width - 2 * block), max(0, film.height - block)
    corner = film.convert("L").crop((left, top, film.width, film.height))
    lowest, highest = corner.getextrema()
    return lowest == highest
