"""`dfr fix -i`: asks for each change at a terminal."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import typer

from refactor.batch import Wishes, many, task
from refactor.commands import options
from refactor.commands.screen import Screen, needs_terminal
from refactor.decisions import Decisions, by_hand, document, lines, merged
from refactor.details import difference
from refactor.engine import Changed, Task
from refactor.inline import parts
from refactor.interactive import Question, Review, Scope
from refactor.model import Change
from refactor.project import is_holder, referenced
from refactor.report import text
from refactor.source import decode, encode

HELP = """\
y  make this change                    A  always: all of this transform
n  leave it out                        N  never: none of this transform
a  make this and all that follow       d  done with this file: decide no more
e  edit what it writes, in $EDITOR     x  explain the transform
u  undo the last answer                q  quit; what was accepted is made
"""
_ANSWERS = {
    "y": (True, Scope.CHANGE), "n": (False, Scope.CHANGE), "a": (True, Scope.REST),
    "d": (False, Scope.FILE), "A": (True, Scope.TRANSFORM), "N": (False, Scope.TRANSFORM),
}  # fmt: skip


def asked(files: Sequence[Path], wishes: Wishes, jobs: int, save: Path | None) -> Wishes:
    """Ask for each change; return the wishes with the answers, also written to `save`."""
    needs_terminal("-i", "--decisions FILE")
    saved = wishes.decisions or {}
    tasks = list(_changed(files, wishes, jobs))
    review = Review(tasks, merged([wishes.baseline or {}, saved]))
    screen = _Screen(review, save, saved)
    try:
        screen.run()
    except KeyboardInterrupt:
        where = f"; your answers are in {save}" if save else ""
        typer.echo(f"\ndfr: interrupted: nothing was written{where}", err=True)
        raise typer.Exit(130) from None
    return replace(wishes, decisions=review.decisions(), baseline=None)


def _changed(files: Sequence[Path], wishes: Wishes, jobs: int) -> Iterator[Task]:
    """Yield the files that have changes to decide on."""
    results = many(files, replace(wishes, decisions=None, baseline=None, detail=False), jobs)
    wishes = replace(wishes, references=referenced(filter(os.path.isfile, files)))
    for file, result in zip(files, results, strict=True):
        if isinstance(result, Changed):
            found = task(file, wishes)
            if isinstance(found, Task) and found.data == result.before:
                yield from parts(found) if is_holder(found.name, found.data) else [found]


class _Screen(Screen):
    """Shows questions and takes answers."""

    def __init__(self, review: Review, save: Path | None, saved: Decisions) -> None:
        super().__init__()
        self.review = review
        self.save = save
        self.saved = saved
        self.quitting = False
        self.asked = ""

    def run(self) -> None:
        """Ask until all is decided, or the person quits."""
        while not self.quitting and (question := self.review.question()):
            self.store()
            self.show(question)
            while not self.handled(
                question, self.key(f"{self.asked}: make this change? [y n a d A N x e u q ?] ")
            ):
                pass
        self.store()

    def handled(self, question: Question, key: str) -> bool:
        """Act on a key; return whether the question is done with."""
        if key in _ANSWERS:
            accept, scope = _ANSWERS[key]
            if key == "n":
                self.dependents(question)
            self.review.answer(question, accept, scope)
            return True
        if key == "e":
            return self.edited(question)
        if key == "u":
            undone = self.review.undo()
            if undone is None:
                self.say("nothing to undo")
                return False
            self.say(f"undone: {undone.path}: {undone.transform}: {undone.reason}")
            return True
        if key in ("q", "\x04"):
            self.quitting = True
            return True
        if key == "x":
            self.explain(question)
        else:
            self.write(HELP)
        return False

    def show(self, question: Question) -> None:
        """Show a change: where, what, why, and the difference that it alone makes."""
        transform, change, *_ = question.proposal
        place = f"{question.path}:{question.line}"
        here = f"file {question.file} of {question.files}, "
        here += f"change {question.number} of {question.total}"
        self.write("\n" + self.bold(f"{text.flat(place)}  ({here})") + "\n")
        level = change.effective_level.name.lower()
        self.asked = f"{transform.id} ({level})"
        self.say(f"{self.asked}: {change.reason}")
        for sentence in change.assumes:
            self.say(f"assumes: {sentence}", "  ")
        for found in change.evidence:
            self.say(f"because of: {found}", "  ")
        self.diff(change, question)

    def diff(self, change: Change, question: Question) -> None:
        """Show the difference that a change alone makes."""
        rows = list(difference(change, question.proposal.snapshot, question.path))
        if not change.files:
            rows = rows[2:]  # which file is said above
        self.write("".join(text.numbered(rows, self.colour, self.width)))

    def dependents(self, question: Question) -> None:
        """Say what is not proposed without a change."""
        found = self.review.depending(question)
        if found:
            self.say("Without it, this is not proposed either:")
            for sentence in found:
                self.say(f"- {sentence}", "  ")

    def explain(self, question: Question) -> None:
        """Say what the transform does and what this change may do."""
        transform, change, *_ = question.proposal
        self.document(transform.doc)
        for claim in change.claims:
            self.say(f"may change: {claim}")

    def edited(self, question: Question) -> bool:
        """Let the person write the lines; take what verifies."""
        _, change, before, _, _ = question.proposal
        if not change.edits:
            self.say("it writes nothing into the Dockerfile that could be edited")
            return False
        _, proposed = lines(change, before.text)
        written = _from_editor(proposed)
        if isinstance(written, str) and written == proposed:
            self.say("nothing was edited")
            return False
        if not isinstance(written, str):
            self.say(f"not edited: {written}")
            return False
        if reason := self.review.refusal(question, written):
            self.say(f"not taken: {reason}")
            return False
        self.diff(by_hand(change, before.text, written), question)
        self.review.answer(question, True, text=written)
        self.say("made as edited")
        return True

    def store(self) -> None:
        """Keep the answers, so that a lost connection loses none."""
        if self.save is not None:
            found = self.review.decisions(self.saved)
            options.put(self.save, document(found, options.version()).encode())


def _from_editor(words: str) -> str | Exception:
    """Return a text as a person leaves it in the editor, or what went wrong."""
    import shlex
    import subprocess
    import tempfile

    command = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    with tempfile.TemporaryDirectory(prefix="dfr-") as folder:
        file = Path(folder) / "change.Dockerfile"
        try:
            file.write_bytes(encode(words))
            subprocess.run([*shlex.split(command), str(file)], check=True)
            return decode(file.read_bytes())
        except (OSError, ValueError, subprocess.CalledProcessError) as error:
            return error
