"""A decoder for pydicom: GDCM for what Pillow does not decode, in a process for each frame.

A corrupt frame can make GDCM end its process, and GDCM reports data that end early on stderr alone;
in a process of its own one bad film costs nobody else anything. pydicom's interface of plugins:
https://pydicom.github.io/pydicom/stable/guides/decoding/decoder_plugins.html
"""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydicom.uid import (
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
)

if TYPE_CHECKING:
    from pydicom.pixels.decoders.base import DecodeRunner

NAME: Final = "gdcm in a process"
"""What pydicom knows the plugin by."""

PACKAGE: Final = "python-gdcm"

DECODER_DEPENDENCIES: Final = dict.fromkeys(
    (JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1, JPEGLSLossless, JPEGLSNearLossless),
    (PACKAGE,),
)
"""The transfer syntaxes that it decodes, each with what it needs."""

_JPEG_LS: Final = (JPEGLSLossless, JPEGLSNearLossless)
_LONGEST_SECONDS: Final = 60


def is_available(uid: str) -> bool:
    """Whether frames of a transfer syntax can be decoded here."""
    return uid in DECODER_DEPENDENCIES and importlib.util.find_spec("gdcm") is not None


def decode(frame: bytes, runner: "DecodeRunner") -> bytes:
    """The pixels of a frame. Raises ValueError for a frame that is no whole image."""
    syntax, allocated, bits = runner.transfer_syntax, runner.bits_allocated, runner.bits_stored
    if syntax == JPEGExtended12Bit:
        bits = 12
    elif syntax in _JPEG_LS:
        bits = runner.get_option("jls_precision", bits)
        allocated = 8 if bits <= 8 else 16
        runner.set_option("bits_allocated", allocated)
    said = {
        "transfer_syntax": str(syntax),
        "photometric_interpretation": str(runner.photometric_interpretation),
        "rows": runner.rows,
        "columns": runner.columns,
        "bits": bits,
        "bits_allocated": allocated,
        "is_signed": runner.pixel_representation,
    }
    # Without -P this folder's modules would hide others of their names.
    command = [sys.executable, "-P", str(Path(__file__).with_name("gdcm_process.py"))]
    try:
        done = subprocess.run(
            command,
            input=json.dumps(said).encode() + b"\n" + frame,
            capture_output=True,
            check=False,
            timeout=_LONGEST_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise ValueError(f"its compressed data keep GDCM busy for {error.timeout:g} s") from error
    complaints = done.stderr.decode(errors="replace").strip().splitlines()
    corrupt = [line for line in complaints if "Corrupt" in line and "extraneous" not in line]
    if done.returncode or corrupt:
        reason = (corrupt or complaints or ["GDCM ends without a word"])[-1]
        raise ValueError(f"its compressed data are corrupt or end early ({reason})")
    return done.stdout
