"""The command line as its users call it: exit codes, outputs, options, ignore comments."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from refactor import cli
from refactor.commands import explaining
from refactor.registry import entries

IDS = [entry.id for entry in entries()]
OLD = b"FROM scratch\nMAINTAINER Jane\n"
NEW = b'FROM scratch\nLABEL org.opencontainers.image.authors="Jane"\n'
GOOD = b"FROM scratch\nCOPY a /a\n"
BROKEN = b"FROM scratch\nFROB a\n"
LISTS = (
    b"FROM debian:12\nRUN apt-get update && apt-get install -y --no-install-recommends zip\n"
    b'CMD ["zip"]\n'
)


@dataclass(frozen=True)
class Ended:
    """How a run of the command line ended."""

    code: int
    out: bytes
    said: str

    @property
    def last(self) -> str:
        """Return the last line of standard error."""
        return self.said.splitlines()[-1]


def dfr(
    folder: Path, *arguments: str, stdin: bytes = b"", env: Mapping[str, str] | None = None
) -> Ended:
    """Run the command in a process of its own."""
    ended = subprocess.run(
        [sys.executable, "-m", "refactor.cli", *arguments], cwd=folder, input=stdin, check=False,
        capture_output=True, timeout=60, env={**os.environ, **(env or {})},
    )  # fmt: skip
    said = ended.stderr.decode()
    assert "Traceback" not in said
    return Ended(ended.returncode, ended.stdout, said)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return an empty folder that is a repository, so that no configuration from above holds."""
    (tmp_path / ".git").mkdir()
    return tmp_path


