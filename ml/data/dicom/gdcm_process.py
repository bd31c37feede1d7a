"""Decodes one frame with GDCM; run by `gdcm_decoder` in a process of its own.

Takes on stdin a line of JSON and then the frame; gives its pixels on stdout, or a reason on stderr.
"""

import json
import os
import sys
from typing import Any

import gdcm


def decoded(frame: bytes, said: dict[str, Any]) -> bytes | None:
    """The pixels of a frame of one grey sample; None where GDCM refuses it.

    The calls are those of pydicom's own plugin: `pydicom.pixels.decoders.gdcm`.
    """
    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(frame)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((said["columns"], said["rows"], 1))
    image.SetDataElement(element)
    grey = gdcm.PhotometricInterpretation.GetPIType(said["photometric_interpretation"])
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(grey))
    syntax = gdcm.TransferSyntax.GetTSType(said["transfer_syntax"])
    image.SetTransferSyntax(gdcm.TransferSyntax(syntax))
    bits = said["bits"]
    image.SetPixelFormat(
        gdcm.PixelFormat(1, said["bits_allocated"], bits, bits - 1, said["is_signed"])
    )
    buffer = image.GetBuffer()
    # SWIG makes text of it.
    return None if buffer is None else bytes(buffer.encode("utf-8", "surrogateescape"))


if __name__ == "__main__":
    header = json.loads(sys.stdin.buffer.readline())
    pixels = decoded(sys.stdin.buffer.read(), header)
    if pixels is None:
        sys.exit("GDCM finds no whole image in it")
    sys.stdout.buffer.write(pixels)
    sys.stdout.buffer.flush()
    # Taking GDCM down again would cost as much time as the decoding.
    os._exit(0)
