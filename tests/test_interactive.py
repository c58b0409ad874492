"""`dfr fix -i` at a real terminal: what is answered is what is made, and replayed in batch."""

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest
from typer.testing import CliRunner

from refactor import cli
from refactor.batch import Wishes, task
from refactor.engine import Task
from refactor.interactive import Review, Scope
from refactor.model import Safety

ROOT = Path(__file__).parent.parent
ONE = """\
FROM debian:bookworm as base
MAINTAINER Jane Doe
ENV A 1
ENV B 2
RUN apt-get update
RUN apt-get install curl
ADD a /a
CMD ["a"]
"""
TWO = "FROM debian:bookworm as base\nENV C 3\nENV D 4\n"
PROMPT = r"\[y n a d A N x e u q \?\] "


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two Dockerfiles."""
    for name, text in (("one", ONE), ("two", TWO)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "Dockerfile").write_text(text)
        (tmp_path / name / "a").write_text("")
    return tmp_path


class Terminal:
    """A session at a terminal of 80 columns."""

    def __init__(self, folder: Path, *words: str, editor: str = "", **variables: str) -> None:
        environment = {**os.environ, "TERM": "xterm", "PYTHONPATH": str(ROOT), **variables}
        environment.pop("NO_COLOR", None) if "NO_COLOR" not in variables else None
        environment["VISUAL"] = editor
        environment.pop("COLUMNS", None)
        self.folder = folder
        self.child = pexpect.spawn(
            sys.executable, ["-m", "refactor.cli", "fix", "-i", "--decisions", "d.json", *words],
            cwd=str(folder), env=environment, encoding="utf-8", timeout=60, dimensions=(24, 80),
        )  # fmt: skip
        self.seen = ""

    def question(self) -> str:
        """Wait for a question and return what was shown with it, without colours."""
        self.child.expect(PROMPT)
        shown = str(self.child.before)
        self.seen += shown
        return re.sub(r"\x1b\[[0-9;]*m", "", shown).replace("\r\n", "\n")

    def answer(self, key: str) -> str:
        """Type a key and return the question that comes then."""
        self.child.send(key)
        return self.question()

    def end(self, key: str = "") -> str:
        """Type a last key, if any, and return what is said at the end."""
        if key:
            self.child.send(key)
        self.child.expect(pexpect.EOF)
        self.child.close()
        return str(self.child.before)


def made(folder: Path) -> tuple[str, str]:
    """Return what the files say."""
    return tuple((folder / name / "Dockerfile").read_text() for name in ("one", "two"))  # type: ignore[return-value]


def replayed(folder: Path, monkeypatch: pytest.MonkeyPatch, *words: str) -> tuple[str, str]:
    """Return what the files say after the decisions are made again in batch."""
    monkeypatch.chdir(folder)
    for name, text in (("one", ONE), ("two", TWO)):
        (folder / name / "Dockerfile").write_text(text)
    result = CliRunner().invoke(cli.app, ["fix", "--decisions", "d.json", *words, "."])
    assert result.exit_code == 0, result.stderr
    return made(folder)


def test_yes_no_undo_and_quit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal(folder, ".")
    first = terminal.question()
    assert "one/Dockerfile:1  (file 1 of 2, change 1 of 8)" in first
    assert "match-as-case (safe)" in first
    assert (
        "   1      -FROM debian:bookworm as base\n        1 +FROM debian:bookworm AS base" in first
    )
    second = terminal.answer("y")
    assert "change 2 of 8" in second
    assert "   1    1  FROM debian:bookworm AS base" in second, "shown on what was accepted"
    third = terminal.answer("n")
    assert "use-copy-for-local-files" in third
    again = terminal.answer("u")
    assert "undone: one/Dockerfile: replace-maintainer" in again
    assert "change 2 of 8" in again
    assert "change 3 of 8" in terminal.answer("y")
    said = terminal.end("q")
    assert "1 file changed (2 changes)" in said
    assert "not decided" in said
    after = made(folder)
    assert after[0].startswith("FROM debian:bookworm AS base\nLABEL org.opencontainers")
    assert after[0].endswith('ADD a /a\nCMD ["a"]\n')
    assert after[1] == TWO
    assert replayed(folder, monkeypatch) == after


def test_always_and_never_hold_in_all_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal(folder, "--select", "match-as-case,use-key-value-form", ".")
    terminal.question()
    assert "use-key-value-form" in terminal.answer("N")
    said = terminal.end("A")
    assert "2 files changed (4 changes)" in said
    after = made(folder)
    assert after[1] == "FROM debian:bookworm as base\nENV C=3\nENV D=4\n"
    assert " as base" in after[0]
    assert replayed(folder, monkeypatch, "--select", "match-as-case,use-key-value-form") == after


def test_an_undone_always_asks_again(folder: Path) -> None:
    terminal = Terminal(folder, "--select", "use-key-value-form", "--ignore", "match-as-case", ".")
    terminal.question()
    terminal.answer("n")
    shown = terminal.answer("y")
    assert "two/Dockerfile:2  (file 2 of 2, change 1 of 2)" in shown
    assert "one/Dockerfile:4" in terminal.answer("u"), "back in the first file"
    assert "two/Dockerfile:2" in terminal.answer("n")
    terminal.answer("y")
    terminal.end("n")
    assert made(folder) == (ONE, TWO.replace("C 3", "C=3"))


def test_done_with_a_file_leaves_its_rest_undecided(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal(folder, ".")
    terminal.question()
    terminal.answer("y")
    assert "two/Dockerfile:1  (file 2 of 2" in terminal.answer("d")
    terminal.end("a")
    after = made(folder)
    assert after[0] == ONE.replace(" as ", " AS ")
    assert after[1] == "FROM debian:bookworm AS base\nENV C=3\nENV D=4\n"
    known = json.loads((folder / "d.json").read_text())["files"]
    assert len(known["one/Dockerfile"]["decisions"]) == 1
    assert replayed(folder, monkeypatch) == after


def test_what_is_decided_is_not_asked_again(folder: Path) -> None:
    terminal = Terminal(folder, "one")
    terminal.question()
    terminal.answer("n")
    terminal.end("q")
    terminal = Terminal(folder, "one")
    assert "change 2 of 8" in terminal.question()
    terminal.end("q")


def test_what_depends_on_a_declined_change_is_said(folder: Path) -> None:
    (folder / "one" / "Dockerfile").write_text(
        "FROM debian:bookworm\nRUN apt-get update\nRUN apt install -y curl\nCMD curl\n"
    )
    terminal = Terminal(folder, "--select", "use-apt-get,clean-apt-lists,merge-apt-update", "one")
    assert "use-apt-get" in terminal.question()
    shown = terminal.answer("y")
    assert "merge-apt-update" in shown
    terminal.child.send("n")
    terminal.child.expect("Without it, this is not proposed either:")
    said = terminal.end()
    assert "clean-apt-lists" in said


EDITOR = '#!/bin/sh\nsed -i "{}" "$1"\n'


def script(folder: Path, command: str) -> str:
    """Return an editor that does one thing."""
    path = folder / "editor.sh"
    path.write_text(EDITOR.format(command))
    path.chmod(0o755)
    return str(path)


def test_what_is_edited_is_made_if_it_verifies(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor = script(folder, r"s/=1/='1'/")
    terminal = Terminal(folder, "--select", "use-key-value-form", "one", editor=editor)
    terminal.question()
    terminal.child.send("e")
    terminal.child.expect("made as edited")
    terminal.question()
    terminal.end("n")
    after = made(folder)
    assert after[0] == ONE.replace("ENV A 1", "ENV A='1'")
    assert replayed(folder, monkeypatch, "--select", "use-key-value-form") == after


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (r"s/=1/=2/", "not taken:"),
        (r"s/ENV/RUN/", "not taken:"),
        (r"s/x/x/", "nothing was edited"),
        (r"s/ENV.*/NOTHING \\\\/", "not taken:"),
    ],
)
def test_what_does_not_verify_is_not_taken(folder: Path, command: str, said: str) -> None:
    editor = script(folder, command)
    terminal = Terminal(folder, "--select", "use-key-value-form", "one", editor=editor)
    terminal.question()
    assert said in terminal.answer("e")
    terminal.end("q")
    assert made(folder) == (ONE, TWO)


def test_an_editor_that_fails_loses_nothing(folder: Path) -> None:
    terminal = Terminal(folder, "--select", "use-key-value-form", "one", editor="false --now")
    terminal.question()
    assert "not edited:" in terminal.answer("e")
    terminal.answer("y")
    terminal.end("q")
    assert "ENV A=1" in made(folder)[0]


def test_explained_and_helped(folder: Path) -> None:
    terminal = Terminal(folder, "one")
    terminal.question()
    assert "The case of `AS`" in terminal.answer("x") or "AS" in terminal.seen
    shown = terminal.answer("?")
    assert "undo the last answer" in shown
    assert all(len(line) < 80 for line in shown.splitlines())
    terminal.end("q")


def test_keys_that_were_typed_ahead_count(folder: Path) -> None:
    terminal = Terminal(folder, "--select", "use-key-value-form", "one")
    terminal.question()
    terminal.end("yy")
    assert made(folder)[0] == ONE.replace("A 1", "A=1").replace("B 2", "B=2")


def test_arrow_keys_answer_nothing(folder: Path) -> None:
    terminal = Terminal(folder, "--select", "use-key-value-form", "one")
    terminal.question()
    terminal.child.send("\x1b[A")
    assert "change 2 of 2" in terminal.answer("n")
    terminal.end("q")
    assert made(folder)[0] == ONE


def test_resized_in_the_middle(folder: Path) -> None:
    terminal = Terminal(folder, "--level", "risky", ".")
    terminal.question()
    terminal.child.setwinsize(24, 40)
    for _ in range(3):
        shown = terminal.answer("n")
        prose = [line for line in shown.splitlines() if "(safe)" in line and "[y n" not in line]
        prose = [line for line in prose if "make this" not in line]
        assert all(len(line) < 40 for line in prose)
    terminal.end("q")


def test_interrupted_writes_nothing_and_keeps_the_answers(folder: Path) -> None:
    terminal = Terminal(folder, "one")
    terminal.question()
    terminal.answer("y")
    said = terminal.end("\x03")
    assert "nothing was written; your answers are in d.json" in said
    assert terminal.child.exitstatus == 130
    assert made(folder) == (ONE, TWO)
    assert (
        len(json.loads((folder / "d.json").read_text())["files"]["one/Dockerfile"]["decisions"])
        == 1
    )


def test_without_colour(folder: Path) -> None:
    terminal = Terminal(folder, "one", NO_COLOR="1")
    terminal.question()
    terminal.answer("y")
    assert "\x1b[" not in terminal.seen
    terminal.end("q")
    terminal = Terminal(folder, "one")
    terminal.question()
    assert "\x1b[32m" in terminal.seen
    terminal.end("q")


def test_hostile_text_does_nothing_to_the_terminal(folder: Path) -> None:
    text = "FROM debian as b\nENV A \x1b]0;owned\x07 x\n"
    (folder / "one" / "Dockerfile").write_text(text)
    terminal = Terminal(folder, "--level", "risky", "one", NO_COLOR="1")
    terminal.question()
    while True:
        terminal.child.send("y")
        if terminal.child.expect([PROMPT, pexpect.EOF]) == 1:
            break
        terminal.seen += str(terminal.child.before)
    assert "\x1b" not in terminal.seen
    assert "\x07" not in terminal.seen


def test_nothing_to_ask(folder: Path) -> None:
    shutil.rmtree(folder / "one")
    (folder / "two" / "Dockerfile").write_text("FROM debian\n")
    terminal = Terminal(folder, ".")
    assert "0 files changed" in terminal.end()


# The session without a terminal


def reviews(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Review:
    monkeypatch.chdir(folder)
    tasks = [task(Path(name) / "Dockerfile", Wishes(level=Safety.RISKY)) for name in ("one", "two")]
    return Review([found for found in tasks if isinstance(found, Task)])


def questions(review: Review, count: int) -> Iterator[str]:
    for _ in range(count):
        question = review.question()
        assert question is not None
        yield question.proposal.transform.id
        review.answer(question, True)


def test_all_answers_undone_is_where_one_began(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    review = reviews(folder, monkeypatch)
    first = review.question()
    asked = list(questions(review, 10))
    assert len(asked) == 10
    while review.undo():
        pass
    assert review.question() == first
    assert list(questions(review, 10)) == asked
    assert review.question() is not None
    assert len(review.decisions()["one/Dockerfile"].decisions) >= 7


def test_what_is_never_made_is_not_among_all_the_rest(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    review = reviews(folder, monkeypatch)
    question = review.question()
    assert question is not None
    assert question.proposal.transform.id == "match-as-case"
    review.answer(question, False, Scope.TRANSFORM)
    question = review.question()
    assert question is not None
    review.answer(question, True, Scope.REST)
    assert review.question() is None
    decided = {(d.transform, d.accept) for d in review.decisions()["two/Dockerfile"].decisions}
    assert decided == {("match-as-case", False), ("use-key-value-form", True)}


def test_what_is_only_written_differently_does_not_depend(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the first change the second is another one, and proposed all the same."""
    text = "FROM debian\nRUN pip install a\nRUN b\nCMD c\n"
    (folder / "one" / "Dockerfile").write_text(text)
    review = reviews(folder, monkeypatch)
    while question := review.question():
        if question.proposal.transform.id == "skip-pip-cache":
            assert review.depending(question) == []
        review.answer(question, question.proposal.transform.id != "skip-pip-cache")
    made = {d.transform for d in review.decisions()["one/Dockerfile"].decisions if d.accept}
    assert "merge-runs" in made


