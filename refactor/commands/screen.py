"""Questions at a terminal, line by line: no part of the screen is drawn again."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap

import typer

from refactor.commands.options import fail
from refactor.report import text


def needs_terminal(what: str, instead: str) -> None:
    """End with a message unless a person can be asked."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        fail(
            f"{what} asks at a terminal, and standard input or output is none here: "
            f"answer with {instead}"
        )


class Screen:
    """Says sentences and takes keys."""

    def __init__(self) -> None:
        self.typed = ""
        self.colour = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    @property
    def width(self) -> int:
        """How many columns there are."""
        return shutil.get_terminal_size().columns

    def key(self, prompt: str) -> str:
        """Ask for a key."""
        self.write(self.bold(prompt))
        while not self.typed:
            self.typed = self.read()
        key, self.typed = self.typed[0], self.typed[1:]
        self.write(f"{key if key.isprintable() else ''}\n")
        return key

    def read(self) -> str:
        """Return what was typed: several keys if a person is faster than the program."""
        try:
            found = typer.getchar()
        except EOFError:
            return "q"
        return "" if found.startswith("\x1b") else found

    def line(self) -> str:
        """Return a line that is typed; the terminal itself shows it."""
        try:
            return input().strip()
        except EOFError:
            return ""

    def bold(self, words: str) -> str:
        """Return words that stand out, where there is colour."""
        return f"\x1b[1m{words}\x1b[0m" if self.colour else words

    def say(self, sentence: str, indent: str = "") -> None:
        """Write a sentence, broken into lines that fit."""
        wrapped = textwrap.wrap(
            text.flat(sentence), max(20, self.width - 1), initial_indent=indent,
            subsequent_indent=indent + "  ", break_on_hyphens=False,
        )  # fmt: skip
        self.write("\n".join(wrapped) + "\n")

    def write(self, words: str) -> None:
        """Write to the terminal at once."""
        sys.stdout.write(words)
        sys.stdout.flush()

    def document(self, words: str) -> None:
        """Write paragraphs."""
        for paragraph in words.strip().split("\n\n"):
            self.say(" ".join(paragraph.split()))
            self.write("\n")