def plant(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files."""
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


CODES: dict[str, tuple[bytes, tuple[str, ...], int, bytes]] = {
    "nothing to do": (GOOD, (), 0, GOOD),
    "nothing to do, check": (GOOD, ("--check",), 0, GOOD),
    "changed": (OLD, (), 0, NEW),
    "changes pending": (OLD, ("--check",), 1, OLD),
    "changes pending at another level only": (b"FROM a\nRUN b\nRUN c\n", ("--check",), 0, b""),
    "shown": (OLD, ("--diff",), 0, OLD),
    "shown and counted": (OLD, ("--diff", "--check"), 1, OLD),
    "refused": (BROKEN, (), 0, BROKEN),
    "refused, check": (BROKEN, ("--check",), 0, BROKEN),
    "refused, strict": (BROKEN, ("--strict",), 3, BROKEN),
    "refused, strict, check": (BROKEN, ("--strict", "--check"), 3, BROKEN),
    "strict and nothing refused": (OLD, ("--strict",), 0, NEW),
    "strict and pending": (OLD, ("--strict", "--check"), 1, OLD),
}


@pytest.mark.parametrize("case", CODES)
def test_exit_codes(case: str, folder: Path) -> None:
    before, options, code, after = CODES[case]
    plant(folder, {"Dockerfile": before})
    assert dfr(folder, "fix", *options, "Dockerfile").code == code
    assert (folder / "Dockerfile").read_bytes() == (after or before)


def test_an_error_wins_over_a_refusal_and_that_over_a_change(folder: Path) -> None:
    plant(folder, {"a.Dockerfile": OLD, "b.Dockerfile": BROKEN})
    both = dfr(folder, "fix", "--check", "--strict", ".")
    assert both.code == 3
    assert "b.Dockerfile:2: refused: unknown instruction FROB\n" in both.said
    missing = dfr(folder, "fix", "--check", "--strict", ".", "none")
    assert missing.code == 2
    assert "none: no such file or folder\n" in missing.said


def test_check_and_diff_and_patch_write_nothing(folder: Path) -> None:
    plant(folder, {"a/Dockerfile": OLD, "Dockerfile": LISTS})
    for mode in (["--check"], ["--diff"], ["--patch", "x.patch"], ["--diff", "--patch", "x.patch"]):
        dfr(folder, "fix", *mode, ".")
        found = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
        assert [name for name in found if name != "x.patch"] == ["Dockerfile", "a/Dockerfile"]
        assert (folder / "a" / "Dockerfile").read_bytes() == OLD
        assert (folder / "Dockerfile").read_bytes() == LISTS


ODD_NAMES = [
    "Dockerfile",
    "with space.Dockerfile",
    'qu"ote.Dockerfile',
    "back\\slash.Dockerfile",
    "new\nline.Dockerfile",
    "tab\t.Dockerfile",
    "umläut.Dockerfile",
    "Dockerfile.2020-01-01 10:00:00 +0000",
    "-rf.Dockerfile",
    "deep/er/Dockerfile",
]


def test_git_applies_what_diff_prints(folder: Path) -> None:
    (folder / ".git").rmdir()
    odd = {
        "latin.Dockerfile": "FROM a\n# é → x\nMAINTAINER é\n".encode(),
        "crlf.Dockerfile": OLD.replace(b"\n", b"\r\n"),
        "end.Dockerfile": OLD[:-1],
        "bom.Dockerfile": b"\xef\xbb\xbf" + OLD,
        "separators.Dockerfile": "FROM a\n# \x0b\x0c\x1c\x85\u2028 \r x\nMAINTAINER b\n".encode(),
        "far.Dockerfile": b"FROM a as b\n" + b"# c\n" * 20 + b"MAINTAINER d\n",
    }
    plant(folder, dict.fromkeys(ODD_NAMES, OLD) | odd)

    def git(*arguments: str, data: bytes = b"") -> bytes:
        command = ["git", "-c", "core.autocrlf=false", *arguments]
        return subprocess.run(
            command, cwd=folder, input=data, check=True, capture_output=True
        ).stdout

    git("init", "-q")
    git("add", "-A")
    shown = dfr(folder, "fix", "--diff", ".")
    assert shown.code == 0
    assert dfr(folder, "fix", "--patch", "x.patch", ".").out == b""
    assert (folder / "x.patch").read_bytes() == shown.out
    assert dfr(folder, "fix", ".").code == 0
    written = {name: (folder / name).read_bytes() for name in (*ODD_NAMES, *odd)}
    assert all(b"MAINTAINER" not in data for data in written.values())

    git("checkout", "-q", "--", ".")
    assert (folder / "Dockerfile").read_bytes() == OLD
    git("apply", data=shown.out)
    assert {name: (folder / name).read_bytes() for name in written} == written


def test_the_heading_of_a_hunk_names_the_transforms(folder: Path) -> None:
    plant(folder, {"Dockerfile": b"FROM a as b\n" + b"# c\n" * 20 + b"MAINTAINER d\n"})
    out = dfr(folder, "fix", "--diff").out
    headings = re.findall(rb"^@@ [^@]* @@ ?(.*)$", out, re.MULTILINE)
    assert headings == [b"match-as-case", b"replace-maintainer"]


def test_a_patch_that_cannot_be_written(folder: Path) -> None:
    plant(folder, {"Dockerfile": OLD})
    ended = dfr(folder, "fix", "--patch", "no/such/folder/x.patch")
    assert ended.code == 2
    assert ended.last == "dfr: no/such/folder/x.patch: not written: No such file or directory"


PIPED: dict[str, tuple[bytes, tuple[str, ...], int, bytes, str]] = {
    "changed": (OLD, (), 0, NEW, "Dockerfile:2: replace-maintainer (safe): MAINTAINER is"),
    "nothing to do": (GOOD, (), 0, GOOD, ""),
    "check": (OLD, ("--check",), 1, b"", "Dockerfile:2: replace-maintainer"),
    "refused comes back as it is": (BROKEN, (), 0, BROKEN, "Dockerfile:2: refused: unknown"),
    "refused, strict": (BROKEN, ("--strict",), 3, BROKEN, "Dockerfile:2: refused: unknown"),
    "quiet": (OLD, ("--quiet",), 0, NEW, ""),
    "not UTF-8": (OLD + b"# \xff\r\n", (), 0, NEW + b"# \xff\r\n", "Dockerfile:2: replace-"),
    "no final newline": (OLD[:-1], (), 0, NEW[:-1], "Dockerfile:2: replace-maintainer"),
}


@pytest.mark.parametrize("case", PIPED)
def test_standard_input(case: str, folder: Path) -> None:
    data, options, code, out, said = PIPED[case]
    ended = dfr(folder, "fix", *options, "-", stdin=data)
    assert (ended.code, ended.out) == (code, out)
    assert ended.said.startswith(said)
    assert bool(ended.said) is bool(said)


def test_standard_input_as_a_diff(folder: Path) -> None:
    ended = dfr(folder, "fix", "--diff", "-", stdin=OLD)
    assert ended.code == 0
    assert ended.out.startswith(b"--- a/Dockerfile\n+++ b/Dockerfile\n@@ -1,2 +1,2 @@ replace-")


def test_standard_input_takes_the_configuration_of_the_folder(folder: Path) -> None:
    plant(folder, {".dockerfile-refactor.toml": b'ignore = ["replace-maintainer"]\n'})
    assert dfr(folder, "fix", "-", stdin=OLD).out == OLD


@pytest.mark.parametrize("others", [("Dockerfile",), ("--patch", "x")])
def test_standard_input_stands_alone(others: tuple[str, ...], folder: Path) -> None:
    plant(folder, {"Dockerfile": OLD})
    ended = dfr(folder, "fix", "-", *others, stdin=OLD)
    assert (ended.code, ended.out) == (2, b"")
    assert ended.last.startswith("dfr: - stands alone")
    assert (folder / "Dockerfile").read_bytes() == OLD


BOTH = b"FROM a as b\nMAINTAINER c\n"

CHOICES: dict[str, tuple[tuple[str, ...], list[str]]] = {
    "the defaults": ((), ["match-as-case", "replace-maintainer"]),
    "all": (("--select", "all"), ["match-as-case", "replace-maintainer"]),
    "one": (("--select", "match-as-case"), ["match-as-case"]),
    "two": (
        ("--select", "match-as-case, replace-maintainer,"),
        ["match-as-case", "replace-maintainer"],
    ),
    "not one": (("--ignore", "match-as-case"), ["replace-maintainer"]),
    "all but one": (("--select", "all", "--ignore", "replace-maintainer"), ["match-as-case"]),
    "none": (("--select", "match-as-case", "--ignore", "match-as-case"), []),
}


@pytest.mark.parametrize("case", CHOICES)
def test_select_and_ignore(case: str, folder: Path) -> None:
    options, wanted = CHOICES[case]
    plant(folder, {"Dockerfile": BOTH})
    said = dfr(folder, "fix", "--check", *options, "Dockerfile").said
    assert re.findall(r"Dockerfile:\d+: ([\w-]+) \(", said) == wanted


MISTAKES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "unknown transform": (
        ("fix", "--select", "merge-run"),
        ("'merge-run'", "is it merge-runs", "dfr list"),
    ),
    "unknown to ignore": (("fix", "--ignore", "x"), ("'x'", *IDS)),
    "unknown to explain": (("explain", "x"), ("'x'", *IDS)),
    "level": (("fix", "--level", "bold"), ("--level", "'bold'", "safe, suggested, risky")),
    "configuration": (("fix", "--config", "none.toml"), ("none.toml", "No such file")),
    "option": (("fix", "--selekt", "x"), ("--selekt", "--select")),
    "command": (("fixx",), ("fixx",)),
    "argument": (("explain",), ("Missing argument",)),
    "number": (("fix", "--jobs", "-1"), ("--jobs", "-1")),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes_are_named_with_what_there_is(case: str, folder: Path) -> None:
    arguments, parts = MISTAKES[case]
    plant(folder, {"Dockerfile": OLD})
    ended = dfr(folder, *arguments)
    assert (ended.code, ended.out) == (2, b"")
    assert [part for part in parts if part not in ended.said] == []
    assert (folder / "Dockerfile").read_bytes() == OLD


def test_a_configuration_on_the_command_line_replaces_the_others(folder: Path) -> None:
    plant(
        folder,
        {
            "Dockerfile": BOTH,
            ".dockerfile-refactor.toml": b'select = ["match-as-case"]\n',
            "other.toml": b'select = ["replace-maintainer"]\n',
        },
    )
    assert "match-as-case" in dfr(folder, "fix", "--check").said
    said = dfr(folder, "fix", "--check", "--config", "other.toml").said
    assert "match-as-case" not in said
    assert "replace-maintainer" in said


def test_a_broken_configuration_is_an_error(folder: Path) -> None:
    plant(folder, {"Dockerfile": OLD, "pyproject.toml": b"[tool.dockerfile-refactor]\nx = 1\n"})
    ended = dfr(folder, "fix")
    assert ended.code == 2
    assert "pyproject.toml: unknown key 'x'; there are: select, ignore, level" in ended.last
    assert (folder / "Dockerfile").read_bytes() == OLD


def test_outputs_are_kept_apart(folder: Path) -> None:
    plant(folder, {"Dockerfile": OLD, "b.Dockerfile": BROKEN})
    ended = dfr(folder, "fix", ".")
    assert ended.out.startswith(b"--- a/Dockerfile\n+++ b/Dockerfile\n")
    assert ended.out.endswith(b'+LABEL org.opencontainers.image.authors="Jane"\n')
    assert ended.said.splitlines() == [
        "Dockerfile:2: replace-maintainer (safe): MAINTAINER is deprecated: "
        "the OCI label says the same",
        "b.Dockerfile:2: refused: unknown instruction FROB",
        "1 file changed (1 change), 0 unchanged, 1 refused",
    ]


def test_quiet_says_only_what_went_wrong(folder: Path) -> None:
    plant(folder, {"Dockerfile": OLD, "b.Dockerfile": BROKEN})
    ended = dfr(folder, "fix", "--quiet", ".", "none")
    assert (ended.code, ended.out, ended.said) == (2, b"", "dfr: none: no such file or folder\n")
    assert (folder / "Dockerfile").read_bytes() == NEW


def test_verbose_says_what_was_left_alone(folder: Path) -> None:
    plant(folder, {"Dockerfile": b"FROM scratch\nADD https://a.example/b /b\n"})
    assert dfr(folder, "fix").last.endswith("; 1 place left alone (--verbose says why)")
    said = dfr(folder, "fix", "--verbose").said
    assert (
        "Dockerfile:2: use-copy-for-local-files: refusal C101: a URL is fetched; unlock: " in said
    )


def test_several_processes_say_the_same_as_one(folder: Path) -> None:
    many = (OLD, GOOD, BROKEN, LISTS, BOTH, b"FROM a\nRUN b\nRUN c\n")
    plant(folder, {f"{i:02}/Dockerfile": many[i % len(many)] for i in range(60)})
    options = ("fix", "--check", "--verbose", "--level", "suggested", ".")
    one, two = dfr(folder, *options, "--jobs", "1"), dfr(folder, *options, "--jobs", "2")
    assert (one.code, one.out.count(b"\n--- a/")) == (1, 39)
    assert one == two
    assert dfr(folder, "fix", "--jobs", "2", ".").last.startswith("30 files changed (")


def test_an_error_of_the_configuration_in_another_process(folder: Path) -> None:
    plant(folder, {f"{i:02}/Dockerfile": OLD for i in range(30)})
    plant(folder, {"29/.dockerfile-refactor.toml": b"x = 1\n"})
    ended = dfr(folder, "fix", "--jobs", "2", ".")
    assert ended.code == 2
    assert "unknown key 'x'" in ended.last


def test_list_names_every_transform(folder: Path) -> None:
    ended = dfr(folder, "list")
    lines = ended.out.decode().splitlines()
    assert (ended.code, ended.said) == (0, "")
    assert sorted(line.split()[0] for line in lines) == sorted(IDS)
    assert all(len(line.split()) > 3 for line in lines)


@pytest.mark.parametrize("id", IDS)
def test_explain(id: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    explaining.explain(id)
    out = capsys.readouterr().out
    transform = next(entry.transform for entry in entries() if entry.id == id)
    assert out.startswith(f"{id} (")
    assert transform.title in out
    changes = "\nBefore:" in out and "\nAfter:\n" in out
    assert changes or "\nWrites " in out or "\nSays " in out
    assert "\nLeft alone" in out
    assert all(f"DL{rule[2:]}" in out for rule in transform.answers if rule.startswith("DL"))


def test_explain_a_rule_or_a_code(folder: Path) -> None:
    answered = dfr(folder, "explain", "dl3009").out.decode()
    assert answered.startswith("hadolint DL3009: ")
    assert "\nclean-apt-lists: " in answered
    reason = dfr(folder, "explain", "DL3008").out.decode()
    assert "\nNo transform: never: versions vanish" in reason
    refusing = dfr(folder, "explain", "x708").out.decode()
    assert refusing.startswith("X708 of mount-build-secrets")
    practice = dfr(folder, "explain", "cis  4.4").out.decode()
    assert practice.startswith("CIS 4.4: images are scanned")
    assert "dfr init --scan: a command" in practice
    assert "report-ended-release: Tell when" in practice
    assert "Note: none is invented" in dfr(folder, "explain", "CIS 4.6").out.decode()
    ended = dfr(folder, "explain", "Z999")
    assert (ended.code, ended.out) == (2, b"")
    assert "no page of a transform names the code Z999" in ended.said


def test_every_code_of_an_example_is_explained() -> None:
    codes = {
        (example.refuses, entry.id)
        for entry in entries()
        for example in entry.transform.examples
        if example.refuses
    }
    assert len(codes) > 100
    for code, id in sorted(codes):
        assert f"{code} of {id}" in CliRunner().invoke(cli.app, ["explain", code]).stdout


@pytest.mark.parametrize("command", ["", "fix", "list", "explain"])
def test_help(command: str, folder: Path) -> None:
    ended = dfr(folder, *filter(None, [command]), "--help", env={"COLUMNS": "100"})
    out = ended.out.decode()
    assert (ended.code, ended.said) == (0, "")
    assert "Usage: " in out
    if command:
        assert f"dfr {command}" in out, "an example"
    else:
        assert all(name in out for name in ("fix", "list", "explain"))


def test_no_argument_shows_the_help(folder: Path) -> None:
    ended = dfr(folder)
    assert "Usage: " in ended.out.decode() + ended.said


@pytest.mark.parametrize("no_colour", [False, True])
def test_colour_is_for_terminals_only(no_colour: bool, folder: Path) -> None:
    plant(folder, {"Dockerfile": OLD})
    env = {"NO_COLOR": "1"} if no_colour else {"TERM": "xterm-256color", "FORCE_COLOR": "1"}
    ended = dfr(folder, "fix", "--check", env=env)
    assert b"\x1b" not in ended.out + ended.said.encode()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_log_that_cannot_hold_every_character(encoding: str, folder: Path) -> None:
    text = "FROM scratch\n# é → x\nMAINTAINER é\n"
    plant(folder, {"Dockerfile": text.encode()})
    ended = dfr(folder, "fix", "--check", env={"PYTHONIOENCODING": encoding})
    assert ended.code == 1
    assert b"-MAINTAINER " + "é".encode(encoding, "backslashreplace") in ended.out
    exact = dfr(folder, "fix", "--diff", env={"PYTHONIOENCODING": encoding})
    assert "-MAINTAINER é\n".encode() in exact.out


PENDING: dict[str, tuple[bytes, str, str]] = {
    "nothing more": (GOOD, "safe", "0 files would be changed (0 changes), 1 unchanged"),
    "more at suggested": (
        b"FROM a\nRUN b\nRUN c\n",
        "safe",
        "0 files would be changed (0 changes), 1 unchanged; 1 more at --level suggested",
    ),
    "done at suggested": (
        b"FROM a\nRUN b\nRUN c\n",
        "suggested",
        "1 file would be changed (1 change), 0 unchanged; 1 place left alone (--verbose says why)",
    ),
    "after what is done": (
        b"FROM a as b\nRUN b\nRUN c\n",
        "safe",
        "1 file would be changed (1 change), 0 unchanged; 1 more at --level suggested",
    ),
}


@pytest.mark.parametrize("case", PENDING)
def test_the_last_line_counts_what_is_left(case: str, folder: Path) -> None:
    text, level, last = PENDING[case]
    plant(folder, {"Dockerfile": text})
    assert dfr(folder, "fix", "--check", "--level", level).last == last


def test_the_last_line_counts_what_was_passed_over(folder: Path) -> None:
    plant(folder, {"Dockerfile": GOOD, "a.Dockerfile.j2": GOOD, "vendor/Dockerfile": OLD})
    assert dfr(folder, "fix").last == (
        "0 files changed (0 changes), 1 unchanged, 1 template passed over, "
        "1 vendored folder passed over"
    )


def above(comment: str, text: bytes = LISTS) -> bytes:
    """Return a text with a comment above its RUN."""
    return text.replace(b"RUN", comment.encode() + b"\nRUN", 1)


IGNORED: dict[str, bytes] = {
    "ours": above("# refactor: skip=clean-apt-lists the next image installs more"),
    "ours, of two": above("# refactor: skip=merge-runs,clean-apt-lists why"),
    "hadolint": above("# hadolint ignore=DL3009"),
    "hadolint, of two": above("# hadolint ignore=DL3008, DL3009"),
    "hadolint, everywhere": b"# hadolint global ignore=DL3009\n" + LISTS,
    "a comment in between": above("# hadolint ignore=DL3009\n# the lists are needed"),
    "BuildKit": b"# check=skip=MaintainerDeprecated\n" + OLD,
    "BuildKit, of two": b"# check=skip=JSONArgsRecommended,MaintainerDeprecated;error=true\n" + OLD,
    "BuildKit, all": b"# check=skip=all\n" + OLD,
    "hadolint for MAINTAINER": OLD.replace(b"MAIN", b"# hadolint ignore=DL4000\nMAIN"),
}
NOT_IGNORED: dict[str, bytes] = {
    "another transform": above("# refactor: skip=merge-runs why"),
    "another rule": above("# hadolint ignore=DL3008"),
    "another instruction": LISTS.replace(b"FROM", b"# hadolint ignore=DL3009\nFROM"),
    "no directive": OLD.replace(b"FROM", b"\n# check=skip=MaintainerDeprecated\nFROM"),
    "words about it": above("# hadolint would say ignore=DL3009 here"),
}


@pytest.mark.parametrize("case", IGNORED)
def test_ignore_comments(case: str, folder: Path) -> None:
    plant(folder, {"Dockerfile": IGNORED[case]})
    ended = dfr(folder, "fix", "--strict", "Dockerfile")
    assert (ended.code, ended.out) == (0, b"")
    assert (folder / "Dockerfile").read_bytes() == IGNORED[case]


@pytest.mark.parametrize("case", NOT_IGNORED)
def test_comments_that_ignore_something_else(case: str, folder: Path) -> None:
    plant(folder, {"Dockerfile": NOT_IGNORED[case]})
    assert dfr(folder, "fix", "--check", "--strict", "Dockerfile").code == 1


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_head_takes_the_first_line_of_a_long_patch(unbuffered: str, folder: Path) -> None:
    long = b"FROM a\n" + b"".join(b"ENV A%d %d\n" % (i, i) for i in range(6000))
    plant(folder, {"Dockerfile": long})
    command = [sys.executable, "-m", "refactor.cli", "fix", "--diff"]
    with (
        (folder / "said").open("wb") as said,
        subprocess.Popen(
            command,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=said,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        ) as process,
    ):
        assert process.stdout is not None
        assert process.stdout.readline() == b"--- a/Dockerfile\n"
        process.stdout.close()
        assert process.wait(60) in (1, 2)
    lines = (folder / "said").read_text().splitlines()
    assert [line for line in lines if not line.startswith("Dockerfile:")] == []
    assert (folder / "Dockerfile").read_bytes() == long


CLOSED = [
    ("fix", "--diff"),
    ("fix", "--quiet", "--diff"),
    ("fix", "--check"),
    ("fix", "-"),
    ("list",),
    ("explain", "merge-runs"),
]


@pytest.mark.parametrize("arguments", CLOSED, ids=" ".join)
def test_a_closed_pipe_ends_it_quietly(arguments: tuple[str, ...], folder: Path) -> None:
    plant(folder, {"Dockerfile": OLD})
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run(
        [sys.executable, "-m", "refactor.cli", *arguments], cwd=folder, input=OLD, check=False,
        stdout=writer, stderr=subprocess.PIPE, timeout=60,
    )  # fmt: skip
    os.close(writer)
    said = ended.stderr.decode()
    assert ended.returncode in (1, 2)
    assert [line for line in said.splitlines() if not line.startswith("Dockerfile:")] == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
@pytest.mark.parametrize("arguments", [("fix", "--diff"), ("fix", "--quiet", "-"), ("list",)])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_is_an_error(unbuffered: str, arguments: tuple[str, ...], folder: Path) -> None:
    plant(folder, {"Dockerfile": OLD})
    with open("/dev/full", "wb") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "refactor.cli", *arguments], cwd=folder, input=OLD, check=False,
            stdout=full, stderr=subprocess.PIPE, timeout=60,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        )  # fmt: skip
    assert ended.returncode == 2
    assert ended.stderr.decode().endswith("dfr: [Errno 28] No space left on device\n")
    assert b"Traceback" not in ended.stderr


def test_both_commands_are_installed(folder: Path) -> None:
    bin_folder = Path(sys.executable).parent
    for name in ("dfr", "dockerfile-refactor"):
        found = subprocess.run(
            [bin_folder / name, "list"], capture_output=True, check=True, cwd=folder
        )
        assert b"replace-maintainer" in found.stdout


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("dfr fi", "fix"),
        ("dfr fix --up", "--update-baseline"),
        ("dfr fix --level s", "safe suggested"),
        ("dfr fix --format gi", "github gitlab"),
        ("dfr fix --select merge-runs,use-apt", "merge-runs,use-apt-get"),
        ("dfr explain replace", "replace-maintainer"),
    ],
)
def test_a_shell_completes(words: str, wanted: str) -> None:
    environment = {
        **os.environ, "_DFR_COMPLETE": "complete_bash", "COMP_WORDS": words,
        "COMP_CWORD": str(words.count(" ")),
    }  # fmt: skip
    program = "import sys; sys.argv[0] = 'dfr'; from refactor.cli import main; main()"
    result = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True
    )
    assert result.stdout.split() == wanted.split()