def test_a_change_without_a_line_of_the_dockerfile_cannot_be_edited(folder: Path) -> None:
    (folder / "one" / ".git").mkdir()
    (folder / "one" / "Dockerfile").write_text("FROM debian\nCOPY . /a\nCMD a\n")
    terminal = Terminal(folder, "--level", "suggested", "--select", "write-dockerignore", "one")
    terminal.question()
    assert "it writes nothing into the Dockerfile" in terminal.answer("e")
    terminal.end("y")
    assert (folder / "one" / ".dockerignore").read_text().endswith(".git\n")


def test_long_lines_stay_beside_their_numbers(folder: Path) -> None:
    long = "RUN apt-get update && apt-get install " + " ".join(f"package{n}" for n in range(9))
    (folder / "one" / "Dockerfile").write_text(f"FROM debian\n{long}\n")
    shown = Terminal(folder, "--select", "assume-yes", "one").question()
    rows = [row for row in shown.splitlines() if "package" in row]
    assert len(rows) >= 4
    assert all(len(row) < 80 and row[10] in "+- \u21aa" for row in rows)


def test_dockerfiles_in_a_compose_file_are_asked_for_where_they_stand(tmp_path: Path) -> None:
    head = "services:\n  web:\n    build:\n      dockerfile_inline: |\n"
    compose = f"{head}        FROM debian:12 as x\n        MAINTAINER $$x\n"
    (tmp_path / "compose.yaml").write_text(compose)
    terminal = Terminal(tmp_path, "--select", "match-as-case,replace-maintainer", ".")
    first = terminal.question()
    assert "compose.yaml#web:5  (file 1 of 1, change 1 of 2)" in first
    assert "-        FROM debian:12 as x" in first
    assert "compose.yaml#web:6" in terminal.answer("n")
    assert "1 file changed (1 change)" in terminal.end("y")
    label = 'LABEL org.opencontainers.image.authors="\\$$x"'
    assert (tmp_path / "compose.yaml").read_text() == compose.replace("MAINTAINER $$x", label)
