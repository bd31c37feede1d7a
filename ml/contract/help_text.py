"""Help that is read at any width: texts of several paragraphs, each filled to the terminal."""

import argparse


class Paragraphs(argparse.HelpFormatter):
    """As argparse does it for one paragraph."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        fill = super()._fill_text
        return "\n\n".join(fill(it, width, indent) for it in text.strip().split("\n\n"))
